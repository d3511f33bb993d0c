from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import ccxt
import pytest

from ccxt_driver.oms.market.listing import (
    CURRENCIES,
    DEFAULT_MARKETS,
    UnknownSymbol,
    currencies_of,
    currency,
    unified_currency,
)

BY_SYMBOL = {market.symbol: market for market in DEFAULT_MARKETS}


def test_the_markets_and_currencies_that_the_documentation_promises() -> None:
    promised = {"BTC/USDT", "ETH/USDT", "ETH/BTC", "BTC/USDT:USDT", "ETH/USDT:USDT"}
    assert promised <= BY_SYMBOL.keys()
    assert len(currencies_of(DEFAULT_MARKETS)) >= 6
    assert currencies_of(DEFAULT_MARKETS).keys() == CURRENCIES.keys()


def test_symbols_and_ids_are_unique() -> None:
    assert len(BY_SYMBOL) == len(DEFAULT_MARKETS) == len({market.id for market in DEFAULT_MARKETS})


@pytest.mark.parametrize("market", DEFAULT_MARKETS, ids=lambda market: market.symbol)
def test_a_market_has_every_key_of_ccxt(market) -> None:
    unified = market.unified()
    clean = ccxt.Exchange().safe_market_structure()
    assert unified.keys() == clean.keys()
    for part in ("precision", "limits", "marginModes"):
        assert unified[part].keys() == clean[part].keys()
    for name, bounds in unified["limits"].items():
        assert bounds.keys() == clean["limits"][name].keys()
    assert Decimal(str(unified["precision"]["price"])) == market.tick_size
    assert Decimal(str(unified["precision"]["amount"])) == market.lot_size


def test_a_spot_and_a_swap_market_say_what_they_are() -> None:
    spot, swap = BY_SYMBOL["BTC/USDT"].unified(), BY_SYMBOL["BTC/USDT:USDT"].unified()
    assert (spot["type"], spot["spot"], spot["contract"], spot["settle"]) == ("spot", True, False, None)
    assert (spot["linear"], spot["contractSize"], spot["limits"]["leverage"]["max"]) == (None, None, None)
    assert (swap["type"], swap["swap"], swap["contract"], swap["settle"]) == ("swap", True, True, "USDT")
    assert (swap["linear"], swap["inverse"], swap["subType"]) == (True, False, "linear")
    assert (swap["contractSize"], swap["limits"]["leverage"]) == (1.0, {"min": 1.0, "max": 125.0})
    assert (spot["maker"], spot["taker"]) == (0.001, 0.001)
    assert (swap["maker"], swap["taker"]) == (0.0002, 0.0005)


def test_ccxt_can_load_the_markets_and_round_by_them() -> None:
    exchange = ccxt.Exchange()
    exchange.set_markets([market.unified() for market in DEFAULT_MARKETS])
    assert exchange.price_to_precision("BTC/USDT", 64000.123) == "64000.12"
    assert exchange.amount_to_precision("BTC/USDT:USDT", 0.0019) == "0.001"


def test_a_currency_has_every_key_of_ccxt() -> None:
    unified = unified_currency(CURRENCIES["BTC"])
    assert unified.keys() == ccxt.Exchange().safe_currency_structure({}).keys()
    assert (unified["code"], unified["name"], unified["precision"]) == ("BTC", "Bitcoin", 1e-8)


def test_an_own_market_brings_its_own_currencies() -> None:
    own = replace(BY_SYMBOL["BTC/USDT"], symbol="DOGE/EUR", id="DOGEEUR", base="DOGE", quote="EUR")
    assert list(currencies_of([own])) == ["DOGE", "EUR"]
    assert currency("DOGE").precision == Decimal("0.00000001")


@pytest.mark.parametrize(
    "field,value",
    [
        ("kind", "future"),
        ("settle", "USDT"),
        ("tick_size", Decimal(0)),
        ("lot_size", Decimal("NaN")),
        ("reference_price", Decimal("0.5")),
        ("daily_volatility", Decimal(1)),
        ("daily_volume", Decimal(-1)),
        # Clients multiply costs and values by it, the OMS does not.
        ("contract_size", Decimal("0.01")),
    ],
)
def test_a_market_that_makes_no_sense_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{field}: expected"):
        replace(BY_SYMBOL["BTC/USDT"], **{field: value})


@pytest.mark.parametrize("settle", ["BTC", "USDC"])
def test_a_swap_that_does_not_settle_in_its_quote_currency_is_refused(settle: str) -> None:
    """Profits in dollars were booked as so many coins."""
    with pytest.raises(ValueError, match=r"^settle: expected USDT, .*linear"):
        replace(BY_SYMBOL["BTC/USDT:USDT"], symbol=f"BTC/USDT:{settle}", settle=settle)


def test_an_unknown_symbol_is_a_key_error_that_reads_well() -> None:
    assert isinstance(UnknownSymbol("A/B"), KeyError)
    assert str(UnknownSymbol("A/B")) == "symbol: 'A/B' is not a listed market"
