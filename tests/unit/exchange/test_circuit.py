"""While a gateway is down calls fail at once; one probe at a time finds out that it is back."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ccxt
import pytest

from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange
from ccxt_driver.exchange.circuit import FIRST_PAUSE_MS, Circuit
from tests.helpers.gateway_stub import Driver, Gateway, config_of
from tests.helpers.loopback_server import Failure, Fault, LoopbackServer, serving
from tests.helpers.oms_rows import order_row
from tests.helpers.virtual_time import VirtualTime

OPEN_ORDERS = "GET /oms/orders/open"
COMMANDS = "POST /oms/commands"
DOWN = (503, "<html>nobody is there</html>")
LIMIT = ("BTC/USDT", "limit", "buy", 2, 100)
LONGEST_MS = 5_000


def error(code: str, **details: Any) -> dict[str, Any]:
    return {"detail": {"code": code, "message": "no", "details": details}}


def failure_of(driver: Driver, *args: Any, **kwargs: Any) -> Any:
    with pytest.raises(ccxt.BaseError) as raised:
        driver.call(*args, **kwargs)
    return raised.value


@pytest.fixture
def clock(driver: Driver) -> VirtualTime:
    return VirtualTime(driver)


def gone_down(driver: Driver) -> Driver:
    """Let a driver find out that its gateway is down."""
    driver.gateway.on(OPEN_ORDERS, DOWN)
    for _ in range(3):
        failure_of(driver, "fetch_open_orders")
    driver.gateway.sent.clear()
    return driver


# -- the class by itself


def opened(limit: int = 3) -> Circuit:
    circuit = Circuit(limit, LONGEST_MS)
    for _ in range(limit):
        assert circuit.admit(0) == (0, False)
        circuit.failed(False, 0)
    return circuit


def test_it_opens_after_failures_in_a_row_only() -> None:
    circuit = Circuit(3, LONGEST_MS)
    for _ in range(5):
        circuit.failed(False, 0)
        circuit.failed(False, 0)
        circuit.answered()
    assert circuit.admit(0) == (0, False)

    assert opened().admit(0).wait_ms > 0


def test_pauses_double_up_to_the_longest_and_are_never_the_same_for_all() -> None:
    now, pauses, firsts = 0, [], set()
    circuit = opened()
    for _ in range(6):
        wait_ms = circuit.admit(now).wait_ms
        pauses.append(wait_ms)
        now += wait_ms
        assert circuit.admit(now) == (0, True)
        circuit.failed(True, now)
    for pause, full in zip(pauses, (500, 1000, 2000, 4000, 5000, 5000), strict=True):
        assert 0.75 * full <= pause <= full
    for _ in range(50):
        firsts.add(opened().admit(0).wait_ms)
    assert len(firsts) > 10


def test_one_probe_at_a_time_and_its_success_lets_all_through() -> None:
    circuit = opened()
    assert circuit.admit(FIRST_PAUSE_MS) == (0, True)
    assert circuit.admit(FIRST_PAUSE_MS).wait_ms > 0
    circuit.answered()

    assert circuit.admit(FIRST_PAUSE_MS) == (0, False)


def test_a_probe_that_says_nothing_makes_room_for_another_one() -> None:
    circuit = opened()
    circuit.admit(FIRST_PAUSE_MS)
    circuit.abandoned(True)

    assert circuit.admit(FIRST_PAUSE_MS) == (0, True)


def test_failures_of_calls_sent_before_it_opened_make_the_pause_no_longer() -> None:
    circuit = opened()
    waits = circuit.admit(0).wait_ms
    for _ in range(10):
        circuit.failed(False, 400)
        circuit.abandoned(False)

    assert circuit.admit(0).wait_ms == waits


def test_a_clock_that_was_set_back_makes_nobody_wait() -> None:
    circuit = opened()

    assert circuit.admit(-3_600_000) == (0, True)


def test_a_longest_pause_below_the_first_is_kept() -> None:
    circuit = Circuit(1, 100)
    circuit.failed(False, 0)

    assert 75 <= circuit.admit(0).wait_ms <= 100


def test_threads_get_one_probe() -> None:
    for _ in range(50):
        circuit = opened()
        start = threading.Barrier(4)

        def ask(_: int, circuit: Circuit = circuit, start: threading.Barrier = start) -> bool:
            start.wait(timeout=10)
            return circuit.admit(FIRST_PAUSE_MS).is_probe

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(ask, range(4))) == 1


# -- of an exchange object


def test_reads_and_commands_fail_at_once(driver: Driver, clock: VirtualTime) -> None:
    gone_down(driver)
    read = failure_of(driver, "fetch_open_orders")
    command = failure_of(driver, "create_order", *LIMIT)

    assert driver.gateway.routes == []
    for failed in (read, command):
        assert type(failed) is ccxt.ExchangeNotAvailable
        assert 0 < failed.retry_after <= 0.5
    assert command.outcome == "not_sent"
    assert command.client_order_id


def test_a_batch_that_fails_at_once_was_not_sent(driver: Driver, clock: VirtualTime) -> None:
    gone_down(driver)
    order = dict(zip(("symbol", "type", "side", "amount", "price"), LIMIT, strict=True))
    failed = failure_of(driver, "create_orders", [order, order])

    assert failed.outcome == "not_sent"
    assert driver.gateway.routes == []


def test_it_recovers_by_itself(driver: Driver, clock: VirtualTime) -> None:
    gone_down(driver)
    driver.gateway.on_command(order=order_row())
    clock.pass_by(failure_of(driver, "fetch_open_orders").retry_after * 1000)

    assert driver.call("create_order", *LIMIT)["id"] == "11"
    driver.gateway.on(OPEN_ORDERS, {"items": []})
    assert driver.call("fetch_open_orders") == []


def test_a_probe_that_fails_waits_for_longer(driver: Driver, clock: VirtualTime) -> None:
    gone_down(driver)
    clock.pass_by(500)
    failure_of(driver, "fetch_open_orders")

    assert driver.gateway.routes == [OPEN_ORDERS]
    assert 0.75 <= failure_of(driver, "fetch_open_orders").retry_after <= 1


def test_failing_fast_is_not_sent_again(make_driver: Any) -> None:
    driver = make_driver(options={"retries": 2}).ready()
    clock = VirtualTime(driver)
    gone_down(driver)
    clock.slept.clear()
    failure_of(driver, "fetch_open_orders")

    assert clock.slept == []
    assert driver.gateway.routes == []


@pytest.mark.parametrize(
    "answer",
    [
        (400, error("dispatcher_unavailable")),
        (503, error("engine_unavailable")),
        (502, "Bad Gateway"),
        (503, ""),
        (504, "Gateway Time-out"),
    ],
    ids=range(5),
)
def test_what_says_that_the_gateway_is_down(driver: Driver, clock: VirtualTime, answer: Any) -> None:
    driver.gateway.on(COMMANDS, answer)
    for number in range(3):
        failure_of(driver, "create_order", *LIMIT, {"clientOrderId": f"mine-{number}"})
    driver.gateway.sent.clear()

    assert failure_of(driver, "create_order", *LIMIT, {"clientOrderId": "mine"}).outcome == "not_sent"
    assert driver.gateway.routes == []


@pytest.mark.parametrize(
    "answer",
    [
        (502, error("exchange_error")),
        (502, error("exchange_error", ccxt_error="ExchangeNotAvailable")),
        (502, error("exchange_error", ccxt_error="RequestTimeout")),
        (502, error("dispatcher_error")),
        (504, error("exchange_timeout")),
        (504, error("dispatcher_timeout")),
        (429, error("rate_limited")),
        (422, error("insufficient_funds")),
        (401, error("invalid_api_key")),
        (500, "Internal Server Error"),
        (200, {"items": []}),
    ],
    ids=range(11),
)
def test_an_answer_counts_as_one_whatever_it_says(driver: Driver, clock: VirtualTime, answer: Any) -> None:
    for _ in range(4):
        driver.gateway.on(OPEN_ORDERS, DOWN)
        failure_of(driver, "fetch_open_orders")
        failure_of(driver, "fetch_open_orders")
        driver.gateway.on(OPEN_ORDERS, answer)
        try:
            driver.call("fetch_open_orders")
        except ccxt.BaseError as failed:
            assert failed.retry_after is None  # noqa: PT017  # it did not fail fast

    assert len(driver.gateway.routes) == 12


def test_an_answer_that_is_garbage_is_no_outage(driver: Driver, clock: VirtualTime) -> None:
    driver.gateway.on(COMMANDS, (200, "<html>It works!</html>"))
    for number in range(5):
        failure_of(driver, "create_order", *LIMIT, {"clientOrderId": f"mine-{number}"})

    assert driver.gateway.routes == [COMMANDS] * 5


def test_a_check_of_ours_says_nothing_of_the_gateway(driver: Driver, clock: VirtualTime) -> None:
    driver.gateway.on(OPEN_ORDERS, DOWN)
    for _ in range(2):
        failure_of(driver, "fetch_open_orders")
    key, driver.exchange.apiKey = driver.exchange.apiKey, ""
    for _ in range(3):
        assert type(failure_of(driver, "fetch_open_orders")) is ccxt.AuthenticationError
    driver.exchange.apiKey = key
    failure_of(driver, "fetch_open_orders")
    driver.gateway.sent.clear()
    clock.pass_by(500)
    driver.exchange.apiKey = ""
    assert type(failure_of(driver, "fetch_open_orders")) is ccxt.AuthenticationError
    driver.exchange.apiKey = key

    driver.gateway.on(OPEN_ORDERS, {"items": []})  # the probe was not used up
    assert driver.call("fetch_open_orders") == []


def test_it_can_be_turned_off(make_driver: Any) -> None:
    driver = make_driver(options={"circuit_failures": 0}).ready()
    driver.gateway.on(OPEN_ORDERS, DOWN)
    for _ in range(10):
        failure_of(driver, "fetch_open_orders")

    assert len(driver.gateway.routes) == 10


def test_its_options_are_kept(make_driver: Any) -> None:
    driver = make_driver(options={"circuit_failures": 1, "circuit_max_delay": 200}).ready()
    VirtualTime(driver)
    driver.gateway.on(OPEN_ORDERS, DOWN)
    failure_of(driver, "fetch_open_orders")

    assert 0.15 <= failure_of(driver, "fetch_open_orders").retry_after <= 0.2
    assert len(driver.gateway.routes) == 1


@pytest.mark.parametrize("option", ["circuit_failures", "circuit_max_delay"])
def test_an_option_that_makes_no_sense_is_told_before_anything_is_sent(driver: Driver, option: str) -> None:
    driver.exchange.options[option] = "many"
    failed = failure_of(driver, "create_order", *LIMIT)

    assert type(failed) is ccxt.BadRequest
    assert option in str(failed)
    assert failed.outcome == "not_sent"
    assert driver.gateway.routes == []


def test_each_gateway_has_its_own_and_a_switch_starts_anew(make_driver: Any) -> None:
    sandbox = {"base_url": "http://sandbox.test", "account_id": 9, "apiKey": "sandbox-key"}
    driver = make_driver(options={"sandbox": sandbox}).ready()
    VirtualTime(driver)
    gone_down(driver)
    driver.exchange.set_sandbox_mode(True)
    driver.gateway.on(OPEN_ORDERS, {"items": []})
    assert driver.call("private_get_oms_orders_open", {"account_ids": 9}) == {"items": []}
    driver.exchange.set_sandbox_mode(False)

    assert driver.call("private_get_oms_orders_open", {"account_ids": 1}) == {"items": []}


def test_a_copy_finds_out_by_itself(driver: Driver, clock: VirtualTime) -> None:
    gone_down(driver)
    assert driver.exchange._circuits
    assert copy.copy(driver.exchange)._circuits == {}
    assert "_circuits" not in driver.exchange.__getstate__()


# -- on a network


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with serving(Gateway()) as running:
        yield running


@pytest.mark.sockets
@pytest.mark.oldest
def test_who_refuses_connections_is_asked_three_times(connect: Any, server: LoopbackServer) -> None:
    driver = connect(server.gateway, server.url).ready()
    server.stop()
    failed = [failure_of(driver, "create_order", *LIMIT) for _ in range(4)]

    assert [type(each) for each in failed] == [ccxt.ExchangeNotAvailable] * 4
    assert {each.outcome for each in failed} == {"not_sent"}
    assert [each.retry_after is None for each in failed] == [True, True, True, False]


@pytest.mark.sockets
def test_a_gateway_that_says_nothing_is_down(connect: Any, server: LoopbackServer) -> None:
    driver = connect(server.gateway, server.url).ready()
    driver.exchange.timeout = 50
    server.gateway.on(COMMANDS, Failure(Fault.SILENCE))
    ids = [{"clientOrderId": f"mine-{number}"} for number in range(4)]
    failed = [failure_of(driver, "create_order", *LIMIT, each) for each in ids]

    assert [each.outcome for each in failed] == ["unknown"] * 3 + ["not_sent"]


async def test_of_many_coroutines_one_is_the_probe_and_its_end_without_an_answer_is_none() -> None:
    class Slow(AsyncOmsCcxtExchange):
        sent = 0

        async def fetch(self, *args: Any, **kwargs: Any) -> Any:
            self.sent += 1
            await asyncio.sleep(60)

    exchange = Slow(config_of({}))
    exchange._circuits[exchange.urls["api"]] = circuit = Circuit(1, LONGEST_MS)
    circuit.failed(False, exchange.milliseconds() - FIRST_PAUSE_MS)
    for sent in (1, 2):  # the first probe is cancelled, which makes room for the second
        asked = [asyncio.ensure_future(exchange.public_get_healthz()) for _ in range(5)]
        await asyncio.sleep(0.01)
        assert exchange.sent == sent
        assert [each.done() for each in asked].count(True) == 4
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    await exchange.close()


async def test_who_asks_again_and_again_does_not_hold_up_the_probe() -> None:
    """The answer would never be read, and no call would be let through again."""

    class Probing(AsyncOmsCcxtExchange):
        async def fetch(self, *args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            return {"status": "ok"}

    exchange = Probing(config_of({}))
    exchange._circuits[exchange.urls["api"]] = circuit = Circuit(1, LONGEST_MS)
    circuit.failed(False, exchange.milliseconds() - FIRST_PAUSE_MS)
    probe = asyncio.ensure_future(exchange.public_get_healthz())
    await asyncio.sleep(0)
    for _ in range(100):
        try:
            await exchange.public_get_healthz()
            break
        except ccxt.ExchangeNotAvailable:
            continue
    assert probe.done()
    await probe
    await exchange.close()
