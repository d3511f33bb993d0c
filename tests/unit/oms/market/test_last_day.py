"""The 24 hours of a ticker are those of the candles, whatever was asked about before."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ccxt_driver.oms.market.feed import Candle, Feed
from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.oms.market.last_day import LastDay, Summary
from ccxt_driver.oms.market.listing import DEFAULT_MARKETS
from ccxt_driver.oms.market.synthetic import SyntheticFeed

MINUTE, DAY = 60_000, 86_400_000
QUARTER = 15 * MINUTE
BEGIN = 1_704_067_200_000 + 7 * MINUTE  # not on a quarter
SYMBOL = "BTC/USDT"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> FileFeed:
    """Two days and a half of minutes with gaps."""
    chance = random.Random(4)
    rows = ["timestamp,open,high,low,close,volume"]
    price = 10_000
    for minute in range(3_600):
        price += chance.randint(-9, 9)
        if minute % 700 < 650:
            time_ms, volume = BEGIN + minute * MINUTE, chance.randint(0, 9)
            rows.append(f"{time_ms},{price},{price + 5},{price - 5},{price + 1},{volume}")
    folder: Path = tmp_path_factory.mktemp("recorded")
    (folder / "BTC_USDT-1m.csv").write_text("\n".join(rows), encoding="utf-8")
    return FileFeed([folder])


@pytest.fixture(scope="module")
def synthetic() -> SyntheticFeed:
    return SyntheticFeed(DEFAULT_MARKETS, seed=3)


def _by_candles(feed: Feed, now_ms: int) -> Summary:
    start = (now_ms - DAY) // MINUTE * MINUTE + MINUTE
    quarter = -(-start // QUARTER) * QUARTER
    rows: list[Candle] = feed.candles(SYMBOL, "1m", start, quarter - 1, 15) if quarter > start else []
    rows += feed.candles(SYMBOL, "15m", quarter, now_ms, 96)
    return Summary(
        rows[0].open,
        max(row.high for row in rows),
        min(row.low for row in rows),
        sum((row.volume for row in rows), start=type(rows[0].volume)(0)),
        sum(((row.high + row.low + row.close) * row.volume for row in rows), start=type(rows[0].volume)(0)),
    )


@pytest.mark.parametrize("kind", ["recorded", "synthetic"])
@pytest.mark.parametrize("lasts", [True, False])
def test_it_is_that_of_the_candles(kind: str, lasts: bool, request: pytest.FixtureRequest) -> None:
    feed: Feed = request.getfixturevalue(kind)
    chance, day = random.Random(5), LastDay(feed.candles)
    moments = [BEGIN + step * MINUTE for step in range(40)]
    moments += [BEGIN + DAY + step * 17_000 for step in range(200)]
    moments += [BEGIN + chance.randrange(60 * 60 * MINUTE) for _ in range(60)]
    for now_ms in moments:
        assert day.summary(SYMBOL, now_ms, lasts=lasts) == _by_candles(feed, now_ms), now_ms
