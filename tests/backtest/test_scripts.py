"""Scripts as people write them, unchanged: they run, and the OMS alone comes to the same.

None of them knows of the backtest, of the driver, or of the OMS.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.oms.models import FrontOfQueue, Models

from .conftest import SCRIPTS, Ran, Runner
from .histories import DAY_MS, HOUR_MS, START_MS

_FILES = ("commands.jsonl", "equity.csv", "orders.csv", "report.html", "summary.json", "trades.csv")


@dataclass(frozen=True)
class Case:
    """How a script is run, and how much it must have done at least."""

    trades: int
    end_ms: int = START_MS + DAY_MS - 1
    arguments: tuple[str, ...] = ()
    position_mode: str = "netting"
    queue: str | None = None

    def settings(self) -> dict[str, Any]:
        return {
            "end_ms": self.end_ms,
            "arguments": self.arguments,
            "position_mode": self.position_mode,
            "queue": self.queue,
        }


CASES = {
    "brackets": Case(20),
    "cross_async": Case(50),
    "cross_sync": Case(50),
    "cross_watch": Case(50),
    "grid": Case(20, arguments=("BTC/USDT", "--levels", "4")),
    "maker": Case(10, end_ms=START_MS + 8 * HOUR_MS, queue="front"),
    "scheduler": Case(15),
    "swap": Case(20),
    "two_strategies": Case(20, position_mode="strategy_netting"),
    "watch_everything": Case(20, end_ms=START_MS + 8 * HOUR_MS),
}


def test_every_script_has_a_case() -> None:
    assert sorted(path.stem for path in SCRIPTS.glob("*.py")) == sorted(CASES)


@pytest.fixture(scope="module", params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def ran(run: Runner, market: Path, name: str) -> Ran:
    return run(SCRIPTS / f"{name}.py", market, **CASES[name].settings())


def _files(ran: Ran) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in ran.folder.iterdir()}
    assert set(found) == {*_FILES, "settings.json"}
    return found


def test_runs_to_the_end_of_the_data(ran: Ran, name: str) -> None:
    summary = ran.result.summary["run"]

    assert ran.code == 0, ran.output
    assert (summary["ended"], summary["error"]) == ("data", None)
    assert summary["end_ms"] == CASES[name].end_ms
    assert len(ran.result.trades()) >= CASES[name].trades
    assert "Warning" not in ran.output


def test_its_finally_block_runs(ran: Ran) -> None:
    [balance] = ran.said("balance")

    assert balance["USDT"] > 0
    # What a script cancels there is cancelled; what it leaves is left.
    left = {
        row["type"] for row in ran.result.orders() if row["status"] not in ("FILLED", "CANCELED", "REJECTED")
    }
    assert left <= {"market"}


def test_the_same_commands_by_hand_do_the_same(ran: Ran, name: str) -> None:
    case, end_ms = CASES[name], CASES[name].end_ms
    feed = FileFeed([ran.settings.data[0]])
    account = {"account_id": 1, "position_mode": case.position_mode, "balances": {"USDT": "10000"}}
    models = Models(queue=FrontOfQueue() if case.queue else None)
    with EmbeddedOms([account], clock="manual", start_ms=START_MS, feed=feed, models=models) as oms:
        for at_ms, method, path, body in ran.commands():
            oms.advance(at_ms - oms.now_ms())
            assert method == "POST"
            if path == "oms/commands":
                oms.handle("commands", {}, {}, body)
            else:
                assert path == "ccxt/{account_id}/{func}"
                of_path = {"account_id": str(body.pop("account_id")), "func": body.pop("func")}
                oms.handle("ccxt_call", of_path, {}, body)
        oms.advance(end_ms - oms.now_ms())
        history = oms.history_of(1)
        balance = oms.handle("ccxt_core", {"account_id": "1", "func": "fetch_balance"}, {}, {}).body

    assert [_order(row) for row in ran.result.orders()] == [_order(row) for row in history.orders]
    assert [_trade(row) for row in ran.result.trades()] == [_trade(row) for row in history.deals]
    [said] = ran.said("balance")
    assert _not_zero(said) == _not_zero(balance["result"]["total"])


def _not_zero(amounts: dict[str, float]) -> dict[str, float]:
    return {code: amount for code, amount in amounts.items() if amount}


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    """What both an order of the report and one of the OMS say."""
    at = row["time"] if "time" in row else row["created_at"]
    prices = [Decimal(row[key]) if row[key] else None for key in ("price", "stop_price", "avg_fill_price")]
    names = ("id", "client_order_id", "position_id", "symbol", "side", "status", "reason")
    return (
        at,
        *(str(row[key] or 0) for key in names),
        Decimal(row["qty"]),
        Decimal(row["filled_qty"]),
        *prices,
    )


def _trade(row: dict[str, Any]) -> tuple[Any, ...]:
    """What both a trade of the report and a deal of the OMS say."""
    at = row["time"] if "time" in row else row["executed_at"]
    amounts = [Decimal(row[key]) for key in ("qty", "price", "fee", "pnl")]
    names = ("id", "order_id", "position_id", "symbol", "side", "reason")
    return (at, *(str(row[key]) for key in names), *amounts, row["maker"] in (True, "yes"))


def test_another_process_writes_the_same_bytes(
    run_elsewhere: Runner, ran: Ran, market: Path, name: str
) -> None:
    again = run_elsewhere(SCRIPTS / f"{name}.py", market, **CASES[name].settings())

    assert again.output == ran.output
    assert _files(again) == _files(ran)


def test_its_commands_without_the_script_write_the_same_bytes(run: Runner, ran: Ran, market: Path) -> None:
    again = run(
        Path(ran.settings.script), market, "--again", str(ran.folder / "commands.jsonl"), **_of_run(ran)
    )

    assert again.code == 0, again.output
    assert _files(again) == _files(ran)


def _of_run(ran: Ran) -> dict[str, Any]:
    return ran.settings.model_dump(exclude={"script", "data", "out"})
