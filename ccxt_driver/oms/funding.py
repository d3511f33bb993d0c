"""Funding of swaps: what long pays short, or short long, at fixed times.

It is charged at multiples of the market's `funding_hours` since midnight UTC on what is open then, at
the mark price of that very moment. The paper venue is the other side. Crossed positions pay from the
balance; of an isolated one the margin pays, and so changes by as much. It goes on while a market is closed
or halted, and ends when it is delisted.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.rows import LedgerKind

from .core import Core
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


def next_charge(state: State, after: int) -> int | None:
    """When an open position pays or receives funding next; None when there is none."""
    return min((next_funding(symbol.market, after) for symbol in _charged(state)), default=None)


def charge(core: Core, tx: Transaction) -> None:
    """Charge what is due at the time of a transaction."""
    for symbol in _charged(core.state):
        market = symbol.market
        if tx.now % (market.funding_hours * _HOUR_MS):
            continue
        each = core.mark_price(market.symbol, tx.now) * funding_rate(core.state, market)
        for position in symbol.margined.values():
            account = core.state.accounts[position.account_id]
            amount = position.qty * (-each if position.side is Side.BUY else each)
            tx.book(account, market.settle or market.quote, amount, LedgerKind.FUNDING, position.id)
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


def _charged(state: State) -> list[SymbolState]:
    return [
        symbol
        for symbol in state.symbols.values()
        if symbol.margined
        and symbol.session.now is not Session.DELISTED
        and funding_rate(state, symbol.market)
    ]
