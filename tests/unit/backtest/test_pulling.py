"""The caches of those who watch what a file has."""

from __future__ import annotations

from random import Random

from ccxt.async_support.base.ws.cache import ArrayCache

from ccxt_driver.backtest.pulling import _TradeCache


def test_a_cache_of_trades_counts_as_that_of_ccxt_does() -> None:
    chance, ours, theirs = Random(1), _TradeCache(5), ArrayCache(5)
    for number in range(300):
        trade = {"id": str(number), "symbol": "BTC/USDT"}
        ours.put(trade)
        theirs.append(trade)
        assert list(ours) == list(theirs)
        if number > 20 and chance.random() < 0.3:
            asked = chance.choice(["BTC/USDT", None]), chance.choice([None, 2])
            assert ours.getLimit(*asked) == theirs.getLimit(*asked)
