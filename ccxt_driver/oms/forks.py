"""An OMS on a file is of the process that has opened it, and not of those that are forked from it.

A forked process has a copy of everything: it would go on from the state of that moment, give ids anew that
its parent gives too, and write over what that has written.
"""

from __future__ import annotations

import os
from typing import Any, Final
from weakref import WeakSet

FORKED: Final = (
    "the file of the OMS is of the process that this one was forked from: let all share one server "
    "(ccxt-driver serve), or give each process a file of its own"
)
"""Why a forked process is refused."""
_ON_FILES: Final[WeakSet[Any]] = WeakSet()
_OF_PARENTS: Final[list[Any]] = []
"""Kept, because to free them is to close files and locks that the parent still uses."""


def keep_to_this_process(oms: Any) -> None:
    """Have an OMS give its file up in processes that are forked from now on.

    :param oms: an `EmbeddedOms` on a file
    """
    _ON_FILES.add(oms)


def _leave_to_the_parent() -> None:
    for oms in [*_ON_FILES]:
        oms.leave_to_the_parent()
        _OF_PARENTS.append(oms)
    _ON_FILES.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)
