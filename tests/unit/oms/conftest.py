"""A trading desk on an embedded OMS whose clock and prices the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from ccxt_driver.oms import OWNER, EmbeddedOms, Event, Principal, Reply

BALANCES = {"USDT": "100000", "BTC": "10", "ETH": "100"}
ACCOUNTS = [
    {"account_id": 1, "position_mode": "netting", "balances": BALANCES},
    {"account_id": 2, "position_mode": "hedge", "balances": BALANCES},
    {"account_id": 3, "position_mode": "strategy_netting", "balances": BALANCES},
]
SPOT = "BTC/USDT"
SWAP = "BTC/USDT:USDT"


class Desk:
    """Short words for what tests say most often."""

    def __init__(self, **options: Any) -> None:
        self.oms = EmbeddedOms(**{"accounts": ACCOUNTS, "clock": "manual"} | options)
        self.principal: Principal = OWNER
        self.events: list[Event] = []
        self.oms.subscribe(self.events.extend)
        self.price(SPOT, "100", "101")
        self.price(SWAP, "100", "101")
        self.events.clear()

    def price(
        self, symbol: str, bid: str, ask: str, last: str | None = None, size: str | None = None
    ) -> None:
        """Set a price."""
        self.oms.set_price(symbol, bid=bid, ask=ask, last=last, size=size)

    def post(self, command: str, account: int = 1, **payload: Any) -> Reply:
        """One command."""
        body = {"account_id": account, "command": command, "payload": payload}
        return self.oms.handle("commands", {}, {}, body, self.principal)

    def run(self, command: str, account: int = 1, **payload: Any) -> dict[str, Any]:
        """One command that works; its result."""
        reply = self.post(command, account, **payload)
        assert reply.status == 200, reply.body
        [result] = reply.body["results"]
        assert result["ok"]
        return dict(result)

    def refuse(self, code: str, command: str, account: int = 1, **payload: Any) -> dict[str, Any]:
        """One command that is refused with a code; its error."""
        reply = self.post(command, account, **payload)
        assert reply.status >= 400, reply.body
        detail = reply.body["detail"]
        assert detail["code"] == code, detail
        return dict(detail)

    def send(
        self, side: str, qty: Any, price: Any = None, symbol: str = SPOT, account: int = 1, **more: Any
    ) -> Any:
        """An order that is taken; its row."""
        return self.run("send_order", account, **self.order(side, qty, price, symbol, **more))["order"]

    @staticmethod
    def order(side: str, qty: Any, price: Any = None, symbol: str = SPOT, **more: Any) -> dict[str, Any]:
        """The payload of an order: a limit order when it has a price."""
        payload = {
            "symbol": symbol,
            "side": side,
            "order_type": "market" if price is None else "limit",
        } | more
        if qty is not None:
            payload["qty"] = str(qty)
        if price is not None:
            payload["price"] = str(price)
        return payload

    def get(self, endpoint: str, path: dict[str, str] | None = None, **query: Any) -> Any:
        """A query that works; its body."""
        reply = self.oms.handle(endpoint, path or {}, query, None, self.principal)
        assert reply.status == 200, reply.body
        return reply.body

    def call(self, endpoint: str, body: Any = None, **path: Any) -> Any:
        """A request with a body that works; its body."""
        reply = self.oms.handle(
            endpoint, {name: str(value) for name, value in path.items()}, {}, body, self.principal
        )
        assert reply.status == 200, reply.body
        return reply.body

    def venue(self, func: str, *args: Any, account: int = 1, **kwargs: Any) -> Any:
        """A venue function that works; its result."""
        body = {"args": list(args), "kwargs": kwargs}
        return self.call("ccxt_call", body, account_id=account, func=func)["result"]

    def balance(self, currency: str, account: int = 1) -> tuple[Decimal, Decimal, Decimal]:
        """Free, used and total, exact."""
        for row in self.venue("fetch_balance", account=account)["info"]["balances"]:
            if row["currency"] == currency:
                return Decimal(row["free"]), Decimal(row["used"]), Decimal(row["total"])
        return Decimal(0), Decimal(0), Decimal(0)

    def order_row(self, order_id: int) -> dict[str, Any]:
        """An order as it stands."""
        [row] = self.get("orders_by_id", {"ids": str(order_id)})["items"]
        return dict(row)

    def position_row(self, position_id: int) -> dict[str, Any]:
        """A position as it stands."""
        [row] = self.get("positions_by_id", {"ids": str(position_id)})["items"]
        return dict(row)

    def positions(self, account: int = 1, **query: Any) -> list[dict[str, Any]]:
        """Open positions."""
        return list(self.get("positions_open", account_ids=account, **query)["items"])

    def open_orders(self, account: int = 1, **query: Any) -> list[dict[str, Any]]:
        """Open orders."""
        return list(self.get("orders_open", account_ids=account, **query)["items"])

    def deals(self, account: int = 1, **query: Any) -> list[dict[str, Any]]:
        """All deals."""
        return list(
            self.get("deals", account_ids=account, **{"since_ms": 0, "page_size": 500} | query)["items"]
        )


@pytest.fixture
def make_desk() -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def make(**options: Any) -> Desk:
        desks.append(Desk(**options))
        return desks[-1]

    yield make
    for desk in desks:
        desk.oms.close()


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()
