"""Sessions of markets: what is refused outside of them, what waits, and what happens when they open."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.oms import DEFAULT_MARKETS, EmbeddedOms
from ccxt_driver.oms.trading_hours import WeeklyHours

from .conftest import ACCOUNTS, SPOT, SWAP, Desk

HOUR = 3_600_000
MONDAY = 1_767_571_200_000  # 2026-01-05T00:00:00Z
SESSIONS = ("closed", "halted", "delisted")


def status(desk: Desk, order: dict) -> tuple[str, str | None]:
    reply = desk.oms.handle("orders_by_id", {"ids": str(order["id"])}, {}, None)
    [row] = reply.body["items"]
    return row["status"], row["reject_reason"]


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize("session", SESSIONS)
def test_orders_are_refused_while_a_market_is_not_open(desk: Desk, session: str) -> None:
    desk.oms.set_session(SPOT, session)

    detail = desk.refuse("market_closed", "send_order", **desk.order("buy", 1, 90))

    assert detail["details"] == {"symbol": SPOT, "session": session}
    desk.refuse("market_closed", "send_order", **desk.order("buy", 1))
    check = desk.run("check_order", **desk.order("buy", 1, 90))
    assert check["result"]["ok"] is False
    assert check["result"]["reason"] == f"market_closed: {SPOT} is {session}"
    desk.send("buy", 1, 90, SWAP)  # another market is not concerned


@pytest.mark.parametrize("session", ["closed", "halted"])
def test_what_needs_no_venue_is_never_refused(desk: Desk, session: str) -> None:
    first, second = desk.send("buy", 1, account=2), desk.send("sell", 1, account=2)
    resting = desk.send("buy", 1, 90)
    desk.oms.set_session(SPOT, session)

    desk.refuse("market_closed", "change_order", order_id=resting["id"], new_price="91")
    desk.refuse("market_closed", "close_position", 2, position_id=first["position_id"])
    desk.run("position_change", 2, position_id=first["position_id"], oms_stop_loss="80")
    desk.run("close_by", 2, position_id_a=first["position_id"], position_id_b=second["position_id"])
    desk.run("cancel_order", order_id=resting["id"])

    assert status(desk, resting) == ("CANCELED", None)


def test_words_that_are_unknown_are_refused(desk: Desk) -> None:
    with pytest.raises(ValueError, match="session: expected one of open, closed"):
        desk.oms.set_session(SPOT, "shut")
    with pytest.raises(ValueError, match="resting: expected keep or cancel"):
        desk.oms.set_session(SPOT, "closed", resting="drop")
    with pytest.raises(ValueError, match="resting: expected keep or cancel"):
        desk.oms.set_hours(SPOT, None, resting="drop")
    with pytest.raises(ValueError, match="symbol: 'X/Y' is not listed"):
        desk.oms.set_session("X/Y", "closed")


# ------------------------------------------------------------------ what rests and waits


def test_what_rests_waits_and_sees_the_price_it_opens_at(desk: Desk) -> None:
    resting = desk.send("buy", 1, 90)
    bought = desk.send("buy", 1, symbol=SWAP)
    desk.run("position_change", position_id=bought["position_id"], oms_stop_loss="95")
    stop = desk.send("buy", 1, trigger_price="120", symbol=SWAP, account=2)
    for symbol in (SPOT, SWAP):
        desk.oms.set_session(symbol, "closed")

    desk.price(SPOT, "80", "81")
    desk.price(SWAP, "80", "81")
    desk.price(SWAP, "130", "131")
    desk.price(SWAP, "85", "86")
    desk.oms.advance(HOUR)

    assert status(desk, resting)[0] == "SUBMITTED"
    assert status(desk, stop)[0] == "SUBMITTED"
    for symbol in (SPOT, SWAP):
        desk.oms.set_session(symbol, "open")
    assert status(desk, resting)[0] == "FILLED"
    assert status(desk, stop)[0] == "SUBMITTED"  # the price it would have fired at was of no session
    [position] = desk.oms.handle("positions_by_id", {"ids": str(bought["position_id"])}, {}, None).body[
        "items"
    ]
    assert position["state"] == "closed"


def test_resting_orders_are_cancelled_where_that_was_asked(desk: Desk) -> None:
    resting, other = desk.send("buy", 1, 90), desk.send("buy", 1, 90, SWAP)
    waiting = desk.send("buy", 1, trigger_price="120")

    desk.oms.set_session(SPOT, "halted", resting="cancel")

    assert status(desk, resting) == status(desk, waiting) == ("CANCELED", "market_halted")
    assert status(desk, other)[0] == "SUBMITTED"


def test_a_delisted_market_keeps_no_orders(desk: Desk) -> None:
    resting = desk.send("buy", 1, 90)
    desk.oms.set_session(SPOT, "halted")
    assert status(desk, resting)[0] == "SUBMITTED"

    desk.oms.set_session(SPOT, "delisted")

    assert status(desk, resting) == ("CANCELED", "market_delisted")


@pytest.mark.parametrize("session,active", [("closed", True), ("halted", True), ("delisted", False)])
def test_programs_are_told_of_a_market_that_is_delisted(desk: Desk, session: str, active: bool) -> None:
    """Not of one that is closed or halted: they keep markets for hours."""
    desk.oms.set_session(SPOT, session)
    assert {row["symbol"]: row["active"] for row in desk.venue("fetch_markets")} == {
        row["symbol"]: row["symbol"] != SPOT or active for row in desk.venue("fetch_markets")
    }
    assert desk.venue("load_markets")[SPOT]["active"] is active
    exchange = OmsCcxtExchange({"options": {"oms": desk.oms, "account_id": 1}})
    assert exchange.load_markets()[SPOT]["active"] is active
    desk.oms.set_session(SPOT, "open")
    assert exchange.load_markets(True)[SPOT]["active"] is True


def test_orders_expire_while_a_market_is_closed(desk: Desk) -> None:
    until = desk.oms.now_ms() + HOUR
    order = desk.send("buy", 1, 90, time_in_force="GTD", expire_at=until)
    desk.oms.set_session(SPOT, "closed")

    desk.oms.advance(HOUR)

    assert status(desk, order) == ("CANCELED", "expired")


# ------------------------------------------------------------------ by the week


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    "windows, at, is_open, change",
    [
        (["mon-fri 14:30-21:00"], "2026-01-05T14:29", False, "2026-01-05T14:30"),
        (["mon-fri 14:30-21:00"], "2026-01-05T14:30", True, "2026-01-05T21:00"),
        (["mon-fri 14:30-21:00"], "2026-01-09T21:00", False, "2026-01-12T14:30"),
        (
            ["sun 22:00-24:00", "mon-thu 00:00-24:00", "fri 00:00-22:00"],
            "2026-01-07T00:00",
            True,
            "2026-01-09T22:00",
        ),
        (
            ["sun 22:00-24:00", "mon-thu 00:00-24:00", "fri 00:00-22:00"],
            "2026-01-11T21:59",
            False,
            "2026-01-11T22:00",
        ),
        (
            ["sun 22:00-24:00", "mon-thu 00:00-24:00", "fri 00:00-22:00"],
            "2026-01-11T23:00",
            True,
            "2026-01-16T22:00",
        ),
        (["fri-mon 08:00-09:00"], "2026-01-11T08:30", True, "2026-01-11T09:00"),
        (["MON-SUN 00:00-24:00"], "2026-01-11T08:30", True, None),
    ],
)
def test_hours_of_a_week(windows: list[str], at: str, is_open: bool, change: str | None) -> None:
    hours = WeeklyHours(windows)

    assert hours.is_open(ms(at)) is is_open
    assert hours.next_change(ms(at)) == (None if change is None else ms(change))


@pytest.mark.parametrize(
    "windows",
    [
        [],
        ["mon 9-17"],
        ["mon 17:00-09:00"],
        ["xyz 09:00-17:00"],
        ["mon 09:00-24:01"],
        ["mon 09:60-17:00"],
        [3],
    ],
)
def test_hours_that_make_no_sense_are_refused(desk: Desk, windows: list[str]) -> None:
    with pytest.raises(ValueError, match="hours: expected"):
        desk.oms.set_hours(SPOT, windows)


@pytest.fixture
def week() -> Desk:
    """A desk on a Monday at midnight, whose swap trades from nine to five."""
    desk = Desk(start_ms=MONDAY)
    desk.oms.set_hours(SWAP, ["mon-fri 09:00-17:00"])
    return desk


def test_a_market_opens_and_closes_by_its_hours(week: Desk) -> None:
    detail = week.refuse("market_closed", "send_order", **week.order("buy", 1, 90, SWAP))
    assert detail["details"]["opens_at"] == "2026-01-05T09:00:00.000Z"
    week.oms.advance(9 * HOUR)
    order = week.send("buy", 1, 90, SWAP)
    week.oms.advance(8 * HOUR)
    week.price(SWAP, "80", "81")
    assert status(week, order)[0] == "SUBMITTED"

    week.oms.advance(24 * HOUR)

    [deal] = week.oms.handle("deals", {}, {"account_ids": "1", "since_ms": "0"}, None).body["items"]
    assert (deal["executed_at"], deal["price"]) == ("2026-01-06T09:00:00.000Z", "90")


def test_a_halt_by_hand_stands_over_the_hours(week: Desk) -> None:
    week.oms.set_session(SWAP, "halted")
    week.oms.advance(10 * HOUR)
    week.refuse("market_closed", "send_order", **week.order("buy", 1, 90, SWAP))

    week.oms.set_session(SWAP, "open")

    week.send("buy", 1, 90, SWAP)
    week.oms.advance(8 * HOUR)
    week.refuse("market_closed", "send_order", **week.order("buy", 1, 90, SWAP))
    week.oms.set_hours(SWAP, None)
    week.send("buy", 1, 90, SWAP)


def test_hours_may_cancel_what_rests(week: Desk) -> None:
    week.oms.set_hours(SWAP, ["mon-fri 09:00-17:00"], resting="cancel")
    week.oms.advance(9 * HOUR)
    order = week.send("buy", 1, 90, SWAP)

    week.oms.advance(8 * HOUR)

    assert status(week, order) == ("CANCELED", "market_closed")


def test_a_halt_leaves_it_to_the_hours_what_is_cancelled(week: Desk) -> None:
    week.oms.set_hours(SWAP, ["mon-fri 09:00-17:00"], resting="cancel")
    week.oms.advance(9 * HOUR)
    week.oms.set_session(SWAP, "halted", resting="keep")
    week.oms.set_session(SWAP, "open", resting="cancel")
    order = week.send("buy", 1, 90, SWAP)
    week.oms.set_session(SWAP, "open")

    week.oms.advance(8 * HOUR)

    assert status(week, order) == ("CANCELED", "market_closed")


def test_sessions_survive_a_restart(tmp_path: Path) -> None:
    options = {"accounts": ACCOUNTS, "clock": "manual", "db": tmp_path / "oms.sqlite", "start_ms": MONDAY}
    with EmbeddedOms(**options) as oms:
        oms.set_hours(SWAP, ["mon-fri 09:00-17:00"], resting="cancel")
        oms.set_session(SPOT, "halted")

    desk = Desk(**options)

    desk.refuse("market_closed", "send_order", **desk.order("buy", 1, 90))
    desk.refuse("market_closed", "send_order", **desk.order("buy", 1, 90, SWAP))
    desk.oms.advance(9 * HOUR)
    order = desk.send("buy", 1, 90, SWAP)
    desk.oms.advance(8 * HOUR)
    assert status(desk, order) == ("CANCELED", "market_closed")
    desk.oms.close()


def test_sessions_of_a_market_that_is_not_listed_for_a_while_are_kept(tmp_path: Path) -> None:
    options = {"accounts": ACCOUNTS, "clock": "manual", "db": tmp_path / "oms.sqlite", "start_ms": MONDAY}
    with EmbeddedOms(**options) as oms:
        oms.set_hours(SWAP, ["mon-fri 09:00-17:00"])
        oms.set_session("SOL/USDT", "halted")
    listed = [market for market in DEFAULT_MARKETS if market.symbol in (SPOT, "ETH/USDT")]
    with EmbeddedOms(**options, markets=listed) as oms:
        oms.set_session(SPOT, "closed")
        oms.advance(18 * HOUR)

    desk = Desk(**options)

    for symbol in (SPOT, SWAP, "SOL/USDT"):
        desk.refuse("market_closed", "send_order", **desk.order("buy", 1, 90, symbol))
    desk.oms.advance(15 * HOUR)
    desk.send("buy", 1, 90, SWAP)
    desk.oms.close()
