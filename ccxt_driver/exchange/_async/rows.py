"""What every method stands on: one command, lists over pages, rows by id, the server's features."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import chain, count
from typing import Any

import ccxt

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.endpoints import BY_NAME, TRADES_RAW
from ccxt_driver.contract.features import Feature
from ccxt_driver.errors import garbage, is_of_a_proxy
from ccxt_driver.exchange.base import LOGGER, OmsExchange
from ccxt_driver.exchange.list_requests import (
    MOST_IDS,
    MOST_OPEN_ROWS,
    NAMES_STRATEGY,
    PAGE_SIZE,
    RouteMissing,
    Wanted,
)
from ccxt_driver.exchange.page_search import PageSearch
from ccxt_driver.exchange.request_parts import COMMANDS
from ccxt_driver.exchange.spelling import for_the_venue

MOST_CALLS = 20
"""In one request: a gateway may need a quarter of a second for each."""
COMMANDS_OF_VENUE = BY_NAME["ccxt_commands"].path
_CANNOT_TELL = ErrorCode.DISPATCHER_ERROR
"""What older gateways answer when the venue's object has no such coroutine: `describe` is none."""


_FEATURES_HOLD_MS = 300_000
"""For how long a server is believed to offer what it said."""
_BEYOND_ALL = 1_000_000
"""A page that no list has: servers answer it with no rows, and the right total."""


def _fails_on_a_row(error: ccxt.BaseError) -> bool:
    """Whether a server has stumbled over what it was to show: a 500 without a word of why."""
    return vars(error).get("http_status") == 500 and vars(error).get("code") is None


def _is_of_a_proxy(error: ccxt.BaseError) -> bool:
    return is_of_a_proxy(vars(error).get("http_status"), vars(error).get("details"))


class Rows(OmsExchange):
    """Asking the server, and no rule of ccxt's."""

    async def _features(self) -> frozenset[str]:
        """What the server offers beyond the plain contract; asked once."""
        known = self._server_features
        return await self._asked_features() if known is None else known

    async def _asked_features(self) -> frozenset[str]:
        asked_ms = self.milliseconds()
        health = await self._health()
        listed = health.get("features") if isinstance(health, dict) else None
        features = frozenset(listed if isinstance(listed, list) else ())
        self._server_features, self._features_asked_ms = features, asked_ms
        return features

    async def _health(self) -> Any:
        """What the server says of itself; nothing where it has no such route, or a proxy hides it."""
        path = BY_NAME["health"].path
        try:
            return await self.request(path)
        except ccxt.NotSupported:  # a server without the route has no features
            return {}
        except ccxt.ExchangeNotAvailable as error:
            if not (_is_of_a_proxy(error) and self.apiKey):
                raise
        # Perhaps the proxy finds no server at all now: what it offers cannot be told then.
        await self.request(BY_NAME["accounts"].path, "private")
        try:
            return await self.request(path)
        except ccxt.ExchangeNotAvailable as error:
            if not _is_of_a_proxy(error):
                raise
        return {}

    async def _features_now(self) -> frozenset[str]:
        """As `_features`, asked again after some minutes: another server may stand there by now.

        For what would be dangerous if the server did not keep its word, such as an order with a stop.

        :raises NetworkError: it cannot be asked; what it offered before is not relied on
        """
        known = self._server_features
        age_ms = self.milliseconds() - self._features_asked_ms
        if known is None or self._is_embedded or 0 <= age_ms < _FEATURES_HOLD_MS:
            return await self._features()
        features = await self._asked_features()
        if features != known:
            self.apply_description(None, features)
        return features

    async def _venue(
        self, function: str, args: list[Any], params: dict[str, Any], api: str = "market"
    ) -> Any:
        """What a function of the venue behind the gateway answers."""
        account_id = self._account_id(params)
        rest = for_the_venue(params)
        request = {
            "account_id": account_id,
            "func": function,
            "args": args,
            "kwargs": {"params": rest} if rest else {},
        }
        body = await self.request(BY_NAME["ccxt_call"].path, api, "POST", request)
        return self._venue_result(body)

    async def _venue_calls(self, account_id: int, calls: list[tuple[str, list[Any]]]) -> list[Any]:
        """What functions of the venue answer, by as few requests as the server allows.

        :param calls: function and arguments of each
        :returns: for each, in order, what it returned, or the exception of one that failed
        """
        results: list[Any] = []
        for first in range(0, len(calls), MOST_CALLS):
            results += await self._calls_at_once(account_id, calls[first : first + MOST_CALLS])
        return results

    async def _calls_at_once(self, account_id: int, calls: list[tuple[str, list[Any]]]) -> list[Any]:
        if len(calls) > 1 and COMMANDS_OF_VENUE not in self._missing_routes:
            listed = [
                {"account_id": account_id, "func": function, "args": args, "kwargs": {}}
                for function, args in calls
            ]
            try:
                body = await self.request(COMMANDS_OF_VENUE, "private", "POST", listed)
                return self.results_of_calls(body, len(listed))
            except ccxt.NotSupported:
                self._missing_routes.add(COMMANDS_OF_VENUE)
        results: list[Any] = []
        for function, args in calls:
            try:
                results.append(await self._venue(function, args, {"account_id": account_id}, "private"))
            except ccxt.BaseError as error:  # of this one: the others are what they are
                results.append(error)
        return results

    async def _passed_on(self, function: str, args: list[Any], params: dict[str, Any], api: str) -> Any:
        """A method of the venue that the driver adds nothing to.

        :raises NotSupported: the venue does not have it
        """
        await self.load_markets()
        self.need_capability(function)
        return self.with_numbers(await self._venue(function, self.in_own_symbols(args), params, api))

    async def _learn(self) -> None:
        """Ask once what the venue and the server can do."""
        features = await self._features()
        self.apply_description(await self._venue_description(), features)

    async def _venue_description(self) -> Any:
        """ccxt's `describe()` of the venue, from the gateway or from ccxt's own class; None when unknown."""
        try:
            return await self._venue("describe", [], {})
        except ccxt.BaseError as error:
            if isinstance(error, ccxt.OperationFailed) and getattr(error, "code", None) != _CANNOT_TELL:
                raise  # an outage or a rate limit: asked again, it may tell
            LOGGER.debug("%s describe: %s", self.id, error)
        if not self.apiKey:
            return None
        row = await self._account(self._account_id({}))
        return self.local_description(row.get("exchange_id"))

    async def _accounts(self, reload: bool = False) -> list[dict[str, Any]]:
        """The rows of the accounts that the key may see; read once."""
        rows = None if reload else self._account_rows
        if rows is None:
            body = await self.request(BY_NAME["accounts"].path, "private")
            self._account_rows = rows = self._items(body)
        return rows

    async def _account(self, account_id: int) -> dict[str, Any]:
        """The account's row, empty when the key does not see it."""
        rows = await self._accounts()
        return next((row for row in rows if row.get("account_id") == account_id), {})

    async def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        """Send one command, once.

        :returns: its result, which is ok
        :raises BaseError: refused, never sent, or unknown, as `outcome` says
        """
        self.check_options()
        self._commands_in_flight += 1
        try:
            body = await self.request(COMMANDS, "private", "POST", command)
            return self._result_of(body, command)
        except ccxt.BaseError as error:
            self._raise_outcome(error, command)
        finally:
            self._commands_in_flight -= 1

    async def _guard(self, command: dict[str, Any], ids: list[int], strategy_id: Any, symbol: Any) -> None:
        """No command touches an order of another strategy or market than is named.

        The server checks the strategy, or the rows are read first. The market is that which the driver
        remembers: a command on an order whose market it does not know is not held up for it.
        """
        for order_id in ids:
            self.need_known_symbol(order_id, symbol)
        if strategy_id is None:
            return
        if Feature.STRATEGY_GUARD in await self._features():
            command["payload"]["strategy_id"] = strategy_id
            return
        for row in await self._order_rows(command["account_id"], ids, strategy_id):
            self.need_symbol(row["id"], row.get("symbol"), symbol)

    async def _commands(self, commands: list[dict[str, Any]]) -> list[Any]:
        """Send several commands by one request, once.

        :returns: for each, in order, its result or the exception of its refusal
        :raises BaseError: the request failed as a whole, or it is not known what became of it
        """
        self.check_options()
        self._commands_in_flight += 1
        try:
            body = await self.request(COMMANDS, "private", "POST", commands)
            return self._results_of(body, commands)
        except ccxt.BaseError as error:
            return self._failed_batch(error, commands)
        finally:
            self._commands_in_flight -= 1

    async def _order_rows(self, account_id: int, ids: list[int], strategy_id: Any) -> list[dict[str, Any]]:
        """The rows of several orders, in the order of the ids.

        :raises OrderNotFound: one does not exist, or is another strategy's
        """
        if Feature.BY_ID in await self._features():
            rows = await self._rows_by_id(ids)
        else:
            rows = await self._orders_of_ids(account_id, ids)
        known = {
            row.get("id"): row
            for row in rows
            if row.get("account_id") == account_id and self._own(row, strategy_id)
        }
        for order_id in ids:
            if order_id not in known:
                raise self.order_not_found(account_id, order_id, strategy_id)
        return [known[order_id] for order_id in ids]

    async def _rows_by_id(self, ids: list[int], endpoint: str = "orders_by_id") -> list[dict[str, Any]]:
        """The rows that exist of these ids, by as many requests as their URLs allow."""
        rows: list[dict[str, Any]] = []
        for first in range(0, len(ids), MOST_IDS):
            request = {"ids": ",".join(map(str, ids[first : first + MOST_IDS]))}
            body = await self.request(BY_NAME[endpoint].path, "private", "GET", request)
            rows.extend(self._items(body))
        return rows

    async def _read_list(self, endpoint: str, request: dict[str, Any]) -> Any:
        """A page of a list.

        :raises RouteMissing: the server does not have the list
        """
        path = TRADES_RAW.path if endpoint == TRADES_RAW.name else BY_NAME[endpoint].path
        if endpoint not in self._missing_routes:
            try:
                body = await self._asked_list(path, request)
            except ccxt.NotSupported:
                self._missing_routes.add(endpoint)
            else:
                self._need_ids(endpoint, body)
                return body
        raise RouteMissing(f"{self.id} this server does not have {path}")

    async def _asked_list(self, path: str, request: dict[str, Any]) -> Any:
        """A page of a list, of the caller's strategy where the key may read no other."""
        own = None if "strategy_id" in request else self._callers_strategy()
        named = request if own is None else {**request, "strategy_id": own}
        if self._truth.wants_strategy:
            return await self.request(path, "private", "GET", named)
        try:
            return await self.request(path, "private", "GET", request)
        except ccxt.BadRequest as error:
            if own is None or vars(error).get("code") != NAMES_STRATEGY:
                raise
        self._truth.wants_strategy = True
        return await self.request(path, "private", "GET", named)

    def _need_ids(self, endpoint: str, body: Any) -> None:
        """See that every row of a list has its id.

        :raises BadResponse: one has none
        """
        for row in [] if endpoint == TRADES_RAW.name else self._items(body):
            if type(row.get("id")) is not int:
                raise garbage(self.id, f"expected a row with an id, got {str(row)[:200]}", None, body)

    async def _read_page(self, endpoint: str, request: dict[str, Any]) -> Any:
        """A page of a list; of closed positions without those that the server cannot show: merged ones."""
        try:
            return await self._read_list(endpoint, request)
        except ccxt.ExchangeNotAvailable as error:
            if endpoint != "positions_history" or not _fails_on_a_row(error):
                raise
        beyond = await self._read_list(endpoint, {**request, "page": _BEYOND_ALL})  # has no row to fail on
        total = self.total_of(beyond, _BEYOND_ALL, request["page_size"])
        return {"items": await self._readable(endpoint, request, total), "total": total}

    async def _readable(self, endpoint: str, request: dict[str, Any], total: int) -> list[dict[str, Any]]:
        """The rows of a page that the server can show, by smaller and smaller pages."""
        size, page = request["page_size"], request["page"]
        if size == 1:
            LOGGER.warning("%s the server cannot show row %s of its list of %s", self.id, page, endpoint)
            return []
        parts = next(number for number in (5, 2, 3, size) if size % number == 0)
        rows: list[dict[str, Any]] = []
        for part in range((page - 1) * parts + 1, page * parts + 1):
            if (part - 1) * (size // parts) >= total:
                break
            smaller = {**request, "page": part, "page_size": size // parts}
            try:
                rows += self._items(await self._read_list(endpoint, smaller))
            except ccxt.ExchangeNotAvailable as error:
                if not _fails_on_a_row(error):
                    raise
                rows += await self._readable(endpoint, smaller, total)
        return rows

    async def _open_rows(self, endpoint: str, account_id: int, wanted: Wanted, time_key: str) -> Any:
        """The rows of an open list; None when the server had more than it gives."""
        request = self._open_request(account_id, wanted, await self._features())
        items = self._items(await self._read_list(endpoint, request))
        if len(items) >= MOST_OPEN_ROWS:
            return None
        return self._newest_or_oldest(self._matching(items, wanted, time_key), wanted, time_key)

    async def _history(
        self, endpoint: str, account_id: int, wanted: Wanted, time_key: str, corrected: Any = None
    ) -> list[Any]:
        """The rows of a history list, over as many pages as it takes.

        Without `since` and `limit`: the newest page.

        :param corrected: gives the rows of a page as they truly are, before they are chosen by status
            and time
        """
        features = await self._features()
        if wanted.since is None and wanted.limit is None and not wanted.everything:
            wanted = replace(wanted, limit=PAGE_SIZE)
        known = BY_NAME[endpoint].query
        unfiltered = wanted
        if corrected is not None:
            # A deal is written down later than it was traded, an order when it is made.
            until = wanted.until if time_key == "created_at" else None
            unfiltered = replace(wanted, statuses=None, until=until, in_any_zone=True)
        asked = self._first_page_request(account_id, unfiltered, features, self.milliseconds())
        request = {name: value for name, value in asked.items() if name in known}
        first = await self._read_page(endpoint, request)
        backwards = wanted.since is None and Feature.QUERY_FILTERS not in features
        size = request["page_size"]
        pages = chain(self._pages_from_the_last(first, size), [1]) if backwards else count(1)
        rows: list[Any] = []
        empty = 0
        for page in pages:
            # By id: what was added meanwhile has moved rows from one page to the next.
            if wanted.limit is not None and len({row.get("id") for row in rows}) >= wanted.limit:
                break
            body = first if page == 1 else await self._read_page(endpoint, {**request, "page": page})
            empty = 0 if self._items(body) else empty + 1
            if backwards:
                self._need_rows(empty, first)
            chosen = self._matching(self._items(body), unfiltered, time_key)
            if corrected is not None:
                chosen = self._matching(await corrected(account_id, chosen), wanted, time_key)
            rows.extend(chosen)
            # By what this page says: rows that came in meanwhile have moved the last ones on.
            if not backwards and self._last_page(body, page, size) <= page:
                break
        return self._newest_or_oldest(rows, wanted, time_key)

    async def _leaving(self, endpoint: str, account_id: int, wanted: Wanted, time_key: str) -> list[Any]:
        """All rows of a list that rows leave while it is read, such as that of open orders.

        Each that leaves moves those behind it nearer to the first page: so the last page is read ahead.
        """
        every = replace(wanted, limit=None)
        features = await self._features()
        asked = self._first_page_request(account_id, every, features, self.milliseconds())
        request = {**asked, "sort": "asc"}
        body = await self._read_page(endpoint, request)
        page, rows = self._last_page(body, 1, request["page_size"]), []
        while page > 0:
            body = await self._read_page(endpoint, {**request, "page": page})
            rows += self._items(body)
            page = min(page - 1, self._last_page(body, page, request["page_size"]))
        return self._newest_or_oldest(self._matching(rows, every, time_key), wanted, time_key)

    def _need_rows(self, empty: int, first: Any) -> None:
        """See that a list is as long as it says: else thousands of pages may follow.

        :param empty: how many pages in a row held nothing; one may, when a row has just gone
        :raises BadResponse: it is not
        """
        if empty > 1:
            total = str(first.get("total"))[:200]
            raise garbage(self.id, f"expected {total} rows, got empty pages", None, first)

    async def _order_row(self, account_id: int, order_id: int, strategy_id: Any) -> dict[str, Any]:
        """The row of one order of the account.

        :raises OrderNotFound: there is none, or it is another strategy's
        """
        features = await self._features()
        if Feature.BY_ID in features:
            request: dict[str, Any] = {"ids": order_id}
            if strategy_id is not None and Feature.STRATEGY_GUARD in features:
                request["strategy_id"] = strategy_id
            rows = self._items(await self.request(BY_NAME["orders_by_id"].path, "private", "GET", request))
        else:
            rows = await self._orders_of_ids(account_id, [order_id])
        for row in rows:
            mine = row.get("account_id") == account_id and self._own(row, strategy_id)
            if mine and row.get("id") == order_id:
                return row
        raise self.order_not_found(account_id, order_id, strategy_id)

    async def _orders_of_ids(self, account_id: int, ids: list[int]) -> list[Any]:
        """Orders of a server without by-id reads: pages ascend by id, so the right ones are soon found."""
        request = self._first_page_request(account_id, Wanted(), frozenset(), self.milliseconds())
        totals = self._truth.orders_total
        search = PageSearch(ids, request["page_size"], totals.get(account_id))
        while (page := search.next_page()) is not None:
            body = await self._read_list("orders_history", {**request, "page": page})
            totals[account_id] = self.total_of(body, page, request["page_size"])
            search.take(page, self._items(body), totals[account_id])
        return [*search.found.values()]

    async def _search_back(
        self, endpoint: str, account_id: int, since: int | None, fits: Any, enough: Any
    ) -> list[Any]:
        """Rows of a list that ascends, searched from its end, by a server that filters none.

        :param since: milliseconds since the Unix epoch, before which there is none; None where that is open
        :param fits: whether a row is wanted
        :param enough: whether the rows found so far are all
        :returns: ascending
        """
        wanted = Wanted(since=None if since is None else max(since, 0))
        request = self._first_page_request(account_id, wanted, frozenset(), self.milliseconds())
        first = await self._read_list(endpoint, request)
        pages = self._pages_from_the_last(first, request["page_size"])
        found: list[Any] = []
        empty = 0
        for page in (*pages, 1):
            body = first if page == 1 else await self._read_list(endpoint, {**request, "page": page})
            empty = 0 if self._items(body) else empty + 1
            self._need_rows(empty, first)
            found = [row for row in self._items(body) if fits(row)] + found
            if enough(found):
                break
        return found

    async def _orders_of_venue_ids(
        self, account_id: int, venue_ids: Collection[str], since: int | None, own: bool = False
    ) -> list[dict[str, Any]]:
        """The rows of orders that the venue gave these ids.

        :param since: milliseconds, before which none of them was placed
        :param own: without those that only reconciling has made
        """
        return await self._search_back(
            "orders_history",
            account_id,
            since,
            lambda row: (
                str(row.get("exchange_order_id")) in venue_ids
                and not (own and row.get("reason") == "external")
            ),
            lambda found: len(found) >= len(venue_ids),
        )

    async def _resolved_order_id(self, id: Any, params: dict[str, Any], symbol: Any) -> int:
        """The OMS id that a by-id method means, by its id, its client order id, or both.

        :param symbol: which an order that is read for it has to be of; None for any
        """
        given, client_order_id = self.client_order_id_of(id, params)
        if client_order_id is None:
            return self.order_id_of(given)
        account_id, strategy_id = self._account_id(params), self._strategy_id(params)
        row = await self._row_by_client_order_id(account_id, client_order_id, strategy_id)
        if given is not None and str(given) != str(row["id"]):
            raise ccxt.BadRequest(
                f"{self.id} id {given} and clientOrderId {client_order_id} name different orders"
            )
        self.need_symbol(row["id"], row.get("symbol"), symbol)
        return int(row["id"])

    async def _row_by_client_order_id(
        self, account_id: int, client_order_id: str, strategy_id: Any, since: int | None = None
    ) -> dict[str, Any]:
        """The newest order with a client order id; of a strategy, when there is one.

        Not every server keeps the id unique: another strategy's order of that name is not the one meant.

        :param since: milliseconds since the Unix epoch, when it was placed at the earliest: fewer pages then
        """
        if Feature.QUERY_FILTERS in await self._features():
            wanted = Wanted(client_order_id=client_order_id, strategy_id=strategy_id, limit=1)
            rows = await self._history("orders_history", account_id, wanted, "created_at")
        else:
            rows = await self._search_back(
                "orders_history",
                account_id,
                since,
                lambda row: row.get("client_order_id") == client_order_id and self._own(row, strategy_id),
                bool,
            )
        if not rows:
            raise ccxt.OrderNotFound(f"{self.id} no order has the clientOrderId {client_order_id}")
        return dict(rows[-1])
