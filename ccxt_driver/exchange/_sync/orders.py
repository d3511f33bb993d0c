# Generated from `_async/orders.py` by `_generate.py`: change that file, not this one.
"""Orders: placing, changing, cancelling, one by one and in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ccxt

from ccxt_driver.contract.features import Feature
from ccxt_driver.errors import garbage
from ccxt_driver.exchange.base import LOGGER
from ccxt_driver.exchange.command_outcomes import BEFORE_SENDING
from ccxt_driver.exchange.deadline import Deadline
from ccxt_driver.exchange.list_requests import OPEN_STATUSES, Wanted, waiting_fields
from ccxt_driver.exchange.order_requests import NO_FEATURES
from ccxt_driver.exchange.placing import Changing, Placing
from ccxt_driver.exchange.request_parts import plain
from ccxt_driver.exchange.spelling import in_own_spelling, params_of, said, with_client_order_id
from ccxt_driver.exchange.unknown_creates import is_unknown
from ccxt_driver.mappers.values import decimal_of

from .settling import Settling

if TYPE_CHECKING:
    from ccxt.base.types import Order


_CHANGE_PAUSE_MS = 500
# Not those whose ccxt class says `editOrder`: of many it cancels, and creates an order of the whole amount.
_AMENDS = frozenset({"bybit", "deribit", "myokx", "okx", "okxus"})
"""Venues that change an order in place, and count what has filled in its new amount."""
_AMENDS_CONTRACTS = frozenset({"binance", "binancecoinm", "binanceusdm"})
"""Those that do so with derivatives only."""


class Orders(Settling):
    """Commands on orders."""

    def create_order(
        self,
        symbol: str,
        type: Any,
        side: Any,
        amount: Any,
        price: Any = None,
        params: dict[str, Any] = {},
    ) -> Order:
        """Place an order through the OMS.

        :param symbol: unified symbol
        :param type: market or limit
        :param side: buy or sell
        :param amount: in the market's units: float, int, str or Decimal
        :param price: in quote units, for limit orders
        :param params: `strategy_id`, `position_id`, `clientOrderId`, `postOnly`, `timeInForce`,
            `reduceOnly`, `triggerPrice`, `stopLossPrice`, `takeProfitPrice`, `stopLoss`,
            `takeProfit`, `trailingAmount`, `trailingPercent`, `cost` (quote units, in place of
            `amount`), `comment`, `reason`; anything else is passed to the venue
        :returns: a complete ccxt order structure
        :raises RequestTimeout: the outcome is unknown; `client_order_id` says what to look up
        """
        with BEFORE_SENDING:
            self.load_markets()
            params = with_client_order_id(params)
            features = self._features_now() if self.needs_features(params, type) else NO_FEATURES
            command = self.create_order_request(symbol, type, side, amount, price, params, features)
            if "position_id" in command["payload"]:
                self._guard_position(command)
            self._others_have_ended()
        with Placing(self) as placing:
            pending = placing.order(command, held_back=self.is_id_made_up(params))
            return self._place(pending, self._order_of_result)

    def create_orders(self, orders: Any, params: dict[str, Any] = {}) -> list[Order | ccxt.BaseError]:
        """Place several orders by one request, in order.

        :param orders: dicts with `symbol`, `type`, `side`, `amount`, `price`, `params`
        :param params: for all of them; an order's own win
        :returns: in the order given, a ccxt order structure each, or the exception of one that was
            failed; when all failed the first exception is raised, or the first that is unknown, with
            all in its `results`
        :raises InvalidOrder, ...: one of them is bad input; then none is sent
        """
        with BEFORE_SENDING:
            orders = list(orders)  # which may be an iterator
            self.load_markets()
            each_params = [
                self.params_in_list(order, with_client_order_id(params_of(order, params))) for order in orders
            ]
            needed = any(
                self.needs_features(each, order.get("type"))
                for order, each in zip(orders, each_params, strict=True)
            )
            features = self._features_now() if needed else NO_FEATURES
            commands = [
                self.create_order_request(
                    order.get("symbol"),
                    order.get("type"),
                    order.get("side"),
                    order.get("amount"),
                    order.get("price"),
                    each,
                    features,
                )
                for order, each in zip(orders, each_params, strict=True)
            ]
            for command in commands:
                self._guard_position(command)
            self._others_have_ended()
        with Placing(self) as placing:
            pendings = [
                placing.order(command, held_back=self.is_id_made_up(each))
                for command, each in zip(commands, each_params, strict=True)
            ]
            outcomes = self._placed_batch(pendings, self._order_of_result)
        return self._unless_all_refused(outcomes)

    def _guard_position(self, command: dict[str, Any]) -> None:
        """No order goes to another strategy's position: the server checks, or positions are read first."""
        payload = command["payload"]
        position_id, strategy_id = payload.get("position_id"), payload.get("strategy_id")
        if not position_id or strategy_id is None or Feature.STRATEGY_GUARD in self._features():
            return
        wanted = Wanted(strategy_id=strategy_id)
        rows = self._open_rows("positions_open", command["account_id"], wanted, "opened_at")
        if all(row.get("id") != position_id for row in rows or []):
            raise ccxt.InvalidOrder(
                f"{self.id} position_id: position {position_id} is not an open one of strategy {strategy_id}"
            )

    def _order_of_result(self, command: dict[str, Any], result: dict[str, Any]) -> Any:
        """The order that a command has placed: failing here would invite the caller to place it again.

        `info["duplicate"]` is True of one that was there already, so that nothing was placed.
        """
        order = self._order_placed(command, result)
        if result.get("duplicate") is True:
            order["info"] = {**order["info"], "duplicate": True}
        return order

    def _order_placed(self, command: dict[str, Any], result: dict[str, Any]) -> Any:
        row = result.get("order")
        if row is not None:
            try:
                return self._order(row, result.get("deals"))
            except Exception as error:  # noqa: BLE001  # whatever it is, the order is placed
                LOGGER.warning("%s an order is placed, its row is none: %r", self.id, error)
        return self._placed_order(command, result)

    def _placed_order(self, command: dict[str, Any], result: dict[str, Any]) -> Any:
        """The order that was placed, from a server that answers no rows."""
        order_id = result.get("order_id")
        if type(order_id) is not int:
            error = garbage(self.id, f"expected an order_id, got {result}"[:300], command["command"], result)
            self._raise_outcome(error, command)
        try:
            return self._complete_order(command["account_id"], order_id, None)
        except Exception as error:  # noqa: BLE001  # whatever it is, the order is placed
            LOGGER.warning("%s order %s is placed but could not be read: %r", self.id, order_id, error)
            return self._order(self._row_of_command(command, order_id))

    def edit_order(
        self,
        id: Any,
        symbol: str,
        type: Any,
        side: Any,
        amount: Any = None,
        price: Any = None,
        params: dict[str, Any] = {},
    ) -> Order:
        """Change price, amount, or both of an open order; the id stays.

        :param id: OMS order id; may be empty with `params.clientOrderId`
        :param symbol: unified symbol; another one than the order's is `OrderNotFound`
        :param type: as the order has it
        :param side: as the order has it
        :param amount: new total amount, filled included; None keeps it
        :param price: new price; None keeps it
        :returns: a complete ccxt order structure
        """
        with BEFORE_SENDING:
            self.load_markets()
            self._strategy_id(params)  # for what is read before it is asked for
            order_id = self._resolved_order_id(id, params, symbol)
            command = self.edit_order_request(order_id, symbol, amount, price, params)
            row = self._checked_row(command, order_id, symbol)
            self._need_unchanged(row, order_id, type, side)
            self.need_same_execution(order_id, row, params)
        return self._order_command(command, order_id, params, symbol)

    def edit_orders(self, orders: Any, params: dict[str, Any] = {}) -> list[Order]:
        """Change several open orders, one after the other.

        :param orders: dicts with `id`, `symbol`, `type`, `side`, `amount`, `price`, `params`
        :param params: for all of them; an order's own win
        :returns: a ccxt order structure each; the first failure ends it and is raised, with what was
            changed before it in `results`
        """
        changed: list[Any] = []
        for order in orders:
            names = ("id", "symbol", "type", "side", "amount", "price")
            arguments: Any = [order.get(name) for name in names]
            arguments.append(params_of(order, params))
            try:
                changed.append(self.edit_order(*arguments))
            except ccxt.BaseError as error:
                error.__dict__["results"] = changed
                raise
        return changed

    def _checked_row(self, command: dict[str, Any], order_id: int, symbol: str) -> dict[str, Any]:
        """What never changes of an order that is to be changed.

        Gateways that lose what is left out get it filled in.

        :raises OrderNotFound: the order is of another market
        """
        kept = self._known_orders.get(order_id)
        fill_in = Feature.ROWS_IN_RESULTS not in self._features()
        if kept is not None and not fill_in:
            return kept
        row = self._order_row(command["account_id"], order_id, None)
        row = self._true_row(command["account_id"], row)
        self.need_symbol(order_id, row.get("symbol"), symbol)
        if fill_in:
            self._fill_in_unchanged(command, row)
            self._check_not_replaced(command["account_id"], row)
        return row

    def _need_unchanged(self, row: dict[str, Any], order_id: int, type: Any, side: Any) -> None:
        """Refuse a change of type or side."""
        for name, given, has in (("type", type, row.get("order_type")), ("side", side, row.get("side"))):
            if given is not None and str(given).lower() != has:
                raise ccxt.InvalidOrder(
                    f"{self.id} editOrder() {name}: order {order_id} is {has} and stays so, got {given!r}; "
                    "cancel it and create another"
                )

    def _check_not_replaced(self, account_id: int, row: dict[str, Any]) -> None:
        """No order that filled in part is replaced by one of the whole amount: it would fill more than that.

        :raises InvalidOrder: it is not open any more
        :raises NotSupported: the venue is not known to change an order in place, as one order
        """
        if not self._mapped(decimal_of, row, "filled_qty"):
            return
        if row.get("status") not in OPEN_STATUSES:
            raise ccxt.InvalidOrder(f"{self.id} editOrder(): order {row['id']} is {row.get('status')}")
        exchange_id = str((self._account(account_id)).get("exchange_id")).rpartition(".")[2]
        market = (self.markets or {}).get(row.get("symbol")) or {}
        if exchange_id in _AMENDS or (exchange_id in _AMENDS_CONTRACTS and market.get("contract")):
            return
        raise ccxt.NotSupported(
            f"{self.id} editOrder(): order {row['id']} has filled in part, and {exchange_id} may replace it "
            "by one of the whole amount; cancel it and create another for the rest"
        )

    @staticmethod
    def _fill_in_unchanged(command: dict[str, Any], row: dict[str, Any]) -> None:
        """Older gateways lose what is left out of a change: price and quantity are sent, always."""
        for key, column in (("new_price", "price"), ("new_qty", "qty")):
            if command["payload"].get(key) is None and row.get(column) is not None:
                command["payload"][key] = str(row[column])

    def cancel_order(self, id: Any, symbol: Any = None, params: dict[str, Any] = {}) -> Order:
        """Cancel an open order.

        :param id: OMS order id; may be empty with `params.clientOrderId`
        :param symbol: not needed; an order that is known to be of another market is not found
        :returns: a complete ccxt order structure
        :raises OrderNotFound: no such order, or of another strategy than the configured one
        :raises InvalidOrder: it is not open any more
        """
        with BEFORE_SENDING:
            self.load_markets()
            order_id = self._resolved_order_id(id, params, symbol)
            command = {
                "account_id": self._account_id(params),
                "command": "cancel_order",
                "payload": {"order_id": order_id},
            }
        return self._order_command(command, order_id, params, symbol)

    def cancel_unified_order(self, order: Any, params: dict[str, Any] = {}) -> Any:
        """As `cancel_order`, by the order itself; ccxt before 4.5.67 forgets to carry it out.

        :param order: a ccxt order structure
        """
        return self.cancel_order(order["id"], order.get("symbol"), params)

    def _order_command(
        self, command: dict[str, Any], order_id: int, params: dict[str, Any], symbol: Any
    ) -> Any:
        """Carry out a command on one order, guarded by strategy and market; gives the order as it is then."""
        with BEFORE_SENDING:
            self._guard(command, [order_id], self._strategy_id(params), symbol)
        replaces = command["command"] == "change_order" and self._may_replace()
        with Changing(self, command):
            try:
                if replaces:
                    result = self._changed_once(command, order_id)
                else:
                    result = self._repeated(command)
            except ccxt.BaseError as refusal:
                sent_before = vars(refusal).get("unsettled") is not None or self.was_unsure(refusal, command)
                if not sent_before and not self.is_vague(refusal, command):
                    raise
                return self._order_in_the_end(command, order_id, refusal, sent_before)
            return self._order_after(command, order_id, result)

    def _may_replace(self) -> bool:
        """Whether the gateway may change an order by cancelling it and placing another."""
        return Feature.ROWS_IN_RESULTS not in self._features() or self._composes()

    def _changed_once(self, command: dict[str, Any], order_id: int) -> dict[str, Any]:
        """Change an order by a gateway that may replace it: the second time would replace the new one.

        :raises RequestTimeout: nobody can say whether it was changed, after `lookup_timeout`
        """
        changing, account_id = self._truth.changing, command["account_id"]
        changing.keep(order_id, self.milliseconds())
        self._truth.being_changed.add(order_id)
        try:
            result = self._command(command)
        except ccxt.BaseError as error:
            if not is_unknown(error):
                changing.pop(order_id, None)
                raise
            unknown = error
        else:
            changing.pop(order_id, None)
            return result
        finally:
            self._truth.being_changed.discard(order_id)
        deadline = Deadline(self.milliseconds, self.lookup_timeout_ms())
        while not deadline.is_over():
            try:
                row = self._order_row(account_id, order_id, None)
                if not self.is_as_asked(row, command):
                    row = self._true_row(account_id, row)  # the venue may have done it all the same
                if self.is_as_asked(row, command):
                    return {"order": row}
            except ccxt.BaseError as error:
                LOGGER.debug("%s order %s could not be read: %s", self.id, order_id, error)
            self.sleep(_CHANGE_PAUSE_MS)
        raise unknown

    def _order_in_the_end(
        self, command: dict[str, Any], order_id: int, refusal: ccxt.BaseError, sent_before: bool
    ) -> Any:
        """The order after a command that was refused when it was sent again: the first time may have done it.

        So may have one whose refusal says nothing of the order.

        :param sent_before: whether nobody knows what an earlier sending did
        :raises RequestTimeout: it may still be on its way, or the order cannot be read
        """
        doubt = self.left_open(refusal, command) if self.is_vague(refusal, command) else refusal
        unsettled = vars(refusal).get("unsettled") or doubt
        try:
            row = self._order_row(command["account_id"], order_id, None)
            row = self._true_row(command["account_id"], row)
            done = self.is_as_asked(row, command)
        except ccxt.BaseError as error:
            LOGGER.debug("%s order %s could not be read: %s", self.id, order_id, error)
            raise unsettled from error
        was_done = not sent_before and row.get("gateway_row", row).get("status") == "CANCELED"
        if done and not was_done:
            return self._order_after(command, order_id, {"order": row})
        raise unsettled if row.get("status") in OPEN_STATUSES else refusal

    def _order_after(self, command: dict[str, Any], order_id: int, result: dict[str, Any]) -> Any:
        """The order as a command has left it: failing here would look as if the command had failed."""
        row = result.get("order")
        try:
            if row is None:
                return self._complete_order(command["account_id"], order_id, None)
            return self._with_deals(row, command["account_id"])
        except ccxt.BaseError as error:
            LOGGER.warning("%s order %s could not be read: %s", self.id, order_id, error)
        return self.order_in_short(command, order_id, result)

    def cancel_orders(self, ids: Any, symbol: Any = None, params: dict[str, Any] = {}) -> list[Order]:
        """Cancel several orders by one command.

        :param ids: OMS order ids: a list, or a text with commas between them
        :param symbol: not needed; of orders that are known to be of another market none is cancelled
        :param params: `clientOrderIds` in place of `ids`, `strategy_id`
        :returns: a ccxt order structure each, in the order given, as they are afterwards
        :raises OrderNotFound: one of them does not exist; then none is cancelled
        :raises InvalidOrder: none of them is open any more
        """
        with BEFORE_SENDING:
            self.load_markets()
            account_id = self._account_id(params)
            order_ids = self.order_ids_of(ids)
            for client_order_id in plain(said(params, "clientOrderIds")) or []:
                row = self._row_by_client_order_id(
                    account_id, client_order_id, self._strategy_id(params)
                )
                self.need_symbol(row["id"], row.get("symbol"), symbol)
                order_ids.append(row["id"])
            if not order_ids:
                raise ccxt.ArgumentsRequired(f"{self.id} cancelOrders() ids: expected at least one order id")
            command = {
                "account_id": account_id,
                "command": "cancel_order",
                "payload": {"order_ids": order_ids},
            }
            strategy_id = self._strategy_id(params)
            self._guard(command, order_ids, strategy_id, symbol)
        return self._cancel_several(command, order_ids)

    def cancel_orders_with_client_order_id(
        self, clientOrderIds: Any, symbol: Any = None, params: dict[str, Any] = {}
    ) -> list[Order]:
        """ccxt's `cancel_orders_with_client_order_ids` by the name of its key in `has`.

        :param clientOrderIds: a list
        :returns: as `cancel_orders`
        """
        return self.cancel_orders_with_client_order_ids(clientOrderIds, symbol, params)

    def cancel_orders_for_symbols(self, orders: Any, params: dict[str, Any] = {}) -> list[Order]:
        """Cancel orders of several symbols by one command.

        :param orders: dicts with `id` (or `clientOrderId`) and `symbol`
        :returns: a ccxt order structure each, in the order given
        :raises OrderNotFound: one is of another market, as far as that is known; then none is cancelled
        """
        with BEFORE_SENDING:
            self.load_markets()
            own = in_own_spelling(params)
            ids = [self._id_of_entry(order, own) for order in orders]
        return self.cancel_orders(ids, None, params)

    def _id_of_entry(self, order: Any, params: dict[str, Any]) -> int:
        """The id of an entry of `cancel_orders_for_symbols`, of the market that it names.

        :raises ArgumentsRequired: it has neither id nor client order id
        :raises OrderNotFound: there is none of this client order id, or it is of another market
        """
        symbol, client_order_id = order.get("symbol"), said(order, "clientOrderId")
        if order.get("id"):
            order_id = self.order_id_of(order["id"])
            self.need_known_symbol(order_id, symbol)
            return order_id
        if client_order_id is None:
            raise ccxt.ArgumentsRequired(
                f"{self.id} cancelOrdersForSymbols() orders: expected id or clientOrderId of each"
            )
        return self._resolved_order_id("", {**params, "clientOrderId": client_order_id}, symbol)

    def cancel_all_orders(self, symbol: Any = None, params: dict[str, Any] = {}) -> list[Order]:
        """Cancel all open orders: of the configured strategy when there is one, of a symbol when given.

        :param symbol: unified symbol, or None for all
        :param params: `trigger` (or `stop`) for orders that wait for a price alone, `trailing` for trailing
            ones
        :returns: the orders that were open, as they are afterwards; empty when none was
        :raises NotSupported: the server does not tell which orders wait for a price
        """
        with BEFORE_SENDING:
            self.load_markets()
            account_id = self._account_id(params)
            features = self._features()
            wanted = self._wanted_orders(symbol, None, None, params, OPEN_STATUSES, features)
            if wanted.waiting is None and waiting_fields(params):
                raise ccxt.NotSupported(
                    f"{self.id} cancelAllOrders() trigger: this server does not tell which orders wait for a "
                    "price; cancel them by cancelOrders()"
                )
            filters = Feature.QUERY_FILTERS in features and wanted.waiting is None
            listed = [] if filters else self._all_open_orders(account_id, wanted)
        if not filters:
            return self._cancel_listed(account_id, listed)
        payload: dict[str, Any] = {}
        if wanted.strategy_id is not None:
            payload["strategy_ids"] = [wanted.strategy_id]
        if wanted.symbol is not None:
            payload["symbol"] = wanted.symbol
        command = {"account_id": account_id, "command": "cancel_all_orders", "payload": payload}
        with Changing(self, command):
            result = self._cancelled(command)
        return [self._order(row) for row in result.get("orders") or []]

    def _cancel_listed(self, account_id: int, rows: list[dict[str, Any]]) -> Any:
        """Cancel the orders of a list, where the server cannot choose them."""
        if self._composes():  # what the venue does not have yet, no such server can cancel
            rows = [row for row in rows if row.get("exchange_order_id") or row.get("venue_order")]
        ids = [row["id"] for row in rows]
        if not ids:
            return []
        command = {"account_id": account_id, "command": "cancel_order", "payload": {"order_ids": ids}}
        try:
            return self._cancel_several(command, ids)
        except ccxt.InvalidOrder as refusal:
            if isinstance(refusal, ccxt.OrderNotFound) or self._are_open(command):
                raise
        return self._orders_after(command, ids, {})  # somebody else was faster: nothing is open

    def _cancel_several(self, command: dict[str, Any], ids: list[int]) -> Any:
        """Carry out a cancellation, and give the orders as they are then."""
        with Changing(self, command):
            return self._orders_after(command, ids, self._cancelled(command))

    def _cancelled(self, command: dict[str, Any]) -> dict[str, Any]:
        """Carry out a cancellation of several orders; that none is open any more is what was wanted."""
        try:
            return self._repeated(command)
        except ccxt.BaseError as refusal:
            unsettled = vars(refusal).get("unsettled")
            if self.is_vague(refusal, command) and self._are_open(command):
                raise unsettled or self.left_open(refusal, command) from refusal
            if unsettled is None:
                raise
            if isinstance(refusal, ccxt.InvalidOrder):
                return {}
            raise unsettled from refusal

    def _are_open(self, command: dict[str, Any]) -> bool:
        """Whether an order of a cancellation is open, or may be as far as one can read."""
        account_id, ids = command["account_id"], command["payload"]["order_ids"]
        try:
            rows = self._true_rows(account_id, self._order_rows(account_id, ids, None))
        except ccxt.BaseError as error:
            LOGGER.debug("%s orders %s could not be read: %s", self.id, ids, error)
            return True
        return any(row.get("status") in OPEN_STATUSES for row in rows)

    def _orders_after(self, command: dict[str, Any], ids: list[int], result: dict[str, Any]) -> Any:
        """As `_order_after`, for several orders."""
        try:
            rows = self._order_rows(command["account_id"], ids, None)
            return [self._order(row) for row in self._true_rows(command["account_id"], rows)]
        except ccxt.BaseError as error:
            LOGGER.warning("%s orders %s could not be read: %s", self.id, ids, error)
        return [self.order_in_short(command, order_id, result) for order_id in ids]

    def cancel_all_orders_after(self, timeout: Any, params: dict[str, Any] = {}) -> dict[str, Any]:
        """A dead man's switch: all orders are cancelled unless this is called again in time.

        :param timeout: milliseconds; 0 disarms it
        :returns: a dict with `info`, and `cancelAt` in milliseconds since the Unix epoch when armed
        :raises NotSupported: the server has no such switch
        """
        with BEFORE_SENDING:
            timeout_ms = self.checked_timeout(timeout)
            features = self._features()
            if Feature.CANCEL_ALL_AFTER not in features:
                raise ccxt.NotSupported(
                    f"{self.id} cancelAllOrdersAfter(): this server lacks the feature cancel_all_after; "
                    "cancel by cancelAllOrders() from a process that watches this one"
                )
            strategy_id = self._strategy_id(params)
            payload: dict[str, Any] = {"timeout_ms": timeout_ms}
            if strategy_id is not None:
                payload["strategy_ids"] = [strategy_id]
            command = {
                "account_id": self._account_id(params),
                "command": "cancel_all_after",
                "payload": payload,
            }
        result = self._command(command)
        return {"info": result, "cancelAt": (result.get("result") or {}).get("cancel_at_ms")}

    def create_market_order_with_cost(
        self, symbol: str, side: Any, cost: float, params: dict[str, Any] = {}
    ) -> Order:
        """A market order for an amount of quote units.

        :param cost: quote units to spend or to receive, without fees
        :returns: a complete ccxt order structure
        :raises NotSupported: the server takes no cost
        """
        return self.create_order(symbol, "market", side, None, None, {**params, "cost": cost})

    def create_market_buy_order_with_cost(
        self, symbol: str, cost: float, params: dict[str, Any] = {}
    ) -> Order:
        """As `create_market_order_with_cost`, buying."""
        return self.create_market_order_with_cost(symbol, "buy", cost, params)

    def create_market_sell_order_with_cost(
        self, symbol: str, cost: float, params: dict[str, Any] = {}
    ) -> Order:
        """As `create_market_order_with_cost`, selling."""
        return self.create_market_order_with_cost(symbol, "sell", cost, params)

    def create_trailing_amount_order(
        self,
        symbol: str,
        type: Any,
        side: Any,
        amount: Any,
        price: Any = None,
        trailingAmount: Any = None,
        trailingTriggerPrice: Any = None,
        params: dict[str, Any] = {},
    ) -> Order:
        """A stop that follows the price at a distance in quote units.

        ccxt's own keeps what one call set in its default `params` for the next; this one does not.
        """
        return self._trailing_order(
            (symbol, type, side, amount, price),
            "trailingAmount",
            trailingAmount,
            trailingTriggerPrice,
            params,
        )

    def create_trailing_percent_order(
        self,
        symbol: str,
        type: Any,
        side: Any,
        amount: Any,
        price: Any = None,
        trailingPercent: Any = None,
        trailingTriggerPrice: Any = None,
        params: dict[str, Any] = {},
    ) -> Order:
        """A stop that follows the price at a distance in per cent; see `create_trailing_amount_order`."""
        return self._trailing_order(
            (symbol, type, side, amount, price),
            "trailingPercent",
            trailingPercent,
            trailingTriggerPrice,
            params,
        )

    def _trailing_order(
        self, order: Any, name: str, distance: Any, trigger_price: Any, params: dict[str, Any]
    ) -> Any:
        """Place an order that trails by a distance.

        :param order: symbol, type, side, amount and price
        :raises ArgumentsRequired: no distance was given
        """
        symbol, order_type, side, amount, price = order
        own = self.trailing_params(name, distance, trigger_price, params)
        return self.create_order(symbol, order_type, side, amount, price, own)
