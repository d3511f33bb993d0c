# Generated from `_async/order_reads.py` by `_generate.py`: change that file, not this one.
"""Orders and trades: reading them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ccxt

from ccxt_driver.exchange.list_requests import OPEN_STATUSES, RouteMissing, waiting_fields
from ccxt_driver.exchange.order_requests import NO_FEATURES

from .fallback import Fallback

if TYPE_CHECKING:
    from ccxt.base.types import Order, Trade


_CLOSED = frozenset({"FILLED"})
_CANCELED = frozenset({"CANCELED"})


class OrderReads(Fallback):
    """Queries on orders and deals."""

    def fetch_order(self, id: Any, symbol: Any = None, params: dict[str, Any] = {}) -> Order:
        """One order, open or not, with its trades.

        :param id: OMS order id; may be empty with `params.clientOrderId`
        :param symbol: not needed; when it is given, the order has to be of that market
        :returns: a complete ccxt order structure
        :raises OrderNotFound: no such order, or of another market, or of another strategy than the
            configured one
        """
        self.load_markets()
        order_id = self._resolved_order_id(id, params, symbol)
        order = self._complete_order(self._account_id(params), order_id, self._strategy_id(params))
        self.need_symbol(order_id, order["symbol"], symbol)
        return order

    def fetch_open_orders(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Order]:
        """Open orders, ascending in time.

        :param symbol: unified symbol, or None for all
        :param since: milliseconds since the Unix epoch, by creation
        :param limit: the newest when `since` is absent, the oldest from `since` otherwise
        :param params: `until`, `strategy_id`; `trigger` (or `stop`) for orders that wait for a price alone,
            `trailing` for trailing ones
        :returns: a list of ccxt order structures
        """
        self.load_markets()
        features = self._features() if waiting_fields(params) else NO_FEATURES
        wanted = self._wanted_orders(symbol, since, limit, params, OPEN_STATUSES, features)
        account_id = self._account_id(params)
        try:
            rows = self._all_open_orders(account_id, wanted)
        except RouteMissing:
            return self._orders_of_venue("fetch_open_orders", account_id, wanted)
        return [self._order(row) for row in rows]

    def fetch_closed_orders(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Order]:
        """Orders that filled, ascending in time; none that is open or cancelled.

        :param symbol: unified symbol, or None for all
        :param since: milliseconds since the Unix epoch, by creation
        :param limit: the newest when `since` is absent, the oldest from `since` otherwise
        :param params: `until`, `strategy_id`; `trigger` (or `stop`) for orders that wait for a price alone,
            `trailing` for trailing ones
        :returns: a list of ccxt order structures
        """
        return self._orders_by_status(symbol, since, limit, params, _CLOSED)

    def fetch_orders(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Order]:
        """Orders of every status, ascending in time; arguments as of `fetch_closed_orders`.

        :returns: a list of ccxt order structures
        """
        return self._orders_by_status(symbol, since, limit, params, None)

    def fetch_canceled_orders(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Order]:
        """Cancelled orders, those that filled in part among them; arguments as of `fetch_closed_orders`.

        :returns: a list of ccxt order structures
        """
        return self._orders_by_status(symbol, since, limit, params, _CANCELED)

    def fetch_canceled_and_closed_orders(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Order]:
        """Orders that filled or were cancelled; arguments as of `fetch_closed_orders`.

        :returns: a list of ccxt order structures
        """
        return self._orders_by_status(symbol, since, limit, params, _CLOSED | _CANCELED)

    def _orders_by_status(
        self, symbol: Any, since: Any, limit: Any, params: dict[str, Any], statuses: Any
    ) -> Any:
        self.load_markets()
        features = self._features() if waiting_fields(params) else NO_FEATURES
        wanted = self._wanted_orders(symbol, since, limit, params, statuses, features)
        account_id = self._account_id(params)
        try:
            dated = wanted.since is not None or wanted.until is not None
            composed = self._dated_page if dated else self._true_page
            corrected = composed if self._composes() else None
            rows = self._history("orders_history", account_id, wanted, "created_at", corrected)
        except RouteMissing:
            return self._orders_of_venue("fetch_orders", account_id, wanted)
        return [self._order(row) for row in rows]

    def fetch_open_order(self, id: Any, symbol: Any = None, params: dict[str, Any] = {}) -> Order:
        """One order that is open; arguments as of `fetch_order`.

        :raises OrderNotFound: it does not exist or is not open
        """
        return self._in_status(self.fetch_order(id, symbol, params), ("open",))

    def fetch_closed_order(self, id: Any, symbol: Any = None, params: dict[str, Any] = {}) -> Order:
        """One order that is not open any more; arguments as of `fetch_order`.

        :raises OrderNotFound: it does not exist or is open
        """
        return self._in_status(self.fetch_order(id, symbol, params), ("closed", "canceled", "rejected"))

    def _in_status(self, order: Any, statuses: tuple[str, ...]) -> Any:
        if order["status"] not in statuses:
            raise ccxt.OrderNotFound(f"{self.id} order {order['id']} is {order['status']}")
        return order

    def fetch_orders_by_ids(
        self, ids: Any, symbol: Any = None, params: dict[str, Any] = {}
    ) -> list[Order]:
        """Several orders by one request where the server has by-id reads.

        :param ids: OMS order ids: a list, or a text with commas between them
        :param symbol: not needed; when it is given, all have to be of that market
        :returns: a list of ccxt order structures, in the order of the ids
        :raises OrderNotFound: one of them does not exist, or is of another market
        """
        self.load_markets()
        order_ids = self.order_ids_of(ids)
        if not order_ids:
            return []
        account_id = self._account_id(params)
        rows = self._order_rows(account_id, order_ids, self._strategy_id(params))
        for row in rows:
            self.need_symbol(row["id"], row.get("symbol"), symbol)
        return [self._order(row) for row in self._true_rows(account_id, rows)]

    def fetch_order_trades(
        self, id: Any, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Trade]:
        """The deals of one order, ascending in time.

        :param id: OMS order id; may be empty with `params.clientOrderId`
        :returns: a list of ccxt trade structures
        :raises OrderNotFound: no such order
        """
        checked = self._list_arguments(since, limit, {})
        order = self.fetch_order(id, symbol, params)
        since, limit = checked["since"], checked["limit"]
        return self.filter_by_since_limit(order["trades"], since, limit, "timestamp", since is None)

    def fetch_my_trades(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Trade]:
        """The account's deals, ascending in time.

        :param symbol: unified symbol, or None for all
        :param since: milliseconds since the Unix epoch
        :param limit: the newest when `since` is absent, the oldest from `since` otherwise
        :param params: `until`, `strategy_id`
        :returns: a list of ccxt trade structures
        """
        self.load_markets()
        wanted = self._wanted(symbol, since, limit, params)
        account_id = self._account_id(params)
        try:
            if self._composes():
                rows = self._true_trades(account_id, wanted)
            else:
                rows = self._history("deals", account_id, wanted, "executed_at")
        except RouteMissing:
            return self._trades_of_venue(account_id, wanted)
        return [self.parse_trade(row) for row in rows]
