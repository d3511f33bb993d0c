"""The error that ended a run, without what differs from one machine to the next."""

from __future__ import annotations

import re
from typing import Final

_FILE: Final = re.compile(r'File "(?:[^"\n]*[/\\])?([^"\n]+)"')


def what_failed(error: str) -> str:
    """What a traceback ends with: the exception and its message."""
    lines = error.strip().rpartition("Traceback (most recent call last):")[2].strip("\n").splitlines()
    first = next((index for index, line in enumerate(lines) if line and not line[0].isspace()), 0)
    return "\n".join(lines[first:])


def portable(error: str) -> str:
    """A traceback with the names of its files in place of their paths."""
    return _FILE.sub(r'File "\1"', error)
