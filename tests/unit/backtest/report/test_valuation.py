"""The way from a currency to that of the run."""

from __future__ import annotations

from decimal import Decimal

from ccxt_driver.backtest.report.valuation import Link, Valuation
from ccxt_driver.backtest.run import Prices
from tests.helpers.backtest_runs import CROSS, MARKETS, SPOT, SWAP


def valuation(*symbols: str, currency: str = "USDT") -> Valuation:
    return Valuation(MARKETS, {symbol: Prices([10, 20], [4.0, 8.0]) for symbol in symbols}, currency)


def test_the_shortest_way_is_taken_and_spot_goes_before_swaps() -> None:
    assert valuation(SPOT, SWAP, CROSS, "ETH/USDT").chains.get("ETH") == (Link("ETH/USDT", False),)
    assert valuation(SPOT, SWAP, CROSS).chains.get("ETH") == (Link(CROSS, False), Link(SPOT, False))
    assert valuation(SWAP, CROSS).chains.get("ETH") == (Link(CROSS, False), Link(SWAP, False))
    assert valuation(SPOT, currency="BTC").chains.get("USDT") == (Link(SPOT, True),)
    assert valuation(SPOT).chains.get("USDT") == ()
    assert valuation(SPOT).chains.get("LTC") is None


def test_a_symbol_without_prices_leads_nowhere() -> None:
    assert Valuation(MARKETS, {SPOT: Prices([], [])}, "USDT").chains.get("BTC") is None


def test_the_last_price_counts() -> None:
    way = valuation(SPOT)

    assert [way.price(SPOT, at) for at in (0, 10, 19, 20, 99)] == [4, 4, 4, 8, 8]
    assert way.value(Decimal("1.5"), "BTC", 19) == 6
    assert way.value(Decimal("1.5"), "LTC", 19) == 0
    assert valuation(SPOT, CROSS).value(Decimal(1), "ETH", 20) == 64
    assert valuation(SPOT, currency="BTC").value(Decimal(1), "USDT", 20) == Decimal("0.125")


def test_a_price_is_what_it_is_written_as() -> None:
    way = Valuation(MARKETS, {SPOT: Prices([10], [0.1])}, "USDT")

    assert way.value(Decimal(3), "BTC", 10) == Decimal("0.3")
