"""freqtrade, as it is installed, on a served OMS: its own records and the OMS's say the same.

Takes some minutes, and installs freqtrade unless CCXT_DRIVER_TEST_FREQTRADE names a Python that has it
together with what this package needs.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.oms import EmbeddedOms
from tests.helpers.client_venv import ClientVenv, Running, write_json
from tests.helpers.serve_process import ServeProcess
from tests.helpers.served import serve

pytestmark = [pytest.mark.clients, pytest.mark.sockets]

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "freqtrade"
STRATEGIES = Path(__file__).parent / "freqtrade_strategies"
KINDS = ("spot", "futures")
ACCOUNTS = {"spot": 1, "futures": 3}
SECONDS = 420
EXPECTED_WARNING = "is known to the ccxt library, available for the bot, but not officially supported"


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> ClientVenv:
    given = os.environ.get("CCXT_DRIVER_TEST_FREQTRADE")
    return ClientVenv(tmp_path_factory.mktemp("freqtrade"), "freqtrade", given=given)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    process = ServeProcess("--db", tmp_path_factory.mktemp("oms") / "oms.sqlite")
    yield process
    process.stop()


class Freqtrade:
    """Its commands, in a folder of its own, with the example's settings."""

    def __init__(self, venv: ClientVenv, base_url: str, api_key: str, folder: Path) -> None:
        self.venv = venv
        self.folder = folder
        self.variables = {"CCXT_OMS_BASE_URL": base_url, "CCXT_OMS_API_KEY": api_key}
        venv.run("-m", "freqtrade", "create-userdir", "--userdir", folder)

    def config(self, kind: str, name: str, **changes: Any) -> Path:
        settings = json.loads((EXAMPLES / f"{kind}.json").read_text())
        url = f"sqlite:///{self.folder / name}.sqlite"
        return write_json(self.folder / f"{name}.json", {**settings, "db_url": url, **changes})

    def run(self, command: str, config: Path, *options: str | Path) -> str:
        return self.venv.run(*self._arguments(command, config, *options), **self.variables)

    def trade(self, config: Path, strategy: str) -> Bot:
        options = ("--strategy", strategy, "--strategy-path", STRATEGIES)
        log = self.folder / f"{config.stem}.log"
        arguments = self._arguments("trade", config, *options)
        return Bot(self.venv.start(log, *arguments, **self.variables), config.with_suffix(".sqlite"))

    def _arguments(self, command: str, config: Path, *options: str | Path) -> tuple[str | Path, ...]:
        return ("-m", "freqtrade", command, "-c", config, "--userdir", self.folder, *options)


class Bot:
    """`freqtrade trade`, and its records."""

    def __init__(self, running: Running, records: Path) -> None:
        self.running = running
        self._records = records

    def rows(self, table: str) -> list[dict[str, Any]]:
        with sqlite3.connect(self._records, timeout=10) as records:
            records.row_factory = sqlite3.Row
            try:
                return [dict(row) for row in records.execute(f"SELECT * FROM {table} ORDER BY id")]
            except sqlite3.OperationalError:  # not made yet
                return []

    def stops(self) -> int:
        """Tell how many stops it has placed."""
        return sum(row["ft_order_side"] == "stoploss" for row in self.rows("orders"))

    def is_done(self, trades: int) -> bool:
        rows = self.rows("trades")
        return len(rows) >= trades and not any(row["is_open"] for row in rows)

    def finish(self, trades: int = 4) -> None:
        self.running.wait_until(lambda: self.is_done(trades), SECONDS)
        self.running.stop()
        assert self.problems() == []

    def problems(self) -> list[str]:
        lines = self.running.log.splitlines()
        return [
            line
            for line in lines
            if re.search(r" - (WARNING|ERROR|CRITICAL) - |Traceback", line) and EXPECTED_WARNING not in line
        ]


@pytest.fixture
def freqtrade(venv: ClientVenv, served: ServeProcess, tmp_path: Path) -> Freqtrade:
    return Freqtrade(venv, served.all("base_url")[0], served.all("api_key")[0], tmp_path)


def truth(freqtrade: Freqtrade, kind: str, strategy: int) -> OmsCcxtExchange:
    """Look at the account from outside, as a second program does."""
    return OmsCcxtExchange(
        {
            "apiKey": freqtrade.variables["CCXT_OMS_API_KEY"],
            "options": {
                "base_url": freqtrade.variables["CCXT_OMS_BASE_URL"],
                "account_id": ACCOUNTS[kind],
                "strategy_id": strategy,
            },
        }
    )


def options(kind: str, strategy: int) -> dict[str, Any]:
    """Tell the part of the settings that says which account and strategy it is."""
    return {"options": {"account_id": ACCOUNTS[kind], "strategy_id": strategy}}


def live(freqtrade: Freqtrade, kind: str, name: str, strategy: int, **more: Any) -> Path:
    exchange = json.loads((EXAMPLES / f"{kind}.json").read_text())["exchange"]
    exchange["ccxt_config"] = options(kind, strategy)
    if "sandbox" in more:
        exchange["ccxt_config"]["options"]["sandbox"] = more.pop("sandbox")
    exchange |= more
    return freqtrade.config(kind, name, dry_run=False, exchange=exchange)


def agree(bot: Bot, exchange: OmsCcxtExchange, usdt_before: float) -> None:
    """Compare each order and fill, and the money."""
    exchange.load_markets()
    orders = {order["id"]: order for order in exchange.fetch_orders(None, None, 500)}
    trades = exchange.fetch_my_trades(None, None, 500)
    recorded = {row["order_id"]: row for row in bot.rows("orders")}
    assert set(recorded) == set(orders)
    for number, row in recorded.items():
        order = orders[number]
        fills = [trade for trade in trades if trade["order"] == number]
        assert (row["symbol"], row["side"], row["status"]) == (
            order["symbol"],
            order["side"],
            order["status"],
        )
        assert (row["filled"] or 0) == pytest.approx(order["filled"], abs=1e-12)
        assert order["filled"] == pytest.approx(sum(trade["amount"] for trade in fills), abs=1e-12)
        if order["filled"]:
            assert row["average"] == pytest.approx(order["average"], rel=1e-9)
    for symbol in {row["symbol"] for row in recorded.values()}:
        signs = {"buy": 1, "sell": -1}
        assert sum(signs[t["side"]] * t["amount"] for t in trades if t["symbol"] == symbol) == pytest.approx(
            0, abs=1e-12
        )
    profit = sum(row["close_profit_abs"] for row in bot.rows("trades"))
    assert exchange.fetch_balance()["USDT"]["total"] - usdt_before == pytest.approx(profit, abs=1e-4)
    assert [position for position in exchange.fetch_positions() if position["contracts"]] == []
    assert exchange.fetch_open_orders() == []


# ------------------------------------------------------------------------------------ it is known


def test_it_is_listed(freqtrade: Freqtrade) -> None:
    listed = freqtrade.venv.run("-m", "freqtrade", "list-exchanges", "--one-column", **freqtrade.variables)
    assert "oms" in listed.split()

    for kind, pair in (("spot", "BTC/USDT"), ("futures", "BTC/USDT:USDT")):
        config = freqtrade.config(kind, kind)
        pairs = freqtrade.run("list-pairs", config, "--print-list")
        assert pair in re.split(r"[,\s]+", pairs)
    assert "1m, 3m, 5m" in freqtrade.run("list-timeframes", config)


@pytest.mark.parametrize("kind", KINDS)
def test_data_is_downloaded_and_backtested(freqtrade: Freqtrade, kind: str) -> None:
    config = freqtrade.config(kind, kind)

    freqtrade.run("download-data", config, "--days", "1", "-t", "1m")
    data = sorted(path.name for path in (freqtrade.folder / "data").rglob("*.feather"))
    result = freqtrade.run(
        "backtesting", config, "--strategy-path", EXAMPLES / "strategies", "--cache", "none"
    )

    assert len(data) == {"spot": 2, "futures": 6}[kind]
    found = re.search(r"│ Short(?:Turns|Swaps) │\s+(\d+) │", result)
    assert found is not None, result[-3000:]
    assert int(found[1]) > 20
    assert not re.search(r" - ERROR - |Traceback", result)


# ------------------------------------------------------------------------------------------ it trades


def test_four_bots_trade_at_once_and_agree_with_the_oms(freqtrade: Freqtrade) -> None:
    """Dry and live, spot and swaps: limit and market orders, long and short, stops on the exchange."""
    bots = {}
    before = {kind: truth(freqtrade, kind, 1).fetch_balance()["USDT"]["total"] for kind in KINDS}
    for kind, strategy in (("spot", "Turns"), ("futures", "Swaps")):
        bots[kind, "dry"] = freqtrade.trade(freqtrade.config(kind, f"{kind}-dry"), strategy)
        bots[kind, "live"] = freqtrade.trade(live(freqtrade, kind, f"{kind}-live", 1), strategy)
    try:
        for bot in bots.values():
            bot.finish()
    finally:
        for bot in bots.values():
            bot.running.stop()

    for kind in KINDS:
        dry, real = bots[kind, "dry"], bots[kind, "live"]
        agree(real, truth(freqtrade, kind, 1), before[kind])
        assert all(row["order_id"].startswith("dry_run_") for row in dry.rows("orders"))
        for bot in (dry, real):
            placed = [(row["ft_order_side"], row["status"]) for row in bot.rows("orders")]
            assert placed.count(("stoploss", "canceled")) == 4
            assert sum(status == "closed" for _, status in placed) == 8
            assert bot.running.log.count("Task finished - cancelled") == 2  # streams of candles, to the end


def test_stops_on_the_exchange_end_trades(venv: ClientVenv, tmp_path: Path) -> None:
    with serve(EmbeddedOms()) as served:
        freqtrade = Freqtrade(venv, served.base_url, served.api_key, tmp_path)
        exchange = truth(freqtrade, "futures", 2)
        before = exchange.fetch_balance()["USDT"]["total"]
        bot = freqtrade.trade(live(freqtrade, "futures", "stopped", 2), "Stopped")
        try:
            bot.running.wait_until(lambda: bot.stops() == 2, SECONDS)
            for symbol, factor in (("BTC/USDT:USDT", 0.98), ("ETH/USDT:USDT", 1.02)):
                price = round(exchange.fetch_ticker(symbol)["last"] * factor)
                served.oms.set_price(symbol, bid=price, ask=price + 1, last=price)
            bot.finish(trades=2)
        finally:
            bot.running.stop()

        agree(bot, exchange, before)
        assert {row["exit_reason"] for row in bot.rows("trades")} == {"stoploss_on_exchange"}
        assert all(row["close_profit_abs"] < 0 for row in bot.rows("trades"))


def test_a_bot_that_was_killed_finds_its_orders(freqtrade: Freqtrade) -> None:
    exchange = truth(freqtrade, "spot", 2)
    before = exchange.fetch_balance()["USDT"]["total"]
    config = live(freqtrade, "spot", "killed", 2)

    bot = freqtrade.trade(config, "Held")
    try:
        bot.running.wait_until(lambda: bot.stops() == 2, SECONDS)
    finally:
        bot.running.stop(signal.SIGKILL)
    assert len(exchange.fetch_open_orders()) == 2
    bot = freqtrade.trade(config, "Turns")
    try:
        bot.finish()
    finally:
        bot.running.stop()

    agree(bot, exchange, before)


def test_a_bot_trades_in_the_sandbox(freqtrade: Freqtrade) -> None:
    """By freqtrade's own switch, which it turns on right after construction."""
    exchange = truth(freqtrade, "spot", 3)
    before = exchange.fetch_balance()["USDT"]["total"]
    sandbox = {
        "base_url": freqtrade.variables["CCXT_OMS_BASE_URL"],
        "apiKey": freqtrade.variables["CCXT_OMS_API_KEY"],
        "account_id": ACCOUNTS["spot"],
    }
    config = live(freqtrade, "spot", "demo", 3, demo_trading=True, sandbox=sandbox)
    freqtrade.variables = {
        "CCXT_OMS_BASE_URL": "http://127.0.0.1:9",
        "CCXT_OMS_API_KEY": "x",
    }  # nobody is there
    bot = freqtrade.trade(config, "Turns")
    try:
        bot.finish()
    finally:
        bot.running.stop()

    agree(bot, exchange, before)
