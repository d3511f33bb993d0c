"""Public trades of a file in ccxt's form, one moment after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, Final

from ccxt_driver.contract.values import format_time
from ccxt_driver.oms.market.prints import Ticks, TradePrints

NEVER: Final = 2**62


class TickReader:
    """Reads on; never back.

    :param pages: of the file
    :param symbol: of all of them
    """

    def __init__(self, pages: Iterator[TradePrints], symbol: str) -> None:
        self.next_ms = NEVER
        """When the next trade was made."""
        self._pages = pages
        self._symbol = symbol
        self._page = Ticks([], [], [], [], [])
        self._costs: list[float] = []
        self._index = 0
        self._before = 0
        """How many trades there are before the page."""
        self._turn()

    def skip(self, until_ms: int) -> None:
        """Leave out the trades up to a moment."""
        while self.next_ms <= until_ms:
            self._index = bisect_right(self._page.times_ms, until_ms)
            self._look()

    def read(self, until_ms: int) -> list[dict[str, Any]]:
        """The trades up to a moment that were not read yet."""
        found: list[dict[str, Any]] = []
        while self.next_ms <= until_ms:
            index = self._index
            if self._page.amount[index]:  # else only the price has moved
                found.append(self._trade(index))
            self._index = index + 1
            self._look()
        return found

    def _look(self) -> None:
        times = self._page.times_ms
        if self._index < len(times):
            self.next_ms = times[self._index]
        else:
            self._turn()

    def _turn(self) -> None:
        """Go on with the next page that has something."""
        for page in self._pages:
            self._before += len(self._page.times_ms)
            self._page, self._costs, self._index = page.ticks, page.costs(), 0
            if self._page.times_ms:
                self.next_ms = self._page.times_ms[0]
                return
        self.next_ms = NEVER

    def _trade(self, index: int) -> dict[str, Any]:
        times_ms, prices, amounts, buys, ids = self._page
        given = ids[index]
        trade_id = str(self._before + index + 1) if given is None else given
        time_ms = times_ms[index]
        return {
            "info": {"id": trade_id},
            "id": trade_id,
            "timestamp": time_ms,
            "datetime": format_time(time_ms),
            "symbol": self._symbol,
            "order": None,
            "type": None,
            "side": "buy" if buys[index] else "sell",
            "takerOrMaker": None,
            "price": prices[index],
            "amount": amounts[index],
            "cost": self._costs[index],
            "fee": None,
            "fees": [],
        }
