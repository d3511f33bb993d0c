"""Mark prices that are recorded: positions are valued and liquidated by them, and by nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.market.bar_paths import NearExtremeFirst
from ccxt_driver.oms.market.files import FileFeed

D: Final = Decimal
SWAP: Final = "BTC/USDT:USDT"
MINUTE: Final = 60_000
T: Final = 1_700_006_400_000  # 2023-11-15 00:00


def write(folder: Path, name: str, prices: Sequence[float | None], step: int = MINUTE) -> None:
    """Flat candles; None leaves one out."""
    folder.mkdir(exist_ok=True)
    rows = [f"{T + n * step},{p},{p},{p},{p},9\n" for n, p in enumerate(prices) if p is not None]
    (folder / f"BTC_USDT_USDT-{name}.csv").write_text(
        "timestamp,open,high,low,close,volume\n" + "".join(rows)
    )


class Desk:
    def __init__(self, folder: Path, balance: str = "100000", **options: Any) -> None:
        self.oms = EmbeddedOms(
            feed=FileFeed(folder, **options), accounts=[{"account_id": 1, "balances": {"USDT": balance}}]
        )

    def buy(self, qty: str = "10", leverage: int = 10, side: str = "buy") -> None:
        self.venue("set_leverage", leverage, SWAP)
        payload = {"symbol": SWAP, "side": side, "qty": qty, "order_type": "market"}
        body = {"account_id": 1, "command": "send_order", "payload": payload}
        reply = self.oms.handle("commands", {}, {}, body)
        assert reply.status == 200, reply.body

    def venue(self, func: str, *args: Any) -> Any:
        path = {"account_id": "1", "func": func}
        reply = self.oms.handle("ccxt_call", path, {}, {"args": args, "kwargs": {}})
        assert reply.status == 200, reply.body
        return reply.body["result"]

    def to(self, minute: float) -> None:
        self.oms.advance(T + round(minute * MINUTE) - self.oms.now_ms())

    def position(self) -> dict[str, Any]:
        reply = self.oms.handle("positions_open", {}, {"account_ids": "1"}, None)
        return dict(reply.body["items"][0])

    def deals(self) -> list[tuple[float, str, str]]:
        rows = self.oms.history_of(1).deals
        return [
            (minute_of(row["executed_at"]), row["reason"], row["price"])
            for row in rows
            if row["reason"] != "api"
        ]


def minute_of(time: str) -> float:
    return int(time[11:13]) * 60 + int(time[14:16]) + float(time[17:-1]) / 60


def test_what_is_shown(tmp_path: Path) -> None:
    write(tmp_path, "1m", [1000, 1000, 1000, 1000])
    write(tmp_path, "1m-mark", [1001.5, 990.25, None, 1002])
    with (desk := Desk(tmp_path)).oms:
        desk.buy()
        assert D(desk.position()["mark_price"]) == D("1001.5")
        assert D(desk.position()["unrealized_pnl"]) == 15
        desk.to(1)
        assert D(desk.position()["unrealized_pnl"]) == D("-97.5")
        assert desk.venue("fetch_mark_price", SWAP)["markPrice"] == 990.25
        assert desk.venue("fetch_funding_rate", SWAP)["markPrice"] == 990.25
        ticker = desk.venue("fetch_ticker", SWAP)
        assert (ticker["markPrice"], ticker["last"]) == (990.25, 1000)
        # balance less fee, margin and the loss at the mark price
        assert desk.venue("fetch_balance")["USDT"]["free"] == 100_000 - 5 - 1000 - 97.5
        desk.to(2)  # nothing is known: the last price it is
        assert D(desk.position()["mark_price"]) == 1000
        desk.to(3)
        assert D(desk.position()["mark_price"]) == 1002
        assert desk.venue("fetch_mark_ohlcv", SWAP, "1m")[:2] == [
            [T, 1001.5, 1001.5, 1001.5, 1001.5, None],
            [T + MINUTE, 990.25, 990.25, 990.25, 990.25, None],
        ]
        assert desk.venue("fetch_ohlcv", SWAP, "1m")[1][4] == 1000


@pytest.mark.parametrize("side, mark", [("buy", 900), ("sell", 1100)])
def test_the_mark_price_liquidates(tmp_path: Path, side: str, mark: int) -> None:
    write(tmp_path, "1m", [1000] * 10)
    write(tmp_path, "1m-mark", [1000] * 5 + [mark] + [1000] * 4)
    with (desk := Desk(tmp_path, "1006")).oms:
        desk.buy(side=side)
        assert desk.oms.next_move(T + 8 * MINUTE) == T + 5 * MINUTE
        desk.to(9)
        # at the market, which has another price
        [(minute, reason, price)] = desk.deals()
        assert (minute, reason) == (5, "liquidation")
        assert abs(D(price) - 1000) <= D("0.1")


def test_the_last_price_does_not(tmp_path: Path) -> None:
    write(tmp_path, "1m", [1000] * 5 + [500] + [1000] * 4)
    write(tmp_path, "1m-mark", [1000] * 10)
    with (desk := Desk(tmp_path, "1006")).oms:
        desk.buy()
        assert desk.oms.next_move(T + 8 * MINUTE) is None
        desk.to(9)
        assert desk.deals() == []
    (tmp_path / "BTC_USDT_USDT-1m-mark.csv").unlink()
    with (desk := Desk(tmp_path, "1006")).oms:
        desk.buy()
        desk.to(9)
        assert [deal[:2] for deal in desk.deals()] == [(5, "liquidation")]


@pytest.mark.parametrize("steps", [1, 700])
def test_in_a_gap_the_last_price_counts_from_its_beginning(tmp_path: Path, steps: int) -> None:
    write(tmp_path, "1m", [1000, 1000, 900])  # the price has no row of that moment
    marks: list[float | None] = [1000] * 10
    marks[4] = marks[5] = None
    write(tmp_path, "1m-mark", marks)
    with (desk := Desk(tmp_path, "1006")).oms:
        desk.buy()
        for step in range(1, steps + 1):
            desk.to(9 * step / steps)
        assert [deal[:2] for deal in desk.deals()] == [(4, "liquidation")]


def test_the_first_mark_price_liquidates(tmp_path: Path) -> None:
    write(tmp_path, "1m", [1000] * 10)
    write(tmp_path, "1m-mark", [None] * 5 + [900] + [1000] * 4)
    with (desk := Desk(tmp_path, "1006")).oms:
        desk.buy()
        desk.to(9)
        assert [deal[:2] for deal in desk.deals()] == [(5, "liquidation")]


def test_marks_of_long_candles_are_for_fundings_alone(tmp_path: Path) -> None:
    hours = [1000.0] * (9 * 60)
    write(tmp_path, "1m", hours)
    write(tmp_path, "8h-mark", [700, 1234.5678], 8 * 60 * MINUTE)
    with (desk := Desk(tmp_path)).oms:
        desk.buy()
        assert D(desk.position()["mark_price"]) == 1000
        assert desk.venue("fetch_mark_price", SWAP)["markPrice"] == 1000
        desk.to(8 * 60)
        [entry] = [row for row in desk.oms.history_of(1).ledger if row.kind == "funding"]
        assert entry.amount == -10 * D("1234.5678") * D("0.0001")


def test_funding_some_milliseconds_late_is_at_the_mark_price_of_the_opening(tmp_path: Path) -> None:
    write(tmp_path, "1h", [1000, 1010, 1020], 60 * MINUTE)
    write(tmp_path, "1h-mark", [1001, 1011, 1021], 60 * MINUTE)
    times = f"{T + 60 * MINUTE + 7},0.001\n{T + 90 * MINUTE},0.001\n"
    (tmp_path / "BTC_USDT_USDT-funding_rate.csv").write_text("timestamp,funding_rate\n" + times)
    with (desk := Desk(tmp_path)).oms:
        desk.buy("2")
        desk.to(100)
        amounts = [row.amount for row in desk.oms.history_of(1).ledger if row.kind == "funding"]
        assert amounts == [D("-2.022"), D("-2.022")]


def test_price_and_mark_price_go_to_the_same_side_first(tmp_path: Path) -> None:
    """A long position that is liquidated at the high of a candle would end with a profit."""
    write(tmp_path, "1m", [1000, 1000, 1000])
    write(tmp_path, "1m-mark", [1000, 1000, 1000])
    for name, way in (("1m", "1000,1030,969,1000,9"), ("1m-mark", "1000,1032,970,1000,9")):
        path = tmp_path / f"BTC_USDT_USDT-{name}.csv"
        path.write_text(
            path.read_text().replace(f"{T + MINUTE},1000,1000,1000,1000,9", f"{T + MINUTE},{way}")
        )
    with (desk := Desk(tmp_path, "300", path=NearExtremeFirst())).oms:
        desk.buy(leverage=50)
        desk.to(1.4)
        assert D(desk.position()["mark_price"]) == 1032
        desk.to(3)
        [(minute, reason, price)] = desk.deals()
        assert (round(minute, 2), reason, price) == (1.67, "liquidation", "969")


def test_minutes_of_mark_prices_do_not_run_ahead_of_hours_of_the_price(tmp_path: Path) -> None:
    """The way inside the hour is assumed: closed at its beginning nobody would lose."""
    write(tmp_path, "1h", [1000, 905], 60 * MINUTE)
    write(tmp_path, "1m-mark", [1000] * 5 + [905] * 115)
    with (desk := Desk(tmp_path, "300")).oms:
        desk.buy(leverage=50)
        desk.to(100)
        assert desk.deals() == [(60, "liquidation", "904.9")]


def test_a_price_that_is_set_by_hand_is_the_mark_price(tmp_path: Path) -> None:
    write(tmp_path, "1m", [1000] * 10)
    write(tmp_path, "1m-mark", [1000] * 5 + [900] + [1000] * 4)
    with (desk := Desk(tmp_path, "1006")).oms:
        desk.buy()
        desk.to(2)
        desk.oms.set_price(SWAP, bid=1000, ask=1001, last=1001)
        assert D(desk.position()["mark_price"]) == 1001
        assert desk.venue("fetch_mark_ohlcv", SWAP, "1m")[-1][4] == 1001
        desk.to(9)
        assert desk.deals() == []


def test_what_the_book_has_no_room_for_is_taken_over_on_the_tick(tmp_path: Path) -> None:
    write(tmp_path, "1m", [1000] * 10)
    write(tmp_path, "1m-mark", [1000] * 6 + [900.123456] + [1000] * 3)
    from ccxt_driver.oms.market.book_sizes import ShareOfPrint

    feed = FileFeed(tmp_path, size=ShareOfPrint("1"))
    with EmbeddedOms(feed=feed, accounts=[{"account_id": 1, "balances": {"USDT": "1006"}}]) as oms:
        desk = object.__new__(Desk)
        desk.oms = oms
        for minute in range(1, 6):  # nothing rests as the first one opens
            desk.to(minute)
            desk.buy("2")
        desk.to(9)
        taken_over = [price for _, reason, price in desk.deals() if D(price) < 950]
        assert taken_over == ["900.1"]


def wander(folder: Path, seed: int) -> Path:
    """Prices and mark prices near each other, with gaps, and odd funding rates."""
    folder.mkdir()
    chance, price = Random(seed), 100_000
    for name in ("BTC_USDT_USDT-1m", "BTC_USDT_USDT-1m-mark"):
        points = Random(seed)
        lines = ["timestamp,open,high,low,close,volume\n"]
        for at in range(240):
            way = [price + points.randint(-300, 300) for _ in range(4)]
            apart = chance.randint(-40, 40) if "mark" in name else 0
            candle = [each / 100 for each in (way[0], max(way), min(way), way[3])]
            if chance.random() < 0.95 or not at:
                prices = ",".join(f"{value + apart / 10:.2f}" for value in candle)
                lines.append(f"{T + at * MINUTE},{prices},50\n")
        (folder / f"{name}.csv").write_text("".join(lines))
    rates = "".join(
        f"{T + chance.randint(1, 13) + at * 20 * MINUTE},{chance.randint(-9, 9) / 1000}\n"
        for at in range(1, 12)
    )
    (folder / "BTC_USDT_USDT-funding_rate.csv").write_text("timestamp,fundingRate\n" + rates)
    return folder


def lived(folder: Path, steps: Sequence[int]) -> tuple[Any, ...]:
    """What becomes of highly leveraged positions that are asked about at some times."""
    balances = {"USDT": "1000"}
    accounts = [{"account_id": number, "balances": balances} for number in range(1, 9)]
    with EmbeddedOms(feed=FileFeed(folder), accounts=accounts) as oms:
        for number in range(1, 9):
            path = {"account_id": str(number)}
            isolated = "isolated" if number % 4 < 2 else "cross"
            for func, args in (("set_margin_mode", [isolated, SWAP]), ("set_leverage", [100, SWAP])):
                assert (
                    oms.handle("ccxt_call", path | {"func": func}, {}, {"args": args, "kwargs": {}}).status
                    == 200
                )
            side = "buy" if number % 2 else "sell"
            payload = {"symbol": SWAP, "side": side, "qty": str(20 + 8 * number), "order_type": "market"}
            body = {"account_id": number, "command": "send_order", "payload": payload}
            assert oms.handle("commands", {}, {}, body).status == 200
        for step in steps:
            oms.advance(step)
            oms.handle("positions_open", {}, {"account_ids": "1,2,3"}, None)
        return tuple(
            (row.kind, row.amount, row.created_at)
            for number in range(1, 9)
            for row in oms.history_of(number).ledger
        )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_how_often_it_is_asked_changes_nothing(tmp_path: Path, seed: int) -> None:
    folder = wander(tmp_path / "data", seed)
    whole = 239 * MINUTE
    chance = Random(seed)
    odd = [chance.randint(1, 40_000) for _ in range(600)]
    rare = lived(folder, [whole])
    assert rare == lived(folder, [*odd, whole - sum(odd)])
    assert {kind for kind, *_ in rare} >= {"funding", "deal"}
