"""Orders and deals on a chart of prices: where all of them are, and which are drawn."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ccxt_driver.contract.values import parse_time

from .records import Deal
from .series import picked

_MOST_MARKS: Final = 3_000
_LEVELS: Final = ("price", "trigger_price", "stop_price", "take_profit_price")
Row = Mapping[str, Any]


class Mark(NamedTuple):
    """One that is drawn."""

    time_ms: int
    row: Row


class Places:
    """Where marks of one kind are, in columns: there may be very many."""

    __slots__ = ("_indexes", "_times", "_values")

    def __init__(self) -> None:
        self._indexes = array("q")
        self._times = array("q")
        self._values = array("d")

    def __len__(self) -> int:
        return len(self._times)

    def add(self, index: int, time_ms: int, value: float) -> None:
        """One more.

        :param index: of its row
        """
        self._indexes.append(index)
        self._times.append(time_ms)
        self._values.append(value)

    def drawn(self, rows: Sequence[Row]) -> list[Mark]:
        """Those that are drawn, ascending in time: the first, the last, and the extremes in between."""
        times = self._times
        order = array("q", sorted(range(len(times)), key=times.__getitem__))
        chosen = picked(
            array("q", map(times.__getitem__, order)),
            array("d", map(self._values.__getitem__, order)),
            _MOST_MARKS,
        )
        return [Mark(times[place], rows[self._indexes[place]]) for place in map(order.__getitem__, chosen)]


class Marks:
    """Orders that wait for a price, by symbol, and deals, by symbol and side."""

    def __init__(self) -> None:
        self.orders: defaultdict[str, Places] = defaultdict(Places)
        self.deals: defaultdict[tuple[str, str], Places] = defaultdict(Places)
        self._orders = self._deals = 0

    def see_order(self, row: Row) -> None:
        """The next order."""
        at_level = level(row)
        if at_level is not None:  # a market order names no price
            self.orders[row["symbol"]].add(self._orders, parse_time(row["created_at"]), at_level)
        self._orders += 1

    def see_deal(self, row: Row, deal: Deal) -> None:
        """The next deal."""
        self.deals[deal.market.symbol, row["side"]].add(self._deals, deal.time_ms, float(deal.price))
        self._deals += 1


def level(row: Row) -> float | None:
    """The price that an order waits for; None of one that does not."""
    for name in _LEVELS:
        value = row.get(name)
        if value is not None:
            return float(value)
    return None
