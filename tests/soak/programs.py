"""What runs for half an hour: ordinary programs of both colours, and what they leave behind."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ccxt

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange

SYMBOL = "BTC/USDT"
_PAUSE_S = 0.2
_LONGER_THAN_SERVERS_KEEP_CONNECTIONS_S = 6.0
_LONG_PAUSE_EVERY = 200
_MARKET_ORDER_EVERY = 40
_IN_FLIGHT = 8
"""Tasks and connections that a sample may meet in the middle of what they do."""


@dataclass(frozen=True)
class Sample:
    """What the process holds at one moment.

    :param seconds: since the start
    :param memory: resident, in KiB
    :param descriptors: open files and sockets
    """

    seconds: float
    memory: int
    descriptors: int
    tasks: int
    threads: int


@dataclass
class Soak:
    """The programs of one run."""

    gateways: list[tuple[str, str]]
    seconds: float
    samples: list[Sample] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    orders: int = 0

    def run(self, every: float, told: Any = None) -> None:
        """Run them all until the time is over.

        :param every: seconds between two samples
        :param told: called with each sample
        """
        self._end = time.monotonic() + self.seconds
        threads = [threading.Thread(target=self._blocking, args=each, daemon=True) for each in self.gateways]
        for thread in threads:
            thread.start()
        asyncio.run(self._coroutines(every, told))
        for thread in threads:
            thread.join(60)

    def _config(self, base_url: str, api_key: str) -> dict[str, Any]:
        options = {"base_url": base_url, "account_id": 1, "share_markets": False, "ticker_cache_ms": 100}
        return {"apiKey": api_key, "timeout": 20_000, "options": options}

    def _blocking(self, base_url: str, api_key: str) -> None:
        try:
            with OmsCcxtExchange(self._config(base_url, api_key)) as exchange:
                exchange.load_markets()
                for step, pause in self._steps():
                    for name, arguments in _calls(step):
                        result = getattr(exchange, name)(*arguments)
                        if name == "create_order" and result["status"] == "open":
                            exchange.cancel_order(result["id"])
                    time.sleep(pause)
        except BaseException as error:  # noqa: BLE001  # told of at the end
            self.failures.append(error)

    async def _coroutines(self, every: float, told: Any) -> None:
        programs = [asyncio.create_task(self._program(*each)) for each in self.gateways]
        started = time.monotonic()
        while time.monotonic() < self._end:
            await asyncio.sleep(min(every, max(0.0, self._end - time.monotonic())))
            self.samples.append(_sample(time.monotonic() - started))
            if told is not None:
                told(self.samples[-1])
        await asyncio.gather(*programs)

    async def _program(self, base_url: str, api_key: str) -> None:
        exchange = AsyncOmsCcxtExchange(self._config(base_url, api_key))
        try:
            await exchange.load_markets()
            for step, pause in self._steps():
                for name, arguments in _calls(step):
                    result = await self._sometimes_cancelled(step, getattr(exchange, name)(*arguments))
                    if name == "create_order" and result is not None and result["status"] == "open":
                        await exchange.cancel_order(result["id"])
                await asyncio.gather(*(exchange.fetch_ticker(SYMBOL) for _ in range(3)))
                await asyncio.sleep(pause)
            await exchange.cancel_all_orders()
        except BaseException as error:  # noqa: BLE001  # told of at the end
            self.failures.append(error)
        finally:
            await exchange.close()

    async def _sometimes_cancelled(self, step: int, call: Any) -> Any:
        """The result of a call; None when its caller lost patience."""
        if step % 25 != 24:
            return await call
        try:
            return await asyncio.wait_for(call, random.uniform(0, 0.02))
        except TimeoutError:
            return None

    def _steps(self) -> Iterator[tuple[int, float]]:
        step = 0
        while time.monotonic() < self._end:
            step += 1
            self.orders += 1
            long = step % _LONG_PAUSE_EVERY == 0 and self.seconds > 60
            yield step, _LONGER_THAN_SERVERS_KEEP_CONNECTIONS_S if long else _PAUSE_S


def _calls(step: int) -> list[tuple[str, tuple[Any, ...]]]:
    """What a program does in one step."""
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("create_order", (SYMBOL, "limit", "buy", 0.1, 55 + step % 40)),
        ("fetch_open_orders", (SYMBOL,)),
    ]
    if step % _MARKET_ORDER_EVERY == 0:
        side = "buy" if step // _MARKET_ORDER_EVERY % 2 else "sell"
        calls.append(("create_order", (SYMBOL, "market", side, 0.1)))
        calls += [("fetch_my_trades", (SYMBOL, None, 50)), ("fetch_positions", ()), ("fetch_balance", ())]
        calls.append(("fetch_closed_orders", (SYMBOL, None, 20)))
    return calls


def _sample(seconds: float) -> Sample:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Sample(
        seconds,
        pages * os.sysconf("SC_PAGE_SIZE") // 1024,
        len([*Path("/proc/self/fd").iterdir()]),
        len(asyncio.all_tasks()),
        threading.active_count(),
    )


def is_flat(samples: list[Sample]) -> list[str]:
    """What grew from the middle of a run to its end: nothing, when all is well."""
    third = len(samples) // 3
    middle, end = samples[third : 2 * third], samples[2 * third :]
    wrong = []
    grown = _mean(end, "memory") / _mean(middle, "memory")
    if grown > 1.03:
        wrong.append(f"memory grew by {grown - 1:.1%}")
    for name in ("descriptors", "tasks", "threads"):
        counts = [getattr(each, name) for each in samples]
        if max(counts[2 * third :]) > max(counts[third : 2 * third]) + _IN_FLIGHT:
            wrong.append(f"{name} grew: {counts}")
    return wrong


def _mean(samples: list[Sample], name: str) -> float:
    return sum(getattr(each, name) for each in samples) / len(samples)


@contextmanager
def gateway(kind: str) -> Iterator[tuple[str, str]]:
    """Run a gateway in a process of its own: its base URL and a key."""
    command = [sys.executable, "-m", "tests.soak.gateway_process", kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base_url, api_key = process.stdout.readline().split()
            yield base_url, api_key
        finally:
            process.kill()


def describe(error: BaseException) -> str:
    """An exception in one line."""
    outcome = vars(error).get("outcome") if isinstance(error, ccxt.BaseError) else None
    return f"{type(error).__name__} {outcome or ''}: {error}"[:300]
