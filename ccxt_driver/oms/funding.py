"""Funding of swaps: what long pays short, or short long, at fixed times.

It is charged at multiples of the market's `funding_hours` since midnight UTC, or when it was by the records
of the feed, on what is open then, at the mark price of that very moment. The paper venue is the other side.
Crossed positions pay from the balance; of an isolated one the margin pays, and so changes by as much. It
goes on while a market is closed or halted, and ends when it is delisted. A rate that is set by hand takes the
place of the records.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.rows import LedgerKind

from .core import Core
from .entities import ZERO
from .market.feed import Funding, Fundings
from .market.listing import Market
from .state import State, SymbolState
from .trading_hours import Session
from .transaction import Transaction

_HOUR_MS: Final = 3_600_000


def funding_rate(state: State, market: Market) -> Decimal:
    """The rate of a swap: the one that was set, else the market's."""
    rate = state.funding_rates.get(market.symbol)
    return market.funding_rate if rate is None else rate


def funding_rate_at(state: State, market: Market, at: int) -> Decimal:
    """The rate of a swap that held at a moment: the last one that was set before."""
    changes = state.funding_changes.get(market.symbol)
    if changes is None:
        return funding_rate(state, market)
    return next((rate for since, rate in reversed(changes) if since < at), market.funding_rate)


def next_funding(market: Market, after: int) -> int:
    """The first funding time of a swap after a moment."""
    interval = market.funding_hours * _HOUR_MS
    return (after // interval + 1) * interval


def recorded(core: Core, market: Market) -> Fundings | None:
    """What was recorded of the funding of a swap; None where nothing was, or a rate was set by hand."""
    if market.symbol in core.state.funding_rates:
        return None
    return core.market.fundings(market.symbol)


def next_charge(core: Core, after: int) -> int | None:
    """When an open position pays or receives funding next; None when there is none."""
    times = [_next_charge(core, symbol.market, after) for symbol in _held(core.state)]
    return min((time for time in times if time is not None), default=None)


def _next_charge(core: Core, market: Market, after: int) -> int | None:
    fundings = recorded(core, market)
    if fundings is not None:
        return fundings.next_charge(after)
    return next_funding(market, after) if funding_rate(core.state, market) else None


def charge(core: Core, tx: Transaction) -> None:
    """Charge what is due at the time of a transaction."""
    for symbol in _held(core.state):
        market = symbol.market
        rate = _rate_due(core, market, tx.now)
        if not rate:
            continue
        each = core.market.funding_price(market.symbol, tx.now) * rate
        for position in symbol.margined.values():
            account = core.state.accounts[position.account_id]
            amount = position.qty * (-each if position.side is Side.BUY else each)
            tx.book(account, market.settlement_currency, amount, LedgerKind.FUNDING, position.id)
            if market.symbol in account.account.isolated:
                tx.touch_position(position)
                position.margin_added += amount
                core.state.margin_changed(position)
            tx.swap_changed(position.account_id, market.symbol)


def set_rate(core: Core, tx: Transaction, symbol: str, rate: Decimal) -> None:
    """Let a swap have another rate from its next funding time on."""
    state = core.state
    rates = state.funding_rates = state.funding_rates | {symbol: rate}
    tx.changes.settings["funding_rates"] = {name: str(value) for name, value in rates.items()}
    changes = (*state.funding_changes.get(symbol, ()), (tx.now, rate))
    state.funding_changes = state.funding_changes | {symbol: changes}
    tx.changes.settings["funding_changes"] = {
        name: [[at, str(value)] for at, value in each] for name, each in state.funding_changes.items()
    }


def past_rates(core: Core, market: Market, since: int | None, until: int, limit: int) -> list[Funding]:
    """What was charged of a swap up to a moment, ascending.

    :param since: the first from there on; None for the newest ones
    """
    fundings = core.market.fundings(market.symbol)
    if fundings is None:
        return _scheduled(core, market, since, until, limit)
    by_hand = core.state.funding_changes.get(market.symbol)
    begins = by_hand[0][0] if by_hand else until
    ends = min(begins, until)
    found = fundings.newest(ends, limit) if since is None else fundings.between(since, ends, limit)
    rows = [*found]
    if begins < until:
        rows += [row for row in _scheduled(core, market, since, until, limit) if row.time_ms > begins]
    return rows[-limit:] if since is None else rows[:limit]


def _scheduled(core: Core, market: Market, since: int | None, until: int, limit: int) -> list[Funding]:
    """As `past_rates`, of rates that hold at fixed times, as far back as there are prices."""
    interval = market.funding_hours * _HOUR_MS
    last = until // interval * interval
    if since is None:
        since = last - (limit - 1) * interval
    priced = core.market.candles(market.symbol, "1h", max(0, since), until, 1)
    first = max(since, priced[0].open_ms) if priced else until + 1
    times = range(-(-first // interval) * interval, last + 1, interval)[:limit]
    return [
        Funding(at, funding_rate_at(core.state, market, at))
        for at in times
        if core.market.has_price(market.symbol, at)
    ]


def _rate_due(core: Core, market: Market, at: int) -> Decimal:
    """The rate that is charged at this very moment; 0 when none is."""
    fundings = recorded(core, market)
    if fundings is not None:
        return fundings.charged(at)
    return ZERO if at % (market.funding_hours * _HOUR_MS) else funding_rate(core.state, market)


def _held(state: State) -> list[SymbolState]:
    return [
        symbol
        for symbol in state.symbols.values()
        if symbol.margined and symbol.session.now is not Session.DELISTED
    ]
