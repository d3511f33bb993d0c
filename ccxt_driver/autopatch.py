"""What the environment asks for when a program imports ccxt: `register()`, before the import returns.

Called by the hook of `hook_file.py` and by `ccxt-driver run`. Where other exchanges are to be served by
the OMS, whatever is wrong ends the import of ccxt: going on would be trading on the real ones.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final, NamedTuple

from . import registering

SWITCH: Final = "CCXT_OMS_AUTOPATCH"
MODE: Final = "CCXT_OMS_AUTOPATCH_MODE"
OVERRIDE: Final = "CCXT_OMS_OVERRIDE_EXCHANGES"
OFF: Final = ("off", "0", "false", "no")
SAFE: Final = "safe"
OVERRIDING: Final = "override"


class Wish(NamedTuple):
    """What the environment asks for."""

    is_on: bool
    mode: str
    override: tuple[str, ...]
    """Ids of exchanges that the OMS is to serve."""
    problem: str | None


def wish(environment: Mapping[str, str]) -> Wish:
    """Read the variables.

    :param environment: on unless `CCXT_OMS_AUTOPATCH` says off; the mode is override when
        `CCXT_OMS_OVERRIDE_EXCHANGES` names exchanges, unless `CCXT_OMS_AUTOPATCH_MODE` says safe
    """
    listed = tuple(dict.fromkeys(environment.get(OVERRIDE, "").replace(",", " ").lower().split()))
    mode = environment.get(MODE, "").strip().lower() or (OVERRIDING if listed else SAFE)
    problem = None
    if mode not in (SAFE, OVERRIDING):
        problem = f"{MODE}={mode}: expected {SAFE} or {OVERRIDING}"
    elif mode == OVERRIDING and not listed:
        problem = f"{MODE}={OVERRIDING}, and {OVERRIDE} names no exchange"
    is_on = environment.get(SWITCH, "").strip().lower() not in OFF
    return Wish(is_on, mode, () if mode == SAFE else listed, problem)


def start() -> None:
    """Have the classes put into ccxt's modules as they are imported.

    :raises ImportError: exchanges are to be served by the OMS and the settings contradict each other
    """
    wanted = wish(os.environ)
    if not wanted.is_on:
        return
    if wanted.problem is not None:
        if wanted.override or wanted.mode != SAFE:
            raise ImportError(f"ccxt-driver autopatch: {wanted.problem}")
        complain(wanted.problem)
    registering.at_import("oms", wanted.override)
    registering.put_into_loaded()


def complain(problem: str) -> None:
    """Say on stderr what is wrong, where the program's owner has asked for the hook by its variable."""
    if os.environ.get(SWITCH) and sys.stderr is not None:
        print(f"ccxt-driver autopatch: {problem}", file=sys.stderr)  # noqa: T201  # no logging is set up yet
