"""Funding by hand, at its times and once only; and that nothing depends on how often the OMS is asked."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.store import RowFilter

SPOT, SWAP, FREE = "BTC/USDT", "BTC/USDT:USDT", "ETH/USDT:USDT"
HOUR = 3_600_000


def entries(desk: Any, account: int = 1) -> list[tuple[int, Decimal]]:
    rows = desk.oms._core.store.ledger(RowFilter((account,), kind="funding"))[0]
    return [(row.created_at, row.amount) for row in rows]


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize(
    "side,rate,paid",
    # 50 * 100 * rate: long pays a rate above 0, short receives it
    [("buy", None, "-0.5"), ("sell", None, "0.5"), ("buy", "-0.0003", "1.5"), ("sell", "-0.0003", "-1.5")],
)
def test_at_eight_hours_of_utc(desk: Any, side: str, rate: str | None, paid: str, isolated: bool) -> None:
    if isolated:
        desk.venue("set_margin_mode", "isolated", SWAP)
    if rate is not None:
        desk.oms.set_funding_rate(SWAP, rate)
    start = desk.oms.now_ms()  # midnight
    desk.send(side, "50", symbol=SWAP)
    desk.price(SWAP, "100", "101", last="100")
    free, used, total = desk.balance("USDT")
    desk.oms.advance(8 * HOUR - 1)
    assert entries(desk) == []
    desk.oms.advance(1)
    amount = Decimal(paid)
    assert entries(desk) == [(start + 8 * HOUR, amount)]
    after = desk.balance("USDT")
    if isolated:  # of its margin
        assert after == (free, used + amount, total + amount)
        assert Decimal(desk.positions()[0]["margin"]) == used + amount
    else:
        assert after == (free + amount, used, total + amount)
    desk.oms.tick()
    assert len(entries(desk)) == 1
    desk.oms.advance(16 * HOUR)
    assert entries(desk) == [(start + hour * HOUR, amount) for hour in (8, 16, 24)]
    assert desk.venue("fetch_funding_history", SWAP)[0]["amount"] == float(amount)
    assert (
        desk.venue("fetch_funding_history", SWAP, start + 16 * HOUR, 1)[0]["timestamp"] == start + 16 * HOUR
    )
    assert desk.venue("fetch_funding_history", SWAP, None, 1)[0]["timestamp"] == start + 24 * HOUR
    assert desk.venue("fetch_funding_history", FREE) == []


@pytest.mark.parametrize("number", [int, float])
def test_the_history_of_what_was_paid_ends_where_until_says(desk: Any, number: type) -> None:
    """Whoever added up the funding of a day had that of all days since."""
    start = desk.oms.now_ms()  # midnight
    desk.send("buy", "50", symbol=SWAP)
    desk.oms.advance(40 * HOUR)

    def hours(since: int | None, limit: int | None, until: int) -> list[int]:
        params = {"until": number(start + until * HOUR)}
        rows = desk.venue("fetch_funding_history", SWAP, since, limit, params)
        return [(row["timestamp"] - start) // HOUR for row in rows]

    assert hours(start, None, 24) == hours(None, None, 31) == [8, 16, 24]
    assert hours(start, 2, 24) == [8, 16]
    assert hours(None, 2, 24) == [16, 24]
    assert hours(None, None, 7) == []
    assert hours(None, None, 4000) == [8, 16, 24, 32, 40]


def test_only_what_is_open_at_the_time_pays(desk: Any) -> None:
    desk.send("buy", "1")  # coins do not
    desk.send("buy", "1", symbol=SWAP)
    desk.send("buy", "1", symbol=SWAP, account=2)
    desk.oms.advance(7 * HOUR)
    desk.send("sell", "1", symbol=SWAP)
    desk.oms.advance(HOUR)
    assert entries(desk) == []
    assert [amount for _, amount in entries(desk, 2)] == [Decimal("-0.01005")]
    desk.send("buy", "1", symbol=SWAP)  # at the very time, after it was charged
    desk.oms.advance(HOUR)
    assert entries(desk) == []


def test_the_rates_of_the_past_are_told(desk: Any) -> None:
    start = desk.oms.now_ms()
    desk.oms.advance(8 * HOUR)
    desk.oms.set_funding_rate(SWAP, "0.0003")  # at the very time, after it was charged
    desk.oms.advance(8 * HOUR)
    desk.oms.set_funding_rate(SWAP, "-0.0002")
    desk.oms.advance(9 * HOUR)

    rates = desk.venue("fetch_funding_rate_history", SWAP, start, 10)

    assert [(row["timestamp"] - start) // HOUR for row in rates] == [0, 8, 16, 24]
    assert [row["fundingRate"] for row in rates] == [0.0001, 0.0001, 0.0003, -0.0002]
    assert desk.venue("fetch_funding_rate_history", SWAP, None, 2) == rates[-2:]
    assert desk.venue("fetch_funding_rate_history", SWAP, start + 1, 1) == rates[1:2]
    assert desk.venue("fetch_funding_rate_history", SWAP, start + 25 * HOUR) == []
    until = {"until": start + 16 * HOUR}
    assert desk.venue("fetch_funding_rate_history", SWAP, start, None, until) == rates[:3]


def test_the_rates_of_the_past_survive_a_restart(tmp_path: Path) -> None:
    def history(oms: EmbeddedOms) -> Any:
        body = {"args": [SWAP, 0, 10], "kwargs": {}}
        return oms.handle("ccxt_call", {"account_id": "1", "func": "fetch_funding_rate_history"}, {}, body)

    path = tmp_path / "oms.sqlite"
    first = EmbeddedOms(db=path, clock="manual", start_ms=0)
    first.advance(8 * HOUR + 1)
    first.set_funding_rate(SWAP, "0.0003")
    first.advance(8 * HOUR)
    before = history(first).body
    first.close()
    again = EmbeddedOms(db=path, clock="manual", start_ms=16 * HOUR + 1)
    assert history(again).body == before
    assert [row["fundingRate"] for row in before["result"]] == [0.0001, 0.0001, 0.0003]
    again.close()


def test_a_rate_of_zero_charges_nothing(desk: Any) -> None:
    desk.oms.set_funding_rate(SWAP, 0)
    desk.send("buy", "1", symbol=SWAP)
    desk.oms.advance(48 * HOUR)
    assert entries(desk) == []


def test_funding_may_liquidate(make_desk: Callable[..., Any]) -> None:
    desk = make_desk(accounts=[{"account_id": 1, "balances": {"USDT": "1000"}}])
    desk.venue("set_margin_mode", "isolated", SWAP)
    desk.send("buy", "50", symbol=SWAP)
    desk.oms.set_funding_rate(SWAP, "0.1")
    desk.oms.advance(8 * HOUR)
    # 505 - 25 - 502.5 of margin is left
    assert desk.positions() == []
    assert [deal["reason"] for deal in desk.deals()] == ["api", "liquidation"]
    assert desk.deals()[-1]["executed_at"].endswith("T08:00:00.000Z")
    # never more than the margin, whatever took it
    assert desk.balance("USDT")[2] == Decimal(1000) - Decimal("2.525") - 505


def test_a_part_of_a_position_takes_its_part_of_the_funding(desk: Any) -> None:
    desk.venue("set_margin_mode", "isolated", SWAP)
    desk.send("buy", "50", symbol=SWAP)
    desk.price(SWAP, "100", "101", last="100")
    desk.oms.advance(8 * HOUR)
    desk.send("sell", "20", symbol=SWAP)
    assert desk.positions()[0]["margin"] == "302.7"  # 0.6 * (505 - 0.5)
    desk.send("sell", "30", symbol=SWAP)
    assert desk.balance("USDT")[1] == 0


@pytest.mark.parametrize(
    "symbol,rate,text",
    [(SPOT, "0.1", "swap"), ("NO/PE", "0.1", "not listed"), (SWAP, "1", "rate"), (SWAP, "x", "rate")],
)
def test_rates_that_make_no_sense(desk: Any, symbol: str, rate: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        desk.oms.set_funding_rate(symbol, rate)


# ------------------------------------------------------------------ restarts and rare looks


def test_a_restart_neither_charges_twice_nor_forgets(tmp_path: Path) -> None:
    path = tmp_path / "oms.sqlite"

    def opened(hours: int, **more: Any) -> EmbeddedOms:
        # The clock of the new process is ahead by what has passed meanwhile.
        oms = EmbeddedOms(db=path, clock="manual", start_ms=hours * HOUR, **more)
        oms.tick()
        return oms

    def charged(oms: EmbeddedOms) -> list[int]:
        rows = oms._core.store.ledger(RowFilter((1,), kind="funding"))[0]
        return [row.created_at // HOUR for row in rows]

    with opened(24_000) as oms:
        oms.set_price(SWAP, bid=100, ask=101, last=100)
        oms.set_funding_rate(SWAP, "0.0002")
        payload = {"symbol": SWAP, "side": "buy", "qty": "1", "order_type": "market"}
        body = {"account_id": 1, "command": "send_order", "payload": payload}
        assert oms.handle("commands", {}, {}, body).status == 200
        call = {"args": ["isolated", FREE], "kwargs": {}}
        path_of = {"account_id": "1", "func": "set_margin_mode"}
        assert oms.handle("ccxt_call", path_of, {}, call).status == 200
        oms.advance(8 * HOUR)
        assert charged(oms) == [24_008]
    with opened(24_008) as oms:
        assert charged(oms) == [24_008]
        assert oms._core.state.accounts[1].account.isolated == (FREE,)
    # Two times have passed while it was off; an account that is added does not hide them.
    accounts = [{"account_id": 1}, {"account_id": 9, "balances": {"USDT": "1"}}]
    with opened(24_025, accounts=accounts) as oms:
        assert charged(oms) == [24_008, 24_016, 24_024]
        assert oms._core.store.ledger(RowFilter((1,), kind="funding"))[0][-1].amount == Decimal("-0.02")
    with opened(24_026) as oms:
        assert charged(oms) == [24_008, 24_016, 24_024]


def traded(steps: list[int], seed: int) -> list[tuple[Any, ...]]:
    """What becomes of highly leveraged positions on a market that moves by itself, asked at some times."""
    accounts = [
        {"account_id": 1, "position_mode": "hedge", "balances": {"USDT": "10000"}},
        {"account_id": 2, "position_mode": "netting", "balances": {"USDT": "10000"}},
    ]
    with EmbeddedOms(accounts=accounts, clock="manual", seed=seed) as oms:
        for account, symbol, side, qty in (
            *((1, SWAP, "buy", "3"), (1, FREE, "sell", "80"), (1, SWAP, "sell", "1")),
            *((2, SWAP, "sell", "8"), (2, FREE, "buy", "30")),
        ):
            call = {"args": [50, symbol], "kwargs": {}}
            oms.handle("ccxt_call", {"account_id": str(account), "func": "set_leverage"}, {}, call)
            payload = {"symbol": symbol, "side": side, "qty": qty, "order_type": "market"}
            body = {"account_id": account, "command": "send_order", "payload": payload}
            oms.handle("commands", {}, {}, body)
        spot = {"symbol": "LTC/USDT", "side": "buy", "qty": "1", "order_type": "limit", "price": "70"}
        oms.handle("commands", {}, {}, {"account_id": 1, "command": "send_order", "payload": spot})
        for step in steps:
            oms.advance(step)
        store = oms._core.store
        return [
            (row.account_id, row.kind, row.amount, row.created_at)
            for row in store.ledger(RowFilter((1, 2)))[0]
        ]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_how_often_it_is_asked_changes_nothing(seed: int) -> None:
    rare = traded([48 * HOUR], seed)
    often = traded([7 * 60_000 + 13] * 400 + [48 * HOUR - 400 * (7 * 60_000 + 13)], seed)
    assert rare == often
    assert any(kind == "funding" for _, kind, *_ in rare)
