"""What a gateway that cannot tell of its venue answers, and the driver works all the same."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from ccxt_driver.exchange.capabilities import CAPABILITIES, Source
from tests.helpers.gateway_stub import NO_FEATURES, Driver
from tests.helpers.oms_rows import account_row

CANNOT_AWAIT = "object dict can't be used in 'await' expression"


def dispatcher_error(message: str) -> tuple[int, dict[str, Any]]:
    return 502, {"detail": {"code": "dispatcher_error", "message": message}}


@pytest.fixture
def older(make_driver: Any) -> Driver:
    driver: Driver = make_driver(features=NO_FEATURES)
    driver.gateway.on("POST /ccxt/1/describe", dispatcher_error(CANNOT_AWAIT))
    unknown = dispatcher_error("unsupported ccxt method: fetch_currencies")
    driver.gateway.on("POST /ccxt/1/fetch_currencies", unknown)
    driver.gateway.on("GET /oms/accounts", {"items": [account_row(exchange_id="ccxt.kraken")]})
    return driver


@pytest.mark.oldest
def test_markets_load_where_describe_and_currencies_are_missing(older: Driver) -> None:
    assert "BTC/USDT" in older.call("load_markets")


@pytest.mark.oldest
def test_what_the_venue_can_do_is_then_taken_from_ccxts_own_class(older: Driver) -> None:
    older.call("load_markets")

    kraken = ccxt.kraken().has
    told = [key for key, source in CAPABILITIES.items() if source is Source.VENUE]
    assert {key: older.exchange.has[key] for key in told} == {key: bool(kraken.get(key)) for key in told}


@pytest.mark.oldest
def test_a_function_that_the_venue_lacks_is_not_an_outage(older: Driver) -> None:
    older.gateway.on("POST /ccxt/1/fetch_ticker", dispatcher_error("unsupported ccxt method: fetch_ticker"))

    with pytest.raises(ccxt.NotSupported, match="unsupported ccxt method"):
        older.call("fetch_ticker", "BTC/USDT")


@pytest.mark.oldest
@pytest.mark.parametrize("status, code", [(503, "engine_unavailable"), (504, "dispatcher_timeout")])
def test_an_outage_while_the_venue_is_asked_of_itself_is_an_outage(
    older: Driver, status: int, code: str
) -> None:
    """Taken for `cannot tell`, it would leave the precision mode unknown and amounts rounded wrongly."""
    older.gateway.refuse(status, code, "POST /ccxt/1/describe")

    with pytest.raises(ccxt.NetworkError):
        older.call("load_markets")


@pytest.mark.oldest
def test_has_and_features_say_what_the_server_and_the_venue_can_do(older: Driver) -> None:
    older.gateway.on("POST /ccxt/1/describe", {"ok": True, "result": {"has": {"fetchOHLCV": False}}})
    older.call("load_markets")

    exchange = older.exchange
    create = exchange.features["swap"]["linear"]["createOrder"]
    assert (create["marketBuyByCost"], create["attachedStopLossTakeProfit"]) == (False, None)
    assert (exchange.has["fetchOHLCV"], exchange.has["fetchTicker"]) == (False, True)
    with pytest.raises(ccxt.NotSupported, match="does not have it"):
        older.call("fetch_ohlcv", "BTC/USDT")
