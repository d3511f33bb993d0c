"""A stage of a backtest that is traded on by hand, on files that are written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ccxt_driver.backtest.clock import NS_PER_MS
from ccxt_driver.backtest.collecting import collect
from ccxt_driver.backtest.report.analysis import Analysis, analyse
from ccxt_driver.backtest.running import Ending
from ccxt_driver.backtest.settings import Settings
from ccxt_driver.backtest.stage import Stage

D: Final = Decimal
T: Final = 1_700_006_400_000  # 2023-11-15 00:00
SECOND: Final = 1_000
MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
SWAP, OTHER, SPOT = "BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USDT"
Candle = tuple[object, object, object, object]


def flat(price: object) -> Candle:
    return price, price, price, price


def write(folder: Path, name: str, rows: Sequence[Candle | None], step: int = MINUTE, start: int = T) -> None:
    """Candles; None leaves one out."""
    folder.mkdir(exist_ok=True)
    lines = [
        f"{start + number * step},{','.join(map(str, row))},1000\n"
        for number, row in enumerate(rows)
        if row is not None
    ]
    (folder / f"{name}.csv").write_text("timestamp,open,high,low,close,volume\n" + "".join(lines))


class Desk:
    """A stage that is traded on without a script."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        made: dict[str, Any] = {"maker": "0", "taker": "0", "balances": {"USDT": "100000"}} | settings
        self.stage = Stage(Settings(script="script.py", data=(str(folder),), out=str(folder), **made))

    def to(self, at_ms: int) -> None:
        self.stage.clock.move_to(at_ms * NS_PER_MS)

    def send(self, side: str, qty: object, symbol: str = SWAP, status: int = 200, **more: object) -> None:
        payload = {"symbol": symbol, "side": side, "qty": str(qty), "order_type": "market", **more}
        body = {"account_id": 1, "command": "send_order", "payload": payload}
        reply = self.stage.oms.handle("commands", {}, {}, body)
        assert reply.status == status, reply.body

    def venue(self, func: str, *args: Any) -> Any:
        path = {"account_id": "1", "func": func}
        reply = self.stage.oms.handle("ccxt_call", path, {}, {"args": args, "kwargs": {}})
        assert reply.status == 200, reply.body
        return reply.body["result"]

    def equity(self) -> Decimal:
        """What the OMS says that the account is worth, of USDT and swaps alone."""
        [total] = [
            D(row["total"])
            for row in self.venue("fetch_balance")["info"]["balances"]
            if row["currency"] == "USDT"
        ]
        reply = self.stage.oms.handle("positions_open", {}, {"account_ids": "1"}, None)
        return total + sum((D(row["unrealized_pnl"]) for row in reply.body["items"]), D(0))

    def report(self) -> Analysis:
        return analyse(collect(self.stage, Ending("script", None)))
