"""How a script ends, and what it leaves to be done then: handlers of `atexit`, `__del__`, `os._exit`."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NoReturn, TypeVar
from unittest.mock import patch

_Handler = TypeVar("_Handler", bound=Callable[..., Any])
_REGISTER: Final = atexit.register
_UNREGISTER: Final = atexit.unregister
_CLEAR: Final = atexit._clear
exit_at_once: Final = os._exit
"""That of the standard library."""
_FAILED: Final = 1


class AnotherProgram(RuntimeError):
    """A script goes on as another program, which would have the real ccxt, and trade."""


class Exits:
    """Handlers that were registered since the script began. Those of before stay where they are."""

    def __init__(self) -> None:
        self._handlers: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []
        self._is_over = False
        self._run = os.getpid()

    def register(self, func: _Handler, /, *args: Any, **kwargs: Any) -> _Handler:
        """As `atexit.register`."""
        if self._is_over:
            _REGISTER(func, *args, **kwargs)
            return func
        if not callable(func):
            raise TypeError("the first argument must be callable")
        self._handlers.append((func, args, kwargs))
        return func

    def unregister(self, func: Callable[..., Any], /) -> None:
        """As `atexit.unregister`."""
        self._handlers = [each for each in self._handlers if each[0] != func]
        _UNREGISTER(func)

    def clear(self) -> None:
        """As `atexit._clear`."""
        self._handlers.clear()
        _CLEAR()

    def run(self, is_over: Callable[[], bool]) -> None:
        """Call the handlers, the last one first; their errors are printed, as Python does.

        :param is_over: whether the data has ended, of which they may be told by an interrupt
        """
        while self._handlers:
            func, args, kwargs = self._handlers.pop()
            try:
                func(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001  # as the interpreter does at the end of a program
                if not (isinstance(error, KeyboardInterrupt) and is_over()):
                    sys.stderr.write(f"Exception ignored in atexit callback: {func!r}\n")
                    traceback.print_exception(error)

    def exit_at_once(self, status: int) -> NoReturn:
        """As `os._exit`; says that there is no report, and is no success."""
        if self._is_over or os.getpid() != self._run:
            exit_at_once(status)
        text = f"The script has ended by os._exit({status}): no report was written"
        print(text, file=sys.stderr, flush=True)  # noqa: T201  # it has no other way to say so
        exit_at_once(status or _FAILED)

    def refusing(self, name: str) -> Callable[..., Any]:
        """What stands in the place of `os.execv` or `os.execve`, on which all of their kind stand.

        :param name: of it
        """
        really = getattr(os, name)

        def go_on(*args: Any, **kwargs: Any) -> Any:
            if self._is_over or os.getpid() != self._run:
                return really(*args, **kwargs)
            raise AnotherProgram(
                f"os.{name}: a script cannot go on as another program in a backtest: that would have the "
                "real ccxt, and trade"
            )

        return go_on

    def end(self) -> None:
        """Leave what is registered from now on to Python."""
        self._is_over = True


@contextmanager
def own_exits() -> Iterator[Exits]:
    """Keep what a script leaves to be done at its end, for the length of a `with` block."""
    exits = Exits()
    with ExitStack() as stack:
        stack.callback(exits.end)
        for name, value in (("register", exits.register), ("unregister", exits.unregister)):
            stack.enter_context(patch.object(atexit, name, value))
        stack.enter_context(patch.object(atexit, "_clear", exits.clear))
        stack.enter_context(patch.object(os, "_exit", exits.exit_at_once))
        for name in ("execv", "execve"):
            stack.enter_context(patch.object(os, name, exits.refusing(name)))
        yield exits


def delete_left() -> None:
    """Have what a script has left be deleted now, as Python does at the end of a program."""
    gc.collect()
