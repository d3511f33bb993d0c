"""Every structure that the driver gives, held to ccxt's manual key by key, in three kinds of numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.helpers import strict_structures as strict
from tests.helpers.contract_desk import HEDGE, OTHER, SPOT, SWAP, Desk, OmsOfTheCase, Way, desk_of
from tests.helpers.served import serve
from tests.helpers.strict_structures import (
    check_ascending,
    check_order,
    check_structure,
    check_trade,
    exact,
)

pytestmark = pytest.mark.oldest

FREE = "SOL/USDT"
"""A market whose price moves by itself."""


@dataclass
class Day:
    """A day of trading, and everything that was answered in it."""

    desk: Desk
    ex: Any
    kind: type
    placed: list[dict[str, Any]]


def traded(desk: Desk, kind: type) -> Day:
    """Orders of every kind and in every state, on a spot market, a swap, and one that moves by itself."""
    ex = desk.exchange(HEDGE, number=kind)
    placed = []
    for symbol in (SPOT, SWAP):
        desk.price(symbol, 100, 101, size="0.7")
        placed.append(ex.create_order(symbol, "limit", "buy", "1.5", 101))
        desk.advance(250)
        desk.price(symbol, 100, 101)
        placed += [
            ex.create_order(symbol, "market", "buy", "0.3"),
            ex.create_order(symbol, "limit", "buy", 1, 90, {"postOnly": True}),
            ex.create_order(symbol, "limit", "buy", 1, 101, {"timeInForce": "FOK"}),
            ex.create_stop_loss_order(symbol, "market", "sell", 1, None, 80),
            ex.create_take_profit_order(symbol, "limit", "sell", 1, 130, 130),
            ex.create_trigger_order(symbol, "market", "buy", 1, None, 140),
            ex.create_trailing_percent_order(symbol, "market", "sell", 1, None, 5),
            ex.edit_order(
                ex.create_order(symbol, "limit", "buy", 1, 89)["id"], symbol, "limit", "buy", 3, 87
            ),
            ex.cancel_order(ex.create_order(symbol, "limit", "buy", 1, 88)["id"]),
        ]
        with pytest.raises(ccxt.OrderImmediatelyFillable):
            ex.create_post_only_order(symbol, "limit", "buy", 1, 101)
        desk.advance(750)
        placed += ex.create_orders(
            [{"symbol": symbol, "type": "market", "side": "sell", "amount": "0.1"}] * 2
        )
        placed.append(ex.close_position(symbol, "long", {"amount": "0.2"}))
    book = ex.fetch_order_book(FREE)
    placed.append(ex.create_order(FREE, "market", "buy", exact(book["asks"][0][1]) + 1))
    desk.advance(3_600_000)
    return Day(desk, ex, kind, placed)


WAYS = ["sync", "async", "sync-http", "async-http"]


@pytest.fixture(
    scope="module",
    params=[
        *(
            pytest.param((way, kind), id=f"{way}-{kind.__name__}")
            for way in WAYS[:2]
            for kind in (float, str, Decimal)
        ),
        *(pytest.param((way, float), id=way, marks=pytest.mark.sockets) for way in WAYS[2:]),
    ],
)
def day(request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop) -> Iterator[Day]:
    way, kind = request.param
    if not way.endswith("http"):
        with desk_of(Way(way == "async", None, loop)) as desk:
            yield traded(desk, kind)
        return
    oms = OmsOfTheCase()
    with (
        serve(oms) as served,  # type: ignore[arg-type]
        desk_of(Way(way == "async-http", served.base_url, loop), oms) as desk,
    ):
        yield traded(desk, kind)


def test_orders_as_they_are_placed(day: Day) -> None:
    assert {order["status"] for order in day.placed} == {"open", "closed", "canceled"}
    for order in day.placed:
        check_order(order, day.kind, with_trades=True)


def test_orders_by_id(day: Day) -> None:
    orders = [day.ex.fetch_order(order["id"]) for order in day.placed]
    assert any(len(order["trades"]) > 1 for order in orders)
    for order in orders:
        check_order(order, day.kind, with_trades=True)


def test_orders_in_lists(day: Day) -> None:
    ex = day.ex
    lists = {
        "all": ex.fetch_orders(),
        "open": ex.fetch_open_orders(),
        "closed": ex.fetch_closed_orders(),
        "canceled": ex.fetch_canceled_orders(),
    }
    assert {order["status"] for order in lists["all"]} == {"open", "closed", "canceled", "rejected"}
    for status, orders in lists.items():
        assert len(orders) > 1
        check_ascending(orders)
        for order in orders:
            check_order(order, day.kind, with_trades=False)
            assert status in ("all", order["status"])
    by_ids = ex.fetch_orders_by_ids([order["id"] for order in lists["all"]])
    assert by_ids == lists["all"]


def test_lists_and_single_orders_agree(day: Day) -> None:
    """A list knows no trades; everything else of an order is the same as when it is read alone."""
    for listed in day.ex.fetch_orders():
        alone = day.ex.fetch_order(listed["id"])
        unknown_in_lists = ("trades", "lastTradeTimestamp", "info")
        for key in listed.keys() - set(unknown_in_lists):
            assert listed[key] == alone[key], f"{key} of {listed['id']}"


def test_trades(day: Day) -> None:
    trades = day.ex.fetch_my_trades()
    assert {trade["takerOrMaker"] for trade in trades} == {"taker", "maker"}
    assert {trade["symbol"] for trade in trades} == {SPOT, SWAP, FREE}
    check_ascending(trades)
    for trade in trades:
        check_trade(trade, day.kind)


def test_positions(day: Day) -> None:
    ex = day.ex
    ex.set_position_stops(ex.fetch_positions([SWAP])[0]["id"], 50, 500)
    positions = ex.fetch_positions()
    history = ex.fetch_positions_history()
    assert {position["side"] for position in positions} == {"long", "short"}
    assert {position["symbol"] for position in positions} == {SPOT, SWAP, FREE}
    for position in positions:
        check_structure(position, strict.POSITION, day.kind)
        contracts, entry, mark = (exact(position[key]) for key in ("contracts", "entryPrice", "markPrice"))
        assert exact(position["notional"]) == contracts * mark
        sign = 1 if position["side"] == "long" else -1
        assert abs(exact(position["unrealizedPnl"]) - sign * contracts * (mark - entry)) < Decimal("1e-9")
        swap = position["symbol"] == SWAP
        assert (position["leverage"] is not None) == (position["marginMode"] is not None) == swap
    for position in history:
        check_structure(position, strict.POSITION, day.kind)
    check_structure(
        ex.fetch_position(OTHER),
        dict.fromkeys(strict.POSITION, "list_")
        | {
            "info": "dict",
            "symbol": "symbol",
            "contracts": "number",
            "contractSize": "number",
        },
        day.kind,
    )


def test_balance(day: Day) -> None:
    balance = day.ex.fetch_balance()
    check_structure(balance, strict.BALANCE, day.kind, extra=None)
    codes = set(balance) - set(strict.BALANCE)
    assert codes == set(balance["free"]) == set(balance["used"]) == set(balance["total"])
    for code in codes:
        amounts = balance[code]
        check_structure(amounts, strict.AMOUNTS, day.kind)
        assert exact(amounts["total"]) == exact(amounts["free"]) + exact(amounts["used"])
        assert amounts == {key: balance[key][code] for key in amounts}


def test_market_data(day: Day) -> None:
    ex, kind = day.ex, day.kind
    tickers = ex.fetch_tickers()
    assert tickers[SPOT] == ex.fetch_ticker(SPOT)
    for symbol, ticker in tickers.items():
        check_structure(ticker, strict.TICKER, kind)
        assert ticker["symbol"] == symbol
        assert exact(ticker["bid"]) < exact(ticker["ask"])
        assert exact(ticker["low"]) <= exact(ticker["last"]) <= exact(ticker["high"])
        assert ticker["last"] == ticker["close"]
        assert exact(ticker["change"]) == exact(ticker["last"]) - exact(ticker["open"])
    for symbol in (SPOT, FREE):
        book = ex.fetch_order_book(symbol)
        check_structure(book, strict.ORDER_BOOK, kind)
        for level in [*book["bids"], *book["asks"]]:
            assert [strict.CHECKS["number"](part, kind) for part in level] == [True, True]
    for candle in ex.fetch_ohlcv(FREE, "1m", None, 20):
        assert type(candle) is list
        assert len(candle) == 6
        assert strict.CHECKS["ms"](candle[0], kind)
        assert all(strict.CHECKS["number"](part, kind) for part in candle[1:])
    trades = ex.fetch_trades(FREE, None, 20)
    assert len(trades) == 20
    for trade in trades:
        check_structure(trade, strict.PUBLIC_TRADE, kind)


def test_account_structures(day: Day) -> None:
    ex, kind = day.ex, day.kind
    for account in ex.fetch_accounts():
        check_structure(account, strict.ACCOUNT, kind)
    for fee in ex.fetch_trading_fees().values():
        check_structure(fee, strict.TRADING_FEE, kind)
    entries = ex.fetch_ledger()
    assert {entry["type"] for entry in entries} == {"transaction", "trade", "fee"}
    check_ascending(entries)
    for entry in entries:
        check_structure(entry, strict.LEDGER_ENTRY, kind)
        sign = 1 if entry["direction"] == "in" else -1
        assert exact(entry["after"]) - exact(entry["before"]) == sign * exact(entry["amount"])
        check_structure(entry["fee"], {"currency": "text", "cost": "number"}, kind)


def test_markets_and_currencies(day: Day) -> None:
    keys_of_ccxt = {"feeSide", "percentage", "tierBased", "quanto", "marketType", "stock", "prediction"}
    for symbol, market in day.ex.markets.items():
        check_structure(
            market, strict.MARKET, day.kind, extra=frozenset(keys_of_ccxt) | day.ex.markets[symbol].keys()
        )
        assert {"amount", "price"} <= set(market["precision"])
        assert set(market["limits"]) == {"leverage", "amount", "price", "cost"}
        for limits in market["limits"].values():
            assert set(limits) == {"min", "max"}
        assert (market["contractSize"] is not None) == market["contract"] == (market["settle"] is not None)
    for code, currency in day.ex.fetch_currencies().items():
        check_structure(currency, strict.CURRENCY, day.kind)
        assert currency["code"] == code


def test_no_key_of_ccxts_own_structures_is_missing(day: Day) -> None:
    """The tables above against what this release of ccxt makes of an empty row."""
    own = ccxt.Exchange()
    order = own.safe_order({"amount": "1", "price": "1"})
    assert order.keys() <= strict.ORDER.keys()
    assert own.safe_trade({}).keys() <= strict.TRADE.keys()
    assert own.safe_ticker({}).keys() <= strict.TICKER.keys()
    assert own.safe_position({}).keys() <= strict.POSITION.keys()
    assert own.safe_ledger_entry({}).keys() <= strict.LEDGER_ENTRY.keys()
    market = own.safe_market_structure({"id": "x"})
    assert market.keys() <= day.ex.markets[SPOT].keys()
