"""What a script leaves to be done at its end is part of its run."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Ran, Runner
from .histories import HOUR_MS, START_MS

_HEAD = """
import atexit, os, sys, time
import ccxt
exchange = ccxt.binance()
exchange.create_order("BTC/USDT", "market", "buy", 0.1)
def flat():
    exchange.create_order("BTC/USDT", "market", "sell", 0.1)
    print("sold at", time.time(), flush=True)
def say(*words):
    print(*words, flush=True)
"""


def _check_sold(ran: Ran, at_ms: int) -> None:
    assert [each["side"] for each in ran.result.trades()] == ["buy", "sell"], ran.output
    assert int(ran.result.trades()[1]["time_ms"]) == pytest.approx(at_ms, abs=1)
    assert len([each for each in ran.commands() if each[1] == "POST"]) == 2


@pytest.mark.parametrize(
    "code,ended,at_ms",
    [
        ("time.sleep(60)", "script", START_MS + 60_000),
        ("while True: time.sleep(60)", "data", START_MS + HOUR_MS),
        ("time.sleep(60); 1 / 0", "error", START_MS + 60_000),
        ("time.sleep(60); sys.exit(3)", "error", START_MS + 60_000),
    ],
)
def test_handlers_of_atexit_trade_in_the_run(
    run: Runner, hour: Path, code: str, ended: str, at_ms: int
) -> None:
    ran = run(f"{_HEAD}atexit.register(flat)\n{code}\n", hour)
    again = run(ran.folder.parent / "script.py", hour, "--again", str(ran.folder / "commands.jsonl"))

    assert ran.result.summary["run"]["ended"] == ended
    assert ran.output.count("sold at") == 1
    _check_sold(ran, at_ms)
    assert (again.folder / "trades.csv").read_bytes() == (ran.folder / "trades.csv").read_bytes()


@pytest.mark.parametrize(
    "code,ended,at_ms,last",
    [
        ("time.sleep(60); 1 / 0", "error", START_MS + 60_000, "ZeroDivisionError: division by zero"),
        ("while True: time.sleep(60)", "data", START_MS + HOUR_MS, "KeyboardInterrupt"),
    ],
)
def test_a_hook_for_what_is_not_caught_trades_in_the_run(
    run: Runner, hour: Path, code: str, ended: str, at_ms: int, last: str
) -> None:
    hook = (
        "def hook(kind, error, trace):\n    say('hook', kind.__name__)\n    flat()\nsys.excepthook = hook\n"
    )

    ran = run(f"{_HEAD}{hook}{code}\n", hour)

    assert ran.result.summary["run"]["ended"] == ended
    assert f"hook {last.partition(':')[0]}\nsold at" in ran.output
    _check_sold(ran, at_ms)


def test_a_hook_that_fails_leaves_the_error_what_it_is(run: Runner, hour: Path) -> None:
    ran = run(f"{_HEAD}sys.excepthook = lambda *_: {{}}['no']\n1 / 0\n", hour)

    assert ran.result.summary["run"]["error"] == "ZeroDivisionError: division by zero"
    assert "Error in sys.excepthook:\n" in ran.output
    assert "KeyError: 'no'" in ran.output


def test_what_is_deleted_at_the_end_is_deleted_in_the_run(run: Runner, hour: Path) -> None:
    code = "class Bot:\n    def __del__(self): flat()\nbot = Bot()\nwhile True: time.sleep(60)\n"

    _check_sold(run(f"{_HEAD}{code}", hour), START_MS + HOUR_MS)


def test_handlers_are_called_as_python_does(run: Runner, hour: Path) -> None:
    code = """
from atexit import register, unregister
@atexit.register
def first():
    say("first")
    atexit.register(say, "late")
atexit.register(say, "second", 2)
def fail(): 1 / 0
atexit.register(fail)
atexit.register(sys.exit, 3)
register(flat)
unregister(flat)
def nap():
    time.sleep(30)
    say("nap", time.time())
register(nap)
if not os.fork():
    os._exit(0)
os.wait()
"""
    ran = run(f"{_HEAD}{code}", hour)

    said = [line for line in ran.output.splitlines() if not line.startswith((" ", "Traceback"))]
    assert [line.partition(" at 0x")[0] for line in said] == [
        f"nap {START_MS / 1e3 + 30}",
        "Exception ignored in atexit callback: <built-in function exit>",
        "SystemExit: 3",
        "Exception ignored in atexit callback: <function fail",
        "ZeroDivisionError: division by zero",
        "second 2",
        "first",
        "late",
    ]
    assert (ran.code, ran.result.summary["run"]["ended"]) == (0, "script")


def test_a_handler_that_goes_on_ends_with_the_data(run: Runner, hour: Path) -> None:
    code = "def wait():\n    while True: time.sleep(60)\natexit.register(flat)\natexit.register(wait)\n"
    ran = run(f"{_HEAD}{code}", hour)

    assert ran.code == 0, ran.output
    assert "Traceback" not in ran.output
    _check_sold(ran, START_MS + HOUR_MS)


@pytest.mark.parametrize(
    "end", ["finally:\n        flat()", "except KeyboardInterrupt:\n        flat()\n        break"]
)
def test_orders_after_the_end_are_counted(run: Runner, hour: Path, end: str) -> None:
    ran = run(f"{_HEAD}while True:\n    try:\n        while True: time.sleep(60)\n    {end}\n", hour)

    assert ran.result.summary["assumptions"]["orders after the end"] == "1, at the last prices of the data"
    assert "goes on" not in ran.output


def test_a_script_that_goes_on_after_the_end_is_told_of(run: Runner, hour: Path) -> None:
    code = """
number = 0
while True:
    try:
        if number < 7 or number % 1000 == 0:
            exchange.create_order("BTC/USDT", "market", "buy", 0.001)
        number += 1
        time.sleep(600)
    except:
        pass
"""
    ran = run(f"{_HEAD}{code}", hour)
    again = run(ran.folder.parent / "script.py", hour, "--again", str(ran.folder / "commands.jsonl"))

    late = len(ran.result.trades()) - 1 - 6
    assert late > 0
    told = ran.result.summary["assumptions"]["orders after the end"]
    assert int(told.partition(",")[0]) >= late
    assert ran.output.count("goes on: what it still orders is in the report") == 1
    assert (again.folder / "summary.json").read_bytes() == (ran.folder / "summary.json").read_bytes()


@pytest.mark.parametrize(
    "code",
    ["os.execv(sys.executable, [sys.executable, *sys.argv])", "os.execlp('python', 'python', *sys.argv)"],
)
def test_a_script_that_begins_anew_does_not_leave_the_run(run: Runner, hour: Path, code: str) -> None:
    """As bots do that have failed: the new one would have the real ccxt, and the real keys."""
    again = "if 'BEGUN' in os.environ:\n    say('anew', ccxt.binance.__module__)\n    sys.exit()\n"
    head = f"import os, sys\nimport ccxt\ndef say(*words): print(*words, flush=True)\n{again}"

    ran = run(f"{head}os.environ['BEGUN'] = '1'\n{_HEAD}flat()\n{code}\n", hour)

    assert ran.code == 1
    assert "anew" not in ran.output
    assert "cannot go on as another program" in ran.result.summary["run"]["error"]
    _check_sold(ran, START_MS)


def test_programs_beside_a_script_may_be_others(run: Runner, hour: Path) -> None:
    ran = run(f"{_HEAD}flat()\nprint(os.spawnlp(os.P_WAIT, 'true', 'true'))\n", hour)

    assert (ran.code, ran.output.splitlines()[-1]) == (0, "0")
