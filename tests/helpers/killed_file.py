"""The file of an OMS as a kill leaves it."""

from __future__ import annotations

import shutil
from pathlib import Path


def killed(path: Path, name: str = "after.sqlite") -> Path:
    """The file as it would be found after the process was killed now.

    :param name: of the copy, which is put beside it with its log
    """
    target = path.with_name(name)
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{target}{suffix}")
    return target
