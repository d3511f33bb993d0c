"""Ctrl-C, and other signals whose handlers raise, in the middle of a commit."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms import interrupts

SWAP = "BTC/USDT:USDT"
HOUR = 3_600_000

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows cannot hold signals")


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """As in a terminal: who is started in the background by a shell ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(params=["memory", "file"])
def desk(request: pytest.FixtureRequest, make_desk: Callable[..., Any], tmp_path: Path) -> Any:
    return make_desk(db=None if request.param == "memory" else tmp_path / "oms.sqlite")


@pytest.fixture
def interrupted(desk: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Does something, and Ctrl-C comes when the half of its commit is done."""
    store = desk.oms._core.store
    half = (store, "_put_rows") if hasattr(store, "_put_rows") else (store._journal, "append")

    def act(action: Callable[[], Any]) -> None:
        real = getattr(*half)

        def put(*given: Any) -> None:
            signal.raise_signal(signal.SIGINT)
            real(*given)

        with monkeypatch.context() as patch:
            patch.setattr(*half, put)
            with pytest.raises(KeyboardInterrupt):
                action()

    return act


def test_a_command_is_done_whole(desk: Any, interrupted: Callable[[Callable[[], Any]], None]) -> None:
    """In memory there was an order with its deal, and nobody had paid for it."""
    before = desk.balance("USDT")[2]
    interrupted(lambda: desk.send("buy", "1", client_order_id="x"))
    [deal] = desk.deals()
    order = desk.order_row(deal["order_id"])
    assert order["status"] == "FILLED"
    assert desk.balance("USDT")[2] == before - Decimal(deal["price"]) - Decimal(deal["fee"])
    assert desk.events[-1].seq == desk.oms.last_seq(1)
    assert desk.send("buy", "1", client_order_id="x")["id"] == order["id"]
    assert desk.send("sell", "1")["id"] == order["id"] + 1
    assert desk.positions() == []


def test_what_happens_by_itself_happens_once(
    desk: Any, interrupted: Callable[[Callable[[], Any]], None]
) -> None:
    desk.send("buy", "1", symbol=SWAP)
    interrupted(lambda: desk.oms.advance(8 * HOUR))
    desk.oms.tick()
    desk.oms.advance(HOUR)
    assert len(desk.venue("fetch_funding_history", SWAP)) == 1


def test_what_follows_a_commit_in_memory_is_not_lost(
    desk: Any, interrupted: Callable[[Callable[[], Any]], None]
) -> None:
    def create(name: str) -> Any:
        return desk.oms.handle("create_strategy", {}, {}, {"name": name})

    interrupted(lambda: create("first"))
    assert create("second").status == 200
    names = {
        row["strategy_id"]: row["name"] for row in desk.oms.handle("strategies", {}, {}, None).body["items"]
    }
    assert [*names.values()][-2:] == ["first", "second"]


def test_signals_come_again_also_where_a_commit_cannot_even_be_taken_back(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(desk.oms._core.store, "commit", fail)
        patch.setattr(desk.oms._core, "rollback", fail)
        with pytest.raises(SystemExit):
            desk.send("buy", "1")
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_other_threads_have_no_handlers_to_hold() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(interrupts.hold).result() is None
    interrupts.release(None)


def test_a_server_that_ends_by_signals_holds_none() -> None:
    def is_held() -> bool:
        held = interrupts.hold()
        interrupts.release(held)
        return held is not None

    async def serve() -> list[bool]:
        with interrupts.left_to_a_server():
            inside = is_held()
        return [inside, is_held()]

    assert asyncio.run(serve()) == [False, True]
    assert is_held()


def test_what_somebody_holds_stays_held() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        held = interrupts.hold()
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        interrupts.release(held)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before | {signal.SIGUSR1}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
