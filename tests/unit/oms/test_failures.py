"""A store that fails, and faults of our own: nothing half done, and memory never ahead of the disk."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms import EmbeddedOms, order_commands, settling
from ccxt_driver.oms.refusals import Refusal
from ccxt_driver.oms.store import StoreError
from ccxt_driver.oms.transaction import Transaction


@pytest.fixture(params=["memory", "sqlite"])
def stored_desk(request: pytest.FixtureRequest, make_desk: Callable[..., Any], tmp_path: Path) -> Any:
    return make_desk(db=None if request.param == "memory" else tmp_path / "oms.sqlite")


def everything(desk: Any) -> list[Any]:
    seen = [
        desk.get(name, account_ids="1,2,3", since_ms=0)
        for name in ("orders_history", "deals", "positions_history")
    ]
    seen += [desk.get("orders_open", account_ids="1,2,3"), desk.get("positions_open", account_ids="1,2,3")]
    return [*seen, desk.get("ledger", account_ids="1,2,3"), desk.venue("fetch_balance"), desk.oms.last_seq(1)]


def test_a_commit_that_fails_does_nothing(stored_desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = stored_desk
    desk.send("buy", "2", oms_stop_loss="80")
    resting = desk.send("buy", "1", "90")
    desk.send("sell", "1", trailing_amount="5")
    before = everything(desk)

    def fail(changes: object) -> None:
        raise StoreError("disk full")

    store = desk.oms._core.store
    with monkeypatch.context() as patch:
        patch.setattr(store, "commit", fail)
        for command, payload in (
            ("send_order", desk.order("sell", "5", client_order_id="x")),
            ("send_order", desk.order("buy", "5", "95")),
            ("change_order", {"order_id": resting["id"], "new_qty": "3"}),
            ("cancel_all_orders", {}),
            ("close_position", {"position_id": 1}),
            ("position_change", {"position_id": 1, "oms_stop_gain": "150"}),
        ):
            desk.events.clear()
            assert "StoreError" in desk.refuse("engine_unavailable", command, **payload)["message"]
            assert desk.events == []
            assert everything(desk) == before
        reply = desk.oms.handle("deposit", {"account_id": "1"}, {}, {"currency": "USDT", "amount": "1"})
        assert reply.status == 503
        assert everything(desk) == before
    desk.send("sell", "5", client_order_id="x")
    desk.run("cancel_order", order_id=resting["id"])
    desk.price("BTC/USDT", "50", "51")
    assert desk.positions()[0]["side"] == "sell"


def test_what_a_failed_order_took_from_the_book_is_there_again(
    stored_desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = stored_desk
    desk.price("BTC/USDT", "100", "101", size="3")

    def fail(changes: object) -> None:
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(desk.oms._core.store, "commit", fail)
        desk.refuse("engine_unavailable", "send_order", **desk.order("buy", "3"))
        if desk.oms._core.store.durable:
            with pytest.raises(Refusal, match="could not be written"):
                desk.price("BTC/USDT", "50", "51")
    assert desk.venue("fetch_ticker", "BTC/USDT")["ask"] == 101.0
    assert desk.send("buy", "3")["status"] == "FILLED"


def test_an_oms_that_cannot_read_its_store_refuses_until_it_can(
    stored_desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = stored_desk
    desk.send("buy", "2")
    store = desk.oms._core.store

    def fail(*_: object) -> None:
        raise StoreError("disk gone")

    with monkeypatch.context() as patch:
        patch.setattr(store, "commit", fail)
        patch.setattr(store, "load", fail)
        desk.refuse("engine_unavailable", "send_order", **desk.order("buy", "1"))
        assert desk.oms.handle("orders_open", {}, {"account_ids": 1}, None).status == 503
        assert desk.oms.handle("health", {}, {}, None).status == 503
    assert desk.positions()[0]["qty"] == "2"
    assert desk.send("buy", "1")["status"] == "FILLED"


def test_time_does_not_go_on_with_what_could_not_be_read_again(
    stored_desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = stored_desk
    desk.send("buy", "1", symbol="BTC/USDT:USDT")
    total = desk.balance("USDT")[2]
    store, before = desk.oms._core.store, desk.oms.now_ms()

    def fail(*_: object) -> None:
        raise StoreError("disk gone")

    with monkeypatch.context() as patch:
        patch.setattr(store, "load", fail)
        with monkeypatch.context() as full:
            full.setattr(store, "commit", fail)
            desk.refuse("engine_unavailable", "send_order", **desk.order("buy", "100"))
        with pytest.raises(Refusal, match="cannot be read"):
            desk.oms.advance(8 * 3_600_000)
    assert desk.oms.now_ms() == before
    desk.oms.advance(8 * 3_600_000)
    [paid] = desk.get("ledger", account_ids=1, kind="funding")["items"]
    assert desk.balance("USDT")[2] == total + Decimal(paid["amount"])


@pytest.mark.parametrize("stored_desk", ["sqlite"], indirect=True)
def test_a_command_that_cannot_read_says_so(stored_desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = stored_desk
    order = desk.order("buy", "1", client_order_id="first")
    desk.run("send_order", **order)

    def fail(*_: object) -> None:
        raise StoreError("disk gone")

    with monkeypatch.context() as patch:
        patch.setattr(desk.oms._core.store, "orders_by_id", fail)
        desk.refuse("engine_unavailable", "send_order", **order)
        body = [{"account_id": 1, "func": "fetch_order", "args": ["P1"]}]
        [result] = desk.oms.handle("ccxt_commands", {}, {}, body).body["results"]
        assert result["error"]["code"] == "engine_unavailable"
    desk.oms._core.store._connection.close()
    desk.refuse("engine_unavailable", "send_order", **order | {"client_order_id": "second"})


def test_a_fault_of_our_own_is_rolled_back_and_does_not_touch_its_neighbours(
    stored_desk: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk = stored_desk
    desk.send("buy", "2")
    real = order_commands.submit

    def faulty(core: Any, tx: Any, account: Any, order: Any, *rest: Any) -> None:
        real(core, tx, account, order, *rest)
        if order.qty == 3:
            raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(order_commands, "submit", faulty)
    batch = [
        {"account_id": 1, "command": "send_order", "payload": desk.order("buy", qty)}
        for qty in ("1", "3", "1")
    ]
    reply = desk.oms.handle("commands", {}, {}, batch)
    assert reply.status == 207
    assert [row["ok"] for row in reply.body["results"]] == [True, False, True]
    error = reply.body["results"][1]["error"]
    assert error["code"] == "internal_error"
    assert "secret" not in error["message"]
    assert "ZeroDivisionError" in caplog.text
    assert desk.positions()[0]["qty"] == "4"
    assert [row["id"] for row in desk.get("orders_history", account_ids=1, since_ms=0)["items"]] == [1, 2, 3]


@pytest.mark.parametrize("place", ["after the fill", "before the commit", "in the commit"])
def test_an_interrupt_in_the_middle_of_a_command_leaves_nothing_half_done(
    stored_desk: Any, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    desk = stored_desk
    desk.send("buy", "2")
    before = everything(desk)

    def interrupted(*given: Any) -> None:
        if place == "after the fill":
            real(*given)
        raise KeyboardInterrupt

    real = order_commands.submit
    owner, name = {
        "after the fill": (order_commands, "submit"),
        "before the commit": (Transaction, "finish"),
        "in the commit": (desk.oms._core.store, "commit"),
    }[place]
    command = {"account_id": 1, "command": "send_order", "payload": desk.order("sell", "5")}
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            desk.oms.handle("commands", {}, {}, command)
    assert everything(desk) == before
    assert desk.send("sell", "2")["status"] == "FILLED"
    assert desk.positions() == []


def test_a_price_is_written_with_what_it_crosses_or_not_at_all(
    make_desk: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "oms.sqlite"
    desk = make_desk(db=path)
    order = desk.send("buy", "2", "90")
    store = desk.oms._core.store

    def fail(changes: object) -> None:
        raise StoreError("disk full")

    for module_or_store, name in ((store, "commit"), (settling, "_makers")):
        with monkeypatch.context() as patch:
            patch.setattr(module_or_store, name, lambda *given: fail(given))
            with pytest.raises((Refusal, StoreError)):
                desk.price("BTC/USDT", "80", "81", size="1")
        assert desk.order_row(order["id"])["status"] == "SUBMITTED"
        assert desk.venue("fetch_ticker", "BTC/USDT")["ask"] == 101.0
    # The next price takes the place of the one that failed, and its book too.
    desk.price("BTC/USDT", "88", "89", size="1.5")
    assert desk.order_row(order["id"])["filled_qty"] == "1.5"
    desk.oms.close()
    again = EmbeddedOms(db=path, clock="manual")
    [row] = again.handle("orders_by_id", {"ids": str(order["id"])}, {}, None).body["items"]
    again.close()
    assert (row["status"], row["filled_qty"]) == ("PARTIALLY_FILLED", "1.5")


def test_a_subscriber_that_fails_undoes_nothing(desk: Any, caplog: pytest.LogCaptureFixture) -> None:
    def fail(events: object) -> None:
        raise RuntimeError("mine")

    unsubscribe = desk.oms.subscribe(fail)
    assert desk.send("buy", "1")["status"] == "FILLED"
    assert "a subscriber failed" in caplog.text
    unsubscribe()
    unsubscribe()
    assert next(event.name for event in desk.events) == "order_submitted"


def test_an_unexpected_fault_of_a_read_is_answered_with_a_request_id(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.oms._core.store, "deals", lambda wanted: 1 / 0)
    reply = desk.oms.handle("deals", {}, {"account_ids": 1, "since_ms": 0}, None)
    assert reply.status == 500
    assert len(reply.body["detail"]["request_id"]) == 32


def test_a_repeated_order_is_answered_as_of_its_request(
    make_desk: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time goes on while the disk is slow, and prices with it; a request is answered as of one moment."""
    desk = make_desk()
    real = desk.oms._core.store.commit

    def slow(changes: object) -> None:
        real(changes)
        desk.oms._clock.advance(60_000)

    body = {
        "account_id": 1,
        "command": "send_order",
        "payload": desk.order("buy", "0.1", symbol="ETH/USDT", client_order_id="a"),
    }
    with monkeypatch.context() as patch:
        patch.setattr(desk.oms._core.store, "commit", slow)
        first, again = desk.oms.handle("commands", {}, {}, [body, body]).body["results"]
    assert again["duplicate"]
    assert again["positions"] == first["positions"]


def test_what_was_taken_of_a_book_is_gone_after_a_restart_too(
    make_desk: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "oms.sqlite"
    desk = make_desk(db=path)
    desk.price("BTC/USDT", "100", "101", size="3")
    desk.send("buy", "2")
    desk.oms.close()

    def fail(changes: object) -> None:
        raise StoreError("disk full")

    with EmbeddedOms(db=path, clock="manual") as again:
        with monkeypatch.context() as patch:  # a price that is taken back does not bring it back
            patch.setattr(again._core.store, "commit", fail)
            with pytest.raises(Refusal):
                again.set_price("BTC/USDT", bid="98", ask="99", size="3")
        body = {"account_id": 1, "command": "send_order", "payload": desk.order("buy", "3")}
        [result] = again.handle("commands", {}, {}, body).body["results"]
        assert result["order"]["filled_qty"] == "1"
        again.set_price("BTC/USDT", bid="100", ask="101", size="3")
        [result] = again.handle("commands", {}, {}, body).body["results"]
        assert result["order"]["filled_qty"] == "3"
