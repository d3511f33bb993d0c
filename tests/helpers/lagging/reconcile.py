"""Reading the venue's trades into deals and positions: only when somebody asks for it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from .commands import add_to_position, reduce_position
from .events import Rings
from .tables import EXACT, EXTERNAL, Account, Cursor, Order, Position, Tables, of_float
from .venue import Venue

_LOG: Final = logging.getLogger(__name__)

LOOKBACK_MS: Final = {"short": 600_000, "hourly": 7_200_000, "long": 172_800_000}
"""How far back each scope looks, unless the last trade that was read is older."""
_MOST_SYMBOLS: Final = 3


@dataclass(frozen=True)
class Reconciler:
    """Reads trades.

    :param limit: of the trades of one request: later ones have to wait
    """

    tables: Tables
    venue: Venue
    rings: Rings
    limit: int

    def run(self, account: Account, scope: str, start_date: str | None, hints: Iterable[str]) -> None:
        """Make deals and positions of the trades that are not known yet.

        The time of a deal is when this was done. An error of the venue is swallowed.

        :param scope: short, hourly, long, or period from `start_date` on
        :param hints: symbols to ask for when the venue answers nothing for all
        """
        now = self.tables.now_ms()
        cursor = self.tables.cursors.get(account.id)
        if scope == "period" and start_date:
            since = self.tables.start_of(start_date)
        else:
            since = now - LOOKBACK_MS.get(scope, LOOKBACK_MS["short"])
            if cursor is not None:
                since = min(cursor.value, since)
        since = max(since, 0)
        trades = self._trades(account.id, since, hints)
        known = {raw.exchange_id for raw in self.tables.raw_trades if raw.account_id == account.id}
        for trade in trades:
            if trade["id"] not in known:
                self.tables.raw_trades.append(self.tables.raw(account.id, trade["id"], trade))
                self._take(account, trade)
        reached = max((trade["timestamp"] for trade in trades), default=since)
        self.tables.cursors[account.id] = Cursor(reached, now)
        told = {"scope": scope, "lookback_seconds": (now - since) // 1000}
        counted = {"trades_count": len(trades), "cursor": str(reached)}
        self.rings.publish(account.id, "reconciliation_tick", **told, **counted)

    def _trades(self, account_id: int, since: int, hints: Iterable[str]) -> list[dict[str, Any]]:
        found = self._ask(account_id, None, since)
        for symbol in [] if found else self._symbols(account_id, hints)[:_MOST_SYMBOLS]:
            found += self._ask(account_id, symbol, since)
        return found

    def _ask(self, account_id: int, symbol: str | None, since: int) -> list[dict[str, Any]]:
        try:
            trades: list[dict[str, Any]] = self.venue.call(
                account_id, "fetch_my_trades", [symbol, since, self.limit], {}
            )
        except Exception as error:  # noqa: BLE001  # the gateway swallows all of them
            _LOG.debug("trades of %s: %s", symbol, error)
            return []
        return trades

    def _symbols(self, account_id: int, hints: Iterable[str]) -> list[str]:
        """Symbols to try one by one: of hints, of the newest orders, of what the account holds."""
        orders = reversed([each for each in self.tables.orders.values() if each.account_id == account_id])
        try:
            balance = self.venue.call(account_id, "fetch_balance", [], {})
        except Exception as error:  # noqa: BLE001  # as above
            _LOG.debug("balance of %s: %s", account_id, error)
            balance = {}
        held = [
            f"{code}/USDT" for code, total in balance.get("total", {}).items() if total and code != "USDT"
        ]
        return list(dict.fromkeys([*hints, *(order.symbol for order in orders), *held]))

    # -- one trade

    def _take(self, account: Account, trade: dict[str, Any]) -> None:
        order = self._order_of(account.id, trade) or self._external_order(account.id, trade)
        position = self._position_of(account, order, trade)
        fee = trade.get("fee") or {}
        deal = self.tables.add_deal(
            account_id=account.id,
            order_id=order.id,
            position_id=position.id,
            symbol=trade["symbol"],
            side=trade["side"],
            qty=of_float(trade["amount"]),
            price=of_float(trade["price"]),
            fee=of_float(fee.get("cost")),
            fee_currency=fee.get("currency"),
            strategy_id=order.strategy_id,
            exchange_trade_id=trade["id"],
        )
        names = ("exchange_trade_id", "position_id", "symbol", "side", "strategy_id", "order_id")
        told = {name: getattr(deal, name) for name in names}
        self.rings.publish(account.id, "deal_created", **told, deal_id=deal.id)

    def _order_of(self, account_id: int, trade: dict[str, Any]) -> Order | None:
        own = [order for order in self.tables.orders.values() if order.account_id == account_id]
        for column, value in (
            ("exchange_order_id", trade["order"]),
            ("client_order_id", trade.get("clientOrderId")),
        ):
            for order in own:
                if value is not None and getattr(order, column) == value:
                    return order
        return None

    def _external_order(self, account_id: int, trade: dict[str, Any]) -> Order:
        """An order that the gateway did not send: a filled market order of the size of its first trade."""
        return self.tables.add_order(
            account_id=account_id,
            symbol=trade["symbol"],
            side=trade["side"],
            order_type="market",
            qty=of_float(trade["amount"]),
            filled_qty=of_float(trade["amount"]),
            avg_fill_price=of_float(trade["price"]),
            status="FILLED",
            reason=EXTERNAL,
            exchange_order_id=trade["order"],
            closed_at=self.tables.now_ms(),
        )

    def _position_of(self, account: Account, order: Order, trade: dict[str, Any]) -> Position:
        """The position that the trade's one deal points to: in most cases a new one, in every mode."""
        is_external = order.reason == EXTERNAL and not order.strategy_id
        named = self.tables.positions.get(order.position_id)
        follows = account.position_mode == "hedge" or is_external
        if follows and named is not None and named.state == "open" and named.symbol == trade["symbol"]:
            return self._onto(named, order, trade)
        position = self._new_position(account.id, order, trade)
        if is_external:
            order.position_id = position.id
        return position

    def _new_position(self, account_id: int, order: Order, trade: dict[str, Any]) -> Position:
        return self.tables.add_position(
            account_id=account_id,
            symbol=trade["symbol"],
            side=trade["side"],
            qty=of_float(trade["amount"]),
            avg_price=of_float(trade["price"]),
            strategy_id=order.strategy_id,
            stop_loss=order.stop_loss,
            stop_gain=order.stop_gain,
        )

    def _onto(self, position: Position, order: Order, trade: dict[str, Any]) -> Position:
        qty, price = of_float(trade["amount"]), of_float(trade["price"])
        if trade["side"] == position.side:
            add_to_position(self.tables, position, qty, price)
            return position
        if qty <= position.qty:
            reduce_position(self.tables, position, qty)
            return position
        rest = EXACT.subtract(qty, position.qty)
        reduce_position(self.tables, position, position.qty)
        opened = self._new_position(position.account_id, order, trade)
        opened.qty = rest
        return opened
