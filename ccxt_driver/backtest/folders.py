"""The folder of a report: of one run at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_LOCK: Final = ".lock"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Two runs that write into one folder would mix their files.

    :raises ValueError: another run writes there
    """
    from filelock import FileLock, Timeout

    # Whoever ends a run may be in another thread than who began it, and in another folder.
    lock = FileLock((folder / _LOCK).absolute(), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(f"out: another run is writing to {folder}: give each a folder of its own") from None
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
