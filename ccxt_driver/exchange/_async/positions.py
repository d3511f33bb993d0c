"""Positions."""

from __future__ import annotations

from typing import Any

import ccxt

from ccxt_driver.exchange.list_requests import MOST_OPEN_ROWS
from ccxt_driver.mappers.position import net_rows

from .rows import Rows

_CLOSED = frozenset({"closed", "merged"})


class Positions(Rows):
    """Queries on positions."""

    async def fetch_positions(self, symbols: Any = None, params: dict[str, Any] = {}) -> Any:
        """Open positions, or closed ones with `params={"history": True}`.

        :param symbols: unified symbols, or None for all
        :param params: `history`, `since`, `limit`, `until`, `strategy_id`, `positions` (raw or net)
        :returns: a list of ccxt position structures; `id` is the OMS position id
        """
        await self.load_markets()
        account_id = self._account_id(params)
        names = self.market_symbols(symbols)
        only = names[0] if names and len(names) == 1 else None
        if params.get("history"):
            wanted = self._wanted(only, params.get("since"), params.get("limit"), params, _CLOSED)
            rows = await self._history("positions_history", account_id, wanted, "opened_at")
        else:
            wanted = self._wanted(only, params.get("since"), params.get("limit"), params)
            rows = await self._open_rows("positions_open", account_id, wanted, "opened_at")
            if rows is None:
                raise ccxt.ExchangeError(f"{self.id} more than {MOST_OPEN_ROWS} open positions")
        chosen = [row for row in rows if not names or row.get("symbol") in names]
        mode = (await self._account(account_id)).get("position_mode")
        if not params.get("history") and self._view(mode, params) == "net":
            chosen = self._mapped(net_rows, chosen)
        hedged = None if mode is None else mode == "hedge"
        return [self._position(row, hedged) for row in chosen]

    def _view(self, mode: Any, params: dict[str, Any]) -> str:
        given = params.get("positions") or self.options.get("positions")
        if given not in (None, "net", "raw"):
            raise ccxt.BadRequest(f"{self.id} positions: expected net or raw, got {given!r}"[:200])
        return given or ("net" if mode == "netting" else "raw")
