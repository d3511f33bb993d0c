"""Runs backtests, each in a process of its own that has begun with everything imported.

Imports take longer than most runs do. One job a line of stdin: where the output goes, and the arguments of
`python -m ccxt_driver.backtest`. One exit code a line of stdout.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import warnings

import ccxt.pro  # noqa: F401  # as the scripts do
import plotly.graph_objects  # noqa: F401
import time_machine  # noqa: F401

import ccxt_driver.backtest.exchange  # noqa: F401
from ccxt_driver.backtest import other_processes, standing_threads
from ccxt_driver.backtest.__main__ import main

_SECONDS = 60

# What is waited for in real time takes less of it: here nothing else goes on.
standing_threads.SECONDS = 0.2
other_processes._PATIENCE = 1.0


def _become_a_run(output: str, arguments: list[str]) -> int:
    """Be the process of one run, as if it had been started with these arguments.

    :returns: its exit code
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["ccxt_driver.backtest", *arguments]
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(source, target)
    warnings.simplefilter("error")
    faulthandler.dump_traceback_later(_SECONDS, exit=True)  # one that hangs shows where
    return main()


def _serve() -> int:
    for line in sys.stdin:
        output, arguments = json.loads(line)
        child = os.fork()
        if not child:
            return _become_a_run(output, arguments)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(_serve())
