# Generated from `_async/order_reads.py` by `_generate.py`: change that file, not this one.
"""Orders and trades: reading them."""

from __future__ import annotations

from typing import Any

from ccxt_driver.exchange.list_requests import OPEN_STATUSES

from .rows import Rows

_CLOSED = frozenset({"FILLED"})


class OrderReads(Rows):
    """Queries on orders and deals."""

    def fetch_order(self, id: str, symbol: Any = None, params: dict[str, Any] = {}) -> Any:
        """One order, open or not, with its trades.

        :param id: OMS order id; may be empty with `params.clientOrderId`
        :param symbol: not needed
        :returns: a complete ccxt order structure
        :raises OrderNotFound: no such order, or of another strategy than the configured one
        """
        self.load_markets()
        order_id = self._resolved_order_id(id, params)
        return self._complete_order(self._account_id(params), order_id, self._strategy_id(params))

    def fetch_open_orders(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> Any:
        """Open orders, ascending in time.

        :param symbol: unified symbol, or None for all
        :param since: milliseconds since the Unix epoch, by creation
        :param limit: the newest when `since` is absent, the oldest from `since` otherwise
        :param params: `until`, `strategy_id`
        :returns: a list of ccxt order structures
        """
        self.load_markets()
        wanted = self._wanted(symbol, since, limit, params, OPEN_STATUSES)
        rows = self._open_rows("orders_open", self._account_id(params), wanted, "created_at")
        if rows is None:
            rows = self._history("orders_history", self._account_id(params), wanted, "created_at")
        return [self._order(row) for row in rows]

    def fetch_closed_orders(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> Any:
        """Orders that filled, ascending in time; none that is open or cancelled.

        :param symbol: unified symbol, or None for all
        :param since: milliseconds since the Unix epoch, by creation
        :param limit: the newest when `since` is absent, the oldest from `since` otherwise
        :param params: `until`, `strategy_id`
        :returns: a list of ccxt order structures
        """
        self.load_markets()
        wanted = self._wanted(symbol, since, limit, params, _CLOSED)
        rows = self._history("orders_history", self._account_id(params), wanted, "created_at")
        return [self._order(row) for row in rows]

    def fetch_my_trades(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> Any:
        """The account's deals, ascending in time.

        :param symbol: unified symbol, or None for all
        :param since: milliseconds since the Unix epoch
        :param limit: the newest when `since` is absent, the oldest from `since` otherwise
        :param params: `until`, `strategy_id`
        :returns: a list of ccxt trade structures
        """
        self.load_markets()
        wanted = self._wanted(symbol, since, limit, params)
        rows = self._history("deals", self._account_id(params), wanted, "executed_at")
        return [self.parse_trade(row) for row in rows]
