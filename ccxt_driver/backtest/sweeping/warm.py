"""A process that has imported what every run needs, and forks one of its own for each.

Only a run itself patches time and puts the OMS into ccxt, so what one does never reaches another.
"""

from __future__ import annotations

import atexit
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

_LONGEST: Final = 65_536
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
        """
        message = json.dumps([[*arguments], str(output)]).encode()
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                try:
                    socket.send_fds(self._channel, [message], [theirs.fileno()])
                except OSError:  # it is gone
                    return None
            reply = ours.recv(1)
        return reply[0] if reply else None

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
    while True:
        message, fds, _, _ = socket.recv_fds(channel, _LONGEST, 1)
        if not message:  # who started us is gone, in whatever way
            os.killpg(0, signal.SIGKILL)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            channel.close()
            arguments, output = json.loads(message)
            return arguments, Path(output), socket.socket(fileno=fds[0])
        os.close(fds[0])


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
