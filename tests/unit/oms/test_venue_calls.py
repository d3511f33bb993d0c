"""What the paper venue answers under its ccxt names."""

from __future__ import annotations

from typing import Any

import pytest

from ccxt_driver.contract.endpoints import MARKET_FUNCTIONS
from ccxt_driver.oms.venue_calls import FUNCTIONS
from ccxt_driver.oms.venue_public import HAS

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"


def refused(desk: Any, func: str, *args: Any, **kwargs: Any) -> tuple[str, str]:
    reply = desk.oms.handle(
        "ccxt_call", {"account_id": "1", "func": func}, {}, {"args": list(args), "kwargs": kwargs}
    )
    assert reply.status == 502, reply.body
    detail = reply.body["detail"]
    assert detail["code"] == "exchange_error"
    return detail["details"]["ccxt_error"], detail["message"]


def test_every_market_function_is_served() -> None:
    assert set(FUNCTIONS) >= MARKET_FUNCTIONS
    assert {name for name, function in FUNCTIONS.items() if function.right is None} == MARKET_FUNCTIONS


STRANGE: list[Any] = [
    None,
    True,
    0,
    -1,
    10**60,
    1.5,
    "",
    "x" * 3000,
    "\0",
    [],
    {},
    [[]],
    [{}],
    [None],
    {"a": 1},
]
USUAL = {
    "symbol": SWAP,
    "symbols": [SWAP],
    "timeframe": "1m",
    "id": "P1",
    "leverage": 5,
    "margin_mode": "cross",
}


@pytest.mark.parametrize("func", FUNCTIONS)
def test_no_argument_is_too_strange_to_be_refused(desk: Any, func: str) -> None:
    names = FUNCTIONS[func].arguments
    for name in names:
        for value in [*STRANGE, *({"until": until} for until in STRANGE)]:
            kwargs = {each: USUAL[each] for each in names if each in USUAL} | {name: value}
            body = {"kwargs": kwargs}
            reply = desk.oms.handle("ccxt_call", {"account_id": "1", "func": func}, {}, body)
            assert reply.status in (200, 502), (kwargs, reply.body)


def test_has_names_what_is_served(desk: Any) -> None:
    from ccxt_driver.contract.endpoints import snake_case

    served = {snake_case(name) for name, value in HAS.items() if value} - {
        "public_api",
        "private_api",
        "spot",
        "swap",
    }
    assert served == set(FUNCTIONS) - {"describe", "has", "load_markets"}
    assert desk.venue("has", "fetchOHLCV") is True
    assert desk.venue("has")["editOrder"] is False


def test_arguments_by_position_and_by_name_in_either_spelling(desk: Any) -> None:
    expected = desk.venue("fetch_ohlcv", "ETH/USDT", "5m", None, 3)
    assert len(expected) == 3
    assert desk.venue("fetchOHLCV", "ETH/USDT", timeframe="5m", limit=3) == expected
    assert desk.venue("fetchOhlcv", symbol="ETH/USDT", timeframe="5m", limit=3, params={}) == expected
    assert (
        desk.call("ccxt_core", {"symbol": SPOT}, account_id=1, func="fetch_ticker")["result"]["bid"] == 100.0
    )


@pytest.mark.parametrize(
    "func,args,kwargs,error,text",
    [
        ("fetch_ticker", [], {}, "ArgumentsRequired", "symbol"),
        ("fetch_ticker", ["NO/PE"], {}, "BadSymbol", "NO/PE"),
        ("fetch_tickers", [["NO/PE"]], {}, "BadSymbol", "NO/PE"),
        ("fetch_ticker", [SPOT, {}, 3], {}, "BadRequest", "takes 2 arguments"),
        ("fetch_ticker", [SPOT], {"symbol": SPOT}, "BadRequest", "symbol twice"),
        ("fetch_ticker", [SPOT], {"limits": 3}, "BadRequest", "limits"),
        ("fetch_ohlcv", [SPOT, "7m"], {}, "BadRequest", "timeframe"),
        ("fetch_ohlcv", [SPOT, "1m", None, 0], {}, "BadRequest", "limit"),
        ("fetch_trades", [SPOT, "x"], {}, "BadRequest", "since"),
        ("set_leverage", [5, SPOT], {}, "BadSymbol", "not a swap"),
        ("set_leverage", [0, SWAP], {}, "BadRequest", "leverage"),
        ("set_leverage", [10_000, SWAP], {}, "BadRequest", "leverage"),
        ("set_margin_mode", ["isolated"], {}, "ArgumentsRequired", "symbol"),
        ("set_margin_mode", ["isolated", SPOT], {}, "BadSymbol", "not a swap"),
        ("set_margin_mode", ["round", SWAP], {}, "BadRequest", "margin_mode"),
        ("set_position_mode", [True], {}, "NotSupported", "position mode"),
        ("fetch_funding_rate", [SPOT], {}, "BadSymbol", "not a swap"),
        ("fetch_funding_rate_history", [SPOT], {}, "BadSymbol", "not a swap"),
        ("fetch_mark_ohlcv", [SPOT], {}, "BadSymbol", "not a swap"),
        ("fetch_ohlcv", [SPOT, "1m", None, 5, {"price": "index"}], {}, "BadSymbol", "not a swap"),
        ("fetch_ohlcv", [SWAP, "1m", None, 5, {"price": "premiumIndex"}], {}, "BadRequest", "mark or index"),
        ("fetch_order", ["nope"], {}, "OrderNotFound", "nope"),
        ("createOrders", [[]], {}, "NotSupported", "/oms/commands"),
        ("editOrder", ["1"], {}, "NotSupported", "/oms/commands"),
        ("cancelOrder", ["1"], {}, "OrderNotFound", "1"),
        ("fetchPositions", [], {}, "NotSupported", "does not have"),
    ],
)
def test_refusals_carry_ccxts_class(
    desk: Any, func: str, args: list[Any], kwargs: dict[str, Any], error: str, text: str
) -> None:
    found, message = refused(desk, func, *args, **kwargs)
    assert found == error
    assert text in message


def test_orders_as_the_venue_sees_them(desk: Any) -> None:
    row = desk.send("buy", "2", "90", client_order_id="mine")
    order = desk.venue("fetch_order", row["exchange_order_id"], SPOT)
    assert (order["id"], order["status"], order["clientOrderId"], order["price"]) == (
        "P1",
        "open",
        "mine",
        90.0,
    )
    assert [known["id"] for known in desk.venue("fetch_open_orders", SPOT)] == ["P1"]
    assert desk.venue("fetch_open_orders", SWAP) == []
    desk.price(SPOT, "89", "90")
    order = desk.venue("fetch_order", "P1")
    assert (order["status"], order["filled"], order["average"], order["fee"]) == (
        "closed",
        2.0,
        90.0,
        {"currency": "USDT", "cost": 0.18},
    )


def test_the_order_book_shows_what_is_left_and_what_rests(desk: Any) -> None:
    desk.price(SPOT, "100", "101", size="3")
    desk.send("buy", "1")
    desk.send("buy", "2", "99")
    desk.send("sell", "1", "101.5", account=2)
    book = desk.venue("fetchOrderBook", SPOT)
    assert book["bids"] == [[100.0, 3.0], [99.0, 2.0]]
    assert book["asks"] == [[101.0, 2.0], [101.5, 1.0]]
    assert desk.venue("fetchOrderBook", SPOT, 1)["bids"] == [[100.0, 3.0]]


def test_balance_is_ccxts_structure(desk: Any) -> None:
    desk.send("buy", "1", "90")
    balance = desk.venue("fetch_balance")
    assert balance["USDT"] == {"free": 99909.91, "used": 90.09, "total": 100000.0}
    assert (balance["free"]["USDT"], balance["used"]["USDT"], balance["total"]["USDT"]) == (
        99909.91,
        90.09,
        100000.0,
    )
    assert balance["timestamp"] == desk.oms.now_ms()


def test_batches_of_calls(desk: Any) -> None:
    calls = [
        {"account_id": 1, "func": "fetch_time"},
        {"account_id": 1, "func": "fetch_ticker", "args": ["NO/PE"]},
        {"account_id": 9, "func": "fetch_balance"},
    ]
    results = desk.call("ccxt_commands", calls)["results"]
    assert [(row["index"], row["ok"]) for row in results] == [(0, True), (1, False), (2, False)]
    assert results[1]["error"]["details"]["ccxt_error"] == "BadSymbol"
    assert results[2]["error"]["code"] == "account_not_found"
    assert desk.call("ccxt_commands", calls[0])["results"][0]["result"] == desk.oms.now_ms()
    assert desk.oms.handle("ccxt_commands", {}, {}, {"func": "x"}).status == 422


def test_bodies_off_the_schema(desk: Any) -> None:
    for endpoint, func, body in (
        ("ccxt_call", "fetch_time", {"arg": []}),
        ("ccxt_call", "fetch_time", {"args": "x"}),
        ("ccxt_call", "fetch_time", {"kwargs": []}),
        ("ccxt_call", "fetch_time", []),
        ("ccxt_core", "fetch_time", {}),
        ("ccxt_core", "fetch_ticker", []),
    ):
        reply = desk.oms.handle(endpoint, {"account_id": "1", "func": func}, {}, body)
        assert (reply.status, reply.body["detail"]["code"]) == (422, "validation_error")


def test_everything_else_answers(desk: Any) -> None:
    assert desk.venue("describe")["id"] == "paper"
    assert set(desk.venue("fetch_markets")[0]) >= {"symbol", "precision", "limits"}
    assert SWAP in desk.venue("load_markets", True)
    assert desk.venue("fetch_currencies")["USDT"]["code"] == "USDT"
    assert desk.venue("fetch_tickers", [SPOT])[SPOT]["ask"] == 101.0
    assert len(desk.venue("fetchTickers")) == len(desk.venue("fetch_markets"))
    assert desk.venue("fetch_bids_asks", [SPOT])[SPOT]["ask"] == 101.0
    assert desk.venue("fetch_mark_price", SWAP)["markPrice"] == 100.5
    assert desk.venue("fetch_mark_prices", [SWAP])[SWAP]["markPrice"] == 100.5
    assert desk.venue("fetch_funding_rate", SWAP)["fundingRate"] == 0.0001
    assert SPOT not in desk.venue("fetch_funding_rates")
    assert desk.venue("fetch_trading_fee", SPOT)["taker"] == 0.001
    assert desk.venue("fetch_trading_fees")[SWAP]["maker"] == 0.0002
    assert desk.venue("fetch_leverage", SWAP)["longLeverage"] == 10.0
    assert desk.venue("fetch_leverage_tiers", [SWAP])[SWAP][0]["tier"] == 1
    assert desk.venue("set_margin_mode", "cross", SWAP)["marginMode"] == "cross"
    assert desk.venue("set_position_mode", False)["hedged"] is False
    assert desk.venue("fetch_status")["status"] == "ok"
    assert len(desk.venue("fetch_trades", "ETH/USDT", None, 7)) == 7
    swap = [candle[:5] for candle in desk.venue("fetch_ohlcv", SWAP, "1h", None, 5)]
    spot = [candle[:5] for candle in desk.venue("fetch_ohlcv", SPOT, "1h", None, 5)]
    for price, candles in (("mark", swap), ("index", spot)):
        expected = [[*candle, None] for candle in candles]
        assert desk.venue(f"fetch_{price}_ohlcv", SWAP, "1h", None, 5) == expected
        assert desk.venue("fetch_ohlcv", SWAP, "1h", None, 5, {"price": price}) == expected
    assert (
        desk.venue("fetch_ohlcv", "ETH/USDT", "1h", None, 5, {"until": desk.oms.now_ms() - 3_600_000})[-1][0]
        < desk.oms.now_ms()
    )


@pytest.mark.parametrize("func,symbol", [("fetch_ohlcv", "ETH/USDT"), ("fetch_mark_ohlcv", "ETH/USDT:USDT")])
def test_until_says_when_the_last_candle_opens_and_that_one_is_whole(
    desk: Any, func: str, symbol: str
) -> None:
    now = desk.oms.now_ms()
    before, last = desk.venue(func, symbol, "1h", None, 3)[:2]
    for until in (last[0], last[0] + 1, last[0] + 1_800_000, last[0] + 3_599_999, last[0] + 0.5):
        assert desk.venue(func, symbol, "1h", None, 2, {"until": until}) == [before, last]
        assert desk.venue(func, symbol, "1h", before[0], None, {"until": until}) == [before, last]
    assert desk.venue(func, symbol, "1h", None, 1, {"until": last[0] - 1}) == [before]
    for until in (now, now + 10 * 3_600_000):
        assert desk.venue(func, symbol, "1h", None, 3, {"until": until}) == desk.venue(
            func, symbol, "1h", None, 3
        )


def test_until_in_a_month_says_so_of_that_month(desk: Any) -> None:
    before, last = desk.venue("fetch_ohlcv", "ETH/USDT", "1M", None, 3)[:2]
    until = last[0] + 20 * 86_400_000
    assert desk.venue("fetch_ohlcv", "ETH/USDT", "1M", None, 2, {"until": until}) == [before, last]


@pytest.mark.parametrize("number", [int, float])
def test_until_is_of_trades_and_funding_rates_too(desk: Any, number: type) -> None:
    until = number(desk.oms.now_ms() - 10 * 3_600_000)
    for func, symbol in (("fetch_trades", "ETH/USDT"), ("fetch_funding_rate_history", "ETH/USDT:USDT")):
        rows = desk.venue(func, symbol, None, 5, {"until": until})
        assert len(rows) == 5
        assert rows[-1]["timestamp"] <= until
        since = rows[0]["timestamp"]
        assert desk.venue(func, symbol, since, None, {"until": until}) == rows


@pytest.mark.parametrize("until", ["soon", -1, True, [1]])
def test_an_until_that_is_no_time_is_refused(desk: Any, until: Any) -> None:
    for func, symbol in (("fetch_ohlcv", "ETH/USDT"), ("fetch_trades", "ETH/USDT")):
        error, text = refused(desk, func, symbol, params={"until": until})
        assert (error, "until" in text) == ("BadRequest", True)


@pytest.mark.parametrize(
    "func",
    ["fetch_orders", "fetch_closed_orders", "fetch_canceled_orders", "fetch_open_orders", "fetch_my_trades"],
)
def test_until_is_of_the_venues_orders_and_trades_too(desk: Any, func: str) -> None:
    start = desk.oms.now_ms()
    for _ in range(3):
        desk.send("buy", "1")
        desk.send("buy", "1", order_type="limit", price="50")
        desk.run("cancel_order", order_id=desk.send("buy", "1", order_type="limit", price="40")["id"])
        desk.oms.advance(1000)
    for since, until, times in ((start, start + 1000, [0, 1000]), (None, start + 1999, [0, 1000])):
        rows = desk.venue(func, SPOT, since, None, {"until": until})
        assert [*dict.fromkeys(row["timestamp"] - start for row in rows)] == times
    [*_, last] = desk.venue(func, SPOT, None, 1, {"until": start + 500})
    assert last["timestamp"] == start
    assert desk.venue(func, SPOT, None, None, {"until": start - 1}) == []


def test_what_the_oms_closed_by_itself_takes_no_place_among_the_venues_trades(desk: Any) -> None:
    for side in ("buy", "sell", "buy", "sell"):
        desk.send(side, "1", account=2)
    ids = [position["id"] for position in desk.positions(account=2)]
    traded = [deal["exchange_trade_id"] for deal in desk.deals(account=2)]
    for first, second in (ids[:2], ids[2:]):
        desk.run("close_by", 2, position_id_a=first, position_id_b=second)

    for limit in range(1, 5):
        trades = desk.venue("fetch_my_trades", SPOT, None, limit, account=2)
        assert [trade["id"] for trade in trades] == sorted(traded)[-limit:]
