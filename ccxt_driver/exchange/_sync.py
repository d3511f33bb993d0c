"""Generated from `_async.py` by `_generate.py`: change that file, not this one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ccxt

from ccxt_driver.contract.endpoints import BY_NAME
from ccxt_driver.contract.features import Feature
from ccxt_driver.errors import garbage
from ccxt_driver.mappers import market_data
from ccxt_driver.mappers.position import net_rows

from ._twins_sync import Exchange
from .base import LOGGER, OmsExchange
from .endpoints import ImplicitApi
from .list_requests import MOST_OPEN_ROWS, OPEN_STATUSES, PAGE_SIZE, Wanted
from .request_parts import COMMANDS

_CLOSED = frozenset({"FILLED"})
_CLOSED_POSITIONS = frozenset({"closed", "merged"})


class OmsCcxtExchange(OmsExchange, ImplicitApi, Exchange):
    """A ccxt exchange whose orders, trades and positions are those of an Order Management System.

    Ids are strings of OMS ids. `params["strategy_id"]` and `params["account_id"]` override the
    options on every method.
    """

    # -- requests -----------------------------------------------------------------------------

    def request(  # type: ignore[override]  # ccxt before 4.5.65 has headers and body
        self,
        path: str,
        api: Any = "public",
        method: str = "GET",
        params: Any = {},
        headers: Any = None,
        body: Any = None,
        config: Any = {},
    ) -> Any:
        """Send a request to an endpoint of the contract; in process when the base URL is `embedded:`.

        :param path: as in the contract, with `{placeholders}`
        :param params: path, query and body parameters together; a list is a body
        :returns: the parsed answer
        """
        if self._is_embedded:
            return self._ask_in_process(path, method, params)
        return self.fetch2(path, api, method, params, headers, body, config)

    def fetch2(  # type: ignore[override]  # as above
        self,
        path: str,
        api: Any = "public",
        method: str = "GET",
        params: Any = {},
        headers: Any = None,
        body: Any = None,
        config: Any = {},
    ) -> Any:
        """ccxt's pipeline. What is not a GET is sent once, whatever `maxRetriesOnFailure` says."""
        if method == "GET":
            return super().fetch2(path, api, method, params, config=config)
        request = self.sign(path, api, method, params, headers, body)
        self.lastRestRequestTimestamp = self.milliseconds()
        self.last_request_headers = request["headers"]
        self.last_request_body = request["body"]
        self.last_request_url = request["url"]
        return self.fetch(request["url"], request["method"], request["headers"], request["body"])

    def _features(self) -> frozenset[str]:
        """What the server offers beyond the plain contract; asked once."""
        if self._server_features is None:
            try:
                health = self.request(BY_NAME["health"].path)
            except ccxt.NotSupported:  # a server without the route has none of them
                health = {}
            listed = health.get("features") if isinstance(health, dict) else None
            self._server_features = frozenset(listed if isinstance(listed, list) else ())
        return self._server_features

    def _venue(
        self, function: str, args: list[Any], params: dict[str, Any], api: str = "market"
    ) -> Any:
        """What a function of the venue behind the gateway answers."""
        account_id = self._account_id(params)
        rest = self.omit(params, ["account_id", "strategy_id"])
        request = {
            "account_id": account_id,
            "func": function,
            "args": args,
            "kwargs": {"params": rest} if rest else {},
        }
        body = self.request(BY_NAME["ccxt_call"].path, api, "POST", request)
        return self._venue_result(body)

    # -- markets and market data ------------------------------------------------------------------

    def fetch_markets(self, params: dict[str, Any] = {}) -> Any:
        """The venue's markets.

        :param params: extra parameters of the venue
        :returns: a list of ccxt market structures
        """
        result = self._venue("fetch_markets", [], params)
        return self._mapped(market_data.markets, result)

    def fetch_currencies(self, params: dict[str, Any] = {}) -> Any:
        """The venue's currencies by code; empty when the venue does not tell.

        :param params: extra parameters of the venue
        :returns: a dict of ccxt currency structures
        """
        try:
            result = self._venue("fetch_currencies", [], params)
        except ccxt.NotSupported:  # ccxt then derives the currencies from the markets
            result = None
        return result if isinstance(result, dict) else {}

    def fetch_ticker(self, symbol: str, params: dict[str, Any] = {}) -> Any:
        """The ticker of a market.

        :param symbol: unified symbol
        :param params: extra parameters of the venue
        :returns: a ccxt ticker structure
        """
        self.load_markets()
        result = self._venue("fetch_ticker", [self.market(symbol)["symbol"]], params)
        return self._mapped(market_data.ticker, result, self._number())

    def fetch_tickers(self, symbols: Any = None, params: dict[str, Any] = {}) -> Any:
        """Tickers by symbol.

        :param symbols: unified symbols, or None for all
        :param params: extra parameters of the venue
        :returns: a dict of ccxt ticker structures
        """
        self.load_markets()
        wanted = self.market_symbols(symbols)
        result = self._venue("fetch_tickers", [wanted], params)
        tickers = self._mapped(market_data.tickers, result, self._number())
        return self.filter_by_array(tickers, "symbol", wanted)

    def fetch_order_book(self, symbol: str, limit: Any = None, params: dict[str, Any] = {}) -> Any:
        """The order book of a market.

        :param symbol: unified symbol
        :param limit: levels a side
        :param params: extra parameters of the venue
        :returns: a ccxt order book structure: bids descending, asks ascending
        """
        self.load_markets()
        result = self._venue("fetch_order_book", [self.market(symbol)["symbol"], limit], params)
        book = self._mapped(market_data.order_book, result, self._number())
        if limit is not None:
            book["bids"], book["asks"] = book["bids"][:limit], book["asks"][:limit]
        book["symbol"] = book["symbol"] or symbol
        return book

    def fetch_trades(
        self, symbol: str, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> Any:
        """Public trades of a market, ascending in time.

        :param symbol: unified symbol
        :param since: milliseconds since the Unix epoch
        :param limit: the newest when `since` is absent, the oldest from `since` otherwise
        :param params: extra parameters of the venue
        :returns: a list of ccxt trade structures
        """
        self.load_markets()
        wanted = self._wanted(symbol, since, limit, params)
        result = self._venue("fetch_trades", [wanted.symbol, wanted.since, wanted.limit], params)
        trades = self._mapped(market_data.trades, result, self._number())
        return self.filter_by_since_limit(
            trades, wanted.since, wanted.limit, "timestamp", wanted.since is None
        )

    def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> Any:
        """Candles of a market, ascending; the last may be unfinished.

        :param symbol: unified symbol
        :param timeframe: a key of `exchange.timeframes`
        :param since: milliseconds since the Unix epoch
        :param limit: the newest when `since` is absent, the oldest from `since` otherwise
        :param params: extra parameters of the venue
        :returns: [milliseconds, open, high, low, close, volume] each
        """
        self.load_markets()
        wanted = self._wanted(symbol, since, limit, params)
        args = [wanted.symbol, timeframe, wanted.since, wanted.limit]
        result = self._venue("fetch_ohlcv", args, params)
        candles = self._mapped(market_data.candles, result, self._number())
        return self.filter_by_since_limit(candles, wanted.since, wanted.limit, 0, wanted.since is None)

    def fetch_status(self, params: dict[str, Any] = {}) -> Any:
        """Whether the gateway works.

        :returns: ccxt's status structure; `status` is ok or maintenance
        """
        health = self.request(BY_NAME["health"].path)
        if not isinstance(health, dict):
            raise garbage(self.id, f"expected an object, got {str(health)[:200]}", None, health)
        return {
            "status": "ok" if health.get("status") == "ok" else "maintenance",
            "updated": health.get("time_ms"),
            "eta": None,
            "url": None,
            "info": health,
        }

    def fetch_time(self, params: dict[str, Any] = {}) -> Any:
        """The server's time.

        :returns: milliseconds since the Unix epoch
        """
        health = self.request(BY_NAME["health"].path)
        time = health.get("time_ms") if isinstance(health, dict) else None
        return time if isinstance(time, int) else self._venue("fetch_time", [], params)

    # -- account ----------------------------------------------------------------------------------

    def fetch_balance(self, params: dict[str, Any] = {}) -> Any:
        """The account's money, shared by its strategies: `free` excludes what any has reserved.

        :param params: extra parameters of the venue, such as `type`
        :returns: ccxt's balance structure
        """
        self.load_markets()
        request = {
            **self.omit(params, ["account_id", "strategy_id"]),
            "account_id": self._account_id(params),
            "func": "fetch_balance",
        }
        body = self.request(BY_NAME["ccxt_core"].path, "private", "POST", request)
        return self._mapped(market_data.balance, self._venue_result(body), self._number())

    def _account(self, account_id: int) -> dict[str, Any]:
        """The account's row; read once."""
        rows = self._account_rows
        if rows is None:
            body = self.request(BY_NAME["accounts"].path, "private")
            self._account_rows = rows = self._items(body)
        return next((row for row in rows if row.get("account_id") == account_id), {})

    # -- orders: commands --------------------------------------------------------------------------

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

    def _guard_strategy(self, command: dict[str, Any], order_id: int, strategy_id: Any) -> None:
        """No command touches another strategy's order: the server checks, or the row is read first."""
        if strategy_id is None:
            return
        if Feature.STRATEGY_GUARD in self._features():
            command["payload"]["strategy_id"] = strategy_id
        else:
            self._order_row(command["account_id"], order_id, strategy_id)

    def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        """Send one command, once.

        :returns: its result, which is ok
        :raises BaseError: refused, never sent, or unknown, as `outcome` says
        """
        self._commands_in_flight += 1
        try:
            body = self.request(COMMANDS, "private", "POST", command)
            return self._result_of(body, command)
        except ccxt.BaseError as error:
            self._raise_outcome(error, command)
        finally:
            self._commands_in_flight -= 1

    # -- orders: reads -----------------------------------------------------------------------------

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

    def fetch_positions(self, symbols: Any = None, params: dict[str, Any] = {}) -> Any:
        """Open positions, or closed ones with `params={"history": True}`.

        :param symbols: unified symbols, or None for all
        :param params: `history`, `since`, `limit`, `until`, `strategy_id`, `positions` (raw or net)
        :returns: a list of ccxt position structures; `id` is the OMS position id
        """
        self.load_markets()
        account_id = self._account_id(params)
        names = self.market_symbols(symbols)
        only = names[0] if names and len(names) == 1 else None
        if params.get("history"):
            wanted = self._wanted(only, params.get("since"), params.get("limit"), params, _CLOSED_POSITIONS)
            rows = self._history("positions_history", account_id, wanted, "opened_at")
        else:
            wanted = self._wanted(only, params.get("since"), params.get("limit"), params)
            rows = self._open_rows("positions_open", account_id, wanted, "opened_at")
            if rows is None:
                raise ccxt.ExchangeError(f"{self.id} more than {MOST_OPEN_ROWS} open positions")
        chosen = [row for row in rows if not names or row.get("symbol") in names]
        mode = (self._account(account_id)).get("position_mode")
        if not params.get("history") and self._view(mode, params) == "net":
            chosen = self._mapped(net_rows, chosen)
        hedged = None if mode is None else mode == "hedge"
        return [self._position(row, hedged) for row in chosen]

    def _view(self, mode: Any, params: dict[str, Any]) -> str:
        given = params.get("positions") or self.options.get("positions")
        if given not in (None, "net", "raw"):
            raise ccxt.BadRequest(f"{self.id} positions: expected net or raw, got {given!r}"[:200])
        return given or ("net" if mode == "netting" else "raw")

    # -- reading rows -------------------------------------------------------------------------------

    def _open_rows(self, endpoint: str, account_id: int, wanted: Wanted, time_key: str) -> Any:
        """The rows of an open list; None when the server had more than it gives."""
        request = self._open_request(account_id, wanted, self._features())
        items = self._items(self.request(BY_NAME[endpoint].path, "private", "GET", request))
        if len(items) >= MOST_OPEN_ROWS:
            return None
        return self._newest_or_oldest(self._matching(items, wanted, time_key), wanted, time_key)

    def _history(self, endpoint: str, account_id: int, wanted: Wanted, time_key: str) -> list[Any]:
        """The rows of a history list, over as many pages as it takes.

        Without `since` and `limit`: the newest page.
        """
        features = self._features()
        if wanted.since is None and wanted.limit is None:
            wanted = replace(wanted, limit=PAGE_SIZE)
        path = BY_NAME[endpoint].path
        first_request = self._page_request(account_id, wanted, features, 1, self.milliseconds())
        first = self.request(path, "private", "GET", first_request)
        oldest = self._matching(self._items(first), wanted, time_key)
        backwards = wanted.since is None and Feature.QUERY_FILTERS not in features
        rows = [] if backwards else oldest
        for page in self._pages_after_first(first, first_request["page_size"], backwards):
            if wanted.limit is not None and len(rows) >= wanted.limit:
                break
            request = {**first_request, "page": page}
            items = self._items(self.request(path, "private", "GET", request))
            rows.extend(self._matching(items, wanted, time_key))
        if backwards:
            rows.extend(oldest)
        return self._newest_or_oldest(rows, wanted, time_key)

    def _order_row(self, account_id: int, order_id: int, strategy_id: Any) -> dict[str, Any]:
        """The row of one order of the account.

        :raises OrderNotFound: there is none, or it is another strategy's
        """
        features = self._features()
        if Feature.BY_ID in features:
            request: dict[str, Any] = {"ids": order_id}
            if strategy_id is not None and Feature.STRATEGY_GUARD in features:
                request["strategy_id"] = strategy_id
            rows = self._items(self.request(BY_NAME["orders_by_id"].path, "private", "GET", request))
        else:
            rows = self._search_orders(account_id, lambda row: row.get("id") == order_id)
        for row in rows:
            own = strategy_id is None or (row.get("strategy_id") or 0) == strategy_id
            if own and row.get("id") == order_id and row.get("account_id") == account_id:
                return row
        raise ccxt.OrderNotFound(f"{self.id} order {order_id} is not known to account {account_id}")

    def _search_orders(self, account_id: int, fits: Any) -> list[dict[str, Any]]:
        """Orders of a server without by-id reads: among the open ones, then back through the history."""
        everything = Wanted()
        rows = self._open_rows("orders_open", account_id, everything, "created_at") or []
        found = [row for row in rows if fits(row)]
        if found:
            return found
        path = BY_NAME["orders_history"].path
        request = self._page_request(account_id, everything, frozenset(), 1, self.milliseconds())
        first = self.request(path, "private", "GET", request)
        for page in self._pages_after_first(first, request["page_size"], backwards=True):
            body = self.request(path, "private", "GET", {**request, "page": page})
            found = [row for row in self._items(body) if fits(row)]
            if found:
                return found
        return [row for row in self._items(first) if fits(row)]

    def _resolved_order_id(self, id: Any, params: dict[str, Any]) -> int:
        """The OMS id that a by-id method means, by its id, its client order id, or both."""
        given, client_order_id = self.client_order_id_of(id, params)
        if client_order_id is None:
            return self.order_id_of(given)
        row = self._row_by_client_order_id(self._account_id(params), client_order_id)
        if given is not None and self.order_id_of(given) != row["id"]:
            raise ccxt.BadRequest(
                f"{self.id} id {given} and clientOrderId {client_order_id} name different orders"
            )
        return int(row["id"])

    def _row_by_client_order_id(self, account_id: int, client_order_id: str) -> dict[str, Any]:
        if Feature.QUERY_FILTERS in self._features():
            wanted = Wanted(client_order_id=client_order_id, limit=1)
            rows = self._history("orders_history", account_id, wanted, "created_at")
        else:
            rows = self._search_orders(
                account_id, lambda row: row.get("client_order_id") == client_order_id
            )
        if not rows:
            raise ccxt.OrderNotFound(f"{self.id} no order has the clientOrderId {client_order_id}")
        return dict(rows[-1])

    def _complete_order(self, account_id: int, order_id: int, strategy_id: Any) -> Any:
        return self._with_deals(self._order_row(account_id, order_id, strategy_id))

    def _with_deals(self, row: dict[str, Any]) -> Any:
        """An order with its trades: a second request, only when something filled."""
        order = self._order(row)
        if not order["filled"] or float(order["filled"]) == 0:
            return order
        since = max(order["timestamp"] - 1000, 0)  # some servers keep whole seconds
        wanted = Wanted(order_id=row["id"], symbol=row["symbol"], since=since)
        deals = self._history("deals", row["account_id"], wanted, "executed_at")
        return self._order(row, deals)
