"""Public trades of a file in ccxt's form, one moment after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from ccxt_driver.contract.values import format_times
from ccxt_driver.oms.market.prints import Ticks, TradePrints

from .open_candles import NEVER


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
        self._trades: list[dict[str, Any]] | None = None
        """Of the page; None before the first of them is read."""
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
            page, first = self._page, self._index
            if self._trades is None:
                self._trades = self._made()
            times, index = page.times_ms, first + 1
            while index < len(times) and times[index] <= until_ms:
                index += 1
            # Where there is no amount only the price has moved.
            found += [trade for trade in self._trades[first:index] if trade["amount"]]
            self._index = index
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
            self._page, self._costs, self._trades, self._index = page.ticks, page.costs(), None, 0
            if self._page.times_ms:
                self.next_ms = self._page.times_ms[0]
                return
        self.next_ms = NEVER

    def _made(self) -> list[dict[str, Any]]:
        """The trades of the page, whose readers get these very structures, each once."""
        times_ms, prices, amounts, buys, ids = self._page
        symbol, numbers = self._symbol, range(self._before + 1, self._before + 1 + len(ids))
        named = [str(number) if given is None else given for number, given in zip(numbers, ids, strict=True)]
        columns = zip(
            named, times_ms, format_times(times_ms), buys, prices, amounts, self._costs, strict=True
        )
        return [
            {
                "info": {"id": trade_id},
                "id": trade_id,
                "timestamp": time_ms,
                "datetime": text,
                "symbol": symbol,
                "order": None,
                "type": None,
                "side": "buy" if bought else "sell",
                "takerOrMaker": None,
                "price": price,
                "amount": amount,
                "cost": cost,
                "fee": None,
                "fees": [],
            }
            for trade_id, time_ms, text, bought, price, amount, cost in columns
        ]
