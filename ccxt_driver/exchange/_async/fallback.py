"""When a server lacks a read of the OMS: the venue's own lists, with ids brought back to OMS ids.

A command never falls back: what it made would carry the venue's ids.
"""

from __future__ import annotations

from typing import Any

from ccxt_driver.exchange.list_requests import OPEN_STATUSES, RouteMissing, Wanted

from .truth import Truth

_VENUE_STATUSES = {
    "open": OPEN_STATUSES,
    "closed": {"FILLED"},
    "canceled": {"CANCELED"},
    "rejected": {"REJECTED"},
}


class Fallback(Truth):
    """Reads of the venue in place of reads of the OMS."""

    async def _orders_of_venue(self, function: str, account_id: int, wanted: Wanted) -> Any:
        """Orders as the venue has them; `id` is the OMS id, None of an order that the OMS does not know."""
        orders = await self._venue_list(function, account_id, wanted)
        known = await self._rows_by_venue_id(account_id)
        found = []
        for order in orders:
            row = known.get(str(order.get("id")))
            status = _VENUE_STATUSES.get(str(order.get("status")), set())
            if self._wanted_of_venue(row, wanted) and (wanted.statuses is None or status & wanted.statuses):
                found.append({**order, "id": None if row is None else str(row["id"]), "info": order})
        return self._cut(found, wanted)

    async def _trades_of_venue(self, account_id: int, wanted: Wanted) -> Any:
        """Trades as the venue has them; `order` is the OMS id, `id` None: the deal's id is not known."""
        trades = await self._venue_list("fetch_my_trades", account_id, wanted)
        known = await self._rows_by_venue_id(account_id)
        found = []
        for trade in trades:
            row = known.get(str(trade.get("order")))
            if self._wanted_of_venue(row, wanted):
                order_id = None if row is None else str(row["id"])
                found.append({**trade, "id": None, "order": order_id, "info": trade})
        return self._cut(found, wanted)

    async def _positions_of_venue(self, account_id: int, symbols: Any) -> Any:
        """Positions as the venue has them; `id` is None: the OMS's is not known."""
        params = {"account_id": account_id}
        positions = await self._venue("fetch_positions", [symbols], params, "private")
        return [{**self.with_numbers(position), "id": None, "info": position} for position in positions]

    async def _venue_list(self, function: str, account_id: int, wanted: Wanted) -> list[dict[str, Any]]:
        args = [wanted.symbol, wanted.since, wanted.limit]
        result = await self._venue(function, args, {"account_id": account_id}, "private")
        return [self.with_numbers(each) for each in result]

    @staticmethod
    def _wanted_of_venue(row: Any, wanted: Wanted) -> bool:
        """With a strategy asked for, only what the OMS says is its own."""
        if wanted.strategy_id is None:
            return True
        return row is not None and (row.get("strategy_id") or 0) == wanted.strategy_id

    def _cut(self, found: list[dict[str, Any]], wanted: Wanted) -> list[dict[str, Any]]:
        until = wanted.until
        kept = [each for each in found if until is None or (each.get("timestamp") or 0) <= until]
        newest = wanted.since is None
        return list(self.filter_by_since_limit(kept, wanted.since, wanted.limit, "timestamp", newest))

    async def _rows_by_venue_id(self, account_id: int) -> dict[str, dict[str, Any]]:
        """OMS order rows by the venue's id, from the lists that the server does have."""
        rows: list[dict[str, Any]] = []
        every = Wanted(everything=True)  # an order may be open for longer than the newest page reaches back
        for endpoint in ("orders_history", "orders_open"):
            try:
                if endpoint == "orders_open":
                    rows += await self._open_rows(endpoint, account_id, every, "created_at") or []
                else:
                    rows += await self._history(endpoint, account_id, every, "created_at")
            except RouteMissing:
                continue  # the other list may be there; an id that neither knows stays None
        return {str(row["exchange_order_id"]): row for row in rows if row.get("exchange_order_id")}
