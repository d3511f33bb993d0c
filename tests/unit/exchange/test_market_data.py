"""Markets, market data, status and time: the exact calls of the venue, and what becomes of the answers."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from ccxt_driver.contract.values import parse_time
from tests.helpers.gateway_stub import NO_FEATURES, Driver, Gateway
from tests.helpers.oms_rows import CREATED_MS, market, markets

pytestmark = pytest.mark.oldest

TICKER = {"symbol": "BTC/USDT", "timestamp": CREATED_MS, "bid": "99.9", "ask": "100.1", "last": "100"}
BOOK = {"symbol": "BTC/USDT", "bids": [["99", "1"], ["98", "2"]], "asks": [["101", "1"], ["102", "2"]]}
MINUTE = 60_000
CANDLES = [[CREATED_MS + number * MINUTE, "1", "2", "0.5", "1.5", "10"] for number in (2, 0, 1)]
TRADES = [
    {"id": str(number), "symbol": "BTC/USDT", "timestamp": CREATED_MS + number, "price": "100", "amount": "1"}
    for number in (2, 0, 1)
]


def venue(gateway: Gateway, function: str, result: Any) -> None:
    gateway.on(f"POST /ccxt/1/{function}", {"ok": True, "result": result})


@pytest.mark.parametrize(
    "name, args, function, sent_args, result",
    [
        ("fetch_ticker", ("BTC/USDT",), "fetch_ticker", ["BTC/USDT"], TICKER),
        ("fetch_tickers", (), "fetch_tickers", [None], {"BTC/USDT": TICKER}),
        ("fetch_tickers", (["BTC/USDT"],), "fetch_tickers", [["BTC/USDT"]], {"BTC/USDT": TICKER}),
        ("fetch_order_book", ("BTC/USDT",), "fetch_order_book", ["BTC/USDT", None], BOOK),
        ("fetch_order_book", ("BTC/USDT", 1), "fetch_order_book", ["BTC/USDT", 1], BOOK),
        ("fetch_trades", ("BTC/USDT", 5, 7), "fetch_trades", ["BTC/USDT", 5, 7], TRADES),
        ("fetch_ohlcv", ("BTC/USDT",), "fetch_ohlcv", ["BTC/USDT", "1m", None, None], CANDLES),
        ("fetch_ohlcv", ("BTC/USDT", "1h", 5, 7), "fetch_ohlcv", ["BTC/USDT", "1h", 5, 7], CANDLES),
    ],
)
def test_the_venue_is_called_as_ccxt_calls_it(
    driver: Driver, name: str, args: tuple[Any, ...], function: str, sent_args: list[Any], result: Any
) -> None:
    venue(driver.gateway, function, result)
    driver.call(name, *args)
    driver.call(name, *args, params={"x": 1, "strategy_id": 3})

    plain, with_params = driver.gateway.sent
    assert plain.route == f"POST /ccxt/1/{function}"
    assert plain.body == {"args": sent_args, "kwargs": {}}
    assert with_params.body == {"args": sent_args, "kwargs": {"params": {"x": 1}}}


def test_a_ticker(driver: Driver) -> None:
    venue(driver.gateway, "fetch_ticker", TICKER)
    ticker = driver.call("fetch_ticker", "BTC/USDT")

    assert (ticker["bid"], ticker["ask"], ticker["last"], ticker["timestamp"]) == (
        99.9,
        100.1,
        100.0,
        CREATED_MS,
    )


def test_tickers_hold_only_what_is_wanted(driver: Driver) -> None:
    venue(driver.gateway, "fetch_tickers", {"BTC/USDT": TICKER, "ETH/USDT": {**TICKER, "symbol": "ETH/USDT"}})

    assert set(driver.call("fetch_tickers")) == {"BTC/USDT", "ETH/USDT"}
    assert set(driver.call("fetch_tickers", ["ETH/USDT"])) == {"ETH/USDT"}


def test_an_order_book_is_as_deep_as_wanted(driver: Driver) -> None:
    venue(driver.gateway, "fetch_order_book", BOOK)
    book = driver.call("fetch_order_book", "BTC/USDT", 1)

    assert (book["bids"], book["asks"], book["symbol"]) == ([[99.0, 1.0]], [[101.0, 1.0]], "BTC/USDT")


def test_candles_ascend_from_since_or_are_the_newest(driver: Driver) -> None:
    venue(driver.gateway, "fetch_ohlcv", CANDLES)

    def times(*args: Any) -> list[int]:
        return [
            (candle[0] - CREATED_MS) // MINUTE
            for candle in driver.call("fetch_ohlcv", "BTC/USDT", "1m", *args)
        ]

    assert times() == [0, 1, 2]
    assert times(None, 2) == [1, 2]
    assert times(CREATED_MS + MINUTE) == [1, 2]
    assert times(CREATED_MS, 2) == [0, 1]


def test_trades_ascend_from_since_or_are_the_newest(driver: Driver) -> None:
    venue(driver.gateway, "fetch_trades", TRADES)

    def ids(*args: Any) -> list[str]:
        return [trade["id"] for trade in driver.call("fetch_trades", "BTC/USDT", *args)]

    assert ids() == ["0", "1", "2"]
    assert ids(None, 2) == ["1", "2"]
    assert ids(CREATED_MS + 1) == ["1", "2"]
    assert ids(CREATED_MS, 2) == ["0", "1"]


@pytest.mark.parametrize("name", ["fetch_ticker", "fetch_order_book", "fetch_trades", "fetch_ohlcv"])
def test_an_unknown_symbol_is_refused_before_anything_is_sent(driver: Driver, name: str) -> None:
    with pytest.raises(ccxt.BadSymbol):
        driver.call(name, "DOGE/USDT")
    assert driver.gateway.routes == []


@pytest.mark.parametrize(
    "name, function",
    [
        ("fetch_ticker", "fetch_ticker"),
        ("fetch_order_book", "fetch_order_book"),
        ("fetch_trades", "fetch_trades"),
        ("fetch_ohlcv", "fetch_ohlcv"),
    ],
)
@pytest.mark.parametrize("body", ["", "null", '{"ok": true}', '{"ok": true, "result": 7}', "<html>", '"x"'])
def test_garbage_is_a_bad_response(driver: Driver, name: str, function: str, body: str) -> None:
    driver.gateway.on(f"POST /ccxt/1/{function}", (200, body))
    with pytest.raises(ccxt.BadResponse):
        driver.call(name, "BTC/USDT")


@pytest.mark.parametrize(
    "status, code, ccxt_error, expected",
    [
        (502, "exchange_error", "BadSymbol", ccxt.BadSymbol),
        (502, "exchange_error", "ExchangeNotAvailable", ccxt.ExchangeNotAvailable),
        (504, "exchange_timeout", None, ccxt.RequestTimeout),
        (429, "rate_limited", None, ccxt.RateLimitExceeded),
        (403, "permission_denied", None, ccxt.PermissionDenied),
    ],
)
def test_the_venues_errors_come_through(
    driver: Driver, status: int, code: str, ccxt_error: Any, expected: type[ccxt.BaseError]
) -> None:
    driver.gateway.refuse(status, code, "POST /ccxt/1/fetch_ticker", ccxt_error=ccxt_error)
    with pytest.raises(expected) as raised:
        driver.call("fetch_ticker", "BTC/USDT")

    assert type(raised.value) is expected


# -- markets


def test_markets_are_the_venues(driver: Driver) -> None:
    assert [each["symbol"] for each in driver.call("fetch_markets")] == [each["symbol"] for each in markets()]
    (sent,) = driver.gateway.sent
    assert (sent.route, sent.body) == ("POST /ccxt/1/fetch_markets", {"args": [], "kwargs": {}})
    assert driver.exchange.markets["BTC/USDT:USDT"]["contractSize"] == 0.01


def test_markets_are_loaded_once(make_driver: Any) -> None:
    driver = make_driver().ready()
    venue(driver.gateway, "fetch_ticker", TICKER)
    driver.call("load_markets")
    driver.call("fetch_ticker", "BTC/USDT")
    assert driver.gateway.routes == ["POST /ccxt/1/fetch_ticker"]

    driver.call("load_markets", True)
    assert driver.gateway.routes.count("POST /ccxt/1/fetch_markets") == 1


def test_currencies_come_from_the_venue(make_driver: Any) -> None:
    driver = make_driver()
    venue(driver.gateway, "fetch_currencies", {"BTC": {"id": "BTC", "code": "BTC", "precision": 1e-8}})

    assert driver.call("fetch_currencies")["BTC"]["precision"] == 1e-8


@pytest.mark.parametrize("result", [None, [], {}])
def test_a_venue_without_currencies_gets_them_from_its_markets(make_driver: Any, result: Any) -> None:
    driver = make_driver()
    venue(driver.gateway, "fetch_currencies", result)
    driver.call("load_markets")

    assert {"BTC", "ETH", "USDT"} <= set(driver.exchange.currencies)


def test_a_gateway_without_that_route_gets_currencies_from_the_markets(make_driver: Any) -> None:
    driver = make_driver()
    driver.gateway.on("POST /ccxt/1/fetch_currencies", (404, {"detail": "Not Found"}))
    driver.call("load_markets")

    assert "USDT" in driver.exchange.currencies


@pytest.mark.parametrize("result", [7, "x", [1], [{}], None, {"BTC/USDT": 1}], ids=str)
def test_markets_that_are_garbage(make_driver: Any, result: Any) -> None:
    driver = make_driver()
    venue(driver.gateway, "fetch_markets", result)
    with pytest.raises(ccxt.BadResponse):
        driver.call("load_markets")


def test_markets_by_symbol_are_read_too(make_driver: Any) -> None:
    driver = make_driver()
    venue(driver.gateway, "fetch_markets", {"BTC/USDT": market("BTC/USDT")})

    assert set(driver.call("load_markets")) == {"BTC/USDT"}


# -- keys


def test_market_data_needs_no_key_where_the_server_offers_it(make_driver: Any) -> None:
    driver = make_driver(apiKey="")
    venue(driver.gateway, "fetch_ticker", TICKER)
    driver.call("fetch_ticker", "BTC/USDT")

    assert all("x-api-key" not in sent.headers for sent in driver.gateway.sent)


def test_market_data_carries_the_key_where_there_is_one(driver: Driver) -> None:
    venue(driver.gateway, "fetch_ticker", TICKER)
    driver.call("fetch_ticker", "BTC/USDT")

    assert driver.gateway.sent[0].headers["x-api-key"] == "the-key"


def test_a_server_that_wants_a_key_says_so(make_driver: Any) -> None:
    driver = make_driver(features=NO_FEATURES, apiKey="")
    driver.gateway.refuse(401, "missing_api_key", "POST /ccxt/1/fetch_markets")
    with pytest.raises(ccxt.AuthenticationError, match="missing_api_key"):
        driver.call("load_markets")


# -- status and time


def test_the_status_is_the_servers_health(driver: Driver) -> None:
    status = driver.call("fetch_status")

    (sent,) = driver.gateway.sent
    assert (sent.route, "x-api-key" in sent.headers) == ("GET /healthz", False)
    assert (status["status"], status["updated"], status["eta"], status["url"]) == (
        "ok",
        CREATED_MS,
        None,
        None,
    )


def test_a_server_that_is_not_ok_is_in_maintenance(driver: Driver) -> None:
    driver.gateway.on("GET /healthz", {"status": "draining"})

    assert driver.call("fetch_status")["status"] == "maintenance"


@pytest.mark.parametrize("body", ["", "[]", "7", "ok"])
def test_a_status_that_is_garbage(driver: Driver, body: str) -> None:
    driver.gateway.on("GET /healthz", (200, body))
    with pytest.raises(ccxt.BadResponse):
        driver.call("fetch_status")


def test_the_time_is_the_servers(driver: Driver) -> None:
    assert driver.call("fetch_time") == CREATED_MS
    assert driver.gateway.routes == ["GET /healthz"]


def test_a_server_that_does_not_tell_its_time_has_the_venues(driver: Driver) -> None:
    driver.gateway.on("GET /healthz", {"status": "ok"})
    venue(driver.gateway, "fetch_time", 5)

    assert driver.call("fetch_time") == 5


def test_a_server_without_health_has_no_features(make_driver: Any) -> None:
    driver = make_driver()
    driver.gateway.on("GET /healthz", (404, {"detail": "Not Found"}))
    driver.call("load_markets")
    driver.gateway.on_command()
    driver.gateway.on("GET /oms/orders/open", {"items": []})

    assert driver.call("fetch_open_orders") == []


def test_markets_without_what_the_venue_can_do_are_not_loaded(make_driver: Any) -> None:
    """With the wrong precision mode amounts would be rounded wrongly from then on."""
    driver = make_driver()
    driver.gateway.on("POST /ccxt/1/describe", (200, "<html>"))
    with pytest.raises(ccxt.BadResponse):
        driver.call("load_markets")
    driver.gateway.on("POST /ccxt/1/describe", {"ok": True, "result": {"precisionMode": 2, "has": {}}})
    driver.call("load_markets")

    assert driver.exchange.precisionMode == 2


@pytest.mark.parametrize("limit", [1, 2, 14, 40])
def test_the_newest_months_over_pages_are_as_many_as_are_wanted(driver: Driver, limit: int) -> None:
    """ccxt counts 30 days of a month."""
    months = [
        parse_time(f"{year}-{month:02d}-01T00:00:00Z") for year in range(2016, 2026) for month in range(1, 13)
    ]

    def answer(sent: Any) -> Any:
        _, _, since, most = sent.body["args"]
        found = [month for month in months if since is None or month >= since]
        kept = found[-most:] if since is None else found[:most]
        return {"ok": True, "result": [[month, "1", "2", "0.5", "1.5", "10"] for month in kept]}

    driver.gateway.on("POST /ccxt/1/fetch_ohlcv", answer)
    candles = driver.call("fetch_ohlcv", "BTC/USDT", "1M", None, limit, {"paginate": True})
    assert [candle[0] for candle in candles] == months[-limit:]
