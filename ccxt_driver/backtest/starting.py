"""How the process of a run is started: `python -m ccxt_driver.backtest`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

_MODULE: Final = "ccxt_driver.backtest"


def command(arguments: Sequence[str]) -> list[str]:
    """The command line of a run.

    :param arguments: of `ccxt_driver.backtest.__main__`
    """
    return [sys.executable, "-m", _MODULE, *arguments]


def environment(seed: int) -> dict[str, str]:
    """The environment of a run.

    :param seed: of the run
    """
    # Hashes, and so the order of sets, and local times would make two runs differ.
    found = {**os.environ, "PYTHONHASHSEED": str(seed % 2**32), "TZ": "UTC"}
    found["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return found
