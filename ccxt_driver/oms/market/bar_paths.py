"""How a price moved inside a candle of a file: models named by what they assume.

A candle says where the price began, ended and how far it went, and nothing of the way. Each model
chooses one way. None sees the next candle, and none knows what anybody holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Protocol

from ccxt_driver.oms.market.feed import EXACT, Candle


class BarPath(Protocol):
    """The way of the price through one candle."""

    def points(self, candle: Candle) -> Sequence[Decimal]:
        """Prices in the order they are reached, at even distances in time.

        The first is the open and the last the close; the high and the low are among them.
        """
        ...


class OpenHighLowClose:
    """The high comes before the low."""

    def points(self, candle: Candle) -> Sequence[Decimal]:
        """Open, high, low, close."""
        return candle.open, candle.high, candle.low, candle.close


class OpenLowHighClose:
    """The low comes before the high."""

    def points(self, candle: Candle) -> Sequence[Decimal]:
        """Open, low, high, close."""
        return candle.open, candle.low, candle.high, candle.close


class NearExtremeFirst:
    """The extreme that is nearer to the open comes first; the low where both are as near."""

    def points(self, candle: Candle) -> Sequence[Decimal]:
        """Open, the nearer extreme, the other one, close."""
        up = EXACT.subtract(candle.high, candle.open)
        down = EXACT.subtract(candle.open, candle.low)
        first, second = (candle.high, candle.low) if up < down else (candle.low, candle.high)
        return candle.open, first, second, candle.close


class WorstFirst:
    """What hurts comes first: of a stop and a target within one candle the stop is reached first.

    :param holding: whose worst: "long" has the low first, "short" the high. A path is of the market and
        the same for everybody, so that a strategy which holds both runs once with each.
    :raises ValueError: another word
    """

    def __init__(self, holding: str) -> None:
        if holding not in ("long", "short"):
            raise ValueError(f"holding: expected long or short, got {holding!r}")
        self._way: BarPath = OpenLowHighClose() if holding == "long" else OpenHighLowClose()

    def points(self, candle: Candle) -> Sequence[Decimal]:
        """Open, the worse extreme, the better one, close."""
        return self._way.points(candle)


class AsThePrice:
    """The way of a mark price: to the same side first as the price in its candle, which is about the same.

    Else the one would be high while the other is low, and who is liquidated then would win by it.

    :param path: how both of them go, each for itself
    :param price: the candle of the price that opens at a moment, if there is one
    """

    def __init__(self, path: BarPath, price: Callable[[int], Candle | None]) -> None:
        self._path = path
        self._price = price
        self.order = order_of(path)

    def points(self, candle: Candle) -> Sequence[Decimal]:
        """As the path has them, the two extremes in the order of those of the price."""
        way = self._path.points(candle)
        if self.order is not None or len(way) != 4:
            return way
        price = self._price(candle.open_ms)
        if price is None:
            return way
        _, first, second, _ = self._path.points(price)
        if (first > second and way[1] < way[2]) or (first < second and way[1] > way[2]):
            return way[0], way[2], way[1], way[3]
        return way


_ONE_WAY: Final = (OpenHighLowClose, OpenLowHighClose, WorstFirst)
"""These go to the same side first in every candle."""
_ANY: Final = Candle(0, *map(Decimal, (2, 4, 1, 3, 0)))


def order_of(path: BarPath) -> tuple[int, ...] | None:
    """Which of open, high, low and close (0 to 3) follow each other; None where candles differ in it."""
    if isinstance(path, AsThePrice):
        return path.order
    if type(path) not in _ONE_WAY:
        return None
    return tuple(_ANY[1:5].index(price) for price in path.points(_ANY))


BAR_PATHS: Final[Mapping[str, BarPath]] = MappingProxyType(
    {
        "open-high-low-close": OpenHighLowClose(),
        "open-low-high-close": OpenLowHighClose(),
        "near-extreme-first": NearExtremeFirst(),
        "worst-first": WorstFirst("long"),
        "worst-first-short": WorstFirst("short"),
    }
)
"""The models by the names that command lines and reports have for them."""


def bar_path(name: str) -> BarPath:
    """The model of a name.

    :raises ValueError: another name
    """
    path = BAR_PATHS.get(name)
    if path is None:
        raise ValueError(f"path: expected one of {', '.join(BAR_PATHS)}, got {name!r}")
    return path
