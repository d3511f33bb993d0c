"""Asking for lists of rows: what a server filters, what is filtered here, which pages are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Final

import ccxt

from ccxt_driver.contract.features import Feature
from ccxt_driver.contract.values import LAST_MS, format_date
from ccxt_driver.errors import garbage
from ccxt_driver.mappers.values import BadRow, time_of

from .host import Host
from .request_parts import is_foreign_number

DAY_MS: Final = 86_400_000
PAGE_SIZE: Final = 500
_BEYOND_TIME: Final = LAST_MS + 1
_WHOLE_SECOND_MS: Final = 1000
MOST_OPEN_ROWS: Final = 5000
MOST_IDS: Final = 200
"""In one by-id request: they stand in the URL, of which servers take some thousand characters."""
ONE_STRATEGY: Final[ContextVar[tuple[Any, int | None]]] = ContextVar("one_strategy", default=(None, None))
"""An exchange object, and the strategy of which it reads lists that are asked for no other: some servers want
one named by a key that is limited to strategies."""
CALLERS_STRATEGY: Final[ContextVar[tuple[Callable[[], Any], int | None]]] = ContextVar(
    "callers_strategy", default=(lambda: None, None)
)
"""A weak reference to an exchange object, and the strategy that the call under way is for. What is read on
the way, such as orders by their ids, is asked for no strategy, and such servers want one named there, too."""
NAMES_STRATEGY: Final = "strategy_required"
"""The code by which they say so."""
OPEN_STATUSES: Final = frozenset({"PENDING_SUBMIT", "SUBMITTED", "PARTIALLY_FILLED"})
_TRAILING: Final = ("trailing_amount", "trailing_percent")
_WAITING: Final = ("trigger_price", "stop_price", "take_profit_price", *_TRAILING)
"""What a row has of an order that waits for a price, where the server keeps such orders."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list method was asked for.

    :param symbols: several; a server filters by `symbol` only
    :param statuses: of the contract; None for all
    :param waiting: fields of a row of which an order has one; None for all orders
    :param everything: without `since` and `limit`, all rows and not only the newest page
    :param in_any_zone: also rows whose times may be inside, as long as nobody knows their zone
    """

    symbol: str | None = None
    symbols: frozenset[str] | None = None
    since: int | None = None
    limit: int | None = None
    until: int | None = None
    strategy_id: int | None = None
    statuses: frozenset[str] | None = None
    waiting: tuple[str, ...] | None = None
    order_id: int | None = None
    client_order_id: str | None = None
    currency: str | None = None
    everything: bool = False
    in_any_zone: bool = False

    def market_symbols(self) -> list[str]:
        """The symbols that are wanted; empty for all."""
        named = [] if self.symbol is None else [self.symbol]
        return [*named, *sorted(self.symbols or ())]


def _is_number(value: Any) -> bool:
    return (isinstance(value, int | float) and not isinstance(value, bool)) or is_foreign_number(value)


def _slack_of(text: Any) -> int:
    """By how much a time may be off: whole seconds are cut or rounded, so the edges of a window blur."""
    return 0 if not isinstance(text, str) or "." in text else _WHOLE_SECOND_MS - 1


def waiting_fields(params: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The fields of which a row has one, where a caller asks for orders that wait for a price alone."""
    if params.get("trailing") is True:
        return _TRAILING
    return _WAITING if params.get("trigger") is True or params.get("stop") is True else None


class RouteMissing(ccxt.NotSupported):
    """The server does not have a list; remembered, so that it is asked once."""


class ListRequests(Host):
    """Requests for open and history lists, and what to keep of their rows."""

    def _wanted(
        self,
        symbol: str | None,
        since: int | None,
        limit: int | None,
        params: Mapping[str, Any],
        statuses: frozenset[str] | None = None,
    ) -> Wanted:
        """The arguments of a list method, checked."""
        return Wanted(
            symbol=None if symbol is None else self.market(symbol)["symbol"],
            strategy_id=self._strategy_id(params),
            statuses=statuses,
            **self._list_arguments(since, limit, params),
        )

    def _wanted_orders(
        self,
        symbol: Any,
        since: Any,
        limit: Any,
        params: Mapping[str, Any],
        statuses: frozenset[str] | None,
        features: frozenset[str],
    ) -> Wanted:
        """The arguments of a list of orders, checked.

        `trigger` and `stop` of `params` ask for those that wait for a price, as at venues that keep these in
        a list of their own, and `trailing` for trailing ones. Rows of a server without order options do not
        tell.

        :param features: of the server, where `waiting_fields` says that they matter
        """
        wanted = self._wanted(symbol, since, limit, params, statuses)
        waiting = waiting_fields(params)
        if waiting is None or Feature.ORDER_OPTIONS not in features:
            return wanted
        return replace(wanted, waiting=waiting)

    def _list_arguments(
        self, since: int | None, limit: int | None, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """`since`, `until` and `limit`, checked."""
        arguments = {"since": since, "limit": limit, "until": params.get("until")}
        for name, value in arguments.items():
            lowest = 1 if name == "limit" else 0
            if value is not None and not (_is_number(value) and lowest <= value < _BEYOND_TIME):
                raise ccxt.BadRequest(
                    f"{self.id} {name}: expected an integer from {lowest}, got {value!r}"[:200]
                )
        checked: dict[str, Any] = {
            name: None if value is None else int(value) for name, value in arguments.items()
        }
        return {**checked, "everything": bool(params.get("paginate"))}

    def checked_limit(self, limit: Any) -> int | None:
        """`limit` of a method that knows no `since`, as an int.

        :raises BadRequest: it is none
        """
        checked: int | None = self._list_arguments(None, limit, {})["limit"]
        return checked

    def _open_request(self, account_id: int, wanted: Wanted, features: frozenset[str]) -> dict[str, Any]:
        request: dict[str, Any] = {"account_ids": account_id, "limit": MOST_OPEN_ROWS, "cache": "false"}
        self._add_filters(request, wanted, features)
        return request

    def _first_page_request(
        self, account_id: int, wanted: Wanted, features: frozenset[str], now_ms: int
    ) -> dict[str, Any]:
        """The first page of a history list; the newest first only where the server can sort."""
        request: dict[str, Any] = {"account_ids": account_id, "page": 1, "cache": "false"}
        request["page_size"] = min(wanted.limit or PAGE_SIZE, PAGE_SIZE)
        if Feature.QUERY_FILTERS in features:
            request["since_ms"] = wanted.since or 0
            request["sort"] = "asc" if wanted.since is not None else "desc"
        else:
            # Days in the time zone of the gateway's database, by the last change of the row: a day
            # of margin on either side, and what is too much is filtered here.
            first = (wanted.since or DAY_MS) - DAY_MS
            request["start_date"] = format_date(max(first, 0))
            request["end_date"] = format_date(now_ms + DAY_MS)
            request["page_size"] = PAGE_SIZE
        self._add_filters(request, wanted, features)
        return request

    def _callers_strategy(self) -> int | None:
        """The strategy of the call that reads; None for a reader of streams, who says itself of which."""
        if ONE_STRATEGY.get()[0] is self:
            return None
        caller, strategy_id = CALLERS_STRATEGY.get()
        return strategy_id if caller() is self else self._strategy_id({})

    def _add_filters(self, request: dict[str, Any], wanted: Wanted, features: frozenset[str]) -> None:
        strategy_id = wanted.strategy_id
        if strategy_id is None:
            reader, own = ONE_STRATEGY.get()
            strategy_id = own if reader is self else None
        if strategy_id is not None:
            request["strategy_id"] = strategy_id
        if Feature.QUERY_FILTERS not in features:
            return
        filters = {
            "symbol": wanted.symbol,
            "since_ms": wanted.since,
            "until_ms": wanted.until,
            "order_id": wanted.order_id,
            "client_order_id": wanted.client_order_id,
            "currency": wanted.currency,
        }
        request.update({name: value for name, value in filters.items() if value is not None})
        if wanted.statuses is not None:
            request["status"] = ",".join(sorted(wanted.statuses))

    def _pages_from_the_last(self, first: Any, page_size: int) -> Iterator[int]:
        """Pages of a list that ascends, of which the newest rows are wanted, down to the second.

        The reader stops when it has enough.
        """
        return iter(range(self._last_page(first, 1, page_size), 1, -1))

    def _last_page(self, body: Any, page: int, page_size: int) -> int:
        """The number of the last page, as one of them tells it; 0 of a list that is empty."""
        return -(-self.total_of(body, page, page_size) // page_size)

    def total_of(self, body: Any, page: int, page_size: int) -> int:
        """The length of a list, as one of its pages tells it.

        :raises BadResponse: there may be more rows, and the server does not say how many
        """
        items = self._items(body)
        total = body.get("total")
        if isinstance(total, int):
            return total
        if len(items) >= page_size:
            raise garbage(self.id, f"expected a total beside a full page, got {total!r}", None, total)
        return (page - 1) * page_size + len(items)

    def _matching(
        self, rows: Sequence[dict[str, Any]], wanted: Wanted, time_key: str
    ) -> list[dict[str, Any]]:
        """The rows that were asked for: what a server could not filter, or did not."""
        return [row for row in rows if self._matches(row, wanted, time_key)]

    def _matches(self, row: dict[str, Any], wanted: Wanted, time_key: str) -> bool:
        if wanted.symbol is not None and row.get("symbol") != wanted.symbol:
            return False
        if wanted.symbols is not None and row.get("symbol") not in wanted.symbols:
            return False
        if wanted.strategy_id is not None and (row.get("strategy_id") or 0) != wanted.strategy_id:
            return False
        if wanted.statuses is not None and row.get("status", row.get("state")) not in wanted.statuses:
            return False
        if wanted.waiting is not None and all(row.get(name) is None for name in wanted.waiting):
            return False
        if wanted.order_id is not None and row.get("order_id") != wanted.order_id:
            return False
        if wanted.client_order_id is not None and row.get("client_order_id") != wanted.client_order_id:
            return False
        if wanted.since is None and wanted.until is None:
            return True
        time = self._time_of(row, time_key)
        slack = _slack_of(row.get(time_key))
        if wanted.in_any_zone:
            slack += self._zone_blur_ms(row.get(time_key))
        return (wanted.since is None or time + slack >= wanted.since) and (
            wanted.until is None or time - slack <= wanted.until
        )

    def _time_of(self, row: Mapping[str, Any], time_key: str) -> int:
        try:
            return time_of(row, time_key, self._utc_offset_ms()) or 0
        except BadRow as error:
            raise garbage(self.id, str(error), None, dict(row)) from error

    def _newest_or_oldest(
        self, rows: Sequence[dict[str, Any]], wanted: Wanted, time_key: str
    ) -> list[dict[str, Any]]:
        """Ascending and each row once; `limit` keeps the newest, or the oldest from `since`."""
        once = {row.get("id"): row for row in rows}
        ordered = sorted(once.values(), key=lambda row: (self._time_of(row, time_key), row.get("id") or 0))
        if wanted.limit is None:
            return ordered
        return ordered[: wanted.limit] if wanted.since is not None else ordered[-wanted.limit :]
