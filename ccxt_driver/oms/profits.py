"""What the deals of a strategy, a symbol or an account have made since some moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from .entities import ZERO
from .limits import Scope
from .market.listing import Market
from .own_books import OwnBooks
from .store import RowFilter, Store


@dataclass(slots=True)
class Profit:
    """Realised profit net of fees of one scope, from a moment on."""

    currency: str
    since_ms: int
    seen_ms: int
    seen_id: int = 0
    total: Decimal = ZERO
    highest: Decimal = ZERO


class Profits:
    """Profits that limits have asked for, brought up by the deals since the last time."""

    def __init__(self) -> None:
        self._known: dict[tuple[Scope, str], Profit] = {}
        self.own = OwnBooks()
        """Of strategies of netting accounts."""

    def clear(self) -> None:
        """Deals have moved from one strategy to another, or were taken back."""
        self._known.clear()
        self.own.clear()

    def of(
        self,
        store: Store,
        markets: Mapping[str, Market],
        scope: Scope,
        name: str,
        currency: str,
        since_ms: int,
    ) -> Profit:
        """What deals of a scope have made from a moment on, in units of a currency.

        :param markets: by symbol
        :param name: what it is for
        """
        profit = self._known.get((scope, name))
        if profit is None or (profit.since_ms, profit.currency) != (since_ms, currency):
            profit = self._known[scope, name] = Profit(currency, since_ms, since_ms)
        deals, _ = store.deals(RowFilter((scope.account_id,), since_ms=profit.seen_ms))
        for deal in deals:
            if deal.id <= profit.seen_id:
                continue
            profit.seen_ms, profit.seen_id = deal.executed_at, deal.id
            market = markets.get(deal.symbol)  # it may have been listed once
            if market is not None and market.quote == currency and scope.covers(deal):
                fee = deal.fee if deal.fee_currency == currency else ZERO
                profit.total += deal.pnl - fee
                profit.highest = max(profit.highest, profit.total)
        return profit
