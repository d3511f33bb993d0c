"""`watch`: every change is shown, whatever standard output is, and it ends cleanly."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import ccxt
import pytest
from click.testing import Result
from rich.console import Console

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.cli.screens import Lines, LiveTable, Screen
from ccxt_driver.errors import annotate
from ccxt_driver.oms import EmbeddedOms
from tests.helpers.served import ServedOms, serve

Run = Callable[..., Result]
module: Any = import_module("ccxt_driver.cli.watch")


@pytest.fixture
def trading(paper: EmbeddedOms, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody trades as soon as the streams are on."""
    other: Any = OmsCcxtExchange({"options": {"oms": paper}})
    read = module._Follower._read

    async def then_trade(self: Any) -> None:
        await read(self)
        other.create_order("BTC/USDT", "market", "buy", "0.02")
        other.create_order("ETH/USDT", "limit", "buy", "1", "2000")

    monkeypatch.setattr(module._Follower, "_read", then_trade)


@pytest.mark.usefixtures("trading")
def test_one_line_for_each_change(run: Run) -> None:
    result = run("watch", "--orders", "--trades", "--positions", "--count", 4)
    assert result.exit_code == 0, result.output
    assert sorted(result.stdout.splitlines()) == [
        "2025-06-15 15:06:40 order 1 closed: buy 0.02 BTC/USDT at the market, 0.02 filled at 50001",
        "2025-06-15 15:06:40 order 2 open: buy 1 ETH/USDT at 2000, 0 filled",
        "2025-06-15 15:06:40 position 1: long 0.02 BTC/USDT, opened at 50001, -0.01 unrealized",
        "2025-06-15 15:06:40 trade 1: buy 0.02 BTC/USDT at 50001, order 1",
    ]
    assert result.stderr == "PAPER account 1 (paper netting)\n"


@pytest.mark.usefixtures("trading")
def test_json_lines_of_some_markets(run: Run) -> None:
    markets = ("--symbol", "ETH/USDT", "--symbol", "BTC/USDT:USDT")
    result = run("watch", "--orders", *markets, "--json", "--count", 1)
    assert result.exit_code == 0, result.output
    change = json.loads(result.stdout)
    assert change["kind"] == "order"
    assert (change["data"]["id"], change["data"]["amount"]) == ("2", "1")
    assert result.stderr == ""


@pytest.mark.usefixtures("trading")
def test_money(run: Run) -> None:
    result = run("watch", "--balance", "--count", 1)
    assert result.stdout.startswith("2025-06-15 15:06:40 balance: ")
    assert "1.02 BTC (0 reserved)" in result.stdout


def test_prices(run: Run, paper: EmbeddedOms, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = Lines.changed

    def then_move(self: Lines, kind: str, row: Any) -> None:
        changed(self, kind, row)
        paper.set_price("BTC/USDT", bid="51000", ask="51001", last="51000")

    monkeypatch.setattr(Lines, "changed", then_move)
    result = run("watch", "--ticker", "--symbol", "BTC/USDT", "--count", 2)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "2025-06-15 15:06:40 BTC/USDT: bid 50000, ask 50001, last 50000.5",
        "2025-06-15 15:06:40 BTC/USDT: bid 51000, ask 51001, last 51000",
    ]


def test_it_ends_after_its_time(run: Run) -> None:
    result = run("watch", "--seconds", 0.2)
    assert (result.exit_code, result.stdout) == (0, "")


@pytest.mark.parametrize(
    "args, code",
    [
        (("--ticker",), 2),
        (("--symbol", "XXX/USDT"), 2),
        (("--count", "0"), 2),
        (("--account", "9"), 3),
    ],
)
def test_what_cannot_be_watched_is_told(run: Run, args: tuple[str, ...], code: int) -> None:
    result = run("watch", *args)
    assert result.exit_code == code, result.output
    assert result.stdout == ""


# ------------------------------------------------------------------------------ when something fails


class Recorded(Screen):
    """What was shown."""

    exact = True

    def __init__(self) -> None:
        self.changes: list[tuple[str, Any]] = []
        self.notes: list[str] = []
        self.snapshots: list[tuple[str, Any]] = []

    def changed(self, kind: str, row: Any) -> None:
        self.changes.append((kind, row))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def snapshot(self, kind: str, rows: Any) -> None:
        self.snapshots.append((kind, rows))


class Stumbling:
    """An exchange whose stream of orders fails, and goes on."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.params: list[Any] = []

    async def watch_balance(self, params: Any = None) -> Any:
        return {}

    async def un_watch_balance(self, params: Any = None) -> Any:
        return True

    async def fetch_open_orders(self, symbol: Any = None) -> Any:
        return ["open"]

    async def watch_orders(self, symbol: Any, since: Any, limit: Any, params: Any) -> Any:
        self.params.append(params)
        if not self.answers:
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def followed(exchange: Stumbling, count: int) -> Recorded:
    screen = Recorded()
    with pytest.raises(module._Enough):
        async with asyncio.timeout(5):
            await module._Follower(exchange, [], ["orders"], count, screen).run()
    return screen


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no pause after a failure."""
    monkeypatch.setattr(module, "_PAUSE_S", 0)


@pytest.mark.usefixtures("hurried")
async def test_a_lost_connection_is_waited_for_and_said_once() -> None:
    down = ccxt.ExchangeNotAvailable("no connection")
    screen = await followed(Stumbling(["first"], down, down, ["second"], down, ["third"]), 3)
    assert [row for _, row in screen.changes] == ["first", "second", "third"]
    assert screen.notes == ["no connection, trying again (ExchangeNotAvailable)"] * 2


@pytest.mark.usefixtures("hurried")
async def test_a_stream_that_was_too_slow_goes_on_where_it_was() -> None:
    slow = annotate(ccxt.ExchangeError("too slow"), code="slow_consumer")
    slow.after_seq = 17  # type: ignore[attr-defined]
    exchange = Stumbling(slow, ["second"], ["third"])
    screen = await followed(exchange, 2)
    assert exchange.params[:3] == [{}, {"after_seq": 17}, {}]
    assert len(screen.notes) == 1
    assert screen.snapshots.count(("orders", ["open"])) == 2


@pytest.mark.usefixtures("hurried")
async def test_a_server_that_lost_its_history_is_read_anew() -> None:
    lost = annotate(ccxt.ExchangeError("gone"), code="cursor_expired")
    exchange = Stumbling(lost, ["second"])
    screen = await followed(exchange, 1)
    assert exchange.params[:2] == [{}, {}]
    assert "changes may be missing (cursor_expired)" in screen.notes[0]
    assert screen.snapshots.count(("orders", ["open"])) == 2


async def test_another_failure_ends_it() -> None:
    follower = module._Follower(Stumbling(ccxt.PermissionDenied("no")), [], ["orders"], None, Recorded())
    with pytest.raises(ccxt.PermissionDenied):
        await follower.run()


# ------------------------------------------------------------------------------ the live table


def test_the_table_is_kept_up_to_date(paper: EmbeddedOms) -> None:
    exchange: Any = OmsCcxtExchange({"options": {"oms": paper}, "number": str})
    out = io.StringIO()
    screen = LiveTable("PAPER account 1", Console(file=out, width=120, force_terminal=False))
    exchange.create_order("BTC/USDT", "market", "buy", "0.02")
    order = exchange.create_order("ETH/USDT", "limit", "buy", "1", "2000", {"clientOrderId": "mine"})
    screen.snapshot("balance", [exchange.fetch_balance()])
    screen.snapshot("orders", [order])
    screen.snapshot("positions", exchange.fetch_positions())
    screen.changed("ticker", exchange.fetch_ticker("BTC/USDT"))
    screen.changed("orders", order)
    drawn(screen, "live-table")
    screen.changed("orders", exchange.cancel_order(order["id"]))
    exchange.close_position("BTC/USDT")
    screen.changed("positions", exchange.fetch_positions_history()[0])
    screen.note("no connection")
    drawn(screen, "live-table-afterwards")


def drawn(screen: LiveTable, name: str) -> None:
    out = io.StringIO()
    Console(file=out, width=120).print(screen.view())
    lines = "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())
    file = Path(__file__).parent / "golden" / f"{name}.txt"
    assert lines == file.read_text(encoding="utf-8")


# ------------------------------------------------------------------------------ as a program


@contextmanager
def heeding_ctrl_c() -> Iterator[None]:
    """What is started in here heeds SIGINT, also where the tests do not.

    Jobs that a shell has in the background ignore it, and so does whatever they start.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def program(served: ServedOms, tmp_path: Path, *args: str, **streams: Any) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ,
        "CCXT_OMS_BASE_URL": served.base_url,
        "CCXT_OMS_API_KEY": served.api_key,
        "CCXT_OMS_ACCOUNT_ID": "1",
        "COLUMNS": "120",
        "LINES": "50",
        "TERM": "xterm",
    }
    command = [sys.executable, "-m", "ccxt_driver", "watch", *args]
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    with heeding_ctrl_c():
        started = subprocess.Popen(command, text=True, env=environment, cwd=tmp_path, **given)
    with started as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.mark.sockets
@pytest.mark.skipif(os.name != "posix", reason="signals as a shell sends them")
def test_ctrl_c_ends_it_quietly(paper: EmbeddedOms, tmp_path: Path) -> None:
    other: Any = OmsCcxtExchange({"options": {"oms": paper}})
    with serve(paper) as served, program(served, tmp_path, "--trades") as running:
        assert running.stderr is not None
        assert running.stdout is not None
        assert running.stderr.readline() == "PAPER account 1 (paper netting)\n"
        other.create_order("BTC/USDT", "market", "buy", "0.02")
        assert " trade 1: buy 0.02 BTC/USDT at 50001" in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, out, err) == (130, "", "")


def test_nothing_large_is_imported_while_ctrl_c_has_to_wait_for_it() -> None:
    script = (
        "import asyncio, sys\nfrom ccxt_driver.cli import main\n"
        "def run(work):\n    work.close()\n    print('ccxt.async_support' in sys.modules)\n"
        "asyncio.run = run\nmain(['watch'])\n"
    )
    environment = {**os.environ, "CCXT_OMS_BASE_URL": "embedded:"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"


@pytest.mark.sockets
@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo terminal")
def test_on_a_terminal_it_is_a_table_that_stays(paper: EmbeddedOms, tmp_path: Path) -> None:
    import pty

    master, slave = pty.openpty()
    with (
        open(master, "rb", buffering=0) as screen,  # noqa: PTH123  # a descriptor
        serve(paper) as served,
        program(served, tmp_path, "--seconds", "0.5", stdout=slave, stderr=slave) as running,
    ):
        os.close(slave)
        shown = b""
        try:
            while part := screen.read(65536):
                shown += part
        except OSError:  # what Linux says when the other side of a terminal has gone
            pass
        assert running.wait(10) == 0
    text = shown.decode()
    assert "PAPER account 1 (paper netting)" in text
    assert "USDT      10000" in text
    assert text.index("\x1b[?25l") < text.rindex("\x1b[?25h"), "the cursor is shown again"
