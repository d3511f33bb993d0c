"""Event loops in threads of a script, and threads that wait without a time-out."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Ran, Runner
from .histories import MINUTE_MS, START_MS

_HEAD = """
import asyncio, queue, signal, threading, time
from concurrent.futures import ThreadPoolExecutor
import ccxt, ccxt.pro

async def watch():
    exchange, candles = ccxt.pro.binance(), 0
    try:
        while True:
            await exchange.watch_ohlcv("BTC/USDT", "1m")
            candles += 1
            if candles % 10 == 0:
                await exchange.create_order("BTC/USDT", "market", "buy", 0.001)
    finally:
        print("candles", candles, flush=True)
        await exchange.close()

async def ask():
    return ccxt.binance().fetch_ticker("BTC/USDT")["last"]

async def stuck():
    threading.Event().wait()

def trade():
    exchange = ccxt.binance()
    while True:
        exchange.create_order("BTC/USDT", "market", "buy", 0.001)
        time.sleep(600)

def compute():
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass

def in_a_thread(main, late=False, **named):
    thread = threading.Thread(target=lambda: (late and compute(), asyncio.run(main())), **named)
    thread.start()
    return thread

def forever():
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop
""".lstrip()


@pytest.mark.parametrize(
    "code",
    [
        "in_a_thread(watch).join()",
        "in_a_thread(watch)",
        "ThreadPoolExecutor(1).submit(asyncio.run, watch()).result()",
        "with ThreadPoolExecutor(2) as pool: pool.submit(asyncio.run, watch())",
        "asyncio.run(asyncio.to_thread(asyncio.run, watch()))",
        "in_a_thread(watch, daemon=True); threading.Event().wait()",
    ],
)
def test_a_loop_in_a_thread_that_the_main_one_waits_for_is_as_one_in_the_main_thread(
    run: Runner, hour: Path, code: str
) -> None:
    ran = run(f"{_HEAD}\n{code}\n", hour)
    usual = run(f"{_HEAD}\nasyncio.run(watch())\n", hour)

    assert ran.code == usual.code == 0, ran.output
    assert ran.said("candles") == usual.said("candles") == [60]
    assert _deals(ran) == _deals(usual)
    assert ran.result.summary["run"]["ended"] == "data"


def _deals(ran: Ran) -> list[tuple[str, ...]]:
    return [(each["time"], each["price"]) for each in ran.result.trades()]


@pytest.mark.parametrize(
    "code",
    [
        "asyncio.run_coroutine_threadsafe(watch(), forever()); trade()",
        "in_a_thread(watch, daemon=True); time.sleep(60); trade()",
        "in_a_thread(watch); time.sleep(60)",
        "asyncio.run_coroutine_threadsafe(ask(), forever()).result(timeout=5); time.sleep(60)",
        "asyncio.run_coroutine_threadsafe(watch(), forever()).result(timeout=5)",
        "asyncio.run(watch()) if in_a_thread(watch) else None",
        "for each in [in_a_thread(watch) for _ in range(2)]: each.join()",
        "for each in [in_a_thread(watch), in_a_thread(watch, late=True)]: each.join()",
        "thread = in_a_thread(watch)\nwhile thread.is_alive(): thread.join(1)",
        "work = ThreadPoolExecutor(1).submit(asyncio.run, watch()); time.sleep(60); work.result()",
    ],
)
@pytest.mark.parametrize("request_ms", [0, 50])
def test_a_loop_in_a_thread_beside_a_main_thread_that_goes_on_is_refused(
    run: Runner, hour: Path, code: str, request_ms: int
) -> None:
    ran = run(f"{_HEAD}\n{code}\n", hour, request_ms=request_ms)

    assert ran.code == 1, ran.output
    assert ran.result.summary["run"]["ended"] == "error"
    assert "a thread of the script runs an event loop, and " in ran.result.summary["run"]["error"]
    assert "use asyncio tasks" in ran.result.summary["run"]["error"]


@pytest.mark.parametrize("kind", ["queue.Queue", "queue.LifoQueue", "queue.SimpleQueue", "LockedQueue"])
def test_what_a_loop_hands_to_a_main_thread_that_waits_is_refused(run: Runner, hour: Path, kind: str) -> None:
    """Nobody could tell whether the main thread trades before or after the loop goes on."""
    code = f"""
class LockedQueue:
    def __init__(self):
        self.full = threading.Lock()
        self.full.acquire()

    def put(self, price):
        self.full.release()

    def get(self):
        self.full.acquire()

prices = {kind}()

async def feed():
    exchange = ccxt.pro.binance()
    while True:
        prices.put((await exchange.watch_ohlcv("BTC/USDT", "1m"))[-1])

in_a_thread(feed, daemon=True)
exchange = ccxt.binance()
while True:
    prices.get()
    exchange.create_order("BTC/USDT", "market", "buy", 0.001)
"""
    ran = run(f"{_HEAD}{code}", hour)

    assert ran.code == 1, ran.output
    assert "runs an event loop, and the main thread" in ran.result.summary["run"]["error"]
    assert len(ran.result.trades()) <= 2


def test_a_loop_in_a_thread_may_answer_while_time_stands_still(run: Runner, hour: Path) -> None:
    code = """
loop = forever()
prices = {asyncio.run_coroutine_threadsafe(ask(), loop).result(timeout) for timeout in (5, None) * 20}
print("prices", len(prices))
"""
    ran = run(f"{_HEAD}{code}", hour, end_ms=START_MS + MINUTE_MS)

    assert (ran.code, ran.said("prices")) == (0, [1]), ran.output
    assert ran.result.summary["run"]["ended"] == "script"
    assert "Task was destroyed" not in ran.output


@pytest.mark.parametrize(
    "code",
    [
        "threading.Event().wait()",
        "queue.Queue().get()",
        "queue.SimpleQueue().get()",
        "in_a_thread(stuck, daemon=True); queue.SimpleQueue().get()",
        "threading.Semaphore(0).acquire()",
        "threading.Barrier(2).wait()",
        "lock = threading.Lock(); lock.acquire(); lock.acquire()",
        "lock = threading.Lock()\nwith lock:\n    with lock: pass",
        "in_a_thread(stuck, daemon=True).join()",
        "in_a_thread(stuck, daemon=True); threading.Event().wait()",
        "ThreadPoolExecutor(1).submit(print, 'once'); queue.Queue().get()",
        "ThreadPoolExecutor(1).submit(threading.Event().wait).result()",
        "asyncio.run(asyncio.sleep(1)); threading.Event().wait()",
        "stop = threading.Event(); signal.signal(signal.SIGINT, lambda *_: stop.set()); print(stop.wait())",
        "signal.signal(signal.SIGINT, signal.SIG_IGN); threading.Event().wait()",
        "signal.signal(signal.SIGINT, signal.SIG_IGN); in_a_thread(stuck, daemon=True).join()",
    ],
)
def test_who_waits_for_what_never_comes_waits_up_to_the_end_of_the_data(
    run: Runner, hour: Path, code: str
) -> None:
    lines = "".join(f"    {line}\n" for line in code.splitlines())
    ran = run(f"{_HEAD}try:\n{lines}finally:\n    print('at', time.time())\n", hour)

    assert ran.code == 0, ran.output
    assert ran.result.summary["run"]["ended"] == "data"
    assert ran.said("at") == [pytest.approx((START_MS + 60 * MINUTE_MS) / 1e3, abs=1)]


def test_a_lock_is_waited_for_with_a_time_out_as_all_else(run: Runner, hour: Path) -> None:
    code = """
import copy
lock = threading.Lock()
print("got", int(lock.acquire()), int(lock.locked()), int(lock.acquire(False)))
began = time.time()
print("waited", int(lock.acquire(timeout=30)), time.time() - began)
lock.release()
condition = threading.Condition(threading.Lock())
with lock, condition:
    condition.wait(5)
print("then", int(lock.locked()), time.time() - began)
for wrong in (lambda: lock.acquire(False, 5), lock.release, lambda: copy.copy(lock)):
    try:
        wrong()
    except (ValueError, RuntimeError, TypeError) as error:
        print(type(error).__name__)
"""
    ran = run(f"{_HEAD}{code}", hour)

    assert ran.code == 0, ran.output
    assert ran.output.splitlines() == [
        "got 1 1 0",
        "waited 0 30.0",
        "then 0 35.0",
        "ValueError",
        "RuntimeError",
        "TypeError",
    ]


def test_a_timer_of_the_script_is_its_own(run: Runner, hour: Path) -> None:
    code = """
def late(*_):
    raise TimeoutError

signal.signal(signal.SIGALRM, late)
end = time.process_time() + 1
while time.process_time() < end:
    time.sleep(1e-6)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    while True:
        time.sleep(1e-6)
except TimeoutError:
    print("late", 1)
"""
    ran = run(f"{_HEAD}{code}", hour)

    assert (ran.code, ran.said("late")) == (0, [1]), ran.output


@pytest.mark.parametrize(
    "wait",
    ["woken.wait(left)", "todo_late(left)", "held.acquire(timeout=left)"],
    ids=["event", "queue", "lock"],
)
def test_time_passes_while_pools_have_nothing_to_do(run: Runner, hour: Path, wait: str) -> None:
    """As schedulers wait, in the main thread, that have a pool do their jobs: APScheduler for one."""
    ran = run(
        _HEAD
        + f"""
pool, woken, todo, held = ThreadPoolExecutor(4), threading.Event(), queue.Queue(), threading.Lock()
held.acquire()
exchange = ccxt.binance()

def todo_late(seconds):
    try:
        todo.get(timeout=seconds)
    except queue.Empty:
        pass

def job(number):
    sum(range(100_000))
    exchange.create_order("BTC/USDT", "market", "buy", 0.001)
    return number

began, done = time.time(), []
for number in range(20):
    pool.submit(job, number).add_done_callback(lambda future: done.append(future.result()))
    left = 150.0
    {wait}
    assert done == [*range(number + 1)], done
pool.submit(int).cancel()
print("passed", time.time() - began, flush=True)
while True:
    woken.wait(3600)
""",
        hour,
    )

    assert ran.code == 0, ran.output
    assert ran.said("passed") == [20 * 150]
    times = [command[0] for command in ran.commands()]
    assert times == [START_MS + number * 150_000 for number in range(20)]


_WORKERS = """
from multiprocessing.pool import ThreadPool
exchange, todo, lags, simple = ccxt.binance(), queue.Queue(), [], queue.SimpleQueue()
lock, changed, items = threading.Lock(), threading.Condition(), []

def trade_at(asked):
    sum(range(50_000))
    order = exchange.create_order("BTC/USDT", "market", "buy", 0.001)
    lags.append(order["timestamp"] - asked)

def serve(get):
    while True:
        trade_at(get())

def taken():
    with changed:
        changed.wait_for(lambda: items)
        return items.pop()

def put(asked):
    with changed:
        items.append(asked)
        changed.notify()

def locked(asked):
    with lock:
        trade_at(asked)

def hold(asked):
    with lock:
        threading.Thread(target=locked, args=(asked,)).start()

def begin(work, *arguments):
    threading.Thread(target=work, args=arguments, daemon=True).start()

pool = ThreadPoolExecutor(3)
"""


@pytest.mark.parametrize(
    "begin, give",
    [
        ("begin(serve, todo.get)", "todo.put(now)"),
        ("pool.submit(serve, todo.get)", "todo.put(now)"),
        ("begin(serve, taken)", "put(now)"),
        ("begin(serve, simple.get)", "simple.put(now)"),
        ("workers = ThreadPool(2)", "workers.apply_async(trade_at, (now,))"),
        ("", "pool.submit(trade_at, now)"),
        ("", "begin(trade_at, now)"),
        ("", "hold(now)"),
        ("begin(serve, todo.get); begin(serve, queue.Queue().get)", "todo.put(now)"),
    ],
)
@pytest.mark.parametrize(
    "wait", ["time.sleep(60)", "stop.wait(60)", "await asyncio.sleep(60)", "await watched()"]
)
def test_time_stands_still_until_threads_have_done_what_they_were_given(
    run: Runner, hour: Path, begin: str, give: str, wait: str
) -> None:
    code = f"""
async def main():
    stop, other = threading.Event(), ccxt.pro.binance()

    async def watched():
        await other.watch_ohlcv("BTC/USDT", "1m")

    {begin}
    for _ in range(40):
        now = exchange.milliseconds()
        {give}
        {wait}
    await other.close()

asyncio.run(main())
print("lags", sorted(set(lags)), flush=True)
print("done", len(lags), flush=True)
"""
    ran = run(f"{_HEAD}{_WORKERS}{code}", hour)

    assert ran.code == 0, ran.output
    assert (ran.said("lags"), ran.said("done")) == ([[0]], [40])


@pytest.mark.parametrize(
    "ask",
    [
        "todo.put(now); answers.get(timeout=30)",
        "todo.put(now); assert answered.wait(30); answered.clear()",
        "todo.put(now); assert turn.acquire(timeout=30)",
        "pool.submit(trade_at, now).result(30)",
        "list(as_completed([pool.submit(trade_at, now) for _ in range(3)], timeout=30))",
        "begin(answer, now); assert answered.wait(30); answered.clear()",
    ],
)
def test_an_answer_of_a_thread_takes_no_time_also_where_it_is_waited_for_with_a_time_out(
    run: Runner, hour: Path, ask: str
) -> None:
    code = f"""
from concurrent.futures import as_completed
answers, answered, turn, passed = queue.Queue(), threading.Event(), threading.Lock(), set()
turn.acquire()

def answer(now):
    trade_at(now)
    answers.put(now)
    answered.set()
    if turn.locked():
        turn.release()

def serve_answers():
    while True:
        answer(todo.get())

begin(serve_answers)
for _ in range(40):
    now = exchange.milliseconds()
    {ask}
    passed.add(exchange.milliseconds() - now)
    time.sleep(60)
print("passed", sorted(passed), flush=True)
"""
    ran = run(f"{_HEAD}{_WORKERS}{code}", hour)

    assert (ran.code, ran.said("passed")) == (0, [[0]]), ran.output


@pytest.mark.parametrize("job, is_refused", [("compute", False), ("hold.acquire", True)])
def test_a_thread_that_computes_is_waited_for_as_long_as_it_does(
    run: Runner, hour: Path, job: str, is_refused: bool
) -> None:
    code = f"""
hold = threading.RLock()  # nobody can tell who waits for one
hold.acquire()

def compute():
    end = time.process_time() + 0.6
    while time.process_time() < end:
        sum(range(10_000))

def work():
    {job}()
    done.set()

done, began = threading.Event(), time.time()
threading.Thread(target=work, daemon=True).start()
print("passed", int(done.wait(0.2)) - 1, time.time() - began)
"""
    ran = run(f"{_HEAD}{code}", hour, end_ms=START_MS + MINUTE_MS)

    assert ran.code == int(is_refused), ran.output
    assert ("passed 0 0.0" in ran.output) != is_refused
    assert ("a thread of the script is waited for" in ran.output) == is_refused


def test_a_loop_that_ends_waits_for_its_threads_in_no_time(run: Runner, hour: Path) -> None:
    code = """
for _ in range(200):
    asyncio.run(asyncio.to_thread(int))
print("passed", time.time())
"""
    ran = run(f"{_HEAD}{code}", hour)

    assert (ran.code, ran.said("passed")) == (0, [START_MS / 1e3]), ran.output


def test_a_join_with_a_time_out_lets_time_pass_beside_a_thread_that_waits_for_work(
    run: Runner, hour: Path
) -> None:
    code = """
worker = threading.Thread(target=serve, args=(todo.get,), daemon=True)
worker.start()
began = time.time()
while time.time() - began < 600:
    todo.put(exchange.milliseconds())
    worker.join(60)
print("lags", lags)
quick = threading.Thread(target=trade_at, args=(exchange.milliseconds(),))
quick.start()
quick.join(60)
print("then", time.time() - began, int(quick.is_alive()))
"""
    ran = run(f"{_HEAD}{_WORKERS}{code}", hour)

    assert (ran.code, ran.said("lags"), ran.output.splitlines()[-1]) == (0, [[0] * 10], "then 600.0 0")


@pytest.mark.parametrize("end", ["", "sys.exit()"])
@pytest.mark.parametrize(
    "give", ["pool.submit(trade_at, 0)", "threading.Thread(target=trade_at, args=(0,)).start()"]
)
def test_what_threads_still_have_to_do_as_a_script_ends_is_part_of_the_run(
    run: Runner, hour: Path, give: str, end: str
) -> None:
    code = f"""
import sys

for _ in range(10):
    {give}
{end}
"""
    ran = run(f"{_HEAD}{_WORKERS}{code}", hour)

    assert (ran.code, len(ran.result.trades())) == (0, 10), ran.output
    assert ran.result.summary["run"]["ended"] == "script"


def test_what_a_pool_still_has_to_do_may_wait_for_what_is_outside_of_the_run(run: Runner, hour: Path) -> None:
    code = """
def notify():
    subprocess.run(["sleep", "1"])
    trade_at(0)

import subprocess
pool.submit(notify)
"""
    ran = run(f"{_HEAD}{_WORKERS}{code}", hour)

    assert (ran.code, len(ran.result.trades())) == (0, 1), ran.output


def test_a_loop_that_a_pool_runs_goes_on_when_the_script_has_ended(run: Runner, hour: Path) -> None:
    ran = run(f"{_HEAD}ThreadPoolExecutor(1).submit(asyncio.run, watch())\n", hour)

    assert (ran.code, ran.said("candles")) == (0, [60]), ran.output
    assert ran.result.summary["run"]["ended"] == "data"


def test_a_pool_that_waits_for_work_holds_up_no_end(run: Runner, hour: Path) -> None:
    ran = run(f"{_HEAD}{_WORKERS}pool.submit(serve, todo.get); todo.put(0); todo.put(0)\n", hour)

    assert (ran.code, len(ran.result.trades())) == (0, 2), ran.output
    assert ran.result.summary["run"]["ended"] == "script"


@pytest.mark.parametrize("wait", ["time.sleep(60)", "asyncio.run(asyncio.sleep(60))"])
@pytest.mark.parametrize(
    "work",
    [
        "socket.socketpair()[0].recv(1)",
        "select.select([], [], [])",
        "while True: select.select([], [], [], 0.2); select.select([], [], [], 0.3)",
        "held.acquire()",
        "main.join()",
    ],
)
def test_threads_that_wait_for_what_is_outside_of_the_run_hold_nobody_up(
    run: Runner, hour: Path, work: str, wait: str
) -> None:
    code = f"""
import select, socket
main, held = threading.main_thread(), threading.RLock()
held.acquire()
pairs = socket.socketpair()

def poll():
    {work.replace("socket.socketpair()[0]", "pairs[0]")}

threading.Thread(target=poll, daemon=True).start()
for _ in range(50):
    {wait}
print("passed", time.time())
"""
    ran = run(f"{_HEAD}{code}", hour)

    assert ran.code == 0, ran.output
    assert ran.said("passed") == [pytest.approx((START_MS + 50 * MINUTE_MS) / 1e3)]


@pytest.mark.parametrize(
    "end",
    ["todo.put(None)", "pass"],
    ids=["that is told to end", "that is not"],
)
@pytest.mark.parametrize("wait", ["asyncio.sleep(60)", 'exchange.watch_ohlcv("BTC/USDT", "1m")'])
def test_a_loop_goes_on_beside_a_thread_of_its_own_that_waits_for_work(
    run: Runner, hour: Path, wait: str, end: str
) -> None:
    code = f"""
todo, done = queue.Queue(), []

def notify():
    while (word := todo.get()) is not None:
        done.append(word)

async def trade():
    exchange = ccxt.pro.binance()
    try:
        while True:
            await exchange.create_order("BTC/USDT", "market", "buy", 0.001)
            todo.put(1)
            await {wait}
    finally:
        print("done", len(done), flush=True)
        {end}
        await exchange.close()

async def main():
    await asyncio.gather(asyncio.to_thread(notify), trade())

asyncio.run(main())
"""
    ran = run(f"{_HEAD}{code}", hour)

    assert ran.code == 0, ran.output
    [done] = ran.said("done")
    assert done == len(ran.result.trades()) >= 59
    assert ran.result.summary["run"]["ended"] == "data"
