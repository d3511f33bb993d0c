"""A subscriber may trade on what it is told: it comes in when the OMS is done, not in the middle of time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ccxt_driver.oms import EmbeddedOms, Event

SYMBOL = "BTC/USDT"


def body(side: str, price: Decimal, account: int) -> dict[str, Any]:
    payload = {"symbol": SYMBOL, "side": side, "order_type": "limit", "price": str(price), "qty": "0.01"}
    return {"account_id": account, "command": "send_order", "payload": payload}


def test_orders_of_a_subscriber_are_placed_after_what_it_was_told() -> None:
    told: list[Event] = []
    with EmbeddedOms(clock="manual") as oms:

        def follow(events: list[Event]) -> None:
            for event in events:
                if event.name == "deal_created" and event.account_id == 1:
                    bid = oms._core.quote(SYMBOL, oms.now_ms()).bid
                    assert oms.handle("commands", {}, {}, body("buy", bid, 2)).status == 200

        oms.subscribe(follow)
        oms.subscribe(told.extend)
        last = oms._core.quote(SYMBOL, oms.now_ms()).last
        for number in range(1, 12):
            oms.handle(
                "commands",
                {},
                {},
                body("buy", (last * (1 - Decimal(number) / 2000)).quantize(Decimal("0.01")), 1),
            )
        oms.advance(3 * 3_600_000)
        query = {"account_ids": "1,2", "since_ms": 0}
        orders = oms.handle("orders_history", {}, query, None).body["items"]
    assert sum(order["account_id"] == 2 for order in orders) >= 5
    assert all(order["created_at"] <= order["updated_at"] for order in orders)
    for account_id in (1, 2):
        mine = [event for event in told if event.account_id == account_id]
        assert [event.seq for event in mine] == list(range(mine[0].seq, mine[-1].seq + 1))
        assert [event.ts_ms for event in mine] == sorted(event.ts_ms for event in mine)


def test_who_subscribes_while_others_are_told_hears_what_comes_after(desk: Any) -> None:
    late: list[Event] = []
    began: list[int] = []

    def join(events: list[Event]) -> None:
        if not began:
            began.append(desk.oms.last_seq(1))
            desk.oms.subscribe(late.extend)
            desk.send("buy", 1)

    desk.oms.subscribe(join)
    body = {"account_id": 1, "command": "cancel_all_orders", "payload": {}}
    orders = [{"account_id": 1, "command": "send_order", "payload": desk.order("buy", 1, "90")}] * 2
    desk.oms.handle("commands", {}, {}, [*orders, body])
    assert [event.seq for event in late] == list(range(began[0] + 1, desk.oms.last_seq(1) + 1))


def test_an_event_says_what_was_true_when_it_happened_however_late_it_is_read(desk: Any) -> None:
    order = desk.send("buy", 1, 90)
    [told] = [event for event in desk.events if event.name == "balance_updated"]
    desk.run("cancel_order", order_id=order["id"])
    desk.send("sell", 2)

    held = Decimal("90.09")  # with the fee
    assert told.payload == {
        "account_id": 1,
        "currency": "USDT",
        "free": str(100_000 - held),
        "used": str(held),
        "total": "100000",
    }
