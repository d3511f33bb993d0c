"""What the deals of a strategy, a symbol or an account have made since some moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .deal_reading import Checkpoints, Reading, Row
from .entities import ZERO, Deal
from .limits import Scope
from .market.listing import Market
from .own_books import OwnBooks
from .store import Changes, Store


@dataclass(slots=True)
class Profit:
    """Realised profit net of fees of one scope, from a moment on.

    :param reading: how far the deals of its account were read
    """

    reading: Reading
    currency: str
    since_ms: int
    total: Decimal = ZERO
    highest: Decimal = ZERO

    def add(self, deals: Iterable[Deal], markets: Mapping[str, Market], scope: Scope) -> None:
        """Count more deals of the account."""
        for deal in deals:
            if markets[deal.symbol].quote == self.currency and scope.covers(deal):
                fee = deal.fee if deal.fee_currency == self.currency else ZERO
                self.total += deal.pnl - fee
                self.highest = max(self.highest, self.total)

    def dump(self) -> dict[str, Any]:
        """A checkpoint, ready for JSON."""
        made = [self.currency, self.since_ms, str(self.total), str(self.highest)]
        return self.reading.dump() | {"made": made}

    @classmethod
    def load(cls, account_id: int, row: Row) -> Profit:
        """What `dump` gave."""
        currency, since_ms, total, highest = row["made"]
        return cls(Reading.load(account_id, row), currency, since_ms, Decimal(total), Decimal(highest))


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
        changes: Changes | None,
        checkpoints: Checkpoints,
    ) -> Profit:
        """What deals of a scope have made from a moment on, in units of a currency.

        :param markets: by symbol
        :param name: what it is for
        :param changes: of a transaction that is not committed yet
        :param checkpoints: to begin from, and to add to
        """
        account_id = scope.account_id
        kept_as = f"{account_id} {name} {scope.strategy_id} {scope.symbol}"
        profit = self._known.pop((scope, name), None)  # one that was read by half is not kept
        if profit is None or (profit.since_ms, profit.currency) != (since_ms, currency):
            rows = (Profit.load(account_id, row) for row in checkpoints.of(kept_as, markets))
            same = (each for each in rows if (each.since_ms, each.currency) == (since_ms, currency))
            profit = next(same, None) or Profit(Reading(account_id, since_ms), currency, since_ms)
        for deals in profit.reading.pages(store, markets):
            profit.add(deals, markets, scope)
            if profit.reading.is_far():
                checkpoints.put(kept_as, account_id, profit.dump())
        profit.add(profit.reading.uncommitted(changes, markets), markets, scope)
        self._known[scope, name] = profit
        return profit
