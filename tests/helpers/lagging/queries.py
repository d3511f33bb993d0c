"""The lists that the gateway answers. Query parameters that it does not know are ignored, `symbol` too."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ccxt_driver.oms import Principal, Reply

from .refusals import Refused, crashed, invalid
from .tables import OPEN_STATES, OPEN_STATUSES, Tables

_CACHE_MS: Final = 5_000
_MOST_OPEN: Final = 5_000
_USUAL_OPEN: Final = 500
_MOST_ON_A_PAGE: Final = 500


class BadParameter(Exception):
    """A query parameter that cannot be read.

    :param reply: what is answered
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply.body))
        self.reply = reply


class Queries:
    """Lists over the tables, remembered for 5 s for the same key and the same parameters.

    :param check: raises `Refused` when a principal may not read an account
    :param cached: whether answers are remembered at all
    """

    def __init__(self, tables: Tables, check: Callable[[Principal, int], None], cached: bool) -> None:
        self._tables = tables
        self._check = check
        self._cached = cached
        self._answers: dict[Any, tuple[int, frozenset[int], Reply]] = {}

    def forget(self, account_id: int | None = None) -> int:
        """Forget what was remembered of an account, or of all.

        :returns: how many answers
        """
        gone = [key for key, each in self._answers.items() if account_id is None or account_id in each[1]]
        for key in gone:
            del self._answers[key]
        return len(gone)

    def answer(self, endpoint: str, query: Mapping[str, Any], principal: Principal) -> Reply:
        """Answer a list.

        :raises Refused: the key may not, for one of the accounts at least
        :raises BadParameter: a parameter cannot be read
        """
        ids = _account_ids(query)
        for account_id in ids:
            self._check(principal, account_id)
        strategy_id = _number(query, "strategy_id")
        if principal.strategies is not None:
            if strategy_id is None:
                raise Refused("strategy_required", "strategy_id is required")
            if strategy_id not in principal.strategies:
                raise Refused("strategy_permission_denied", f"strategy_id={strategy_id}")
        now = self._tables.now_ms()
        key = (endpoint, principal.key_id, *sorted((name, str(query[name])) for name in query))
        remembered = self._answers.get(key)
        if self._reads_cache(query) and remembered is not None and now < remembered[0]:
            return copy.deepcopy(remembered[2])
        reply = self._list(endpoint, query, frozenset(ids), strategy_id)
        if self._reads_cache(query) and reply.status == 200:
            self._answers[key] = now + _CACHE_MS, frozenset(ids), copy.deepcopy(reply)
        return reply

    def _reads_cache(self, query: Mapping[str, Any]) -> bool:
        return self._cached and str(query.get("cache", "true")).lower() not in ("false", "0")

    def _list(
        self, endpoint: str, query: Mapping[str, Any], ids: frozenset[int], strategy_id: int | None
    ) -> Reply:
        tables = self._tables

        def own(records: Iterable[Any]) -> list[Any]:
            return [
                each
                for each in records
                if each.account_id in ids and strategy_id in (None, getattr(each, "strategy_id", strategy_id))
            ]

        if endpoint == "orders_open":
            return self._open(
                own(each for each in tables.readable("orders") if each.status in OPEN_STATUSES), query
            )
        if endpoint == "positions_open":
            return self._open(
                own(each for each in tables.readable("positions") if each.state in OPEN_STATES), query
            )
        records, day_of = {
            "orders_history": (tables.readable("orders"), "updated_at"),
            "deals": (tables.readable("deals"), "executed_at"),
            "positions_history": (tables.readable("positions"), "updated_at"),
            "orders_raw": (tables.raw_orders, "observed_at"),
            "trades_raw": (tables.raw_trades, "observed_at"),
        }[endpoint]
        return self._page(own(records), day_of, query)

    def _open(self, records: list[Any], query: Mapping[str, Any]) -> Reply:
        """The oldest first, of all accounts together: a limit takes the newest away."""
        limit = _number(query, "limit") or _USUAL_OPEN
        kept = records[: max(1, min(limit, _MOST_OPEN))]
        return Reply(200, {"items": self._tables.rows(kept), "total": None, "page": None, "page_size": None})

    def _page(self, records: list[Any], day_of: str, query: Mapping[str, Any]) -> Reply:
        """The oldest first, by the days of the database: both of them count."""
        start, end = _date(query, "start_date"), _date(query, "end_date")
        if start > end:
            raise BadParameter(_local("start_date must be less than or equal to end_date"))
        page = _number(query, "page", 1, least=1) or 1
        size = _number(query, "page_size", 100, least=1, most=_MOST_ON_A_PAGE) or 100
        found = [each for each in records if start <= self._tables.date_text(getattr(each, day_of)) <= end]
        shown = found[(page - 1) * size : page * size]
        if any(getattr(each, "state", None) == "merged" for each in shown):
            return crashed()  # the answer's own model does not know the state
        body = {"items": self._tables.rows(shown), "total": len(found), "page": page, "page_size": size}
        return Reply(200, body)


def _local(message: str) -> Reply:
    return Reply(422, {"detail": {"code": "validation_error", "message": message}})


def _account_ids(query: Mapping[str, Any]) -> list[int]:
    if "account_ids" not in query:
        raise BadParameter(invalid(["query", "account_ids"], "Field required", "missing"))
    parts = [part.strip() for part in str(query["account_ids"]).split(",") if part.strip()]
    if not parts:
        raise BadParameter(_local("account_ids is required"))
    if not all(part.isdecimal() for part in parts):
        raise BadParameter(_local("account_ids must be integers"))
    return [int(part) for part in parts]


def _number(
    query: Mapping[str, Any], name: str, usual: int | None = None, least: int = 0, most: int | None = None
) -> int | None:
    given = query.get(name)
    if given is None:
        return usual
    loc: list[str | int] = ["query", name]
    try:
        number = int(given)
    except ValueError:
        message = "Input should be a valid integer, unable to parse string as an integer"
        raise BadParameter(invalid(loc, message, "int_parsing", given)) from None
    if number < least and name != "limit":
        message = f"Input should be greater than or equal to {least}"
        raise BadParameter(invalid(loc, message, "greater_than_equal", given))
    if most is not None and number > most:
        raise BadParameter(
            invalid(loc, f"Input should be less than or equal to {most}", "less_than_equal", given)
        )
    return number


def _date(query: Mapping[str, Any], name: str) -> str:
    if name not in query:
        raise BadParameter(invalid(["query", name], "Field required", "missing"))
    text = str(query[name])
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is None:
        raise BadParameter(_local(f"{name} must be YYYY-MM-DD"))
    return text
