"""Limits and sessions of a configuration file, beside what is set while the OMS runs.

What a file says of a scope or a market is taken where it is new, or not what it said at the start before. So
a change of the file counts, and what somebody has set since then is not undone by a restart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard

from .core import Core
from .limit_commands import check_currency, set_limits
from .limits import Scope, limits_row, read_limits
from .settling import put_session
from .trading_hours import SessionChange, read_session

_WHOM: Final = ("account_id", "strategy_id", "symbol")

Row = Mapping[str, Any]


def configure(core: Core, now: int, limits: Sequence[Row] | None, sessions: Mapping[str, Row] | None) -> None:
    """Take what is new, all of it or, when something makes no sense, nothing.

    :param limits: `account_id`, `strategy_id` and `symbol` (all without them), and values by the names of
        `Limits`; None: nothing is said of them
    :param sessions: any of `session`, `hours` and `resting`, by symbol; None: nothing is said of them
    :raises ValueError: naming the field and what was expected
    """
    scopes = _read_limits(core, limits or ())
    changes = {symbol: _read_session(core, symbol, given) for symbol, given in (sessions or {}).items()}
    known = core.state.configured
    said = {**known}
    if limits is not None:
        said["limits"] = {_name(scope): _limits_said(given) for scope, given in scopes.items()}
    if sessions is not None:
        said["sessions"] = {symbol: dict(given) for symbol, given in sessions.items()}
    with core.transaction(now) as tx:
        for scope, given in scopes.items():
            name = _name(scope)
            if known.get("limits", {}).get(name) != said["limits"][name]:
                set_limits(core, tx, scope, given)
        for symbol, change in changes.items():
            if known.get("sessions", {}).get(symbol) != said["sessions"][symbol]:
                put_session(core, tx, symbol, change)
        # What a file no longer says stands, and is new when it is said again: who took it away meanwhile
        # would else find that the file says it and nobody keeps to it.
        if said != known:
            tx.changes.settings["configured"] = said
    core.state.configured = said


def _read_limits(core: Core, rows: Sequence[Row]) -> dict[Scope, dict[str, Any]]:
    found: dict[Scope, dict[str, Any]] = {}
    for index, row in enumerate(rows):
        where = f"limits[{index}]"
        account_id, strategy_id, symbol = (row.get(name) for name in _WHOM)
        if not is_id_of(account_id, core.state.accounts):
            raise ValueError(f"{where}.account_id: the OMS has no {account_id!r}")
        if strategy_id is not None and not is_id_of(strategy_id, core.state.strategies):
            raise ValueError(f"{where}.strategy_id: the OMS has no {strategy_id!r}")
        if symbol is not None and (not isinstance(symbol, str) or symbol not in core.state.symbols):
            raise ValueError(f"{where}.symbol: {symbol!r} is not listed; expected one of {_symbols(core)}")
        given = {name: value for name, value in row.items() if name not in _WHOM}
        check_currency(core, read_limits(given, where), symbol, where)
        scope = Scope(account_id, strategy_id, symbol)
        if scope in found:
            raise ValueError(f"{where}: limits for the same account, strategy and symbol are given twice")
        found[scope] = given
    return found


def is_id_of(given: object, known: Mapping[int, object]) -> TypeGuard[int]:
    """Whether something is the id of a row, and no other thing that passes for it: true and 1.0 are 1."""
    return type(given) is int and given in known


def _read_session(core: Core, symbol: str, given: Row) -> SessionChange:
    if symbol not in core.state.symbols:
        raise ValueError(f"sessions.{symbol}: not listed; expected one of {_symbols(core)}")
    return read_session(given, f"sessions.{symbol}.")


def _symbols(core: Core) -> str:
    return ", ".join(core.state.symbols)


def _name(scope: Scope) -> str:
    return "/".join("" if part is None else str(part) for part in scope)


def _limits_said(given: Row) -> dict[str, Any]:
    """What was said, however it was written; a kill switch that is named off is not one left out."""
    said = limits_row(read_limits(given))
    return said if given.get("killed") is None else said | {"killed": given["killed"]}
