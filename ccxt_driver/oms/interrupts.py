"""Holding signals back while something has to be done whole: a handler may raise, as that of Ctrl-C does."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident, main_thread
from typing import Any, Final

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGUSR1", "SIGUSR2")
"""Those that programs have handlers for."""
_HELD: Final = frozenset(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
# What `signal` stands on: it makes members of an enum of all that is answered, and takes three times as long.
_BENEATH: Final = sys.modules.get("_signal", signal)
_set_mask: Any = getattr(_BENEATH, "pthread_sigmask", None)  # Windows has none
_servers: Final[set[Any]] = set()
"""The event loops in which servers run."""


@contextmanager
def left_to_a_server() -> Iterator[None]:
    """Within a `with` block hold nothing in this event loop: a signal ends the server, and no handler raises.

    To hold signals makes two system calls for each commit.
    """
    loop = asyncio.get_running_loop()
    _servers.add(loop)
    try:
        yield
    finally:
        _servers.discard(loop)


def hold() -> Any:
    """Have signals wait for `release`.

    Handlers of Python run in the main thread only. Where other threads run beside it, the system may give a
    signal to one of these, and the handler runs in the middle all the same.

    :returns: what to release them with
    """
    if _set_mask is None or get_ident() != main_thread().ident:
        return None
    if _servers and asyncio._get_running_loop() in _servers:
        return None
    try:
        return _set_mask(signal.SIG_BLOCK, _HELD)
    except BaseException:  # of the handler of one that had come before: by now they are held
        _set_mask(signal.SIG_UNBLOCK, _HELD)
        raise


def release(held: Any) -> None:
    """Have the handlers of those run that have come meanwhile.

    :param held: what `hold` gave
    """
    if held is not None:
        _set_mask(signal.SIG_SETMASK, held)
