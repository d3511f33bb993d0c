"""The way of a mark price through its candles."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from ccxt_driver.oms.market.bar_paths import AsThePrice, BarPath, NearExtremeFirst, OpenLowHighClose
from ccxt_driver.oms.market.feed import Candle


def candle(open_: int, high: int, low: int, close: int) -> Candle:
    return Candle(60_000, *map(Decimal, (open_, high, low, close, 1)))


RISES_FIRST = candle(100, 101, 90, 95)
FALLS_FIRST = candle(100, 110, 99, 105)


def way(path: BarPath, price: Candle | None, mark: Candle) -> list[int]:
    def candle_of_price(open_ms: int) -> Candle | None:
        assert open_ms == mark.open_ms
        return price

    return [*map(int, AsThePrice(path, candle_of_price).points(mark))]


@pytest.mark.parametrize(
    "price, mark, expected",
    [
        (RISES_FIRST, candle(100, 110, 99, 105), [100, 110, 99, 105]),
        (RISES_FIRST, candle(100, 101, 90, 105), [100, 101, 90, 105]),
        (FALLS_FIRST, candle(100, 101, 90, 105), [100, 90, 101, 105]),
        (FALLS_FIRST, candle(100, 110, 99, 105), [100, 99, 110, 105]),
        (candle(100, 100, 100, 100), candle(100, 101, 90, 105), [100, 101, 90, 105]),
        (None, candle(100, 101, 90, 105), [100, 101, 90, 105]),
    ],
)
def test_it_goes_to_the_side_of_the_price_first(
    price: Candle | None, mark: Candle, expected: list[int]
) -> None:
    assert way(NearExtremeFirst(), price, mark) == expected


def test_one_way_stays_as_it_is() -> None:
    assert way(OpenLowHighClose(), RISES_FIRST, RISES_FIRST) == [100, 90, 101, 95]


def test_a_model_of_another_number_of_points_stays_as_it_is() -> None:
    class Five:
        def points(self, candle: Candle) -> Sequence[Decimal]:
            return candle.open, candle.high, candle.low, candle.open, candle.close

    assert way(Five(), FALLS_FIRST, RISES_FIRST) == [100, 101, 90, 100, 95]
