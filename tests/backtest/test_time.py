"""Everything that a script reads the time from, or waits with, follows the replay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ccxt_driver.backtest.clock import UP_SECONDS
from ccxt_driver.backtest.settings import INTERRUPTED, Settings

from .conftest import ROOT, Runner
from .histories import HOUR_MS, MINUTE_MS, START_MS, Candle, write_candles

_REAL_SECONDS = 60.0


def test_all_clocks_go_together(run: Runner, hour: Path) -> None:
    ran = run(
        """
        import asyncio, json, logging, queue, sys, threading, time, uuid
        from datetime import datetime, timezone
        import ccxt, ccxt.pro

        exchange = ccxt.binance()

        def clocks():
            return [
                time.time(),
                time.time_ns() / 1e9,
                datetime.now(timezone.utc).timestamp(),
                datetime.now().timestamp(),
                datetime.fromtimestamp(time.time(), timezone.utc).timestamp(),
                exchange.milliseconds() / 1e3,
                exchange.seconds(),
                exchange.fetch_time() / 1e3,
                exchange.parse8601(exchange.iso8601(exchange.milliseconds())) / 1e3,
                (uuid.uuid1().time - 0x01B21DD213814000) // 10**4 / 1e3,
                time.mktime(time.localtime()),
                time.mktime(time.strptime(time.ctime())),
                time.mktime(time.strptime(time.asctime())),
                time.clock_gettime(time.CLOCK_REALTIME),
                logging.LogRecord("", 1, "", 1, "", (), None).created,
            ]

        def say(word):
            clock = time.clock_gettime(time.CLOCK_MONOTONIC)
            assert clock == time.clock_gettime_ns(time.CLOCK_MONOTONIC) / 1e9 == time.monotonic()
            print("clocks", json.dumps([word, clocks(), time.monotonic(), time.perf_counter()]))

        say("start")
        time.sleep(10)
        say("time.sleep")
        threading.Event().wait(10)
        say("Event.wait")
        try:
            queue.Queue().get(timeout=10)
        except queue.Empty:
            say("Queue.get")
        condition = threading.Condition()
        with condition:
            condition.wait_for(lambda: False, 10)
        say("Condition.wait_for")

        async def main():
            loop = asyncio.get_running_loop()
            began = loop.time()
            await asyncio.sleep(10)
            say("asyncio.sleep")
            try:
                await asyncio.wait_for(asyncio.Event().wait(), 10)
            except TimeoutError:
                say("wait_for")
            try:
                async with asyncio.timeout(10):
                    await asyncio.get_running_loop().create_future()
            except TimeoutError:
                say("timeout")
            called = asyncio.Event()
            loop.call_later(10, called.set)
            await called.wait()
            say("call_later")
            loop.call_at(loop.time() + 10, called.clear)
            while called.is_set():
                await asyncio.sleep(1)
            say("call_at")
            await asyncio.wait([asyncio.create_task(asyncio.sleep(99))], timeout=10)
            say("wait")
            time.sleep(10)
            say("time.sleep in a coroutine")
            pro = ccxt.pro.binance()
            await pro.sleep(10_000)
            say("exchange.sleep")
            print("loop", loop.time() - began)

        asyncio.run(main())
        asyncio.run(asyncio.sleep(10))
        say("asyncio.run again")
        """,
        hour,
    )

    assert ran.code == 0, ran.output
    said = ran.said("clocks")
    assert len(said) == 14
    for number, (word, clocks, *monotonic) in enumerate(said):
        assert clocks == pytest.approx([START_MS / 1e3 + 10 * number] * len(clocks), abs=1e-5), word
        assert monotonic == pytest.approx([UP_SECONDS + 10 * number] * 2, abs=1e-6), word
    assert ran.said("loop") == pytest.approx([80], abs=1e-5)
    assert ran.result.summary["run"]["ended"] == "script"


def test_what_was_not_done_yet_is_due_at_the_beginning(run: Runner, hour: Path) -> None:
    """Of a host that is up for long, the monotonic clock is far from 0."""
    ran = run(
        """
        import asyncio, time

        clocks = time.monotonic, time.perf_counter, asyncio.new_event_loop().time
        for clock in (*clocks, lambda: time.monotonic_ns() / 1e9, lambda: time.perf_counter_ns() / 1e9):
            last = 0
            if clock() - last >= 365 * 86_400:
                print("due", time.time())
        """,
        hour,
    )

    assert ran.said("due") == [START_MS / 1e3] * 5, ran.output


def test_whoever_sleeps_to_the_whole_minute_finds_the_new_candle(run: Runner, tmp_path: Path) -> None:
    """A float of the time lacks digits: after months, too, nobody may wake a little early."""
    days = 240
    rows = [
        Candle(START_MS + number * 24 * HOUR_MS, 100 + number, 999, 90, 100 + number, 1000)
        for number in range(days)
    ]
    write_candles(tmp_path / "days", rows, timeframe="1d")

    ran = run(
        """
        import asyncio, time
        import ccxt.async_support as ccxt

        async def main():
            exchange = ccxt.binance()
            early = turns = 0
            await asyncio.sleep(0.123)
            async def pause(seconds):
                if turns % 2:
                    time.sleep(seconds)
                else:
                    await asyncio.sleep(seconds)
            try:
                while True:
                    await pause(86_400 - time.time() % 86_400)
                    turns += 1
                    early += exchange.milliseconds() % 86_400_000 != 0
                    await pause(12_345.678)
            finally:
                print("early", early)
                print("turns", turns)
                await exchange.close()

        asyncio.run(main())
        """,
        tmp_path / "days",
    )

    # The last of them is not at a whole day: it is where the data ends.
    assert ran.said("turns") == [days], ran.output
    assert ran.said("early") == [1]


@pytest.mark.parametrize(
    "loop",
    [
        "import uvloop; uvloop.install(); run = asyncio.run",
        "import uvloop; run = uvloop.run",
        "import uvloop; asyncio.set_event_loop_policy(uvloop.EventLoopPolicy()); run = asyncio.run",
        "import uvloop; run = lambda main: asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main)",
        "run = lambda main: asyncio.new_event_loop().run_until_complete(main)",
    ],
)
def test_other_event_loops_are_virtual_too(run: Runner, hour: Path, loop: str) -> None:
    ran = run(
        f"""
        import asyncio, time, warnings
        warnings.simplefilter("ignore", ResourceWarning)  # of the script, which closes no loop
        {loop}

        async def main():
            await asyncio.sleep(1_000)
            print("passed", time.time() - {START_MS / 1e3})
            await asyncio.sleep(1e9)

        run(main())
        """,
        hour,
    )

    assert ran.said("passed") == [1_000], ran.output


def test_threads_that_only_work_are_welcome(run: Runner, hour: Path) -> None:
    ran = run(
        """
        import asyncio, json, threading, time
        from concurrent.futures import ThreadPoolExecutor
        import ccxt

        exchange = ccxt.binance()
        with ThreadPoolExecutor(3) as pool:
            tickers = list(pool.map(exchange.fetch_ticker, ["BTC/USDT"] * 6))
        print("same", len({ticker["last"] for ticker in tickers}))
        left = ThreadPoolExecutor(1)  # which nobody shuts down
        left.submit(exchange.fetch_ticker, "BTC/USDT").result(timeout=5)
        results = []
        thread = threading.Thread(target=lambda: results.append(sum(range(10_000))))
        thread.start()
        thread.join()

        async def main():
            loop = asyncio.get_running_loop()
            task = asyncio.create_task(asyncio.sleep(5))
            results.append(await asyncio.to_thread(sum, range(100_000)))
            results.append(await loop.run_in_executor(None, lambda: sum(range(1_000))))
            print("stood still", loop.time())
            await task
            print("now", loop.time())

        asyncio.run(main())
        print("results", json.dumps(results), flush=True)
        late = threading.Thread(target=lambda: print("late", 1))
        late.start()
        """,
        hour,
    )

    assert ran.code == 0, ran.output
    assert ran.said("same") == [1]
    assert ran.said("results") == [[49_995_000, 4_999_950_000, 499_500]], ran.output
    assert ran.said("now") == [UP_SECONDS + 5.0]
    assert ran.said("late") == [1]


@pytest.mark.parametrize(
    "wait",
    [
        "threading.Thread(target=lambda: time.sleep(60)).start()",
        "threading.Timer(60, print).start()",
        "threading.Thread(target=lambda: threading.Event().wait(60)).start()",
        "threading.Thread(target=lambda: queue.Queue().get(timeout=60), daemon=True).start()",
        "ThreadPoolExecutor(1).submit(time.sleep, 60).result()",
        "asyncio.run(asyncio.to_thread(time.sleep, 60))",
    ],
)
def test_threads_that_wait_are_refused(run: Runner, hour: Path, wait: str) -> None:
    ran = run(
        f"""
        import asyncio, queue, threading, time, warnings
        from concurrent.futures import ThreadPoolExecutor

        {wait}
        while True:
            time.sleep(1)
            if sum(range(100_000)) < 0:  # the thread has its time to begin
                break
        """,
        hour,
    )

    assert ran.code == 1, ran.output
    assert ran.result.summary["run"]["ended"] == "error"
    assert "only the main thread and coroutines may wait" in ran.result.summary["run"]["error"]


@pytest.mark.parametrize(
    "call", ["fetch_ticker('BTC/USDT')", "fetch_balance()", "fetch_ohlcv('BTC/USDT', limit=1)"]
)
def test_a_script_that_never_sleeps_comes_to_the_end(run: Runner, hour: Path, call: str) -> None:
    script = f"import ccxt\nexchange = ccxt.binance()\nwhile True:\n    exchange.{call}\n"
    ran = run(script, hour, end_ms=START_MS + MINUTE_MS)

    assert ran.code == 0, ran.output
    assert ran.result.summary["run"]["ended"] == "data"


def test_tasks_have_their_turn_beside_one_that_never_sleeps(run: Runner, hour: Path) -> None:
    ran = run(
        """
        import asyncio
        import ccxt.async_support as ccxt

        async def beat(beats):
            while True:
                await asyncio.sleep(1)
                beats.append(1)

        async def turn():
            while True:
                await asyncio.sleep(0)

        async def ask(exchange):
            while True:
                await exchange.fetch_ticker("BTC/USDT")

        async def main():
            exchange, beats = ccxt.binance(), []
            spinning = asyncio.create_task(turn())
            beating = asyncio.create_task(beat(beats))
            try:
                async with asyncio.timeout(20):
                    await spinning
            except TimeoutError:
                print("turned", len(beats))
            try:
                await ask(exchange)
            finally:
                print("asked", len(beats))
                await exchange.close()

        asyncio.run(main())
        """,
        hour,
        end_ms=START_MS + MINUTE_MS,
    )

    assert ran.said("turned") in ([19], [20]), ran.output
    assert ran.said("asked") in ([59], [60])


_HEAD = """
import asyncio, signal, sys, time
def forever():
    while True:
        time.sleep(60)
async def fail():
    raise ValueError("as planned")
async def wait_for_nothing():
    await asyncio.Event().wait()
async def handle():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    while not stop.is_set():
        await asyncio.sleep(60)
async def swallow():
    while True:
        try:
            await asyncio.sleep(60)
        except:
            pass
def swallowing(kind):
    while True:
        try:
            forever()
        except kind:
            pass
""".lstrip()


@pytest.mark.parametrize(
    "code",
    [
        "forever()",
        "try:\n    forever()\nexcept KeyboardInterrupt:\n    sys.exit(1)",
        "try:\n    forever()\nexcept BaseException:\n    sys.exit(130)",
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(0))\nforever()",
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\nforever()",
        "swallowing(KeyboardInterrupt)",
        "swallowing(BaseException)",
        "asyncio.run(handle())",
        "asyncio.run(swallow())",
        "asyncio.run(wait_for_nothing())",
    ],
)
def test_every_script_ends_with_the_data(run: Runner, hour: Path, code: str) -> None:
    ran = run(f"{_HEAD}{code}\n", hour)

    summary = ran.result.summary["run"]
    assert (summary["ended"], summary["error"], ran.code) == ("data", None, 0), ran.output
    assert "Traceback" not in ran.output


@pytest.mark.parametrize("code", ["pass", "sys.exit(0)", "sys.exit()", "asyncio.run(asyncio.sleep(1))"])
def test_scripts_that_end_by_themselves(run: Runner, hour: Path, code: str) -> None:
    ran = run(f"{_HEAD}{code}\n", hour)

    assert ran.result.summary["run"]["ended"] == "script", ran.output
    assert ran.code == 0


@pytest.mark.parametrize(
    "code,error",
    [
        ("sys.exit(3)", "SystemExit: 3"),
        ("sys.exit('no money')", "SystemExit: no money"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("asyncio.run(fail())", "ValueError: as planned"),
        ("try: forever()\nfinally: 1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_errors_name_the_line_of_the_script(run: Runner, hour: Path, code: str, error: str) -> None:
    ran = run(f"{_HEAD}{code}\n", hour, name="my_script.py")

    line = (_HEAD + code).count("\n") + 1
    assert ran.code == 1
    assert ran.result.summary["run"]["ended"] == "error"
    assert ran.result.summary["run"]["error"] == error
    assert f'my_script.py", line {line}, in <module>' in ran.output
    assert "running.py" not in ran.output


def test_chance_is_the_same_in_each_run(run: Runner, run_elsewhere: Runner, hour: Path) -> None:
    script = """
    import asyncio, os, random, secrets, uuid
    print(uuid.uuid4(), secrets.token_hex(8), os.urandom(4), random.random(), random.SystemRandom().random())
    print(random.Random().random(), random.Random(None).random(), random.Random().seed())
    random.seed()
    print(random.random(), random.getrandbits(64))
    print(set("abcdefgh"))

    async def name(letter):
        await asyncio.sleep(1)
        return letter

    async def stop(letter):
        try:
            await asyncio.sleep(1e6)
        finally:
            print("stopped", letter)

    async def main():
        done, _ = await asyncio.wait([asyncio.create_task(name(letter)) for letter in "abcdefgh"])
        print([task.result() for task in done])
        print([await each for each in asyncio.as_completed([name(letter) for letter in "abcdefgh"])])
        tasks = [asyncio.create_task(stop(letter)) for letter in "abcdefgh"]
        await asyncio.sleep(1)

    asyncio.run(main())
    """
    ran = run(script, hour)
    # Of hashes the process decides that `backtest` starts: it has them from the seed.
    others = run_elsewhere(script, hour)
    seeded = run(script, hour, seed=1)

    assert ran.code == 0, ran.output
    lines = ran.output.splitlines()
    assert lines[4] == lines[5] == str(list("abcdefgh"))
    assert lines[6:] == [f"stopped {letter}" for letter in "abcdefgh"]
    assert [line for line in others.output.splitlines() if "{" not in line] == [
        line for line in lines if "{" not in line
    ]
    assert not {*seeded.output.splitlines()[:3]} & {*lines[:3]}


def test_somebody_who_presses_ctrl_c_is_heard(hour: Path, tmp_path: Path) -> None:
    script, said = tmp_path / "busy.py", tmp_path / "said"
    script.write_text(
        "import sys, time\n"
        f"open({str(said)!r}, 'w').close()\n"
        "try:\n    while True:\n        time.sleep(1e-6)\nfinally:\n    print('bye', flush=True)\n",
        encoding="utf-8",
    )
    settings = tmp_path / "settings.json"
    made = Settings(script=str(script), data=(str(hour),), out=str(tmp_path / "out"))
    settings.write_text(made.model_dump_json(), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "ccxt_driver.backtest", str(settings)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + _REAL_SECONDS
    while not said.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=_REAL_SECONDS)

    assert output == "bye\n", errors
    assert errors == "Interrupted: no report was written\n"
    assert process.returncode == INTERRUPTED
    assert not (tmp_path / "out" / "summary.json").exists()
