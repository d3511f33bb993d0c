"""Texts as venues and gateways really send them, and the class that each speaks of."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from ccxt_driver.error_texts import class_of_text
from ccxt_driver.errors import error_from_response

pytestmark = pytest.mark.oldest

TEXTS: list[tuple[type[ccxt.BaseError] | None, str]] = [
    (
        ccxt.InsufficientFunds,
        'binance {"code":-2010,"msg":"Account has insufficient balance for requested action."}',
    ),
    (ccxt.InsufficientFunds, 'binanceusdm {"code":-2019,"msg":"Margin is insufficient."}'),
    (
        ccxt.InsufficientFunds,
        'okx {"code":"1","data":[{"sCode":"51008","sMsg":"Order failed. Insufficient USDT balance"}]}',
    ),
    (ccxt.InsufficientFunds, 'kraken {"error":["EOrder:Insufficient funds"]}'),
    (ccxt.InsufficientFunds, 'bybit {"retCode":110007,"retMsg":"ab not enough for new order"}'),
    (ccxt.InsufficientFunds, 'gate {"label":"BALANCE_NOT_ENOUGH","message":"Not enough balance"}'),
    (ccxt.InsufficientFunds, 'kucoin {"code":"200004","msg":"Balance insufficient!"}'),
    (ccxt.OrderNotFound, 'binance {"code":-2013,"msg":"Order does not exist."}'),
    (ccxt.OrderNotFound, 'binance {"code":-2011,"msg":"Unknown order sent."}'),
    (ccxt.OrderNotFound, "okx order 123 not found"),
    (ccxt.OrderNotFound, 'bybit {"retCode":110001,"retMsg":"order not exists or too late to cancel"}'),
    (ccxt.OrderNotFound, 'gate {"label":"ORDER_NOT_FOUND","message":""}'),
    (ccxt.BadSymbol, "binance does not have market symbol NO/SUCH"),
    (ccxt.BadSymbol, 'binance {"code":-1121,"msg":"Invalid symbol."}'),
    (ccxt.BadSymbol, 'gate {"label":"INVALID_CURRENCY_PAIR","message":"Invalid currency pair"}'),
    (ccxt.RateLimitExceeded, 'binance {"code":-1003,"msg":"Too many requests; current limit is 1200."}'),
    (ccxt.RateLimitExceeded, 'kraken {"error":["EAPI:Rate limit exceeded"]}'),
    (ccxt.RateLimitExceeded, "TOO_MANY_REQUESTS"),
    (
        ccxt.RateLimitExceeded,
        'binance {"code":-1003,"msg":"Too much request weight used; current limit is 6000 request weight '
        'per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API."}',
    ),
    (
        ccxt.RateLimitExceeded,
        'binance {"code":-1003,"msg":"Way too much request weight used; IP banned until 1597212345678."}',
    ),
    (
        ccxt.RateLimitExceeded,
        'binance {"code":-1015,"msg":"Too many new orders; current limit is 50 orders per 10 SECOND."}',
    ),
    (ccxt.RateLimitExceeded, "binance GET https://api.binance.com/api/v3/x 429 Too Many Requests <html>"),
    (ccxt.RateLimitExceeded, "binance 418 I'm a teapot {}"),
    (ccxt.RateLimitExceeded, 'bybit {"retCode":10429,"retMsg":"System level frequency protection"}'),
    (ccxt.RateLimitExceeded, "bybit 403 Forbidden access too frequent, please try again in 5 minutes"),
    (ccxt.RateLimitExceeded, 'okx {"code":"50040","msg":"Too frequent operations, please try again later"}'),
    (ccxt.RateLimitExceeded, 'kraken {"error":["EGeneral:Temporary lockout"]}'),
    (ccxt.RateLimitExceeded, 'gate {"label":"TOO_FAST","message":""}'),
    (ccxt.RateLimitExceeded, 'bitget {"code":"30007","msg":"request over limit"}'),
    (ccxt.RateLimitExceeded, 'htx {"status":"error","err-code":"too-many-request"}'),
    (ccxt.RateLimitExceeded, 'mexc {"code":510,"msg":"Excessive frequency of requests, please try later!"}'),
    (ccxt.RateLimitExceeded, 'htx {"status":"error","err-code":"base-request-exceed-frequency-limit"}'),
    (ccxt.RateLimitExceeded, 'krakenfutures {"result":"error","error":"apiLimitExceeded"}'),
    (ccxt.RateLimitExceeded, "throttle queue is over maxCapacity (1000), see https://github.com/ccxt/ccxt"),
    (ccxt.InvalidOrder, 'binance {"code":-2010,"msg":"Order rejected: Too many open orders for symbol."}'),
    (ccxt.InvalidOrder, 'binance {"code":-1013,"msg":"Filter failure: MIN_NOTIONAL"}'),
    (ccxt.InvalidOrder, 'binance {"code":-1013,"msg":"Filter failure: LOT_SIZE"}'),
    (
        ccxt.InvalidOrder,
        "binance amount of BTC/USDT must be greater than minimum amount precision of 0.01",
    ),
    (ccxt.InvalidOrder, 'binanceusdm {"code":-2022,"msg":"ReduceOnly Order is rejected."}'),
    (ccxt.InvalidOrder, "binance createOrder() requires a price argument for a limit order"),
    (ccxt.InvalidOrder, "no orders canceled"),
    (ccxt.InvalidOrder, "no open orders to cancel"),
    (ccxt.OrderImmediatelyFillable, 'binance {"code":-2010,"msg":"Order would immediately match and take."}'),
    (ccxt.DuplicateOrderId, 'binance {"code":-2010,"msg":"Duplicate order sent."}'),
    (
        ccxt.AuthenticationError,
        'binance {"code":-2014,"msg":"API-key format invalid."}',
    ),
    (ccxt.AuthenticationError, 'okx {"msg":"Invalid Sign","code":"50113"} Invalid signature'),
    (ccxt.InvalidNonce, "Timestamp for this request is outside of the recvWindow."),
    (ccxt.OnMaintenance, "System is under maintenance."),
    (ccxt.MarketClosed, "Market is closed."),
    (ccxt.NotSupported, "unsupported ccxt method: fetch_foo"),
    (ccxt.NotSupported, "kraken fetchPositionMode() is not supported yet"),
    (ccxt.RequestTimeout, "binance GET https://api.binance.com/api/v3/time request timed out (10000 ms)"),
    (ccxt.RequestTimeout, "binance POST /api/v3/order insufficient patience: timed out"),
    (ccxt.RequestTimeout, "(1205, 'Lock wait timeout exceeded; try restarting transaction')"),
    (ccxt.ExchangeNotAvailable, "failed to connect mysql after 20 attempts"),
    (ccxt.ExchangeNotAvailable, "database unavailable after reconnect attempt"),
    (ccxt.ExchangeNotAvailable, "Cannot connect to host api.binance.com:443 ssl:default"),
    (ccxt.ExchangeNotAvailable, "Server disconnected"),
    (ccxt.InvalidOrder, "Order quantity too small"),
    (ccxt.InvalidOrder, "binance order x1 is FILLED"),
    (ccxt.InvalidOrder, 'binance {"code":-1116,"msg":"Invalid orderType."}'),
    (ccxt.InvalidOrder, 'okx "iceberg" is not a valid order type for the BTC/USDT market'),
    (ccxt.InvalidOrder, "orderType: expected one of market, limit"),
    (ccxt.InvalidOrder, "Invalid trigger price"),
    (ccxt.AccountSuspended, "Account has been frozen"),
    (ccxt.AccountSuspended, "account 7 is blocked"),
    (ccxt.BadRequest, "close_by requires opposite positions of the same symbol"),
    (ccxt.BadRequest, "close_by qty exceeds the position"),
    (ccxt.BadRequest, "merge requires two positions of the same symbol and side"),
    (None, "(1048, \"Column 'qty' cannot be null\")"),
    (ccxt.RequestTimeout, "change_order_replace_create_failed: Account has insufficient balance"),
    (ccxt.RequestTimeout, '{"code":-2021,"data":{"cancelResult":"SUCCESS","newOrderResult":"FAILURE"}}'),
    (ccxt.RequestTimeout, "mexc POST https://api.mexc.com/api/v3/order?recvWindow=5000&signature=ab"),
    (ccxt.RequestTimeout, "bingx POST https://open-api.bingx.com/order?reduceOnly=true&price=1"),
    (ccxt.RequestTimeout, 'binance {"code":-1006,"msg":"Execution status unknown."}'),
    (ccxt.RequestTimeout, "Order may have been placed, invalid parameter returned"),
    (
        ccxt.ExchangeNotAvailable,
        'bitfinex POST https://api.bitfinex.com/v2/order 520 <!DOCTYPE html><meta content="maximum-scale=1">',
    ),
    (
        ccxt.ExchangeNotAvailable,
        'binance {"code":-1008,"msg":"Server is overloaded. Reduce-only orders are exempt."}',
    ),
    (None, "exceed the maximum processing delay"),
    (None, "'NoneType' object is not subscriptable"),
    (None, "INSUFFICIENT_LIQUIDITY"),
    (None, ""),
]


@pytest.mark.parametrize("kind, text", TEXTS, ids=[text[:50] for _, text in TEXTS])
def test_the_class_that_a_text_speaks_of(kind: Any, text: str) -> None:
    assert class_of_text(text) is kind


def answered(message: str, command: str, code: str = "internal_error", status: int = 400) -> Any:
    body = {"detail": {"code": code, "message": message, "results": []}}
    return error_from_response("oms", status, body, command=command)


@pytest.mark.parametrize("code, status", [("internal_error", 400), ("dispatcher_error", 502)])
@pytest.mark.parametrize(
    "message, command, kind, outcome",
    [
        ("Margin is insufficient.", "send_order", ccxt.InsufficientFunds, "refused"),
        ("Order does not exist.", "cancel_order", ccxt.OrderNotFound, "refused"),
        ("Order does not exist.", "send_order", ccxt.OrderNotFound, "unknown"),
        ("request timed out", "send_order", ccxt.RequestTimeout, "unknown"),
        ("Too many requests", "send_order", ccxt.RateLimitExceeded, "refused"),
        ("no orders canceled", "cancel_order", ccxt.InvalidOrder, "refused"),
    ],
)
def test_a_class_recovered_from_text_decides_the_outcome(
    code: str, status: int, message: str, command: str, kind: Any, outcome: str
) -> None:
    error = answered(message, command, code, status)

    assert (type(error), error.outcome) == (kind, outcome)


@pytest.mark.parametrize("message", ["something odd happened", "(1048, \"Column 'qty' cannot be null\")"])
def test_a_text_that_says_nothing_leaves_the_outcome_open(message: str) -> None:
    assert answered(message, "change_order").outcome == "unknown"


@pytest.mark.parametrize(
    "error",
    [
        "Account has insufficient balance",
        {"code": "internal_error", "message": "Account has insufficient balance"},
    ],
)
def test_the_reason_is_dug_out_of_the_results(error: Any) -> None:
    detail = {
        "code": "internal_error",
        "message": "internal_error",
        "results": [{"ok": True}, {"error": error}],
    }
    raised: Any = error_from_response("oms", 400, {"detail": detail}, command="send_order")

    assert type(raised) is ccxt.InsufficientFunds
    assert "insufficient balance" in str(raised)
