"""Sessions of markets: what is refused outside of them, and what happens when one begins or ends."""

from __future__ import annotations

from dataclasses import replace

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.values import format_time

from .core import Core
from .execution import cancel
from .refusals import Refusal
from .state import SymbolState
from .trading_hours import MarketSession, Session
from .transaction import Transaction


def require_open(symbol: SymbolState) -> None:
    """Refuse an order, or a change of one, on a market that is not open.

    :raises Refusal: `market_closed`
    """
    if symbol.is_open:
        return
    details = {"symbol": symbol.market.symbol, "session": symbol.session_name}
    if symbol.halted is not None:
        details["reason"] = symbol.halted
    if symbol.opens_at is not None:
        details["opens_at"] = format_time(symbol.opens_at)
    text = f"{symbol.market.symbol} is {symbol.session_name}"
    if symbol.halted is not None:
        text += f": {symbol.halted}"
    raise Refusal(ErrorCode.MARKET_CLOSED, text, details)


def change_session(core: Core, tx: Transaction, symbol: SymbolState, session: MarketSession) -> bool:
    """Give a market another session, and cancel what it does not keep.

    :returns: whether it has opened by this, so that what waited has to be looked at
    """
    before = symbol.session.now
    symbol.session = session
    symbol.session_changed()
    name = symbol.market.symbol
    if session == MarketSession():
        core.state.sessions.pop(name, None)
    else:
        core.state.sessions[name] = session
    listed = {symbol: kept.dump() for symbol, kept in sorted(core.state.sessions.items())}
    tx.changes.settings["sessions"] = core.state.unlisted_sessions | listed
    if session.now is not Session.OPEN and session.now is not before:
        _end(core, tx, symbol)
    return symbol.is_open and before is not Session.OPEN


def follow_halts(core: Core, now: int, *, opening: bool) -> None:
    """Take down which live markets have prices to trade on. That is not kept: it is of this moment.

    :param opening: those that have them again; False for those that have them no more
    """
    for name, symbol in core.state.symbols.items():
        halted = core.market.halted(name, now)
        if halted != symbol.halted and (halted is None) == opening:
            symbol.halted = halted
            symbol.session_changed()


def pass_hours(core: Core, tx: Transaction, now: int) -> list[SymbolState]:
    """Open and close what opens and closes by the hours at this moment.

    :returns: the markets that have opened
    """
    opened: list[SymbolState] = []
    for name, session in [*core.state.sessions.items()]:
        if session.changes_at is not None and session.changes_at <= now:
            after = replace(session)
            after.pass_time(now)
            symbol = core.state.symbols[name]
            if change_session(core, tx, symbol, after):
                opened.append(symbol)
    return opened


def pass_halts(core: Core, tx: Transaction, now: int) -> list[SymbolState]:
    """Begin and end the halts of the feed that begin and end at this moment.

    :returns: the markets that have opened
    """
    opened: list[SymbolState] = []
    for name, changes_at in [*core.state.halts.items()]:
        if changes_at <= now:
            symbol = core.state.symbols[name]
            was_open = symbol.is_open
            core.follow_halt(symbol, now)
            if was_open and not symbol.is_open:
                _end(core, tx, symbol)
            elif symbol.is_open and not was_open:
                opened.append(symbol)
    return opened


def _end(core: Core, tx: Transaction, symbol: SymbolState) -> None:
    if not symbol.session.cancels and symbol.session.now is not Session.DELISTED:
        return
    name = symbol.market.symbol
    for order in [order for order in core.state.orders.values() if order.symbol == name]:
        if order.is_open:
            cancel(core, tx, core.state.accounts[order.account_id], order, f"market_{symbol.session_name}")
