"""What the gateway does with a command, its defects included."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from ccxt_driver.oms import Principal

from . import payloads
from .events import Rings
from .refusals import Refused, at_the_venue, before_storing
from .tables import (
    EXACT,
    OPEN_STATUSES,
    ZERO,
    Account,
    DatabaseError,
    Order,
    Position,
    Tables,
    check_lengths,
    stored,
)
from .venue import Venue

_EDITS_BY_ITSELF: Final = "edit_order"


class Commands:
    """Carries out the commands of all accounts.

    What they have done is told before it can be read. What the venue refuses is told to nobody, and so is
    what the venue does with an order.
    """

    def __init__(self, tables: Tables, venue: Venue, rings: Rings) -> None:
        self._tables = tables
        self._venue = venue
        self._tell = rings.publish
        self._run: dict[str, Callable[[Account, Any, int], int | None]] = {
            "send_order": self._send_order,
            "change_order": self._change_order,
            "cancel_order": self._cancel_order,
            "cancel_all_orders": self._cancel_all_orders,
            "close_position": self._close_position,
            "close_by": self._close_by,
            "merge_positions": self._merge_positions,
            "position_change": self._position_change,
        }

    def run(self, account: Account, command: Any, principal: Principal) -> tuple[int, int | None]:
        """Carry out one command; one that fails may leave rows behind.

        :returns: the ids of the command, and of the order that was sent
        :raises Refused: of any of the three families
        """
        self._check_ownership(account, command.payload, principal)
        try:
            check_lengths({"request_id": command.request_id})
            command_id = self._tables.add_command(command)
            return command_id, self._run[command.command](account, command.payload, command_id)
        except DatabaseError as error:
            raise Refused("internal_error", str(error)) from error

    def _check_ownership(self, account: Account, payload: Any, principal: Principal) -> None:
        """Checks before anything is stored: orders of somebody else, strategies of somebody else."""
        if isinstance(payload, payloads.CancelOrder):
            ids = payload.ids
        else:
            ids = [payload.order_id] if isinstance(payload, payloads.ChangeOrder) else []
        for order_id in ids:
            order = self._tables.orders.get(order_id)
            if order is None or order.account_id != account.id:
                raise before_storing("order_not_found")
        sends = isinstance(payload, payloads.SendOrder)
        if sends and principal.strategies is not None and payload.strategy_id not in principal.strategies:
            raise before_storing("strategy_permission_denied")

    # -- orders

    def _send_order(self, account: Account, payload: payloads.SendOrder, command_id: int) -> int:
        """Placed while the caller waits. A venue that refuses leaves an order that is for ever pending."""
        self._check_new_order(account, payload)
        order = self._tables.add_order(
            account_id=account.id,
            command_id=command_id,
            symbol=payload.symbol,
            side=payload.side,
            order_type=payload.order_type,
            qty=stored(payload.qty),
            price=stored(payload.price),
            strategy_id=payload.strategy_id,
            position_id=payload.position_id,
            reason=payload.reason,
            comment=payload.comment,
            client_order_id=payload.client_order_id,
            stop_loss=stored(payload.oms_stop_loss),
            stop_gain=stored(payload.oms_stop_gain),
        )
        params = {**payload.params, **_venue_params(payload)}
        placed = self._create(order, payload.qty, payload.price, params)
        self._tables.update(order, status="SUBMITTED", exchange_order_id=placed["id"])
        ids = {"command_id": command_id, "order_id": order.id, "exchange_order_id": placed["id"]}
        self._tell(account.id, "order_submitted", **ids)
        return order.id

    def _check_new_order(self, account: Account, payload: payloads.SendOrder) -> None:
        if payload.position_id:
            position = self._tables.positions.get(payload.position_id)
            if (
                position is None
                or (position.account_id, position.symbol) != (account.id, payload.symbol)
                or position.state != "open"
            ):
                raise Refused("invalid_position_id", "position_id must be an open position of the symbol")
        if payload.reduce_only:
            return  # asks for neither strategy nor risk
        strategy_id = payload.strategy_id
        if strategy_id and strategy_id not in self._tables.strategies:
            raise Refused("invalid_strategy_id", f"strategy {strategy_id} does not exist")
        if not account.allow_new_positions or (account.id, strategy_id) in self._tables.blocked_strategies:
            raise Refused("risk_blocked", "new positions are blocked by risk settings")

    def _create(
        self, order: Order, qty: Decimal | None, price: Decimal | None, params: dict[str, Any]
    ) -> dict[str, Any]:
        """Create an order at the venue: it is called there as the client said, or by the gateway's id."""
        named = {**params, "clientOrderId": order.client_order_id or str(order.id)}
        args = [order.symbol, order.order_type, order.side, qty, price, named]
        placed: dict[str, Any] = self._ask(order.account_id, "create_order", args)
        raw = self._tables.raw(order.account_id, placed["id"], placed)
        self._tables.raw_orders.append(raw)
        return placed

    def _ask(self, account_id: int, function: str, args: list[Any]) -> Any:
        try:
            return self._venue.call(account_id, function, args, {})
        except Exception as error:  # of whatever class: the gateway keeps the text only
            raise at_the_venue(error) from error

    def _cancel_order(self, account: Account, payload: payloads.CancelOrder, command_id: int) -> None:
        batch = self._cancel([self._tables.orders[order_id] for order_id in payload.ids])
        if payload.order_id is not None and len(payload.ids) == 1:
            self._tell(account.id, "order_canceled", command_id=command_id, order_id=payload.order_id)
        else:
            ids = {"command_id": command_id, "command_type": "cancel_order"}
            self._tell(account.id, "orders_canceled_batch", **ids, **batch)

    def _cancel_all_orders(
        self, account: Account, payload: payloads.CancelAllOrders, command_id: int
    ) -> None:
        wanted = [
            order
            for order in self._tables.orders.values()
            if order.account_id == account.id
            and order.status in OPEN_STATUSES
            and (not payload.strategies or order.strategy_id in payload.strategies)
        ]
        if not wanted:
            raise Refused("internal_error", "no open orders to cancel")
        batch = self._cancel(wanted)
        ids = {"command_id": command_id, "command_type": "cancel_all_orders"}
        self._tell(account.id, "orders_canceled_batch", **ids, **batch)

    def _cancel(self, orders: list[Order]) -> dict[str, list[int]]:
        """One after the other. What the venue refuses to cancel is passed over without a word."""
        canceled = [order.id for order in orders if self._cancel_one(order)]
        if not canceled:
            raise Refused("internal_error", "no orders canceled")
        skipped = [order.id for order in orders if order.id not in canceled]
        return {"canceled_order_ids": canceled, "skipped_order_ids": skipped}

    def _cancel_one(self, order: Order) -> bool:
        if order.status not in OPEN_STATUSES or order.exchange_order_id is None:
            return False
        try:
            self._ask(order.account_id, "cancel_order", [order.exchange_order_id, order.symbol])
        except Refused:
            return False  # filled, gone, or the venue is down: all the same
        self._tables.update(order, status="CANCELED", closed_at=self._tables.now_ms())
        return True

    def _change_order(self, account: Account, payload: payloads.ChangeOrder, command_id: int) -> None:
        """What is left out is lost: a quantity in the database, a price in the row."""
        order = self._tables.orders[payload.order_id]
        if order.status not in OPEN_STATUSES:
            raise Refused("invalid_order_state", f"order {order.id} is {order.status}")
        if order.exchange_order_id is None:
            raise Refused("internal_error", "order has no exchange_order_id")
        if self._venue.has(_EDITS_BY_ITSELF):
            args = [order.exchange_order_id, order.symbol, order.order_type, order.side]
            changed = self._ask(account.id, _EDITS_BY_ITSELF, [*args, payload.new_qty, payload.new_price])
        else:
            changed = self._replace(order, payload, command_id)
        if payload.new_qty is None:
            raise DatabaseError("(1048, \"Column 'qty' cannot be null\")")
        self._tables.update(
            order,
            qty=stored(payload.new_qty),
            price=stored(payload.new_price),
            status="SUBMITTED",
            exchange_order_id=changed["id"],
            edit_replace_state="consolidated_to_self",
            edit_replace_at=self._tables.now_ms(),
            closed_at=None,
        )
        self._tell(account.id, "order_changed", command_id=command_id, order_id=order.id)

    def _replace(self, order: Order, payload: payloads.ChangeOrder, command_id: int) -> dict[str, Any]:
        """Where the venue cannot edit: cancel, and create under the same client order id."""
        self._ask(order.account_id, "cancel_order", [order.exchange_order_id, order.symbol])
        now = self._tables.now_ms()
        self._tables.update(order, status="CANCELED", closed_at=now, edit_replace_state="create_pending")
        ids = {"command_id": command_id, "order_id": order.id}
        self._tell(order.account_id, "order_change_replace_pending", **ids)
        try:
            return self._create(order, payload.new_qty, payload.new_price, {})
        except Refused as refused:
            self._tables.update(order, edit_replace_state="create_failed", edit_replace_at=now)
            self._tell(order.account_id, "order_change_replace_failed", **ids, error=str(refused))
            raise Refused("internal_error", "change_order_replace_create_failed") from refused

    # -- positions

    def _position(self, account: Account, position_id: int) -> Position:
        position = self._tables.positions.get(position_id)
        if position is None or position.account_id != account.id:
            raise Refused("position_not_found", f"position {position_id} not found")
        return position

    def _close_position(self, account: Account, payload: payloads.ClosePosition, command_id: int) -> None:
        """Never succeeds: it marks the position, asks that it be unmarked, and rolls all back."""
        self._position(account, payload.position_id)
        if payload.qty is None:
            raise Refused("validation_error", "payload.qty is required")
        raise Refused("invalid_position_id", "position_id must be an open position")

    def _close_by(self, account: Account, payload: payloads.CloseBy, command_id: int) -> None:
        """Two deals without an order, each at its own position's price and without a profit or loss."""
        pair = [
            self._position(account, payload.position_id_a),
            self._position(account, payload.position_id_b),
        ]
        first, second = pair
        if any(position.state != "open" for position in pair):
            raise Refused("internal_error", "close_by requires open positions")
        if first.symbol != second.symbol or first.side == second.side:
            raise Refused("internal_error", "close_by requires opposite positions of the same symbol")
        qty = stored(payload.qty) or min(first.qty, second.qty)
        if qty > min(first.qty, second.qty):
            raise Refused("internal_error", "close_by qty exceeds the position")
        for position in pair:
            self._tables.add_deal(
                account_id=account.id,
                order_id=None,
                position_id=position.id,
                symbol=position.symbol,
                side=position.side,
                qty=qty,
                price=position.avg_price,
                strategy_id=payload.strategy_id or position.strategy_id,
                reason="close_by_internal",
                reconciled=True,
            )
            reduce_position(self._tables, position, qty)
        ids = {"command_id": command_id, "position_id_a": first.id, "position_id_b": second.id}
        self._tell(account.id, "close_by_executed", **ids, qty=str(qty))

    def _merge_positions(self, account: Account, payload: payloads.MergePositions, command_id: int) -> None:
        """The source stays as a row in a state that the gateway's own lists cannot answer."""
        source = self._position(account, payload.source_position_id)
        target = self._position(account, payload.target_position_id)
        if source is target or (source.symbol, source.side) != (target.symbol, target.side):
            raise Refused("internal_error", "merge requires two positions of the same symbol and side")
        if {source.state, target.state} != {"open"}:
            raise Refused("internal_error", "merge requires open positions")
        add_to_position(self._tables, target, source.qty, source.avg_price)
        self._tables.update(source, qty=ZERO, state="merged", closed_at=self._tables.now_ms())
        if payload.stop_mode != "keep":  # of a mode other than set the prices are none
            is_set = payload.stop_mode == "set"
            target.stop_loss = stored(payload.oms_stop_loss) if is_set else None
            target.stop_gain = stored(payload.oms_stop_gain) if is_set else None
        for deal in self._tables.deals.values():
            if deal.position_id == source.id:
                deal.position_id, deal.previous_position_id = target.id, source.id
        for order in self._tables.orders.values():
            if order.position_id == source.id and order.status in OPEN_STATUSES:
                order.position_id, order.previous_position_id = target.id, source.id
        ids = {"command_id": command_id, "source_position_id": source.id, "target_position_id": target.id}
        self._tell(account.id, "positions_merged", **ids)

    def _position_change(self, account: Account, payload: payloads.PositionChange, command_id: int) -> None:
        position = self._position(account, payload.position_id)
        columns = {"oms_stop_loss": "stop_loss", "oms_stop_gain": "stop_gain", "comment": "comment"}
        given = payload.model_fields_set & columns.keys()
        values = {columns[name]: getattr(payload, name) for name in given}
        check_lengths(values if values.get("comment") else {})
        self._tables.update(
            position,
            **{
                name: stored(value) if isinstance(value, Decimal) else value for name, value in values.items()
            },
        )
        told = {name: None if given is None else str(given) for name, given in _stops(position).items()}
        self._tell(account.id, "position_changed", position_id=position.id, comment=position.comment, **told)


def add_to_position(tables: Tables, position: Position, qty: Decimal, price: Decimal) -> None:
    """More of the same side, at the average price by weight."""
    total = EXACT.add(position.qty, qty)
    cost = EXACT.add(EXACT.multiply(position.qty, position.avg_price), EXACT.multiply(qty, price))
    tables.update(position, qty=total, avg_price=stored(EXACT.divide(cost, total)))


def reduce_position(tables: Tables, position: Position, qty: Decimal) -> None:
    """Less of it; with nothing left it is closed."""
    left = EXACT.subtract(position.qty, qty)
    tables.update(position, qty=left)
    if not left:
        tables.update(position, state="closed", closed_at=tables.now_ms())


def _stops(position: Position) -> dict[str, Decimal | None]:
    return {"oms_stop_loss": position.stop_loss, "oms_stop_gain": position.stop_gain}


def _venue_params(payload: payloads.SendOrder) -> dict[str, Any]:
    """The options of an order as ccxt calls them; prices among them are texts. No row keeps them."""
    prices = {
        "triggerPrice": payload.trigger_price,
        "stopPrice": payload.stop_price,
        "takeProfitPrice": payload.take_profit_price,
        "trailingAmount": payload.trailing_amount,
        "trailingPercent": payload.trailing_percent,
    }
    params: dict[str, Any] = {name: str(price) for name, price in prices.items() if price is not None}
    if payload.post_only:
        params["postOnly"] = True
    if payload.reduce_only:
        params["reduceOnly"] = True
    if payload.time_in_force is not None:
        params["timeInForce"] = payload.time_in_force.upper()
    return params
