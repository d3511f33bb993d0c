"""The gateway that lags behind its venue, behind a line as bad as that of any other, and with a bad line of
its own to the venue."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import StrEnum
from functools import partial
from random import Random
from typing import Any, Final

import ccxt

from ccxt_driver.oms import EmbeddedOms
from tests.helpers.lagging import LaggingGateway
from tests.helpers.lagging.refusals import Refused

from .bookkeeper import Violation
from .faulty_gateway import (
    ACCOUNT_ID,
    LAGGING_ROUTES,
    MARKETS,
    NONE,
    Error,
    Fault,
    FaultyGateway,
    NoAnswer,
    Reply,
    TimedOut,
)

_SLOWEST_MS: Final = 45_000
"""Less than the driver's `pending_timeout`: what takes longer than that cannot be told from what is lost."""
_PENDING_TIMEOUT_MS: Final = 60_000
_URL: Final = "https://api.venue.test/api/v3/order"
_DOWN: Final = (
    ccxt.RequestTimeout(f"binance POST {_URL}"),
    ccxt.RequestTimeout(f"binance POST {_URL} request timed out (10000 ms)"),
    ccxt.ExchangeNotAvailable(f"binance POST {_URL} 502 Bad Gateway <html><h1>502</h1></html>"),
    ccxt.NetworkError(f"binance POST {_URL} Connection reset by peer"),
    ccxt.OperationFailed('binance {"code":-1000,"msg":"An unknown error occured."}'),
    ccxt.OnMaintenance('binance {"code":-1,"msg":"System is under maintenance."}'),
)
_ERRORS_AFTER: Final[tuple[Error, ...]] = (
    (400, "dispatcher_timeout"),
    (400, "dispatcher_empty_response"),
    (400, "dispatcher_invalid_json"),
    (500, None),
    (502, None),
    (504, None),
)


class VenueFault(StrEnum):
    """What happens between the gateway and its venue during one request."""

    ANSWER_LOST = "the venue's answer is lost"
    DOWN = "the venue is down"
    SLOW = "the venue is slow"
    DISPATCHER_LOST = "the gateway's inside is cut off after executing"


_VENUE_FAULTS: Final = (*VenueFault, VenueFault.SLOW)


class _UnderWay(TimedOut):
    """The row is written, and the venue has not answered for longer than the driver waits."""


class FaultyLaggingGateway(FaultyGateway):
    """A gateway whose rows do not move after they were sent.

    The truth is its venue's: which order there is whose row is noted while it is made, whatever becomes of
    the answer.
    """

    # -- its nature

    fault_rates = (0.02, 0.1, 0.3, 0.6)  # a call takes more requests
    _routes = LAGGING_ROUTES
    errors_before = (*_ERRORS_AFTER, (400, "dispatcher_unavailable"))
    errors_after = _ERRORS_AFTER
    lost_result = {"code": "internal_error", "message": f"binance POST {_URL} request timed out"}  # noqa: RUF012
    lost_status = 400
    takes_ids_again = True
    cancels_all_or_none = False
    leftovers_for_ms = _PENDING_TIMEOUT_MS + 2_000  # its times are in whole seconds

    def __init__(self, random: Random, position_mode: str) -> None:
        self.venue_fault_rate = random.choice((0.05, 0.2, 0.4))
        """How likely it is that a command meets one; a read does so less often."""
        self._offset_hours = random.choice((0, 0, 2, -5, 5.5))
        self._slow = self._commanded = False
        self._down_for = 0
        self._venue_ids: dict[int, int] = {}
        """The venue's number of the order of each row."""
        self._newest: int | None = None
        self._under_way: set[int] = set()
        """Rows whose order is on its way to the venue."""
        super().__init__(random, NONE, position_mode)

    def _open(self, start_ms: int | None) -> LaggingGateway:
        gateway = LaggingGateway(
            accounts=[self._account()],
            strategies=[1],
            start_ms=start_ms,
            markets=MARKETS,
            utc_offset_hours=self._offset_hours,
            exchange_id="ccxtpro.okx",  # it changes orders that filled in part
        )
        at_venue = gateway._venue._object(ACCOUNT_ID)
        placed: Callable[..., Any] = at_venue.create_order
        created: Any = gateway._commands._create

        def place(*args: Any, **kwargs: Any) -> Any:
            order = placed(*args, **kwargs)
            self._newest = int(order["id"])
            return order

        at_venue.create_order = place  # type: ignore[method-assign]
        gateway._commands._create = partial(self._create, created)  # type: ignore[method-assign]
        return gateway

    def _create(self, created: Any, order: Any, *args: Any) -> Any:
        """Create a row's order at the venue, now or later."""
        if self._slow:
            self._slow = False
            self._under_way.add(order.id)
            due = self.now_ms() + self.random.randint(10_000, _SLOWEST_MS)
            self._late.append((due, partial(self._arrives, created, order, *args)))
            raise _UnderWay
        self._newest = None
        try:
            return created(order, *args)
        finally:
            if self._newest is not None:
                self._venue_ids[order.id] = self._newest

    def _arrives(self, created: Any, order: Any, *args: Any) -> None:
        self._under_way.discard(order.id)
        try:
            placed = self._create(created, order, *args)
        except Refused:
            return  # its row stays as it is
        self.oms._tables.update(order, status="SUBMITTED", exchange_order_id=placed["id"])
        self.oms._queries.forget(order.account_id)

    # -- the world

    def order(self, payload: dict[str, Any]) -> None:
        """Place an order past the line, as another program: over the gateway, or at the venue itself."""
        command = {"account_id": ACCOUNT_ID, "command": "send_order", "payload": payload}
        self.random.choice((self.oms, self.books)).handle("commands", {}, {}, command)

    def restart(self) -> None:
        """What was on its way is lost, that to the venue too; the database stays."""
        super().restart()
        self._under_way.clear()

    def calm(self) -> None:
        """The venue is back, too."""
        super().calm()
        self._down_for = 0

    # -- the truth

    @property
    def books(self) -> EmbeddedOms:
        """The venue."""
        venue: EmbeddedOms = self.oms.venue
        return venue

    def order_rows(self) -> dict[int, dict[str, Any]]:
        """Every order of the gateway by its id, as the venue has it."""
        at_venue = super().order_rows()
        return {
            order.id: self._true_row(order, at_venue.get(self._venue_id(order) or 0))
            for order in self.oms._tables.orders.values()
        }

    def _venue_id(self, order: Any) -> int | None:
        if order.id in self._venue_ids:
            return self._venue_ids[order.id]
        return int(order.exchange_order_id[1:]) if order.exchange_order_id else None

    def _true_row(self, order: Any, theirs: dict[str, Any] | None) -> dict[str, Any]:
        """A leftover is an order that was refused, unless it is still on its way."""
        own = {name: getattr(order, name) for name in ("id", "comment", "client_order_id", "position_id")}
        if theirs is not None:
            return {**theirs, **own, "asked_qty": order.qty}
        asked = {name: getattr(order, name) for name in ("symbol", "side", "order_type", "qty", "price")}
        status = "PENDING_SUBMIT" if order.id in self._under_way else "REJECTED"
        return {
            **own,
            **asked,
            "status": status,
            "filled_qty": "0",
            "avg_fill_price": None,
            "closed_at": order.created_at,
        }

    def second_rows(self) -> set[int]:
        """Rows that reconciling has made of orders of which there was one, without the venue's id."""
        own = {*self._venue_ids.values()}
        orders = self.oms._tables.orders.values()
        return {order.id for order in orders if order.reason == "external" and self._venue_id(order) in own}

    def under_way(self) -> set[int]:
        """Leftovers that are young, whatever has become of their orders."""
        since = self.now_ms() - self.leftovers_for_ms
        return {
            order.id
            for order in self.oms._tables.orders.values()
            if order.exchange_order_id is None and order.created_at >= since
        }

    def deal_ids(self) -> set[str]:
        """What the gateway calls the trades that it knows of."""
        return {str(deal_id) for deal_id in self.oms._tables.deals}

    def position_ids(self, symbol: str) -> frozenset[int]:
        """Ids of all positions of a symbol: an order's row names those only that it was sent for."""
        positions = self.oms._tables.positions.values()
        return frozenset(position.id for position in positions if position.symbol == symbol)

    def check_closed(self, result: Any) -> None:
        """In netting mode nothing can be closed; in hedge mode it is done by an opposite order."""
        refused = vars(result).get("outcome") == "refused" if isinstance(result, ccxt.BaseError) else False
        code = vars(result).get("code") if refused else None
        if (
            self._mode != "hedge"
            and code == "invalid_position_id"
            and not isinstance(result, ccxt.NotSupported)
        ):
            raise Violation(f"this gateway cannot close positions, which was told as {result!r}")
        if self._mode != "hedge" and not isinstance(result, ccxt.BaseError):
            raise Violation(f"this gateway cannot close positions, the caller was told that it did: {result}")

    def check(self) -> None:
        """Every order at the venue is of a row, or of another program."""
        of_rows = {self._venue_id(order) for order in self.oms._tables.orders.values()}
        loose = [row for row in super().order_rows().values() if row["id"] not in of_rows]
        named = [row for row in loose if row["client_order_id"] is not None and row["status"] != "REJECTED"]
        if named:
            raise Violation(f"orders at the venue that no row of the gateway tells of: {named}")

    # -- the line

    def take(self, method: str, url: str, headers: Any, text: str | None, timeout_ms: int) -> Reply:
        """As every gateway, but the venue may fail beside."""
        self._commanded = url.endswith("/oms/commands")
        return super().take(method, url, headers, text, timeout_ms)

    def _happens(self, fault: Fault, execute: Callable[[], Reply], timeout_ms: int) -> Reply:
        venue_fault = self._venue_fault()
        if venue_fault is not None:
            self.journal.append(f"    {venue_fault}")
        try:
            return super()._happens(fault, partial(self._during, venue_fault, execute), timeout_ms)
        except _UnderWay:
            self.advance(timeout_ms)
            raise

    def _venue_fault(self) -> VenueFault | None:
        if not self.faulty:
            return None
        if self._down_for:
            self._down_for -= 1
            return VenueFault.DOWN
        if self.random.random() >= self.venue_fault_rate / (1 if self._commanded else 10):
            return None
        fault = self.random.choice(_VENUE_FAULTS) if self._commanded else VenueFault.DOWN
        if fault is VenueFault.DOWN:
            self._down_for = self.random.choice((0, 0, 1, 5, 20))
        return fault

    def _during(self, fault: VenueFault | None, execute: Callable[[], Reply]) -> Reply:
        """Execute a request while something happens between the gateway and its venue."""
        gateway: LaggingGateway = self.oms
        match fault:
            case VenueFault.ANSWER_LOST:
                gateway.lose_next_venue_answer()
            case VenueFault.DOWN:
                gateway.venue_down = self.random.choice(_DOWN)
            case VenueFault.SLOW:
                self._slow = True
            case VenueFault.DISPATCHER_LOST:
                gateway.lose_next_answer = self.random.choice(
                    ("dispatcher_timeout", "dispatcher_empty_response")
                )
        try:
            return execute()
        finally:
            gateway._venue.loses_next_answer = False
            gateway.venue_down = gateway.lose_next_answer = None
            self._slow = False

    def _execute_late(self, due: Iterable[tuple[int, Callable[[], object]]]) -> None:
        super()._execute_late([(at, partial(_without_answer, execute)) for at, execute in due])

    # -- the server

    def _answer(self, endpoint: str, placeholders: Any, query: Any, body: Any, principal: Any) -> Reply:
        if isinstance(body, list):
            self._slow = False  # the rest of a batch would have to wait
        reply = self.oms.handle(endpoint, placeholders, query, body, principal)
        text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
        return reply.status, text, {}


def _without_answer(execute: Callable[[], object]) -> None:
    with suppress(NoAnswer):  # nobody waits for it any more
        execute()
