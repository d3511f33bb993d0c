"""What clients were told by an embedded OMS, held against its rows; knows nothing of how it works."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.helpers.auditor import Auditor

from .bookkeeper import Violation

Row = dict[str, Any]

_ORDER = ("id", "account_id", "symbol", "side", "order_type", "created_at", "client_order_id", "comment")
_DEAL = ("id", "account_id", "order_id", "symbol", "side", "qty", "price", "fee", "executed_at", "pnl")
_ENDED = ("status", "filled_qty", "avg_fill_price", "closed_at", "reject_reason")
"""What never changes any more once an order has ended."""


class ClientBooks:
    """Answers by the tag of the order that was asked for, which travels as its comment."""

    def __init__(self) -> None:
        self._told: dict[str, int | None] = {}
        """The order of a tag; None when it was refused."""
        self._doubtful: set[str] = set()
        self._orders: dict[int, Row] = {}
        self._deals: dict[int, Row] = {}
        self.counts: Counter[str] = Counter()

    def doubt(self, tag: str | None) -> None:
        """A request got no answer."""
        if tag is not None:
            self._doubtful.add(tag)

    def answered(self, command: Row, result: Row) -> None:
        """Take an answer to a command down.

        :raises Violation: it is not what was said before
        """
        self.counts["done" if result["ok"] else "refused"] += 1
        self.counts["duplicate"] += result.get("duplicate", False)
        order, tag = result.get("order"), command["payload"].get("comment")
        if order is not None:
            self._orders[order["id"]] = order
        for deal in result["deals"]:
            self._deals[deal["id"]] = deal
        if tag is None or command["command"] not in ("send_order", "close_position"):
            return
        before, now = self._told.get(tag), result["order_id"]
        if before is not None and now is not None and before != now:
            raise Violation(f"doubled: {tag} is order {before}, and also order {now}")
        self._told[tag] = now if before is None else before

    def check(self, auditor: Auditor) -> None:
        """Everything acknowledged is there, once and whole, and nothing else.

        :raises Violation: it is not
        """
        rows = {order.id: order.row() for order in auditor.orders}
        tags = Counter(order.comment for order in auditor.orders if order.reason == "api")
        for tag, count in tags.items():
            if count > 1:
                raise Violation(f"doubled: {tag} has {count} orders")
            if self._told.get(tag) is None and tag not in self._doubtful:
                raise Violation(f"there is an order of {tag}, of which nobody was told")
        for tag, order_id in self._told.items():
            if order_id is not None and (order_id not in rows or rows[order_id]["comment"] != tag):
                raise Violation(
                    f"lost: order {order_id} of {tag} was acknowledged, it is {rows.get(order_id)}"
                )
        for order_id, row in self._orders.items():
            names = _ORDER if row["closed_at"] is None else (*_ORDER, *_ENDED)
            _same("order", names, row, rows.get(order_id))
        deals = {deal.id: deal.row() for deal in auditor.deals}
        for deal_id, row in self._deals.items():
            _same("deal", _DEAL, row, deals.get(deal_id))


def _same(kind: str, names: tuple[str, ...], told: Row, kept: Row | None) -> None:
    if kept is None:
        raise Violation(f"lost: {kind} {told['id']} was acknowledged")
    for name in names:
        if told[name] != kept[name]:
            raise Violation(f"{kind} {told['id']}: {name} was {told[name]!r}, and is {kept[name]!r}")


def check_ids(auditor: Auditor) -> None:
    """Each id was given once, none was left out, and none is below the next one to come.

    :raises Violation: it is not so
    """
    for name, rows in (
        ("order", auditor.orders),
        ("deal", auditor.deals),
        ("position", auditor.positions),
        ("ledger", auditor.ledger),
    ):
        last = auditor.state.counters[name]
        if sorted(row.id for row in rows) != [*range(1, last + 1)]:
            raise Violation(f"{name}: the next id is {last + 1}, there are {[row.id for row in rows]}")
    commands = [order.command_id for order in auditor.orders if order.command_id is not None]
    if max(commands, default=0) > auditor.state.counters["command"]:
        raise Violation("a command id will be given twice")


def check_told(auditor: Auditor, events: list[Row]) -> None:
    """The last event of each row is the row as it is.

    :param events: of all accounts
    :raises Violation: something has changed and nobody was told
    """
    orders = {
        event["payload"]["id"]: event["payload"] for event in events if event["event"] == "order_updated"
    }
    for order in auditor.orders:
        if orders.get(order.id) != order.row():
            raise Violation(f"order {order.id} is {order.row()}, and was told as {orders.get(order.id)}")
