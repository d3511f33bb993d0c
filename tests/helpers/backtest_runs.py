"""Finished runs to report on: of an OMS that traded, or of rows written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

from ccxt_driver.backtest.run import Prices, Run
from ccxt_driver.contract.rows import LedgerKind
from ccxt_driver.contract.values import format_time
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.entities import LedgerEntry
from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.oms.market.listing import DEFAULT_MARKETS

T = 1_700_006_400_000
"""2023-11-15 00:00:00 UTC."""
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
MARKETS = {market.symbol: market for market in DEFAULT_MARKETS}
SPOT, SWAP, CROSS = "BTC/USDT", "BTC/USDT:USDT", "ETH/BTC"


def write_candles(folder: Path, symbol: str, closes: Sequence[float], start_ms: int = T) -> None:
    """Write a file of one-minute candles, each from the close before to its own."""
    folder.mkdir(exist_ok=True)
    lines, before = ["timestamp,open,high,low,close,volume"], closes[0]
    for minute, close in enumerate(closes):
        high, low = max(before, close), min(before, close)
        lines.append(f"{start_ms + minute * MINUTE},{before},{high},{low},{close},1000")
        before = close
    name = symbol.replace("/", "_").replace(":", "_")
    (folder / f"{name}-1m.csv").write_text("\n".join(lines) + "\n")


def close_prices(closes: Sequence[float], start_ms: int = T) -> Prices:
    """The closes of such a file, each in the last millisecond of its candle."""
    times = [start_ms + (minute + 1) * MINUTE - 1 for minute in range(len(closes))]
    return Prices([start_ms, *times], [closes[0], *closes])


def rows_of(oms: EmbeddedOms, endpoint: str, account_id: int = 1) -> list[dict[str, Any]]:
    """All rows of a list, ascending by id."""
    rows: list[dict[str, Any]] = []
    page = 1
    while True:
        query = {"account_ids": str(account_id), "since_ms": "0", "page": str(page), "page_size": "500"}
        reply = oms.handle(endpoint, {}, {**query, "sort": "asc"}, None)
        assert reply.status == 200, reply.body
        rows += reply.body["items"]
        if len(reply.body["items"]) < 500:
            return sorted(rows, key=lambda row: row["id"])
        page += 1


def run_of(oms: EmbeddedOms, start_ms: int, prices: Mapping[str, Prices], **more: Any) -> Run:
    """What an OMS leaves behind.

    :param more: other fields of the run than usual
    """
    fields: dict[str, Any] = {
        "name": "strategy.py",
        "start_ms": start_ms,
        "end_ms": oms.now_ms(),
        "ended": "data",
        "error": None,
        "currency": "USDT",
        "seed": 7,
        "assumptions": {"fees": "maker and taker of the market", "path": "open, high, low, close"},
        "markets": MARKETS,
        "account_id": more.get("account_id", 1),
        "orders": rows_of(oms, "orders_history", more.get("account_id", 1)),
        "deals": rows_of(oms, "deals", more.get("account_id", 1)),
        "positions": rows_of(oms, "positions_history", more.get("account_id", 1)),
        "ledger": [*oms.history_of(more.get("account_id", 1)).ledger],
        "prices": prices,
        "position_prices": {},
        "path_deals": frozenset(),
        "gap_deals": {},
        "data": [],
    }
    return Run(**{**fields, **more})


def replayed(folder: Path, closes: Mapping[str, Sequence[float]], **options: Any) -> EmbeddedOms:
    """An OMS on files of candles that are written for it; it starts with the first candle.

    :param options: of the OMS
    """
    for symbol, values in closes.items():
        write_candles(folder, symbol, values)
    accounts = [{"account_id": 1, "position_mode": "netting", "balances": {"USDT": "10000"}}]
    return EmbeddedOms(**{"accounts": accounts, "feed": FileFeed(folder), "start_ms": T, **options})


class HandRun:
    """A run of rows written by hand, in any order; times are minutes after its start.

    :param prices: values by symbol, each at the minute of its index
    :param length: in minutes
    """

    def __init__(
        self, prices: Mapping[str, Sequence[float]], length: int, currency: str = "USDT", start_ms: int = T
    ) -> None:
        self.start_ms, self._length, self._currency = start_ms, length, currency
        self._prices = {
            symbol: Prices([start_ms + minute * MINUTE for minute in range(len(values))], values)
            for symbol, values in prices.items()
        }
        self.orders: list[dict[str, Any]] = []
        self.deals: list[dict[str, Any]] = []
        self.positions: dict[int, dict[str, Any]] = {}
        self.ledger: list[LedgerEntry] = []

    def _time_ms(self, minute: float) -> int:
        return self.start_ms + round(minute * MINUTE)

    def _time(self, minute: float) -> str:
        return format_time(self._time_ms(minute))

    def book(
        self, minute: float, currency: str, amount: Any, kind: str = "deposit", reference: int | None = None
    ) -> None:
        """One row of the ledger."""
        number, at_ms = len(self.ledger) + 1, self._time_ms(minute)
        self.ledger.append(
            LedgerEntry(number, 1, currency, Decimal(amount), Decimal(0), LedgerKind(kind), at_ms, reference)
        )

    def spot(
        self,
        minute: float,
        side: str,
        qty: str,
        price: str,
        fee: str = "0",
        fee_currency: str = "USDT",
        symbol: str = SPOT,
        strategy: int = 1,
    ) -> dict[str, Any]:
        """A deal in coins, with its rows of the ledger."""
        row = self._deal(minute, side, qty, price, fee, fee_currency, symbol, strategy)
        sign = 1 if side == "buy" else -1
        base, quote = symbol.split("/")
        self.book(minute, base, sign * Decimal(qty), "deal", row["id"])
        self.book(minute, quote, -sign * Decimal(qty) * Decimal(price), "deal", row["id"])
        self.book(minute, fee_currency, -Decimal(fee), "fee", row["id"])
        return row

    def swap(
        self,
        minute: float,
        position: int,
        side: str,
        qty: str,
        price: str,
        pnl: str = "0",
        fee: str = "0",
        symbol: str = SWAP,
        strategy: int = 1,
    ) -> dict[str, Any]:
        """A deal of a swap, with its rows of the ledger."""
        row = self._deal(minute, side, qty, price, fee, "USDT", symbol, strategy)
        row |= {"position_id": position, "pnl": pnl}
        self.position(position, symbol, strategy)
        self.book(minute, "USDT", pnl, "deal", row["id"])
        self.book(minute, "USDT", f"-{fee}", "fee", row["id"])
        return row

    def position(self, position: int, symbol: str = SWAP, strategy: int = 1, state: str = "closed") -> None:
        """A position, unless it is there."""
        row = {"id": position, "account_id": 1, "symbol": symbol, "strategy_id": strategy, "state": state}
        self.positions.setdefault(position, row)

    def _deal(
        self,
        minute: float,
        side: str,
        qty: str,
        price: str,
        fee: str,
        fee_currency: str,
        symbol: str,
        strategy: int,
    ) -> dict[str, Any]:
        number = len(self.deals) + 1
        common = {"id": number, "account_id": 1, "symbol": symbol, "side": side, "qty": qty}
        common |= {"strategy_id": strategy, "reason": "api", "comment": None}
        self.orders.append(
            {**common, "order_type": "market", "status": "FILLED", "created_at": self._time(minute)}
        )
        row = {**common, "order_id": number, "position_id": 0, "price": price, "pnl": "0", "maker": False}
        row |= {"fee": fee, "fee_currency": fee_currency, "executed_at": self._time(minute)}
        self.deals.append(row)
        return row

    def run(self, **more: Any) -> Run:
        """The finished run.

        :param more: other fields of it than usual
        """
        fields: dict[str, Any] = {
            "name": "strategy.py",
            "start_ms": self.start_ms,
            "end_ms": self.start_ms + self._length * MINUTE,
            "ended": "script",
            "error": None,
            "currency": self._currency,
            "seed": 7,
            "assumptions": {"path": "open, high, low, close"},
            "markets": MARKETS,
            "account_id": 1,
            "orders": self.orders,
            "deals": sorted(self.deals, key=itemgetter("executed_at")),
            "positions": [self.positions[position] for position in sorted(self.positions)],
            "ledger": sorted(self.ledger, key=attrgetter("created_at")),
            "prices": self._prices,
            "position_prices": {},
            "path_deals": frozenset(),
            "gap_deals": {},
            "data": [],
        }
        return Run(**{**fields, **more})
