"""Funding by recorded rates: who pays what and when, to the last digit, and what is shown before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.oms.store import RowFilter

D: Final = Decimal
SWAP, OTHER = "BTC/USDT:USDT", "ETH/USDT:USDT"
HOUR: Final = 3_600_000
T: Final = 1_700_006_400_000  # 2023-11-15 00:00
RATES: Final = {8: "0.0001", 16: "-0.00035", 24: "0", 32.001: "0.000123"}


class Desk:
    """An OMS on hourly candles: hour n opens at 1000 + n, and ETH at 100 + n."""

    def __init__(self, folder: Path, rates: Mapping[float, str] = RATES, **options: Any) -> None:
        folder.mkdir(exist_ok=True)
        for name, price in (("BTC", 1000), ("ETH", 100)):
            lines = [
                f"{T + n * HOUR},{price + n},{price + n},{price + n},{price + n},100\n" for n in range(60)
            ]
            (folder / f"{name}_USDT_USDT-1h.csv").write_text("".join(lines))
        rows = "".join(f"{T + round(hour * HOUR)},{rate}\n" for hour, rate in rates.items())
        (folder / "BTC_USDT_USDT-funding_rate.csv").write_text("timestamp,fundingRate\n" + rows)
        accounts = [
            {"account_id": 1, "position_mode": "netting", "balances": {"USDT": "100000"}},
            {"account_id": 2, "position_mode": "strategy_netting", "balances": {"USDT": "100000"}},
        ]
        self.oms = EmbeddedOms(**{"feed": FileFeed(folder), "accounts": accounts} | options)
        self.events: list[Any] = []
        self.oms.subscribe(self.events.extend)

    def send(self, side: str, qty: str, symbol: str = SWAP, account: int = 1, **more: Any) -> None:
        payload = {"symbol": symbol, "side": side, "qty": qty, "order_type": "market"} | more
        body = {"account_id": account, "command": "send_order", "payload": payload}
        reply = self.oms.handle("commands", {}, {}, body)
        assert reply.status == 200, reply.body

    def venue(self, func: str, *args: Any, account: int = 1) -> Any:
        path = {"account_id": str(account), "func": func}
        reply = self.oms.handle("ccxt_call", path, {}, {"args": args, "kwargs": {}})
        assert reply.status == 200, reply.body
        return reply.body["result"]

    def to(self, hour: float) -> None:
        self.oms.advance(T + round(hour * HOUR) - self.oms.now_ms())

    def entries(self, account: int = 1) -> list[tuple[float, Decimal]]:
        rows = self.oms._core.store.ledger(RowFilter((account,), kind="funding"))[0]
        return [((row.created_at - T) / HOUR, row.amount) for row in rows]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with (desk := Desk(tmp_path)).oms:
        yield desk


PAID: Final = [(8, D("-0.2016")), (16, D("0.7112")), (32.001, D("-0.253872"))]
"""Of a long position of 2: rate times 2 times 1008, 1016 and 1032; at a rate of 0 there is no row."""


@pytest.mark.parametrize("side, sign", [("buy", 1), ("sell", -1)])
@pytest.mark.parametrize("mode", ["cross", "isolated"])
def test_long_pays_and_short_receives(desk: Desk, side: str, sign: int, mode: str) -> None:
    desk.venue("set_margin_mode", mode, SWAP)
    desk.send(side, "2")
    desk.to(50)
    assert desk.entries() == [(pytest.approx(hour, abs=1e-9), sign * amount) for hour, amount in PAID]
    history = desk.venue("fetch_funding_history", SWAP)
    assert [row["amount"] for row in history] == [float(sign * amount) for _, amount in PAID]
    told = [event.ts_ms for event in desk.events if event.name == "balance_updated"]
    assert told[-3:] == [T + round(hour * HOUR) for hour, _ in PAID]
    ledger = desk.oms.history_of(1).ledger
    total = sum((row.amount for row in ledger if row.currency == "USDT"), D(0))
    fee = 2 * D("0.0005") * (1000 if side == "buy" else D("999.9"))  # the bid is a tick lower
    assert total == 100_000 - fee + sign * sum((amount for _, amount in PAID), D(0))


def test_not_before_its_time_and_once(desk: Desk) -> None:
    desk.send("buy", "2")
    desk.oms.advance(8 * HOUR - 1)
    assert desk.entries() == []
    desk.oms.advance(1)
    assert desk.entries() == PAID[:1]
    desk.oms.tick()
    assert desk.entries() == PAID[:1]


def test_nothing_without_a_position(desk: Desk) -> None:
    desk.to(7)
    desk.send("buy", "2")
    desk.to(7.5)
    desk.send("sell", "2")
    desk.to(8)
    desk.send("buy", "2")  # at the very time, after it was charged
    desk.to(9)
    assert desk.entries() == []


def test_two_strategies_pay_each_for_its_own(desk: Desk) -> None:
    desk.send("buy", "2", account=2, strategy_id=1)
    desk.send("sell", "1", account=2, strategy_id=2)
    desk.to(9)
    assert sorted(amount for _, amount in desk.entries(2)) == [D("-0.2016"), D("0.1008")]
    assert desk.entries() == []


def test_other_swaps_keep_the_rate_of_the_paper_venue(desk: Desk) -> None:
    desk.send("buy", "2", OTHER)
    desk.to(16)
    assert desk.entries() == [(8, D("-0.0216")), (16, D("-0.0232"))]


def test_the_oms_says_when_it_is_due(desk: Desk) -> None:
    assert desk.oms.next_move(T + 60 * HOUR) is None
    desk.send("buy", "0.01")
    assert desk.oms.next_move(T + 60 * HOUR) == T + 8 * HOUR
    desk.to(16)
    assert desk.oms.next_move(T + 60 * HOUR) == T + round(32.001 * HOUR)
    desk.to(33)
    assert desk.oms.next_move(T + 60 * HOUR) is None


def test_what_is_shown_of_a_rate(desk: Desk) -> None:
    def shown() -> tuple[Any, ...]:
        row = desk.venue("fetch_funding_rate", SWAP)
        assert desk.venue("fetch_funding_rates", [SWAP])[SWAP] == row
        times = [
            row[name] for name in ("previousFundingTimestamp", "fundingTimestamp", "nextFundingTimestamp")
        ]
        hours = [None if time is None else (time - T) / HOUR for time in times]
        return row["fundingRate"], row["previousFundingRate"], *hours, row["interval"]

    assert shown() == (None, None, None, 8, 16, "8h")  # none was charged yet
    desk.to(8)
    assert shown() == (0.0001, 0.0001, 8, 16, 24, "8h")
    desk.to(31)
    assert shown() == (0, 0, 24, 32, 40, "8h")
    desk.to(59)
    assert shown() == (0.000123, 0.000123, pytest.approx(32.001, abs=1e-9), 64, 72, "8h")


def test_the_history_has_only_what_is_past(desk: Desk) -> None:
    def rates(*args: Any) -> list[float]:
        return [row["fundingRate"] for row in desk.venue("fetch_funding_rate_history", SWAP, *args)]

    assert rates() == []
    desk.to(16)
    assert rates() == [0.0001, -0.00035]
    desk.to(50)
    assert rates() == rates(T) == [0.0001, -0.00035, 0, 0.000123]
    assert rates(None, 1) == [0.000123]
    assert rates(T + 9 * HOUR, 2) == [-0.00035, 0]
    assert rates(T, None, {"until": T + 20 * HOUR}) == [0.0001, -0.00035]


def test_a_rate_that_is_set_by_hand_holds_from_then_on(desk: Desk) -> None:
    desk.send("buy", "2")
    desk.to(9)
    desk.oms.set_funding_rate(SWAP, "0.001")
    desk.to(26)
    assert desk.entries() == [PAID[0], (16, D("-2.032")), (24, D("-2.048"))]
    rows = desk.venue("fetch_funding_rate_history", SWAP)
    assert [((row["timestamp"] - T) // HOUR, row["fundingRate"]) for row in rows] == [
        (8, 0.0001),
        (16, 0.001),
        (24, 0.001),
    ]
    assert desk.venue("fetch_funding_rate_history", SWAP, None, 2) == rows[1:]
    assert desk.venue("fetch_funding_rate_history", SWAP, T, 1) == rows[:1]
    assert desk.venue("fetch_funding_rate", SWAP)["fundingRate"] == 0.001


def test_it_may_liquidate_at_its_time(tmp_path: Path) -> None:
    with (desk := Desk(tmp_path, {5.5: "0.06"})).oms:
        desk.venue("set_margin_mode", "isolated", SWAP)
        desk.venue("set_leverage", 20, SWAP)
        desk.send("buy", "2")
        desk.to(9)
        assert [amount for _, amount in desk.entries()] == [D("-120.6")]  # more than its margin
        deals = desk.oms.history_of(1).deals
        assert [(row["reason"], row["executed_at"][11:]) for row in deals][1:] == [
            ("liquidation", "05:30:00.000Z")
        ]


def test_how_often_it_is_asked_changes_nothing(tmp_path: Path) -> None:
    made: list[Callable[[Desk], None]] = [
        lambda desk: desk.to(59),
        lambda desk: [desk.to(part / 7) for part in range(1, 7 * 59 + 1)] and None,
    ]
    found = []
    for number, way in enumerate(made):
        with (desk := Desk(tmp_path / str(number))).oms:
            desk.send("buy", "2")
            desk.send("sell", "3", OTHER)
            way(desk)
            found.append(desk.entries())
    assert found[0] == found[1]
    assert len(found[0]) == 3 + 7


def test_a_restart_neither_charges_twice_nor_forgets(tmp_path: Path) -> None:
    path = tmp_path / "oms.sqlite"
    with (desk := Desk(tmp_path / "data", db=path)).oms:
        desk.send("buy", "2")
        desk.to(9)
    with (again := Desk(tmp_path / "data", db=path, start_ms=T + 17 * HOUR)).oms:
        again.oms.tick()
        assert again.entries() == PAID[:2]
