"""An OMS on an upset synthetic market: stops across a gap, and what a halt lets happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.contract.values import format_time
from ccxt_driver.oms import EmbeddedOms, Synthetic
from ccxt_driver.oms.market.files import FileFeed

from .conftest import ACCOUNTS, Desk

COIN = "ETH/USDT"
MINUTE = 60_000
HOUR = 60 * MINUTE
GAP = (1_767_225_600 + 69 * 86_400 + 30_626) * 1_000
"""When ETH/USDT of seed 0 falls by eight percent, and halts begin a second later."""
UPSET = Synthetic(regimes=True, gaps_per_month=2, halt_minutes=10)
HALT = GAP + 1_000
OPENS = HALT + 10 * MINUTE
CALM = Synthetic(gaps_per_month=2, halt_minutes=10)


@pytest.fixture
def start() -> Iterator[Callable[..., Desk]]:
    """Make desks that are closed at the end."""
    made: list[Desk] = []

    def make(at: int, **options: Any) -> Desk:
        desk = Desk(**{"start_ms": at, "synthetic": CALM} | options)
        made.append(desk)
        return desk

    yield make
    for desk in made:
        desk.oms.close()


def last(desk: Desk, at: int) -> Decimal:
    return Decimal(desk.oms._core.market.quote(COIN, at).last)


def until(desk: Desk, at: int) -> None:
    desk.oms.advance(at - desk.oms.now_ms())


def row_of(desk: Desk) -> dict[str, Any]:
    [row] = [row for row in desk.get("sessions")["items"] if row["symbol"] == COIN]
    return dict(row)


# ------------------------------------------------------------------ gaps


def test_a_stop_across_a_gap_fills_beyond_its_price(start: Callable[..., Desk]) -> None:
    desk = start(GAP - 10_000)
    before, after = last(desk, GAP - 1_000), last(desk, GAP)
    assert Decimal("-0.09") < after / before - 1 < Decimal("-0.07")
    stop = round((before + after) / 2, 2)
    desk.send("buy", 1, symbol=COIN, oms_stop_loss=str(stop))

    desk.oms.advance(HOUR)

    *_, deal = sorted(desk.get("deals", account_ids=1, since_ms=0)["items"], key=lambda row: row["id"])
    assert deal["side"] == "sell"
    assert deal["executed_at"] == format_time(GAP)
    assert Decimal(deal["price"]) < after * Decimal("1.001") < stop * Decimal("0.97")


# ------------------------------------------------------------------ halts


def test_orders_are_refused_from_the_second_after_the_gap_until_it_opens(start: Callable[..., Desk]) -> None:
    desk = start(GAP)
    order = desk.order("buy", 1, 100, COIN)
    desk.run("send_order", **order)
    until(desk, HALT - 1)
    desk.run("send_order", **order)
    assert (row_of(desk)["session"], row_of(desk)["opens_at"]) == ("open", None)

    until(desk, HALT)

    for moment in (HALT, OPENS - 1):
        until(desk, moment)
        detail = desk.refuse("market_closed", "send_order", **order)
        assert detail["details"] == {
            "symbol": COIN,
            "session": "halted",
            "reason": "its price has jumped",
            "opens_at": format_time(OPENS),
        }
        row = row_of(desk)
        assert (row["session"], row["set_by_hand"], row["opens_at"]) == ("halted", "open", format_time(OPENS))
    until(desk, OPENS)
    desk.run("send_order", **order)
    assert (row_of(desk)["session"], row_of(desk)["halted"], row_of(desk)["opens_at"]) == ("open", None, None)


def test_nobody_is_told_when_the_next_halt_begins(start: Callable[..., Desk]) -> None:
    desk = start(GAP - HOUR)
    assert row_of(desk)["changes_at"] is row_of(desk)["opens_at"] is None
    assert str(GAP) not in str(desk.get("sessions"))


def test_the_swap_is_halted_with_its_spot_market(start: Callable[..., Desk]) -> None:
    desk = start(HALT)
    desk.refuse("market_closed", "send_order", **desk.order("buy", 1, 100, f"{COIN}:USDT"))
    desk.run("send_order", **desk.order("buy", "0.1", 100, "SOL/USDT"))


def test_what_rests_waits_for_the_end_of_a_halt(start: Callable[..., Desk]) -> None:
    desk = start(GAP)
    feed = desk.oms._core.market
    tick = feed.market(COIN).tick_size
    # The market opens lower than it was halted, and was lower still in between.
    resting = desk.send("buy", 1, str(feed.quote(COIN, OPENS).ask + tick), COIN)
    lowest = min(last(desk, moment) for moment in range(HALT, OPENS, 1_000))
    trigger = desk.send("sell", 1, symbol=COIN, trigger_price=str(lowest))
    assert lowest < last(desk, OPENS) < Decimal(resting["price"]) < feed.quote(COIN, GAP).bid

    until(desk, OPENS - 1)
    assert desk.order_row(resting["id"])["status"] == "SUBMITTED"
    until(desk, OPENS)

    assert desk.order_row(resting["id"])["status"] == "FILLED"
    [deal] = desk.get("deals", account_ids=1, since_ms=0)["items"]
    assert (deal["executed_at"], deal["price"]) == (format_time(OPENS), resting["price"])
    assert desk.order_row(trigger["id"])["status"] == "SUBMITTED"


def test_what_rests_is_cancelled_where_that_was_asked(start: Callable[..., Desk]) -> None:
    desk = start(GAP)
    desk.oms.set_session(COIN, "open", resting="cancel")
    resting = desk.send("buy", 1, 100, COIN)

    until(desk, OPENS)

    row = desk.order_row(resting["id"])
    assert (row["status"], row["reject_reason"]) == ("CANCELED", "market_halted")


def test_hours_and_halts_have_to_let_it_open_both(start: Callable[..., Desk]) -> None:
    desk = start(GAP)  # a Wednesday, 08:30:26
    desk.oms.set_hours(COIN, ["mon-fri 08:00-08:35", "wed 09:00-17:00"])
    order = desk.order("buy", 1, 100, COIN)
    until(desk, HALT)
    nine = GAP - 30_626_000 + 9 * HOUR
    detail = desk.refuse("market_closed", "send_order", **order)
    assert detail["details"]["session"] == "halted"
    assert detail["details"]["opens_at"] == format_time(nine)
    until(desk, OPENS)
    assert desk.refuse("market_closed", "send_order", **order)["details"]["session"] == "closed"
    until(desk, nine)
    desk.run("send_order", **order)


def test_what_is_set_by_hand_stands_over_a_halt(start: Callable[..., Desk]) -> None:
    desk = start(HALT)
    desk.oms.set_session(COIN, "closed")
    assert desk.refuse("market_closed", "send_order", **desk.order("buy", 1, 100, COIN))["details"] == {
        "symbol": COIN,
        "session": "closed",
        "reason": "its price has jumped",
    }
    until(desk, OPENS)
    desk.refuse("market_closed", "send_order", **desk.order("buy", 1, 100, COIN))
    desk.oms.set_session(COIN, "open")
    desk.send("buy", 1, 100, COIN)


def test_a_price_that_is_set_by_hand_ends_a_halt(start: Callable[..., Desk]) -> None:
    desk = start(GAP)
    resting = desk.send("buy", 1, 100, COIN)
    until(desk, HALT)

    desk.price(COIN, "90", "91")

    assert desk.order_row(resting["id"])["status"] == "FILLED"
    desk.send("buy", 1, 80, COIN)
    desk.oms.advance(90 * 24 * HOUR)  # and nothing halts it any more
    desk.send("buy", 1, 80, COIN)
    assert COIN not in desk.oms._core.state.halts


def test_a_price_that_could_not_be_written_ends_no_halt(
    start: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = start(GAP, db=tmp_path / "oms.sqlite")
    until(desk, HALT)

    def fail(changes: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(desk.oms._core.store, "commit", fail)
        with pytest.raises(Exception, match="could not be written"):
            desk.price(COIN, "90", "91")

    desk.refuse("market_closed", "send_order", **desk.order("buy", 1, 100, COIN))
    until(desk, OPENS)
    desk.send("buy", 1, 100, COIN)


def test_a_halt_whose_end_could_not_be_written_ends_again(
    start: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = start(GAP, db=tmp_path / "oms.sqlite")
    price = desk.oms._core.market.quote(COIN, OPENS).ask + 1
    resting = desk.send("buy", 1, str(price), COIN)  # crossed where it opens

    def fail(changes: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(desk.oms._core.store, "commit", fail)
        with pytest.raises(Exception, match="could not be written"):
            until(desk, OPENS + HOUR)

    desk.oms.tick()
    assert desk.order_row(resting["id"])["status"] == "FILLED"
    [deal] = desk.get("deals", account_ids=1, since_ms=0)["items"]
    assert (deal["executed_at"], deal["price"]) == (format_time(OPENS), resting["price"])


def busy_days(look_every_ms: int) -> list[Any]:
    """Orders of many kinds over two days, each of which has a gap and a halt; every event of it."""
    chosen = Synthetic(regimes=True, gaps_per_month=30, halt_minutes=90)
    oms = EmbeddedOms(ACCOUNTS, clock="manual", seed=3, synthetic=chosen)
    events: list[Any] = []
    oms.subscribe(lambda batch: events.extend((each.name, each.ts_ms, each.payload) for each in batch))
    for symbol in (COIN, f"{COIN}:USDT"):
        at = oms._core.quote(symbol, oms.now_ms()).last
        tick = oms._core.market.market(symbol).tick_size
        for thousandths in (-100, -60, -40, -20, -10, -5, 5, 10, 20, 40, 60, 100):
            price = at * (1000 + thousandths) / 1000 // tick * tick
            side = "buy" if thousandths < 0 else "sell"
            for kind in ({"order_type": "limit", "price": price}, {"trigger_price": price}):
                body = {"symbol": symbol, "side": side, "order_type": "market", "qty": "1"} | kind
                command = {
                    "account_id": 1,
                    "command": "send_order",
                    "payload": {name: str(value) for name, value in body.items()},
                }
                assert oms.handle("commands", {}, {}, command).status == 200
    for _ in range(2 * 24 * HOUR // look_every_ms):
        oms.advance(look_every_ms)
    oms.close()
    return events


def test_looking_rarely_gives_what_looking_often_gives() -> None:
    rarely = busy_days(2 * 24 * HOUR)
    assert rarely == busy_days(20_000)
    assert len([name for name, *_ in rarely if name == "deal_created"]) > 12


# ------------------------------------------------------------------ files


def test_a_file_goes_on_with_what_it_was_made_with(start: Callable[..., Desk], tmp_path: Path) -> None:
    db = tmp_path / "oms.sqlite"
    desk = start(GAP, db=db)
    price = desk.oms._core.market.quote(COIN, OPENS).ask + 1
    order, resting = desk.send("buy", 1, 100, COIN), desk.send("buy", 1, str(price), COIN)
    until(desk, HALT + MINUTE)
    desk.run("cancel_order", order_id=order["id"])  # so that the file knows this moment
    expected = last(desk, OPENS)
    desk.oms.close()

    with EmbeddedOms(ACCOUNTS, clock="manual", db=db) as oms:
        assert oms.now_ms() == HALT + MINUTE
        assert oms._core.quote(COIN, OPENS).last == expected
        again = object.__new__(Desk)
        again.oms, again.principal = oms, desk.principal
        again.refuse("market_closed", "send_order", **again.order("buy", 1, 100, COIN))
        until(again, OPENS)
        [deal] = again.get("deals", account_ids=1, since_ms=0)["items"]
        assert (deal["order_id"], deal["executed_at"]) == (resting["id"], format_time(OPENS))
        again.send("buy", 1, 100, COIN)


def test_a_file_that_was_made_without_stays_without(tmp_path: Path) -> None:
    db = tmp_path / "oms.sqlite"
    with EmbeddedOms(clock="manual", db=db) as oms:
        expected = oms._core.quote(COIN, GAP)
    with EmbeddedOms(clock="manual", db=db, synthetic=UPSET) as oms:
        assert oms._core.quote(COIN, GAP) == expected
        assert oms._core.state.halts == {}


def test_it_goes_with_synthetic_prices_only(tmp_path: Path) -> None:
    rows = "timestamp,open,high,low,close,volume\n1700000040000,100,110,90,105,8\n"
    (tmp_path / "BTC_USDT-1m.csv").write_text(rows)
    with pytest.raises(ValueError, match="synthetic: expected none with a feed"):
        EmbeddedOms(feed=FileFeed(tmp_path), synthetic=UPSET)
    with pytest.raises(ValueError, match="synthetic: expected a Synthetic, got dict"):
        EmbeddedOms(synthetic={"regimes": True})  # type: ignore[arg-type]
