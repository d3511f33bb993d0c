# Generated from `_async/orders.py` by `_generate.py`: change that file, not this one.
"""Orders: placing, changing, cancelling."""

from __future__ import annotations

from typing import Any

import ccxt

from ccxt_driver.contract.features import Feature
from ccxt_driver.errors import garbage
from ccxt_driver.exchange.base import LOGGER

from .rows import Rows


class Orders(Rows):
    """Commands on orders."""

    def create_order(
        self,
        symbol: str,
        type: Any,
        side: Any,
        amount: float,
        price: Any = None,
        params: dict[str, Any] = {},
    ) -> Any:
        """Place an order through the OMS.

        :param symbol: unified symbol
        :param type: market or limit
        :param side: buy or sell
        :param amount: in the market's units: float, int, str or Decimal
        :param price: in quote units, for limit orders
        :param params: `strategy_id`, `position_id`, `clientOrderId`, `postOnly`, `timeInForce`,
            `reduceOnly`, `triggerPrice`, `stopLossPrice`, `takeProfitPrice`, `stopLoss`,
            `takeProfit`, `trailingAmount`, `trailingPercent`, `comment`, `reason`; anything else is
            passed to the venue
        :returns: a complete ccxt order structure
        :raises RequestTimeout: the outcome is unknown; `client_order_id` says what to look up
        """
        self.load_markets()
        features = self._features() if self.needs_features(params) else frozenset()
        command = self.create_order_request(symbol, type, side, amount, price, params, features)
        result = self._command(command)
        row = result.get("order")
        if row is not None:
            return self._order(row, result.get("deals"))
        return self._placed_order(command, result)

    def _placed_order(self, command: dict[str, Any], result: dict[str, Any]) -> Any:
        """The order that was placed, from a server that answers no rows."""
        order_id = result.get("order_id")
        if not isinstance(order_id, int):
            error = garbage(self.id, f"expected an order_id, got {result}"[:300], command["command"], result)
            self._raise_outcome(error, command)
        try:
            return self._complete_order(command["account_id"], order_id, None)
        except ccxt.BaseError as error:
            # It is placed: failing here would invite the caller to place it again.
            LOGGER.warning("%s order %s is placed but could not be read: %s", self.id, order_id, error)
            return self._order(self._row_of_command(command, order_id))

    def edit_order(
        self,
        id: str,
        symbol: str,
        type: Any,
        side: Any,
        amount: Any = None,
        price: Any = None,
        params: dict[str, Any] = {},
    ) -> Any:
        """Change price, amount, or both of an open order; the id stays.

        :param id: OMS order id; may be empty with `params.clientOrderId`
        :param symbol: unified symbol
        :param type: as the order has it
        :param side: as the order has it
        :param amount: new total amount, filled included; None keeps it
        :param price: new price; None keeps it
        :returns: a complete ccxt order structure
        """
        self.load_markets()
        order_id = self._resolved_order_id(id, params)
        command = self.edit_order_request(order_id, symbol, amount, price, params)
        if Feature.ROWS_IN_RESULTS not in self._features():
            self._fill_in_unchanged(command, order_id)
        return self._order_command(command, order_id, params)

    def _fill_in_unchanged(self, command: dict[str, Any], order_id: int) -> None:
        """Older gateways lose what is left out of a change: price and quantity are sent, always."""
        row = self._order_row(command["account_id"], order_id, None)
        for key, column in (("new_price", "price"), ("new_qty", "qty")):
            if command["payload"].get(key) is None and row.get(column) is not None:
                command["payload"][key] = str(row[column])

    def cancel_order(self, id: str, symbol: Any = None, params: dict[str, Any] = {}) -> Any:
        """Cancel an open order.

        :param id: OMS order id; may be empty with `params.clientOrderId`
        :param symbol: not needed
        :returns: a complete ccxt order structure
        :raises OrderNotFound: no such order, or of another strategy than the configured one
        :raises InvalidOrder: it is not open any more
        """
        self.load_markets()
        order_id = self._resolved_order_id(id, params)
        command = {
            "account_id": self._account_id(params),
            "command": "cancel_order",
            "payload": {"order_id": order_id},
        }
        return self._order_command(command, order_id, params)

    def _order_command(self, command: dict[str, Any], order_id: int, params: dict[str, Any]) -> Any:
        """Carry out a command on one order, guarded by strategy, and give the order as it is then."""
        self._guard_strategy(command, order_id, self._strategy_id(params))
        result = self._command(command)
        row = result.get("order")
        if row is not None:
            return self._with_deals(row)
        return self._complete_order(command["account_id"], order_id, None)
