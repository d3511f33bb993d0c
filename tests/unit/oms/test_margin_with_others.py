"""Margin beside what else a venue has: sessions, limits, latency and commits in groups."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms import OWNER, EmbeddedOms
from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.oms.models import FixedLatency, Models
from ccxt_driver.oms.service import CommandRequest
from ccxt_driver.oms.sqlite_journal import Journal

from .conftest import SWAP, Desk

OTHER = "ETH/USDT:USDT"
HOUR = 3_600_000
POOR = [{"account_id": 1, "position_mode": "netting", "balances": {"USDT": "1000", "BTC": "1"}}]

Make = Callable[..., Desk]


@pytest.fixture
def poor(make_desk: Make) -> Desk:
    desk = make_desk(accounts=POOR)
    desk.price(OTHER, "10", "10.1", last="10")
    desk.price(SWAP, "100", "101", last="100")
    return desk


def as_it_is(oms: EmbeddedOms) -> Desk:
    """A desk that sets no price by hand."""
    desk = Desk.__new__(Desk)
    desk.oms, desk.principal, desk.events = oms, OWNER, []
    return desk


def reasons(desk: Desk) -> list[tuple[str, str | None]]:
    return [(deal["symbol"], deal["reason"]) for deal in desk.deals(sort="asc")]


def entries(desk: Desk, kind: str) -> list[Decimal]:
    return [Decimal(row["amount"]) for row in desk.get("ledger", account_ids=1, kind=kind)["items"]]


# ------------------------------------------------------------------ sessions


@pytest.mark.parametrize("session", ["closed", "halted"])
@pytest.mark.parametrize("isolated", [False, True])
def test_a_market_that_is_not_open_liquidates_when_it_opens(poor: Desk, session: str, isolated: bool) -> None:
    if isolated:
        poor.venue("set_margin_mode", "isolated", SWAP)
    poor.send("buy", "50", symbol=SWAP)
    poor.oms.set_session(SWAP, session)
    poor.price(SWAP, "70", "71", last="70")
    poor.oms.advance(HOUR)
    assert len(poor.positions()) == 1
    assert entries(poor, "liquidation") == []

    poor.oms.set_session(SWAP, "open")

    assert poor.positions() == []
    assert reasons(poor)[-1] == (SWAP, "liquidation")
    assert poor.balance("USDT")[2] >= 0


def test_who_has_recovered_before_it_opens_is_not_liquidated(poor: Desk) -> None:
    poor.send("buy", "50", symbol=SWAP)
    poor.oms.set_session(SWAP, "halted")
    poor.price(SWAP, "70", "71", last="70")
    poor.price(SWAP, "100", "101", last="100")
    poor.oms.set_session(SWAP, "open")
    assert len(poor.positions()) == 1


def test_a_loss_on_a_closed_market_liquidates_what_is_open_elsewhere(poor: Desk) -> None:
    poor.send("buy", "50", symbol=SWAP)
    poor.send("buy", "100", symbol=OTHER)
    spot = poor.send("buy", "1", "90")
    poor.oms.set_session(SWAP, "halted")
    poor.price(SWAP, "70", "71", last="70")
    assert [row["symbol"] for row in poor.positions()] == [SWAP]
    assert reasons(poor)[-1] == (OTHER, "liquidation")
    assert poor.order_row(spot["id"])["reject_reason"] == "liquidation"
    assert entries(poor, "liquidation") == []  # what is lost on the other is known when it is closed
    poor.oms.set_session(SWAP, "open")
    assert poor.positions() == []
    assert poor.balance("USDT")[2] == 0
    [paid] = entries(poor, "liquidation")
    assert paid > 500


def test_prices_that_move_by_themselves_on_a_closed_market_are_seen() -> None:
    """Asked once or every hour, the same is liquidated at the same moment."""

    def run(step: int) -> tuple[Any, ...]:
        with EmbeddedOms(accounts=POOR, clock="manual", seed=7) as oms:
            desk = as_it_is(oms)
            qty = round(9_000 / desk.venue("fetch_ticker", SWAP)["ask"], 3)
            desk.send("sell", qty, symbol=SWAP)
            desk.send("buy", "0.01", symbol=OTHER)
            oms.set_session(SWAP, "halted")
            for _ in range(240 * HOUR // step):
                oms.advance(step)
            return desk.deals(sort="asc"), desk.positions(), desk.balance("USDT")

    deals, positions, money = run(240 * HOUR)
    assert [(deal["symbol"], deal["reason"]) for deal in deals][-1] == (OTHER, "liquidation")
    assert [row["symbol"] for row in positions] == [SWAP]
    assert (deals, positions, money) == run(HOUR)


@pytest.mark.parametrize("session,paid", [("closed", 1), ("halted", 1), ("delisted", 0)])
def test_funding_ends_with_a_delisting_only(poor: Desk, session: str, paid: int) -> None:
    poor.send("buy", "50", symbol=SWAP)
    poor.oms.set_session(SWAP, session)
    poor.oms.advance(8 * HOUR)
    assert entries(poor, "funding") == [Decimal("-0.5")] * paid


# ------------------------------------------------------------------ triggers, limits, latency, groups, feeds


def test_a_trigger_that_fires_at_the_same_price_hides_no_liquidation(desk: Desk) -> None:
    """The maker of one account has to be liquidated at once; the trigger of another fires after it."""
    for account in (1, 2):
        desk.venue("set_leverage", 100, SWAP, account=account)
    desk.venue("set_margin_mode", "isolated", SWAP, account=2)
    desk.send("sell", "0.5", symbol=SWAP, trailing_amount="1")
    desk.send("buy", "0.5", "91", symbol=SWAP, account=2)
    desk.price(SWAP, "90", "91", last="90")
    assert desk.positions(account=2) == []
    assert desk.deals(account=2, sort="asc")[-1]["reason"] == "liquidation"


def test_no_limit_is_in_the_way_of_a_liquidation(poor: Desk) -> None:
    poor.send("buy", "50", symbol=SWAP)
    poor.oms.set_limits(1, {"max_order_qty": "1", "max_orders_per_minute": 1, "max_daily_loss": "1"})
    poor.oms.kill_switch(1)
    poor.price(SWAP, "80", "81", last="80")
    assert poor.positions() == []
    assert reasons(poor)[-1] == (SWAP, "liquidation")


def test_a_liquidation_takes_no_time_and_cancels_what_is_on_its_way(make_desk: Make) -> None:
    desk = make_desk(accounts=POOR, models=Models(latency=FixedLatency(50)))
    desk.price(SWAP, "100", "101", last="100")
    desk.send("buy", "50", symbol=SWAP)
    desk.oms.advance(50)
    late = desk.send("sell", "1", symbol=SWAP)
    desk.price(SWAP, "80", "81", last="80")
    assert desk.positions() == []
    assert desk.order_row(late["id"])["reject_reason"] == "liquidation"
    desk.oms.advance(50)
    assert len(desk.deals()) == 2


def test_orders_on_their_way_are_together_no_larger_than_the_leverage_allows(make_desk: Make) -> None:
    rich = [{"account_id": 1, "balances": {"USDT": "1000000"}}]
    desk = make_desk(accounts=rich, models=Models(latency=FixedLatency(50)))
    desk.price(SWAP, "1000", "1001", last="1000")
    desk.venue("set_leverage", 125, SWAP)
    first, second = desk.send("buy", "200", symbol=SWAP), desk.send("buy", "200", symbol=SWAP)
    desk.oms.advance(50)
    assert desk.order_row(first["id"])["status"] == "FILLED"
    row = desk.order_row(second["id"])
    assert (row["status"], row["reject_reason"]) == ("REJECTED", "risk_blocked")


def test_a_loss_that_was_taken_back_does_not_count(
    make_desk: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = make_desk(db=tmp_path / "oms.sqlite")
    desk.oms.set_limits(1, {"max_daily_loss": "3"})

    def group(*orders: dict[str, Any]) -> list[int]:
        bodies = [{"account_id": 1, "command": "send_order", "payload": order} for order in orders]
        return [
            reply.status for reply in desk.oms.run_together([CommandRequest({}, each) for each in bodies])
        ]

    buy = desk.order("buy", "2")
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_sync", _refused_by_the_disk)
        lost = group(desk.order("buy", "3"), desk.order("sell", "3"), desk.order("buy", "1"))
        assert lost == [503] * 3
    assert group(desk.order("buy", "1")) == [200]
    # And what is done after it counts, though it has the ids of what was taken back.
    assert group(desk.order("sell", "1"), desk.order("buy", "2"), desk.order("sell", "2")) == [200] * 3
    assert desk.refuse("risk_blocked", "send_order", **buy)["details"]["reason"] == "max_daily_loss"


def _refused_by_the_disk(self: Journal) -> None:
    raise sqlite3.OperationalError("disk I/O error")


def test_funding_of_a_recorded_market_and_one_that_has_no_price_yet(tmp_path: Path) -> None:
    start = 1_767_571_200_000
    for name, first in (("BTC_USDT_USDT", 0), ("ETH_USDT_USDT", 20)):
        rows = [f"{start + hour * HOUR},100,100,100,100,5" for hour in range(first, 24)]
        (tmp_path / f"{name}-1h.csv").write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))
    with EmbeddedOms(feed=FileFeed(tmp_path), start_ms=start) as oms:
        desk = as_it_is(oms)
        assert [*desk.venue("fetch_funding_rates")] == [SWAP]
        desk.send("buy", "1", symbol=SWAP)
        oms.advance(8 * HOUR)
        assert entries(desk, "funding") == [Decimal("-0.01")]
