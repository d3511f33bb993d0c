"""The clock on the wall, which somebody may set."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.clock import WallClock

SECOND = 1_000
HOUR = 3_600_000


class Machine:
    """The clocks of a computer, in milliseconds."""

    def __init__(self) -> None:
        self.wall = 1_790_000_000_000
        self.uptime = 5_000_000

    def pass_time(self, milliseconds: int) -> None:
        self.wall += milliseconds
        self.uptime += milliseconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(time, "time_ns", lambda: machine.wall * 1_000_000)
    monkeypatch.setattr(time, "monotonic_ns", lambda: machine.uptime * 1_000_000)
    return machine


def test_it_is_that_of_the_machine(machine: Machine) -> None:
    clock = WallClock()
    assert clock.now_ms() == machine.wall
    machine.wall += HOUR  # set, or the machine has slept: no time has passed for its processor
    assert clock.now_ms() == machine.wall


def test_one_that_is_set_back_goes_on_at_half_its_speed_until_it_has_caught_up(machine: Machine) -> None:
    clock = WallClock()
    before = clock.now_ms()
    machine.wall -= 10 * SECOND
    assert clock.now_ms() == before
    for _ in range(3):
        machine.pass_time(SECOND + 1)  # no remainder is lost
        clock.now_ms()
    machine.pass_time(SECOND - 3)
    assert clock.now_ms() == before + 2 * SECOND
    machine.pass_time(16 * SECOND)
    assert clock.now_ms() == before + 10 * SECOND == machine.wall
    machine.pass_time(SECOND)
    assert clock.now_ms() == machine.wall


def test_a_file_of_later_goes_on_from_there(machine: Machine) -> None:
    clock = WallClock()
    clock.not_before(machine.wall + HOUR)
    machine.pass_time(SECOND)
    assert clock.now_ms() == machine.wall + HOUR - SECOND // 2
    clock.not_before(machine.wall)
    assert clock.now_ms() == machine.wall + HOUR - SECOND // 2


def test_a_dead_mans_switch_goes_off_though_the_clock_was_set_back(machine: Machine, tmp_path: Path) -> None:
    def command(name: str, **payload: object) -> None:
        body = {"account_id": 1, "command": name, "payload": payload}
        assert oms.handle("commands", {}, {}, body).status == 200

    def open_orders() -> int:
        total: int = oms.handle("orders_open", {}, {"account_ids": "1"}, None).body["total"]
        return total

    path = tmp_path / "oms.sqlite"
    with EmbeddedOms(db=path) as oms:
        command("send_order", symbol="BTC/USDT", side="buy", order_type="limit", qty="0.01", price="1000")
        machine.wall -= HOUR
        command("cancel_all_after", timeout_ms=10 * SECOND)
        machine.pass_time(10 * SECOND)
        assert open_orders() == 1
    with EmbeddedOms(db=path) as oms:
        machine.pass_time(20 * SECOND)
        assert open_orders() == 0
