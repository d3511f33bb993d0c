"""A process that has imported what every run needs, and forks one of its own for each.

Only a run itself patches time and puts the OMS into ccxt, so what one does never reaches another.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn

from .failure import SweepError

_BEGUN: Final = b"+"
_GONE: Final = "the process that starts the runs has ended; the same sweep can go on"
_LONGEST: Final = 65_536
_PR_SET_PDEATHSIG: Final = 1
_PRELOADED: Final = (
    "ccxt_driver.backtest.__main__",
    "ccxt_driver.backtest.exchange",
    "ccxt_driver.async_support",
    "ccxt_driver.embedded",
    "ccxt_driver.pro",
    "ccxt_driver.registering",
    "time_machine",
)
"""What a run imports before it patches time; what it imports afterwards must see the patched one."""


class WarmProcess:
    """Starts runs in forked processes.

    :param environment: of the process and its runs
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                env=environment,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for us, and one signal ends all of them
            )

    def run(self, arguments: Sequence[str], output: Path) -> int | None:
        """Do one run; may be called by several threads at once.

        :param arguments: of `ccxt_driver.backtest.__main__`
        :param output: the file for what it prints
        :returns: its exit code; None when it ended without one
        :raises SweepError: this process has ended
        """
        message = json.dumps([[*arguments], str(output)]).encode()
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                try:
                    socket.send_fds(self._channel, [message], [theirs.fileno()])
                except OSError as error:
                    raise SweepError(_GONE) from error
            begun, code = ours.recv(1), ours.recv(1)
        # Without a beginning nothing was forked; a run that was killed may have been killed with us.
        if not begun or (not code and self._process.poll() is not None):
            raise SweepError(_GONE)
        return code[0] if code else None

    def close(self) -> None:
        """End it, and what still runs, at once."""
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._channel.close()


def serve(channel: socket.socket) -> tuple[list[str], Path, socket.socket]:
    """Fork for each message that comes; returns in the forked process only.

    :returns: arguments of the run, the file for what it prints, and whom to send its exit code
    """
    for name in _PRELOADED:
        import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    us = os.getpid()
    while True:
        message, fds, _, _ = socket.recv_fds(channel, _LONGEST, 1)
        if not message:  # who started us is gone, in whatever way
            os.killpg(0, signal.SIGKILL)
        if os.fork() == 0:
            _end_with(us)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            channel.close()
            arguments, output = json.loads(message)
            reply = socket.socket(fileno=fds[0])
            # Who waits at its other end must not wait for processes of the run that go on after it.
            reply.set_inheritable(False)
            os.register_at_fork(after_in_child=reply.close)
            reply.send(_BEGUN)
            return arguments, Path(output), reply
        os.close(fds[0])


def _end_with(parent: int) -> None:
    """Have this process killed when another ends, in whatever way: its parent."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it was quicker
        os._exit(1)


def _run(arguments: list[str], output: Path, reply: socket.socket) -> NoReturn:
    """Do a run as a process of its own does, and end."""
    from ccxt_driver.backtest.__main__ import main

    code = 1
    try:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.close(file)
        code = main(arguments)
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001  # as the interpreter does at the end of a program
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        reply.send(bytes([code]))
        os._exit(code)


if __name__ == "__main__":
    _run(*serve(socket.socket(fileno=int(sys.argv[1]))))
