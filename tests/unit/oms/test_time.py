"""What happens by itself, and that it does not matter how often anybody looks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.contract.values import parse_time
from ccxt_driver.oms import DEFAULT_MARKETS, EmbeddedOms
from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.oms.refusals import Refusal
from ccxt_driver.oms.store import Changes, StoreError

HOUR = 3_600_000
ACCOUNTS = [{"account_id": 1, "balances": {"USDT": "1000000", "ETH": "100"}}]


def busy_hours(look_every_ms: int, hours: int = 12) -> list[dict[str, Any]]:
    """Resting orders, triggers and stops on the synthetic market; every event of it."""
    oms = EmbeddedOms(accounts=ACCOUNTS, clock="manual", seed=3)
    events: list[dict[str, Any]] = []
    oms.subscribe(
        lambda batch: events.extend(
            {"name": event.name, "ts": event.ts_ms, "payload": event.payload} for event in batch
        )
    )
    last = Decimal(str(oms._core.quote("ETH/USDT", oms.now_ms()).last))
    tick = oms._core.market.market("ETH/USDT").tick_size

    def send(**payload: Any) -> None:
        body = {"symbol": "ETH/USDT", "order_type": "market", "qty": "1"} | payload
        reply = oms.handle("commands", {}, {}, {"account_id": 1, "command": "send_order", "payload": body})
        assert reply.status == 200, reply.body

    def at(percent: str) -> str:
        price = last * (100 + Decimal(percent)) / 100
        return str(price // tick * tick)

    for percent in ("-0.2", "-0.4", "-0.8", "-1.6"):
        send(side="buy", order_type="limit", price=at(percent), oms_stop_loss=at("-3"), oms_stop_gain=at("1"))
    for percent in ("0.2", "0.5", "1"):
        send(side="sell", order_type="limit", price=at(percent))
    send(side="buy", trigger_price=at("0.7"))
    send(side="sell", stop_price=at("-0.9"))
    send(side="sell", trailing_percent="0.5")
    send(side="buy", trailing_percent="0.4")
    send(
        side="buy",
        order_type="limit",
        price=at("-5"),
        time_in_force="GTD",
        expire_at="2026-01-01T01:30:00.500Z",
    )
    for _ in range(hours * HOUR // look_every_ms):
        oms.advance(look_every_ms)
    oms.close()
    return events


def test_looking_rarely_gives_what_looking_often_gives() -> None:
    rarely = busy_hours(12 * HOUR)
    assert rarely == busy_hours(5_000)
    assert len([event for event in rarely if event["name"] == "deal_created"]) > 8
    assert all(event["payload"].get("executed_at", "2026-01-01T") < "2026-01-01T12" for event in rarely)


def test_a_month_of_absence_is_settled_at_once() -> None:
    oms = EmbeddedOms(accounts=ACCOUNTS, clock="manual")
    low = Decimal(str(oms._core.quote("ETH/USDT", oms.now_ms()).bid)) - 500
    body = {"symbol": "ETH/USDT", "side": "buy", "order_type": "limit", "qty": "1", "price": str(low)}
    oms.handle("commands", {}, {}, {"account_id": 1, "command": "send_order", "payload": body})
    oms.advance(30 * 24 * HOUR)
    assert oms.now_ms() == 1_767_225_600_000 + 30 * 24 * HOUR
    oms.close()


SCRIPT = """
import json, sys
from ccxt_driver.oms import EmbeddedOms
oms = EmbeddedOms(clock="manual", seed=7)
seen = []
oms.subscribe(lambda events: seen.extend(
    [e.account_id, e.seq, e.ts_ms, e.name, e.payload, e.strategy_id] for e in events))
for number in range(40):
    account, symbol = number % 3 + 1, ("BTC/USDT", "ETH/USDT", "BTC/USDT:USDT")[number % 3]
    payload = {"symbol": symbol, "side": ("buy", "sell")[number % 2], "order_type": "market", "qty": "0.01",
               "strategy_id": number % 4, "client_order_id": f"c{number}"}
    body = {"account_id": account, "command": "send_order", "payload": payload}
    seen.append(oms.handle("commands", {}, {}, body).body)
    oms.advance(7_000)
for endpoint in ("orders_history", "deals", "positions_history"):
    seen.append(oms.handle(endpoint, {}, {"account_ids": "1,2,3", "since_ms": 0}, None).body)
print(json.dumps(seen))
"""


def test_the_same_commands_give_the_same_bytes_in_every_process() -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    assert len(json.loads(outputs[0])) > 100


def test_importing_the_oms_loads_neither_ccxt_nor_aiohttp() -> None:
    code = (
        "import sys; from ccxt_driver.oms import EmbeddedOms; EmbeddedOms(); "
        "print({'ccxt', 'aiohttp'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout.strip() == "set()"


# ------------------------------------------------------------------ restart


def test_a_stored_oms_goes_on_where_it_stopped(make_desk: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "oms.sqlite"
    desk = make_desk(db=path, seed=5)
    resting = desk.send("buy", "1", "90", oms_stop_loss="80", client_order_id="mine")
    waiting = desk.send("sell", "1", trailing_amount="5")
    swap = desk.send("buy", "2", symbol="BTC/USDT:USDT")
    before = [
        desk.oms.handle(name, {}, {"account_ids": 1}, None).body for name in ("orders_open", "positions_open")
    ]
    balances = desk.venue("fetch_balance")
    last_seq = desk.oms.last_seq(1)
    desk.oms.close()

    again = EmbeddedOms(db=path, clock="manual", seed=99)
    try:
        assert [
            again.handle(name, {}, {"account_ids": 1}, None).body
            for name in ("orders_open", "positions_open")
        ] == before
        assert (
            again.handle("ccxt_call", {"account_id": "1", "func": "fetchBalance"}, {}, {}).body["result"]
            == balances
        )
        assert again.last_seq(1) == last_seq
        again.set_price("BTC/USDT", bid="85", ask="86", last="85")
        rows = again.handle("orders_by_id", {"ids": f"{resting['id']},{waiting['id']}"}, {}, None).body[
            "items"
        ]
        assert [row["status"] for row in rows] == ["FILLED", "FILLED"]
        body = {
            "account_id": 1,
            "command": "send_order",
            "payload": {
                "symbol": "BTC/USDT",
                "side": "buy",
                "order_type": "limit",
                "qty": "1",
                "price": "90",
                "oms_stop_loss": "80",
                "client_order_id": "mine",
            },
        }
        [result] = again.handle("commands", {}, {}, body).body["results"]
        assert (result["duplicate"], result["order_id"]) == (True, resting["id"])
        body["payload"] = {"symbol": "BTC/USDT", "side": "buy", "order_type": "market", "qty": "1"}
        [result] = again.handle("commands", {}, {}, body).body["results"]
        assert result["order_id"] == swap["id"] + 1
    finally:
        again.close()


def test_accounts_of_a_file_are_added_to_and_never_reset(
    make_desk: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "oms.sqlite"
    desk = make_desk(db=path)
    desk.send("buy", "1")
    desk.oms.close()
    desk = make_desk(
        db=path,
        accounts=[{"account_id": 1, "balances": {"USDT": "5"}}, {"account_id": 9, "balances": {"USDT": "5"}}],
    )
    assert desk.balance("USDT")[2] == Decimal("99898.899")
    assert desk.balance("USDT", 9)[2] == 5


def test_time_priority_survives_a_restart(make_desk: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "oms.sqlite"
    desk = make_desk(db=path)
    desk.price("BTC/USDT", "90", "110")
    first = desk.send("sell", "1", "105", account=2)["id"]
    second = desk.send("sell", "1", "105", account=3)["id"]
    desk.run("change_order", account=2, order_id=first, new_qty="2")
    desk.oms.close()
    again = EmbeddedOms(db=path, clock="manual")
    body = {"symbol": "BTC/USDT", "side": "buy", "order_type": "market", "qty": "1"}
    again.handle("commands", {}, {}, {"account_id": 1, "command": "send_order", "payload": body})
    [row] = again.handle("orders_by_id", {"ids": str(second)}, {}, None).body["items"]
    assert row["status"] == "FILLED"
    again.close()


# ------------------------------------------------------------------ construction


@pytest.mark.parametrize(
    "options,message",
    [
        ({"accounts": []}, "accounts: expected at least one"),
        ({"accounts": [{"account_id": 0}]}, r"accounts\[0\].account_id"),
        ({"accounts": [{"account_id": 1}, {"account_id": 1}]}, "given twice"),
        ({"accounts": [{"account_id": 1, "mode": "hedge"}]}, r"accounts\[0\].mode: unknown"),
        (
            {"accounts": [{"account_id": 1, "position_mode": "net"}]},
            "position_mode: expected one of hedge, netting",
        ),
        ({"accounts": [{"account_id": 1, "balances": {"USDT": "-1"}}]}, r"balances.USDT: expected 0 to"),
        ({"accounts": [{"account_id": 1, "balances": {"NOPE": "1"}}]}, r"balances.NOPE: expected one of"),
        ({"accounts": [{"account_id": 1, "balances": {"USDT": "x"}}]}, r"balances.USDT: expected a decimal"),
        ({"seed": "1"}, "seed: expected a whole number"),
        ({"seed": 2**63}, "seed: expected a whole number of at most 64 bits"),
        ({"clock": "sun"}, "clock: expected wall or manual"),
        ({"clock": "wall", "start_ms": 1}, "start_ms: goes with"),
        ({"clock": "manual", "start_ms": -1}, "start_ms: expected"),
        ({"strategies": [0]}, r"strategies\[0\].strategy_id"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EmbeddedOms(**options)


def test_the_defaults() -> None:
    with EmbeddedOms() as oms:
        rows = oms.handle("accounts", {}, {}, None).body["items"]
        assert [(row["account_id"], row["position_mode"]) for row in rows] == [
            (1, "netting"),
            (2, "hedge"),
            (3, "strategy_netting"),
        ]
        assert [row["strategy_id"] for row in oms.handle("strategies", {}, {}, None).body["items"]] == [
            1,
            2,
            3,
        ]
        with pytest.raises(RuntimeError, match="manual"):
            oms.advance(1)
    assert oms.closed
    assert oms.handle("accounts", {}, {}, None).body["detail"]["code"] == "engine_unavailable"
    with pytest.raises(RuntimeError, match="closed"):
        oms.tick()


def test_set_price_refuses_by_name(make_desk: Callable[..., Any]) -> None:
    oms = make_desk().oms
    for arguments, message in (
        ({"symbol": "NO/PE", "last": 1}, "symbol: 'NO/PE' is not listed"),
        ({"symbol": "BTC/USDT", "bid": "x"}, "bid: expected"),
        ({"symbol": "BTC/USDT", "bid": 2, "ask": 1}, "bid"),
    ):
        with pytest.raises(ValueError, match=message):
            oms.set_price(**arguments)
    with pytest.raises(ValueError, match="0 or more"):
        oms.advance(-1)


def test_a_recording_is_played_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "BTC_USDT-1m.csv").write_text(
        "timestamp,open,high,low,close,volume\n"
        "1700000040000,100,110,90,105,8\n1700000100000,105,107,101,102,4\n"
    )
    wall = [5_000_000_000]
    monkeypatch.setattr("ccxt_driver.oms.clock.time.monotonic_ns", lambda: wall[0])
    db = tmp_path / "oms.sqlite"
    with EmbeddedOms(feed=FileFeed(tmp_path / "BTC_USDT-1m.csv"), speed=60, db=db) as oms:
        assert (oms.now_ms(), oms.manual) == (1_700_000_040_000, False)
        payload = {"symbol": "BTC/USDT", "side": "buy", "order_type": "limit", "qty": "1", "price": "95"}
        command = {"account_id": 1, "command": "send_order", "payload": payload}
        assert oms.handle("commands", {}, {}, command).status == 200
        wall[0] += 1_000_000_000
        oms.tick()
        assert oms.now_ms() == 1_700_000_100_000
        [deal] = oms.handle("deals", {}, {"account_ids": "1", "since_ms": "0"}, None).body["items"]
        assert deal["executed_at"] == "2023-11-14T22:14:39.999Z"
    with EmbeddedOms(feed=FileFeed(tmp_path / "BTC_USDT-1m.csv"), speed=1, db=db) as again:
        assert again.now_ms() >= 1_700_000_079_999  # it goes on, and does not begin anew


@pytest.mark.parametrize("speed", [0, -1, 2_000_000])
def test_a_speed_that_makes_no_sense_is_named(tmp_path: Path, speed: int) -> None:
    rows = "timestamp,open,high,low,close,volume\n1700000040000,1,1,1,1,8\n"
    (tmp_path / "BTC_USDT-1m.csv").write_text(rows)
    feed = FileFeed(tmp_path / "BTC_USDT-1m.csv")
    with pytest.raises(ValueError, match="speed: expected a number above 0"):
        EmbeddedOms(feed=feed, speed=speed)
    with pytest.raises(ValueError, match="speed: goes with a feed"):
        EmbeddedOms(speed=1)
    with pytest.raises(ValueError, match="clock: expected manual with a feed of records, or speed"):
        EmbeddedOms(feed=feed, speed=1, clock="manual")


def test_a_market_that_is_still_needed_cannot_go(tmp_path: Path) -> None:
    db = tmp_path / "oms.sqlite"
    with EmbeddedOms(clock="manual", db=db) as oms:
        oms.set_price("ETH/USDT", bid=100, ask=101)
    with pytest.raises(ValueError, match="markets: expected ETH/USDT among them"):
        EmbeddedOms(clock="manual", db=db, markets=DEFAULT_MARKETS[:1])


def expiry_and_fill(path: Path, expire_at: int | None, fails: int = 0) -> list[Any]:
    """A limit order that fills some time, beside one that expires; what has become of both.

    :param fails: which commit from then on is refused; 0 for none
    """
    with EmbeddedOms(accounts=ACCOUNTS, clock="manual", seed=3, db=path) as oms:
        price = oms._core.quote("ETH/USDT", oms.now_ms()).bid - 20
        limit = {"side": "buy", "order_type": "limit", "qty": "1"}
        payloads: list[dict[str, Any]] = [{"symbol": "ETH/USDT", "price": str(price)}]
        if expire_at is not None:
            gone = {"time_in_force": "GTD", "expire_at": expire_at}
            payloads.append({"symbol": "SOL/USDT", "price": "10", **gone})
        for payload in payloads:
            body = {"account_id": 1, "command": "send_order", "payload": limit | payload}
            assert oms.handle("commands", {}, {}, body).status == 200
        real, commits = oms._core.store.commit, []

        def commit(changes: Changes) -> None:
            commits.append(changes)
            if len(commits) == fails:
                raise StoreError("disk full")
            real(changes)

        oms._core.store.commit = commit  # type: ignore[method-assign]
        with suppress(Refusal):
            oms.advance(12 * HOUR)
        oms.tick()
        found = oms.handle("orders_history", {}, {"account_ids": 1, "since_ms": 0}, None).body["items"]
        return [*found, *oms.handle("deals", {}, {"account_ids": 1, "since_ms": 0}, None).body["items"]]


@pytest.mark.parametrize("fails", [1, 2])
def test_a_moment_that_could_not_be_written_happens_again_whole(tmp_path: Path, fails: int) -> None:
    """An order expires at the very moment at which another one fills: neither is forgotten."""
    [order, _] = expiry_and_fill(tmp_path / "alone.sqlite", None)
    moment = parse_time(order["closed_at"])

    expected = expiry_and_fill(tmp_path / "good.sqlite", moment)
    assert [row["status"] for row in expected[:2]] == ["FILLED", "CANCELED"]
    assert [row["closed_at"] for row in expected[:2]] == [order["closed_at"]] * 2
    assert expiry_and_fill(tmp_path / "failing.sqlite", moment, fails) == expected
