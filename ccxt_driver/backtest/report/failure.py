"""The error that ended a run, without what differs from one machine to the next."""

from __future__ import annotations

import re
from typing import Final

_FILE: Final = re.compile(r'File "(?:[^"\n]*[/\\])?([^"\n]+)"')


def last_line(error: str) -> str:
    """What went wrong, of a traceback."""
    lines = error.strip().splitlines()
    return lines[-1] if lines else ""


def portable(error: str) -> str:
    """A traceback with the names of its files in place of their paths."""
    return _FILE.sub(r'File "\1"', error)
