"""Processes that a script starts compute in real time, and cannot trade."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from ccxt_driver.backtest.clock import UP_SECONDS
from ccxt_driver.backtest.other_processes import ProcessThatAsks

from .conftest import Runner

_BEGIN = """
import asyncio, json, multiprocessing, os, queue, select, signal, subprocess, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.pool import ThreadPool
from time import monotonic, sleep
import ccxt

exchange = ccxt.binance()

def square(number):
    return number * number

def nap(number):
    sleep(0.01)
    return number

def put(results, number):
    results.put(number)

def look(_):
    return exchange.fetch_balance()

def trade(*_):
    exchange.create_order("BTC/USDT", "market", "buy", 0.1)

def trade_anew(*_):
    ccxt.binance().create_order("BTC/USDT", "market", "buy", 0.1)

def trade_as_long_as_it_goes(*_):
    while True:
        try:
            trade()
        except Exception:
            pass

def forever():
    while True:
        time.sleep(60)

def spin(number):
    begun = monotonic()
    for _ in range(10_000_000):
        if monotonic() > begun:
            return number * number

def end(number):
    sys.exit(number * number)

def forked(work):
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    work()
    os._exit(0)
"""


@pytest.mark.parametrize(
    "work",
    [
        """
with multiprocessing.Pool(2) as pool:
    results = pool.map(square, range(4))
""",
        """
pool = multiprocessing.get_context("spawn").Pool(2)
results = pool.map_async(square, range(4)).get(timeout=5)
pool.close()
pool.join()
""",
        """
with ThreadPool(2) as pool:
    results = pool.map(square, range(4))
""",
        """
with ProcessPoolExecutor(2) as pool:
    results = list(pool.map(square, range(4)))
""",
        """
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("forkserver")) as pool:
    results = [pool.submit(square, number).result() for number in range(4)]
""",
        """
left = ProcessPoolExecutor(1)  # which nobody shuts down
results = list(left.map(square, range(4)))
""",
        """
left = multiprocessing.Pool(1)
results = left.map(square, range(4))
""",
        """
multiprocessing.set_start_method("spawn")
told = multiprocessing.Queue()
results = []
for number in range(4):
    process = multiprocessing.Process(target=put, args=(told, square(number)))
    process.start()
    results.append(told.get(timeout=5))
    process.join(5)
    assert process.exitcode == 0, process.exitcode
try:
    told.get(timeout=0.01)
except queue.Empty:
    pass
""",
        """
async def main():
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(2) as pool:
        return [await loop.run_in_executor(pool, square, number) for number in range(4)]
results = asyncio.run(main())
""",
        """
with multiprocessing.Manager() as manager:
    known = manager.list()
    process = multiprocessing.Process(target=known.extend, args=([0, 1, 4, 9],))
    process.start()
    process.join()
    results = list(known)
""",
        """
with multiprocessing.Pool(2) as pool:
    results = [square(number) for number in pool.map(nap, range(4))]
""",
        """
with multiprocessing.Pool(2) as pool:
    results = pool.map(spin, range(4))
""",
        """
with multiprocessing.Pool(2) as pool:
    slept = pool.map(time.sleep, [0.01, 0.01])
results = [0, 1, 4, 9] if slept == [None, None] else slept
""",
        """
results = [forked(lambda: end(number)) for number in range(3)]
results.append(9 if forked(lambda: sys.exit("no number")) == 1 else None)
""",
        """
def without_output():
    sys.stdout.close()
    sys.exit(1)
results = [forked(lambda: sys.exit()), forked(without_output), 4, 9]
""",
        """
def of_a_child():
    reading, writing = os.pipe()
    if not os.fork():
        sys.exit(int(os.read(reading, 1)))
    os.write(writing, b"4")
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
results = [0, 1, forked(of_a_child), 9]
""",
        """
told = multiprocessing.context.SpawnContext().Queue()
results = []
for number in range(4):
    process = multiprocessing.context.SpawnContext().Process(target=put, args=(told, square(number)))
    process.start()
    results.append(told.get(timeout=5))
    process.join()
""",
        """
code = "import time; time.sleep(0.1); print([0, 1, 4, 9])"
results = json.loads(subprocess.run([sys.executable, "-c", code], stdout=-1, timeout=20).stdout)
process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
assert process.wait(timeout=20) == 0
""",
    ],
)
def test_processes_that_only_compute_are_welcome(run: Runner, hour: Path, work: str) -> None:
    ran = run(
        f"""{_BEGIN}
{work}
print("results", json.dumps(results))
print("stood", time.monotonic())
time.sleep(60)
trade()
print("now", time.monotonic(), flush=True)
""",
        hour,
    )

    assert ran.code == 0, ran.output
    assert ran.said("results") == [[0, 1, 4, 9]]
    assert ran.said("stood") == [UP_SECONDS]
    assert ran.said("now") == [UP_SECONDS + 60]
    assert len(ran.result.trades()) == 1


@pytest.mark.parametrize(
    "what",
    [
        "multiprocessing.Pool(1).map(trade, [1])",
        "multiprocessing.Pool(1).map(look, [1])",
        "multiprocessing.get_context('spawn').Pool(1).map(trade_anew, [1])",
        "ProcessPoolExecutor(1).submit(trade).result()",
        "multiprocessing.Process(target=trade).start(); time.sleep(7200)",
        "multiprocessing.Process(target=trade_as_long_as_it_goes).start(); told.get()",
        "os.fork() or trade(); os.wait()",
        "multiprocessing.context.SpawnContext().Process(target=trade).start(); told.get()",
        # The word of a process that comes while Python looks after the fork.
        "os.register_at_fork(after_in_parent=lambda: select.select([], [], [], 1)); "
        "multiprocessing.Process(target=trade).start(); told.get()",
    ],
)
def test_processes_that_trade_are_refused(run: Runner, hour: Path, what: str) -> None:
    ran = run(f"{_BEGIN}\ntold = multiprocessing.Queue()\n{what}\n", hour)

    assert ran.code == 1, ran.output

    assert ran.result.summary["run"]["ended"] == "error"
    assert "ProcessThatAsks: a process of the script" in ran.result.summary["run"]["error"]
    assert not ran.result.trades()


def test_a_pool_can_give_the_refusal_back() -> None:
    """Else its thread for results dies of it, and whoever waits for one waits for ever."""
    assert str(pickle.loads(pickle.dumps(ProcessThatAsks()))) == str(ProcessThatAsks())


def test_processes_of_the_event_loop_are_refused(run: Runner, hour: Path) -> None:
    ran = run(
        f"""{_BEGIN}
async def main():
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(1)")
    await process.wait()

asyncio.run(main())
""",
        hour,
    )

    assert ran.code == 1, ran.output
    assert "NotImplementedError: in a backtest the event loop starts no processes" in ran.output


def test_processes_end_with_the_run(run: Runner, hour: Path) -> None:
    ran = run(
        f"""{_BEGIN}
left = multiprocessing.Process(target=forever)
left.start()
print("left", left.pid, flush=True)
time.sleep(7200)
""",
        hour,
    )

    assert ran.code == 0, ran.output
    [pid] = ran.said("left")
    assert not Path(f"/proc/{pid}").exists()
    assert f"process {pid}" in ran.output


def test_a_process_that_still_computes_is_waited_for(run: Runner, hour: Path) -> None:
    ran = run(
        f"""{_BEGIN}
def late():
    time.sleep(0.3)
    print("late", 1, flush=True)

multiprocessing.Process(target=late).start()
""",
        hour,
    )

    assert ran.code == 0, ran.output
    assert ran.said("late") == [1]


def test_a_process_that_does_not_listen_is_killed(run: Runner, hour: Path) -> None:
    ran = run(
        f"""{_BEGIN}
signal.signal(signal.SIGTERM, signal.SIG_IGN)
left = multiprocessing.Process(target=forever)
left.start()
print("left", left.pid, flush=True)
""",
        hour,
    )

    assert ran.code == 0, ran.output
    [pid] = ran.said("left")
    assert not Path(f"/proc/{pid}").exists()
