"""`ccxt-driver backtest`, as it is typed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ccxt_driver.backtest import BacktestError, backtest
from tests.helpers.command_process import Commands

from .conftest import ROOT
from .histories import MINUTE_MS, START_MS, walk, write_candles

_SCRIPT = """
import sys, time, uuid
import ccxt
exchange = ccxt.binance({"apiKey": "a-key", "secret": "a-secret"})
try:
    for number in range(int(sys.argv[1])):
        params = {"clientOrderId": uuid.uuid4().hex}
        exchange.create_order("BTC/USDT", "market", "buy", 0.001, None, params)
        time.sleep(60)
    if sys.argv[2:] == ["--fail"]:
        raise RuntimeError("as asked for")
finally:
    print("bought", exchange.fetch_balance()["BTC"]["total"])
"""


_COMMAND = [sys.executable, "-W", "error", "-m", "ccxt_driver", "backtest"]
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}


Done = subprocess.CompletedProcess[str]
Typed = Callable[..., Done]


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typed]:
    """Does a command in a folder, in processes that are forked."""
    commands = Commands(tmp_path_factory.mktemp("outputs"), _ENVIRONMENT)
    yield lambda folder, *words: commands(folder, "backtest", *words)
    commands.close()


def _really_typed(folder: Path, *words: str) -> Done:
    """What a command did in a folder; the hashes and the time zone are those of this process."""
    return subprocess.run(
        [*_COMMAND, *words],
        cwd=folder,
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typed")
    write_candles(folder / "history", walk(31, 60))
    (folder / "script.py").write_text(_SCRIPT, encoding="utf-8")
    (folder / "binary").mkdir()
    (folder / "binary" / "BTC_USDT-1m.csv").write_bytes(b"\xff\xfe\x00")
    return folder


def _assert_same_files(one: Path, other: Path, names: set[str]) -> None:
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_a_run_and_its_commands_again(typed: Typed, folder: Path) -> None:
    options = ["--data", "history", "--balance", "1000USDT", "--fees", "0,0.001", "--seed", "7"]
    first = _really_typed(folder, "script.py", *options, "--out", "first", "--", "5")
    again = _really_typed(folder, "--again", "first", "--out", "again", "--compare", "first")

    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("bought 0.005\n")
    assert "report: first/report.html" in first.stdout
    assert again.returncode == 0, again.stderr
    files = {path.name for path in (folder / "first").iterdir()}
    assert {path.name for path in (folder / "again").iterdir()} - files == {"comparison.html"}
    _assert_same_files(folder / "first", folder / "again", files)
    once_more = typed(folder, "--again", "again", "--out", "again")
    assert once_more.returncode == 0, once_more.stderr
    _assert_same_files(folder / "first", folder / "again", files)


def test_runs_from_before_symbols_could_begin_late_begin_again_as_they_did(
    typed: Typed, folder: Path
) -> None:
    write_candles(folder / "late", walk(31, 60))
    write_candles(folder / "late", walk(32, 40, start_ms=START_MS + 20 * MINUTE_MS), "ETH_USDT")
    now = typed(folder, "script.py", "--data", "late", "--out", "now", "--", "2")
    settings = folder / "now" / "settings.json"
    known = json.loads(settings.read_text(encoding="utf-8"))
    del known["begin"]
    settings.write_text(json.dumps(known), encoding="utf-8")
    commands = folder / "now" / "commands.jsonl"
    lines = [json.loads(line) for line in commands.read_text(encoding="utf-8").splitlines()]
    moved = [json.dumps([at_ms + 20 * MINUTE_MS, *rest]) for at_ms, *rest in lines]
    commands.write_text("\n".join(moved) + "\n", encoding="utf-8")
    again = typed(folder, "--again", "now", "--out", "now_again")

    assert (now.returncode, again.returncode) == (0, 0), again.stderr
    summary = json.loads((folder / "now_again" / "summary.json").read_text(encoding="utf-8"))
    assert summary["run"]["start_ms"] == START_MS + 20 * MINUTE_MS
    assert summary["total"]["deals"] == 2


def test_earlier_runs_side_by_side(typed: Typed, folder: Path) -> None:
    for name in ("one", "two"):
        typed(folder, "script.py", "--data", "history", "--out", name, "--", "2")
    both = ["--compare", "one", "--compare", "two"]

    shown, written = typed(folder, *both), typed(folder, *both, "--out", "side/by_side")
    refused = typed(folder, *both, "--out", "script.py/no")

    assert (shown.returncode, shown.stderr) == (written.returncode, written.stderr) == (0, "")
    assert written.stdout == f"{shown.stdout}comparison: side/by_side/comparison.html\n"
    assert [path.name for path in (folder / "side" / "by_side").iterdir()] == ["comparison.html"]
    assert not (folder / "backtest").exists()
    assert refused.returncode == 2
    assert "script.py" in refused.stderr.splitlines()[-1]


def test_nothing_of_many_runs_is_cut_off_where_there_is_no_terminal(typed: Typed, folder: Path) -> None:
    typed(folder, "script.py", "--data", "history", "--out", "a_run_with_a_long_name", "--", "2")

    shown = typed(folder, *["--compare", "a_run_with_a_long_name"] * 4)

    assert shown.returncode == 0, shown.stderr
    head, *rows = shown.stdout.splitlines()
    assert "…" not in shown.stdout
    assert head.count("a_run_with_a_long_name") == 4
    assert next(row for row in rows if row.startswith("Start")).count("2024-01-01 00:00:00") == 4


@pytest.mark.parametrize("begin, start_ms", [("first", START_MS), ("all", START_MS + 20 * MINUTE_MS)])
def test_a_run_may_begin_when_all_symbols_have_a_price(
    typed: Typed, folder: Path, begin: str, start_ms: int
) -> None:
    write_candles(folder / "late", walk(31, 60))
    write_candles(folder / "late", walk(32, 40, start_ms=START_MS + 20 * MINUTE_MS), "ETH_USDT")
    done = typed(
        folder, "script.py", "--data", "late", "--begin", begin, "--out", f"begin_{begin}", "--", "2"
    )

    assert done.returncode == 0, done.stderr
    summary = json.loads((folder / f"begin_{begin}" / "summary.json").read_text(encoding="utf-8"))
    assert summary["run"]["start_ms"] == start_ms


def test_a_bad_row_that_nobody_has_looked_at_costs_no_report(typed: Typed, folder: Path) -> None:
    write_candles(folder / "flawed", walk(31, 60))
    before = [
        row._replace(open_ms=START_MS - (3_000 - number) * 60 * MINUTE_MS)
        for number, row in enumerate(walk(5, 3_000))
    ]
    hours = write_candles(folder / "flawed", before, timeframe="1h")
    text = hours.read_text(encoding="utf-8")
    hours.write_text(text.removesuffix("\n") + "0\nnonsense\n", encoding="utf-8")
    done = typed(folder, "script.py", "--data", "flawed", "--out", "flawed_out", "--", "2")

    assert done.returncode == 0, done.stderr
    summary = json.loads((folder / "flawed_out" / "summary.json").read_text(encoding="utf-8"))
    assert "makes no sense" in summary["assumptions"]["rows of BTC_USDT-1h.csv"]
    assert str(folder) not in json.dumps(summary)


def test_requests_that_were_refused_unsent_are_passed_over_again(typed: Typed, folder: Path) -> None:
    (folder / "unsent.py").write_text(
        """
import ccxt
exchange = ccxt.binance()
for path in ("no/such/path", "oms/accounts/{account_id}/deposit"):
    try:
        exchange.request(path, "private", "POST", {})
    except (ccxt.NotSupported, ccxt.ArgumentsRequired) as error:
        print(type(error).__name__)
exchange.create_order("BTC/USDT", "market", "buy", 0.01)
""",
        encoding="utf-8",
    )
    first = typed(folder, "unsent.py", "--data", "history", "--out", "unsent")
    again = typed(folder, "--again", "unsent", "--out", "unsent_again")

    assert first.stdout.startswith("NotSupported\nArgumentsRequired\n")
    assert again.returncode == 0, again.stderr
    for name in ("summary.json", "commands.jsonl", "orders.csv", "trades.csv"):
        assert (folder / "unsent" / name).read_bytes() == (folder / "unsent_again" / name).read_bytes(), name


def test_a_script_that_fails_leaves_a_report_and_an_exit_code(typed: Typed, folder: Path) -> None:
    done = typed(folder, "script.py", "--data", "history", "--out", "failed", "--", "2", "--fail")

    assert done.returncode == 1
    assert 'script.py", line 11, in <module>' in done.stderr
    assert done.stderr.rstrip().endswith("RuntimeError: as asked for")
    again = typed(folder, "--again", "failed", "--out", "failed_again")
    assert again.returncode == 1
    for name in ("report.html", "summary.json", "commands.jsonl", "equity.csv", "orders.csv"):
        assert (folder / "failed" / name).read_bytes() == (folder / "failed_again" / name).read_bytes(), name


def test_after_a_failure_its_error_is_what_is_seen(typed: Typed, folder: Path) -> None:
    done = typed(folder, "script.py", "--data", "history", "--out", "failed", "--", "2", "--fail")

    assert done.stdout.splitlines() == ["bought 0.002", "report up to the error: failed/report.html"]


def test_times_outside_of_the_data_begin_and_end_with_it(typed: Typed, folder: Path) -> None:
    outside = ["--from", "2023-12-31", "--to", "2025-01-01"]
    done = typed(folder, "script.py", "--data", "history", *outside, "--out", "outside", "--", "1")
    typed(folder, "script.py", "--data", "history", "--out", "inside", "--", "1")

    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "Note: begins at 2024-01-01T00:00:00.000Z, with the data, not at 2023-12-31T00:00:00.000Z",
        "Note: ends at 2024-01-01T00:59:59.999Z, with the data, not at 2025-01-01T00:00:00.000Z",
    ]
    runs = [json.loads((folder / name / "summary.json").read_text()) for name in ("outside", "inside")]
    outside_begins = runs[0]["assumptions"].pop("begins")
    assert outside_begins == "with the data, not at 2023-12-31T00:00:00.000Z"
    assert runs[0]["assumptions"].pop("ends") == "with the data, not at 2025-01-01T00:00:00.000Z"
    assert runs[0] == runs[1]


def test_a_currency_that_prices_lead_to_is_counted_in(typed: Typed, folder: Path) -> None:
    done = typed(folder, "script.py", "--data", "history", "--currency", "BTC", "--out", "coins", "--", "1")

    assert done.returncode == 0, done.stderr
    total = json.loads((folder / "coins" / "summary.json").read_text())["total"]
    assert 0.2 < total["start_equity"] < 0.3


def test_fees_of_nothing_and_what_requests_take_are_among_the_assumptions(typed: Typed, folder: Path) -> None:
    options = ["--data", "history", "--fees", "0,0.0000001", "--request", "200", "--out", "free"]

    assert typed(folder, "script.py", *options, "--", "1").returncode == 0

    summary = json.loads((folder / "free" / "summary.json").read_text(encoding="utf-8"))
    assert summary["assumptions"]["fees"] == "maker 0, taker 0.0000001"
    assert summary["assumptions"]["requests"] == "200 ms each"


@pytest.mark.parametrize(
    "words,said",
    [
        (["script.py"], "--data"),
        (["script.py", "--data", "history", "--from", "2023-01-01", "--to", "2023-02-01"], "start_ms"),
        (["script.py", "--data", "history", "--balance", "much"], "balance"),
        (["script.py", "--data", "history", "--path", "straight"], "path"),
        (["script.py", "--data", "history", "--from", "2025-01-01"], "got 2025-01-01T00:00:00.000Z"),
        (["script.py", "--data", "history", "--to", "2024-01-01"], "to 2024-01-01T00:00:00.000Z"),
        (
            ["script.py", "--data", "history", "--from", "2024-01-01T00:30", "--to", "2024-01-01T00:20"],
            "the start before the end",
        ),
        (
            ["script.py", "--data", "history", "--currency", "EUR"],
            "Error: currency: expected one that prices lead to from USDT: BTC, USDT; got 'EUR'",
        ),
        (["script.py", "--data", "history", "--path", "straight"], "Error: path: expected one of"),
        (["script.py", "--data", "binary"], "BTC_USDT-1m.csv: the first line"),
        (["--again", "history"], "settings.json"),
        (["--again", "history", "--fees", "0,0"], "--fees"),
        (["script.py", "--again", "history"], "SCRIPT"),
        (["script.py", "--data", "history", "--balance", "5USDT", "--balance", "1BTC,6USDT"], "1BTC,6USDT"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(
    typed: Typed, folder: Path, words: list[str], said: str
) -> None:
    done = typed(folder, *words, "--out", "refused")

    assert done.returncode == 2
    assert said in done.stderr
    assert not (folder / "refused").exists()


def test_balances_may_be_given_one_by_one(typed: Typed, folder: Path) -> None:
    options = ["--data", "history", "--balance", "1000USDT", "--balance", "2BTC", "--out", "balances"]

    done = typed(folder, "script.py", *options, "--", "1")

    assert done.stdout.startswith("bought 2.001\n"), done.stderr
    settings = json.loads((folder / "balances" / "settings.json").read_text(encoding="utf-8"))
    assert settings["balances"] == {"USDT": "1000", "BTC": "2"}


def test_a_folder_that_cannot_be_written_is_told_in_a_line(typed: Typed, folder: Path) -> None:
    (folder / "file").write_text("", encoding="utf-8")

    done = typed(folder, "script.py", "--data", "history", "--out", "file/below", "--", "1")

    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
    assert "file/below" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_script_may_go_to_another_folder(typed: Typed, folder: Path) -> None:
    write_candles(folder / "long", walk(31, 1_500))  # more than is read at once
    (folder / "elsewhere").mkdir()
    script = """
import os, time
import ccxt
os.chdir("elsewhere")
exchange = ccxt.binance({"options": {"account_id": 7}})
try:
    while True:
        print(len(exchange.fetch_ohlcv("BTC/USDT", "1m", limit=1_500)))
        time.sleep(3600)
finally:
    open("mine", "w").close()
"""
    (folder / "goes.py").write_text(script, encoding="utf-8")

    done = typed(folder, "goes.py", "--data", "long", "--out", "gone")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1\n61\n")
    assert done.stdout.endswith("report: gone/report.html\n")
    assert [path.name for path in (folder / "elsewhere").iterdir()] == ["mine"]
    left = {path.name for path in (folder / "gone").iterdir()}
    assert left >= {"report.html", "summary.json"}
    assert ".lock" not in left
    settings = json.loads((folder / "gone" / "settings.json").read_text(encoding="utf-8"))
    assert (settings["account_id"], settings["data"]) == (7, ["long"])


@pytest.mark.parametrize(
    "code",
    [
        "class Tee:\n    def write(self, text): pass\n    def flush(self): pass\nsys.stdout = Tee()",
        "sys.stdout.close()",
        "sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding='utf-8')",
        "sys.stdout = None",
        "decimal.getcontext().prec = 6",
    ],
)
def test_what_a_script_makes_of_its_process_costs_no_report(typed: Typed, folder: Path, code: str) -> None:
    order = 'ccxt.binance().create_order("BTC/USDT", "market", "buy", 0.0123)'
    (folder / "makes.py").write_text(f"import ccxt, decimal, io, sys\n{order}\n{code}\n", encoding="utf-8")

    done = typed(folder, "makes.py", "--data", "history", "--out", "makes")

    assert (done.returncode, done.stderr) == (0, "")
    assert "Deals that depend on the path" in done.stdout
    assert done.stdout.endswith("report: makes/report.html\n")
    assert (folder / "makes" / "summary.json").exists()


def test_a_run_that_is_killed_leaves_nothing_of_an_earlier_one(typed: Typed, folder: Path) -> None:
    (folder / "killed.py").write_text("import os\nos._exit(9)\n", encoding="utf-8")
    options = ["--data", "history", "--out", "twice"]

    assert typed(folder, "script.py", *options, "--", "1").returncode == 0
    assert typed(folder, "killed.py", *options, "--seed", "3").returncode == 9

    assert not (folder / "twice" / "summary.json").exists()
    assert json.loads((folder / "twice" / "settings.json").read_text(encoding="utf-8"))["seed"] == 3


def test_two_runs_at_once_do_not_mix_in_one_folder(typed: Typed, folder: Path) -> None:
    (folder / "slow.py").write_text("print('begun', flush=True)\ninput()\n", encoding="utf-8")
    command = [*_COMMAND, "slow.py", "--data", "history", "--out", "shared"]
    with subprocess.Popen(
        command, cwd=folder, env=_ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        second = typed(folder, "script.py", "--data", "history", "--out", "shared", "--", "1")
        process.communicate("\n", timeout=60)
    third = typed(folder, "script.py", "--data", "history", "--out", "shared", "--", "1")

    assert (process.returncode, second.returncode, third.returncode) == (0, 2, 0), second.stderr
    assert second.stderr.endswith(
        "Error: out: another run is writing to shared: give each a folder of its own\n"
    )
    assert ".lock" not in {path.name for path in (folder / "shared").iterdir()}


def test_numbers_that_nobody_reads_are_no_failure(folder: Path) -> None:
    command = [*_COMMAND, "unsaid.py", "--data", "history", "--out", "unread"]
    (folder / "unsaid.py").write_text("import ccxt; ccxt.binance().load_markets()\n", encoding="utf-8")
    with subprocess.Popen(
        command, cwd=folder, env=_ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (0, "")
    assert (folder / "unread" / "summary.json").exists()


@pytest.mark.skipif(os.name == "nt", reason="there is no such signal")
def test_a_termination_is_for_the_script(folder: Path) -> None:
    script = """
import signal, sys

def end(*_):
    print("told")
    sys.exit(3)

signal.signal(signal.SIGTERM, end)
print("begun", flush=True)
while True:
    pass
"""
    (folder / "endless.py").write_text(script, encoding="utf-8")
    command = [*_COMMAND, "endless.py", "--data", "history", "--out", "terminated"]
    with subprocess.Popen(
        command, cwd=folder, env=_ENVIRONMENT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "begun\n"
            process.terminate()
            said, _ = process.communicate(timeout=60)  # ends when nobody holds the other end any more
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise

    assert process.returncode == 1
    assert said.startswith("told\n")


@pytest.mark.skipif(os.name == "nt", reason="there is no such signal")
@pytest.mark.parametrize(
    "code,said",
    [
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(1e9)", "Ended by SIGTERM: no report was written"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "Ended by SIGKILL: no report was written"),
        ("os._exit(0)", "The script has ended by os._exit(0): no report was written"),
        ("from os import _exit; _exit(7)", "The script has ended by os._exit(7): no report was written"),
    ],
)
def test_a_run_without_a_report_says_so(typed: Typed, folder: Path, code: str, said: str) -> None:
    (folder / "sudden.py").write_text(f"import os, signal, time\n{code}\n", encoding="utf-8")

    done = typed(folder, "sudden.py", "--data", "history", "--out", "sudden")

    assert done.returncode not in {0, 2}
    assert done.stderr.endswith(f"{said}\n")
    assert not (folder / "sudden" / "summary.json").exists()
    with pytest.raises(BacktestError, match=re.escape(said)):
        backtest(folder / "sudden.py", folder / "history", out=folder / "sudden")


def test_keys_on_the_command_line_are_not_kept(typed: Typed, folder: Path) -> None:
    keys = ["--api-key", "key-1", "--SECRET=key-2", "-v", "--token", "--key"]
    done = typed(folder, "script.py", "--data", "history", "--out", "keys", "--", "1", *keys)

    assert done.returncode == 0
    kept = json.loads((folder / "keys" / "settings.json").read_text(encoding="utf-8"))["arguments"]
    assert kept == ["1", "--api-key", "***", "--SECRET=***", "-v", "--token", "--key"]


def test_commands_hold_no_path_of_a_machine(typed: Typed, folder: Path) -> None:
    typed(folder, "script.py", "--data", "history", "--out", "fails", "--", "1", "--fail")

    text = (folder / "fails" / "commands.jsonl").read_text(encoding="utf-8")
    assert 'File \\"script.py\\", line 11' in text
    assert str(folder) not in text


_REACHING_OUT = """
import asyncio
import ccxt, ccxt.async_support
from ccxt_driver.exchange._sync import OmsCcxtExchange

def sandbox(url):
    exchange = ccxt.binance()
    exchange.options["sandbox"] = {"base_url": url, "account_id": 1, "apiKey": "a-key"}
    exchange.set_sandbox_mode(True)
    exchange.fetch_balance()

def driver(url):
    OmsCcxtExchange({"apiKey": "a-key", "options": {"base_url": url, "account_id": 1}}).fetch_balance()

def plain(url):
    ccxt.Exchange({"apiKey": "a-key"}).fetch(f"{url}/private?apiKey=a-key")

def coroutines(url):
    async def ask():
        exchange = ccxt.async_support.Exchange()
        try:
            await exchange.fetch(url)
        finally:
            await exchange.close()
    asyncio.run(ask())

for way in (sandbox, driver, plain, coroutines):
    try:
        way("http://127.0.0.1:9")
    except ccxt.NotSupported as error:
        print(way.__name__, "refused", error)
"""


def test_no_class_of_ccxt_reaches_the_network(typed: Typed, folder: Path) -> None:
    (folder / "reaching_out.py").write_text(_REACHING_OUT, encoding="utf-8")

    done = typed(folder, "reaching_out.py", "--data", "history", "--out", "reached")

    assert done.returncode == 0, done.stderr
    refused = [line for line in done.stdout.splitlines() if " refused " in line]
    assert [line.partition(" ")[0] for line in refused] == ["sandbox", "driver", "plain", "coroutines"]
    assert "a-key" not in "".join(refused)


def test_without_the_extra_it_says_what_to_install(folder: Path) -> None:
    bare = folder / "bare"
    bare.mkdir()
    (bare / "time_machine.py").write_text("raise ImportError('not here')\n", encoding="utf-8")

    done = _really_typed(bare, "../script.py", "--data", "../history", "--", "1")

    assert done.returncode == 2
    assert 'pip install "ccxt-driver[backtest]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_script_has_read_changes_nothing_that_a_report_says_of_files(
    typed: Typed, folder: Path
) -> None:
    """Its commands again read less: of longer candles, of mark prices."""
    long_before = [
        row._replace(open_ms=START_MS - (3_000 - number) * 60 * MINUTE_MS)
        for number, row in enumerate(walk(5, 3_000))
    ]
    swap = "BTC_USDT_USDT"
    for name, rows, timeframe in (
        ("BTC_USDT", long_before, "1h"),
        ("BTC_USDT", walk(31, 60), "1m"),
        (swap, walk(32, 60), "1m"),
        (swap, walk(33, 3_000), "1m-mark"),
    ):
        write_candles(folder / "several", rows, name, timeframe)
    (folder / "reads.py").write_text(
        """
import ccxt, time
exchange = ccxt.binance()
exchange.create_order("BTC/USDT", "market", "buy", 0.01)
time.sleep(1800)
hours = exchange.fetch_ohlcv("BTC/USDT", "1h", limit=1000)
print(len(hours), len(exchange.fetch_mark_ohlcv("BTC/USDT:USDT")))
while True:
    time.sleep(60)
""",
        encoding="utf-8",
    )
    first = typed(folder, "reads.py", "--data", "several", "--out", "reads")
    again = typed(folder, "--again", "reads", "--out", "reads_again")

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert first.stdout.startswith("1000 31\n")
    for name in ("summary.json", "report.html", "equity.csv"):
        assert (folder / "reads" / name).read_bytes() == (folder / "reads_again" / name).read_bytes(), name
