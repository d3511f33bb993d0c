"""Lists of rows behind a stubbed gateway: paged, and filtered as far as the server's features go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ccxt_driver.contract.values import format_time, parse_date, parse_time

from .gateway_stub import Gateway, Sent

DAY = 86_400_000
OPEN = ("PENDING_SUBMIT", "SUBMITTED", "PARTIALLY_FILLED")


class Tables:
    """Orders, deals and positions; `largest` caps what an open list gives."""

    def __init__(
        self,
        gateway: Gateway,
        orders: Sequence[dict[str, Any]] = (),
        deals: Sequence[dict[str, Any]] = (),
        positions: Sequence[dict[str, Any]] = (),
    ) -> None:
        self.filters = "query_filters" in gateway.features
        gateway.on("GET /oms/orders/open", self.open(orders, "status", OPEN, "created_at"))
        gateway.on("GET /oms/positions/open", self.open(positions, "state", ("open",), "opened_at"))
        gateway.on("GET /oms/orders/history", self.history(orders, "created_at", "updated_at"))
        gateway.on("GET /oms/deals", self.history(deals, "executed_at", "executed_at"))
        gateway.on("GET /oms/positions/history", self.history(positions, "opened_at", "updated_at"))
        for row in orders:
            if "by_id" in gateway.features:
                gateway.on(f"GET /oms/orders/{row['id']}", {"items": [row]})

    def open(
        self, rows: Sequence[dict[str, Any]], key: str, states: tuple[str, ...], time: str
    ) -> Callable[[Sent], Any]:
        """Answer an open list."""

        def answer(sent: Sent) -> Any:
            chosen = [row for row in rows if row[key] in states and self.fits(row, sent.query, time)]
            return {"items": chosen[: int(sent.query["limit"])]}

        return answer

    def history(self, rows: Sequence[dict[str, Any]], time: str, day: str) -> Callable[[Sent], Any]:
        """Answer a history list: ascending unless the server can sort."""

        def answer(sent: Sent) -> Any:
            query = sent.query
            chosen = [row for row in rows if self.fits(row, query, time)]
            if "start_date" in query:
                first, last = parse_date(query["start_date"]), parse_date(query["end_date"]) + DAY
                chosen = [row for row in chosen if first <= parse_time(row[day]) < last]
            else:
                assert self.filters, "dates are required without since_ms"
            chosen.sort(key=lambda row: (parse_time(row[time]), row["id"]))
            if self.filters and query.get("sort") == "desc":
                chosen.reverse()
            page, size = int(query["page"]), int(query["page_size"])
            assert 1 <= size <= 500
            items = chosen[(page - 1) * size : page * size]
            return {"items": items, "total": len(chosen), "page": page, "page_size": size}

        return answer

    def fits(self, row: dict[str, Any], query: dict[str, str], time: str) -> bool:
        """Filter a row as the server would: the plain one knows account and strategy only."""
        if row["account_id"] not in map(int, query["account_ids"].split(",")):
            return False
        if "strategy_id" in query and row["strategy_id"] != int(query["strategy_id"]):
            return False
        if not self.filters:
            refused = set(query) & {"symbol", "since_ms", "until_ms", "status", "sort", "order_id"}
            assert not refused, f"this server refuses {refused}"
            return True
        for column in ("symbol", "client_order_id", "order_id"):
            if column in query and str(row.get(column)) != query[column]:
                return False
        if "status" in query and row.get("status", row.get("state")) not in query["status"].split(","):
            return False
        moment = parse_time(row[time])
        return int(query.get("since_ms", 0)) <= moment <= int(query.get("until_ms", moment))


def spaced(
    make: Callable[..., dict[str, Any]], count: int, start_ms: int, step_ms: int, *times: str, **columns: Any
) -> list[dict[str, Any]]:
    """Make rows with ids from 1, one every `step_ms`."""
    rows = []
    for number in range(count):
        moment = format_time(start_ms + number * step_ms)
        rows.append(make(id=number + 1, **dict.fromkeys(times, moment), **columns))
    return rows
