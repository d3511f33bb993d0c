"""An OMS on a clock that the caller moves: what may happen next, and what has happened."""

from __future__ import annotations

from decimal import ROUND_UP, Context, Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.contract.rows import LedgerKind
from ccxt_driver.oms import EmbeddedOms, Event, account_rows
from ccxt_driver.oms.clock import ManualClock
from ccxt_driver.oms.market.files import FileFeed

T = 1_700_006_400_000
MINUTE = 60_000
SYMBOL, SWAP = "BTC/USDT", "BTC/USDT:USDT"
CANDLES = [(100, 110, 90, 105), (105, 108, 80, 100), (100, 101, 99, 100), (100, 130, 95, 120)]


@pytest.fixture
def feed(tmp_path: Path) -> FileFeed:
    """Four minutes."""
    rows = [",".join(map(str, (T + index * MINUTE, *prices, 1))) for index, prices in enumerate(CANDLES)]
    (tmp_path / "BTC_USDT-1m.csv").write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))
    return FileFeed(tmp_path)


def order(oms: EmbeddedOms, side: str, price: str) -> dict[str, Any]:
    payload = {"symbol": SYMBOL, "side": side, "order_type": "limit", "qty": "0.1", "price": price}
    reply = oms.handle("commands", {}, {}, {"account_id": 1, "command": "send_order", "payload": payload})
    assert reply.status == 200, reply.body
    row: dict[str, Any] = reply.body["results"][0]
    return row


def test_the_clock_is_the_callers(feed: FileFeed) -> None:
    clock = ManualClock(T)
    oms = EmbeddedOms(feed=feed, clock=clock)
    clock.advance(MINUTE)
    assert oms.now_ms() == T + MINUTE
    assert oms.manual


def test_a_clock_goes_without_a_start_or_a_speed(feed: FileFeed) -> None:
    with pytest.raises(ValueError, match="clock: expected a word"):
        EmbeddedOms(feed=feed, clock=ManualClock(T), speed=2)
    with pytest.raises(ValueError, match="clock: expected a word"):
        EmbeddedOms(feed=feed, clock=ManualClock(T), start_ms=T)


def test_nothing_can_happen_where_nothing_rests(feed: FileFeed) -> None:
    oms = EmbeddedOms(feed=feed, clock=ManualClock(T))
    assert oms.next_move(T + 4 * MINUTE) is None


def test_the_next_move_is_the_moment_at_which_an_order_fills(feed: FileFeed) -> None:
    clock = ManualClock(T)
    oms = EmbeddedOms(feed=feed, clock=clock)
    order(oms, "buy", "85")
    at = oms.next_move(T + 4 * MINUTE)
    assert at is not None
    assert T + MINUTE < at < T + 2 * MINUTE
    assert oms.next_move(at - 1) is None

    clock.advance(at - 1 - T)
    before = oms.commits
    oms.tick()
    assert oms.commits == before
    clock.advance(1)
    oms.tick()
    assert oms.commits == before + 1
    [deal] = oms.history_of(1).deals
    assert (deal["executed_at"], deal["price"]) == ("2023-11-15T00:01:39.999Z", "85")
    assert oms.next_move(T + 4 * MINUTE) is None


def test_commits_are_counted_and_those_that_are_told(feed: FileFeed) -> None:
    oms = EmbeddedOms(feed=feed, clock=ManualClock(T))
    commits, told = oms.commits, oms.told
    order(oms, "buy", "85")
    assert (oms.commits, oms.told) == (commits + 1, told + 1)
    oms.handle("orders_history", {}, {"account_ids": "1"}, None)
    assert (oms.commits, oms.told) == (commits + 1, told + 1)


def test_it_knows_whether_anybody_follows(feed: FileFeed) -> None:
    oms = EmbeddedOms(feed=feed, clock=ManualClock(T))
    assert (oms.is_followed, oms.prices_followed) == (False, False)
    end = oms.subscribe_prices(lambda news: None)
    assert (oms.is_followed, oms.prices_followed) == (True, True)
    end()
    end = oms.subscribe(lambda events: None)
    assert (oms.is_followed, oms.prices_followed) == (True, False)
    end()
    assert not oms.is_followed


def test_who_subscribes_may_hear_that_it_was_closed(feed: FileFeed) -> None:
    told: list[Event] = []
    ends: list[str] = []
    oms = EmbeddedOms(feed=feed, clock=ManualClock(T))
    oms.subscribe(told.extend, lambda: ends.append("first"))
    end = oms.subscribe(told.extend, lambda: ends.append("second"))
    end()
    oms.close()
    oms.close()
    assert ends == ["first"]


def test_the_history_of_an_account_is_all_of_it(desk: Any) -> None:
    desk.run("send_order", symbol=SYMBOL, side="buy", order_type="market", qty="1")
    desk.run("send_order", symbol=SYMBOL, side="buy", order_type="limit", qty="1", price="50")
    desk.run("send_order", account=2, symbol=SYMBOL, side="buy", order_type="market", qty="1")
    history = desk.oms.history_of(1)
    assert [row["account_id"] for row in history.orders] == [1, 1]
    assert (len(history.orders), history.orders[-1]["price"]) == (2, "50")
    assert history.orders[:1] == [history.orders[0]]
    with pytest.raises(IndexError):
        history.orders[2]
    assert [row["qty"] for row in history.deals] == ["1"]
    assert [row["state"] for row in history.positions] == ["open"]
    deposits = {entry.currency: entry.amount for entry in history.ledger if entry.kind is LedgerKind.DEPOSIT}
    assert deposits == {"USDT": 100_000, "BTC": 10, "ETH": 100}
    totals: dict[str, Decimal] = {}
    for entry in history.ledger:
        totals[entry.currency] = totals.get(entry.currency, Decimal(0)) + entry.amount
        assert entry.balance_after == totals[entry.currency]
    with pytest.raises(ValueError, match="account_id: 9"):
        desk.oms.history_of(9)


def test_the_history_is_the_same_in_every_decimal_context(desk: Any) -> None:
    for price in ("100", "100.01"):
        desk.run("send_order", symbol=SYMBOL, side="buy", order_type="limit", qty="0.12345", price=price)
    desk.run("send_order", symbol=SYMBOL, side="buy", order_type="market", qty="1.00007")

    def rows() -> list[list[Any]]:
        history = desk.oms.history_of(1)
        return [[*history.orders], [*history.deals], [*history.positions], [*history.ledger]]

    expected = rows()
    assert expected[1]
    with localcontext(Context(prec=2, rounding=ROUND_UP)):
        assert rows() == expected


def test_many_rows_are_read_in_parts(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_rows, "_ROWS_AT_ONCE", 3)
    for _ in range(5):
        desk.run("send_order", symbol=SYMBOL, side="buy", order_type="limit", qty="1", price="50")
        desk.run("send_order", account=2, symbol=SYMBOL, side="buy", order_type="limit", qty="1", price="50")
    orders = desk.oms.history_of(2).orders
    assert [row["id"] for row in orders] == [2, 4, 6, 8, 10]
    assert {row["account_id"] for row in orders} == {2}
    desk.run("cancel_order", account=2, order_id=4)
    assert [row["status"] for row in orders][:2] == ["SUBMITTED", "CANCELED"]


def test_rows_of_each_kind_are_as_they_are_when_they_are_looked_at(desk: Any) -> None:
    for side in ("buy", "sell"):
        desk.run("send_order", symbol=SWAP, side=side, order_type="market", qty="1")
        history = desk.oms.history_of(1)
        if side == "buy":
            positions = history.positions
            assert positions[0]["state"] == "open"
    assert [row["state"] for row in positions] == ["closed"]
    assert [row["side"] for row in history.deals] == ["buy", "sell"]
    assert [entry.id for entry in history.ledger] == sorted(entry.id for entry in history.ledger)
    assert history.ledger[-1] == [*history.ledger][-1]


def test_margin_is_told_of_accounts_that_hold_swaps(desk: Any) -> None:
    assert not desk.oms.has_margin(1)
    desk.run("send_order", symbol=SWAP, side="buy", order_type="market", qty="1")
    assert desk.oms.has_margin(1)
    assert not desk.oms.has_margin(2)
    desk.run("send_order", symbol=SWAP, side="sell", order_type="market", qty="1")
    assert not desk.oms.has_margin(1)


def test_a_feed_of_files_knows_its_end_and_its_news(feed: FileFeed) -> None:
    assert feed.end_ms == T + 4 * MINUTE - 1
    assert feed.timeframe(SYMBOL) == "1m"
    assert feed.next_news(T - 1) == T
    assert feed.next_news(T) == T + MINUTE
    assert feed.next_news(T + 3 * MINUTE) is None


@pytest.mark.parametrize("name", ["BTC_USDT-trades.csv", "BTC_USDT-trades.jsonl"])
def test_trades_are_news_each(tmp_path: Path, name: str) -> None:
    rows = [(T, 100, 1), (T, 101, 1), (T + 7, 102, 1)]
    if name.endswith("csv"):
        text = "\n".join(["timestamp,price,amount", *(",".join(map(str, row)) for row in rows), ""])
    else:
        text = "\n".join(f'{{"timestamp":{at},"price":{price},"amount":{qty}}}' for at, price, qty in rows)
    (tmp_path / name).write_text(text)
    feed = FileFeed(tmp_path)
    assert feed.timeframe(SYMBOL) is None
    assert (feed.next_news(T - 1), feed.next_news(T), feed.next_news(T + 7)) == (T, T + 7, None)
    assert feed.end_ms == T + 7
    [page] = feed.ticks(SYMBOL)
    assert page.costs() == [100.0, 101.0, 102.0]
