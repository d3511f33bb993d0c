"""`python -m tests.simulation.stream_leaks`: what an exchange object still holds after much was streamed.

100,000 events and 1,000 reconnects, unless it is told otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest import mock

import ccxt

from ccxt_driver.exchange.streams import gap
from ccxt_driver.oms import EmbeddedOms
from tests.helpers.faulty_socket import FaultySocket
from tests.helpers.virtual_loop import VirtualLoop

from .stream_scenario import World, streaming_exchange
from .stream_traffic import SPOT, WATCHED

_CACHED: Final = 50
"""Rows in ccxt's caches and of what was handed on, which have to be full before anything is measured."""
_MODULES: Final = ("ccxt_driver.exchange", "aiohttp.client", "aiohttp.connector", "asyncio", "ccxt.")
_FILES: Final = tracemalloc.Filter(True, "*/ccxt_driver/exchange/*")


class Held(NamedTuple):
    """What there is at a moment.

    :param tasks: of the event loop
    :param sockets: and other files that are open
    :param clients: of the exchange object
    :param waiting: subscriptions and futures of those clients
    :param objects: of the driver, of aiohttp's client, of asyncio and of ccxt, by type
    :param kilobytes: that were allocated by the driver
    """

    tasks: int
    sockets: int
    clients: int
    waiting: int
    objects: Counter[str]
    kilobytes: float

    def more_than(self, before: Held) -> dict[str, Any]:
        """What there is more of than before, beyond what comes and goes."""
        grown: dict[str, Any] = {
            name: (getattr(before, name), getattr(self, name))
            for name in ("tasks", "sockets", "clients", "waiting")
            if getattr(self, name) > getattr(before, name) + _COMES_AND_GOES
        }
        for kind, count in self.objects.items():
            spare = _CANCELLED_TIMERS if kind == "asyncio.events.TimerHandle" else 2 * _COMES_AND_GOES
            if count > before.objects[kind] * 1.25 + spare:
                grown[kind] = (before.objects[kind], count)
        if self.kilobytes > before.kilobytes * 1.2 + 50:
            grown["kilobytes"] = (before.kilobytes, self.kilobytes)
        return grown


_COMES_AND_GOES: Final = 8
_CANCELLED_TIMERS: Final = 100
"""An event loop forgets those that were cancelled when there are more, and not at once."""
_AS_LONG_AS_IT_PAUSES: Final = 20.0
"""Seconds after which the line is cut again: a connection that has stood so long is made anew at once."""


def held(exchange: Any) -> Held:
    """Count it."""
    gc.collect()
    clients = [*(exchange.clients or {}).values()]
    # By type first: a process in which other tests have run has millions of objects.
    kinds: Counter[str] = Counter()
    for kind, count in Counter(map(type, gc.get_objects())).items():
        name = f"{kind.__module__}.{kind.__qualname__}"
        if name.startswith(_MODULES):
            kinds[name] += count
    snapshot = tracemalloc.take_snapshot().filter_traces([_FILES])
    return Held(
        tasks=len(asyncio.all_tasks()),
        sockets=len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0,  # noqa: PTH208
        clients=len(clients),
        waiting=sum(len(client.subscriptions) + len(client.futures) for client in clients),
        objects=kinds,
        kilobytes=sum(each.size for each in snapshot.statistics("filename")) / 1024,
    )


class Program:
    """Watches everything, in several ways."""

    def __init__(self, exchange: Any) -> None:
        self.changes = 0
        self._tasks = [
            asyncio.create_task(self._watch(method, give_up=give_up))
            for method in (exchange.watch_orders, exchange.watch_my_trades, exchange.watch_positions)
            for give_up in (False, True)
        ]
        self._tasks.append(asyncio.create_task(self._watch_balance(exchange)))

    async def _watch(self, method: Callable[..., Any], *, give_up: bool) -> None:
        """Ask again and again; one that gives up is cancelled when it waits for long."""
        params = {"watcher": f"{give_up}"}
        while True:
            try:
                async with asyncio.timeout(0.2 if give_up else None):
                    given = await method(None, None, None, params)
                    self.changes += len(given)
            except (TimeoutError, ccxt.NetworkError):
                continue  # nothing is missed by that
            except ccxt.ExchangeClosedByUser:
                return

    async def _watch_balance(self, exchange: Any) -> None:
        while True:
            try:
                balance = await exchange.watch_balance()
                self.changes += len(balance["info"]["changes"])
            except ccxt.NetworkError:
                continue
            except ccxt.ExchangeClosedByUser:
                return

    async def end(self) -> None:
        """Wait until it has ended, as closing makes it."""
        await asyncio.gather(*self._tasks)


class Leaks:
    """Stream, and count before and after.

    :param events: how many in all
    :param reconnects: how often the line is cut
    """

    def __init__(self, events: int, reconnects: int) -> None:
        self._events = events
        self._reconnects = reconnects
        self._oms = EmbeddedOms(clock="manual")
        self.told = 0
        """How many changes the program was given."""
        self.connections = 0
        """How many there were."""

    async def run(self) -> tuple[Held, Held, Held]:
        """Do it.

        :returns: what is held when everything is warm, at the end, and after closing
        """
        world = World(self._oms)
        await world.start()
        line = FaultySocket(world.url)
        await line.start()
        exchange = streaming_exchange(line.url, world.secret, {"buffer": 100_000})
        exchange.options.update(ordersLimit=_CACHED, tradesLimit=_CACHED, positionsLimit=_CACHED)
        self._oms.set_price(SPOT, bid=100, ask=101, last=100)
        try:
            program = Program(exchange)
            await self._part(exchange, line, self._events // 5, max(5, self._reconnects // 5))
            warm = held(exchange)
            await self._part(exchange, line, self._events * 4 // 5, self._reconnects * 4 // 5)
            end = held(exchange)
            self.told, self.connections = program.changes, line.connections
            await exchange.close()
            await program.end()
            await asyncio.sleep(30)
            return warm, end, held(exchange)
        finally:
            await exchange.close()
            await line.stop()
            await world.stop()
            self._oms.close()

    async def _part(self, exchange: Any, line: FaultySocket, events: int, reconnects: int) -> None:
        first = self._oms.last_seq(WATCHED)
        for part in range(1, reconnects + 1):
            side = "buy" if part % 2 else "sell"
            await self._order_by_socket(exchange, side)
            while self._oms.last_seq(WATCHED) < first + events * part // reconnects:
                order = {"symbol": SPOT, "side": side, "qty": "0.1", "order_type": "market"}
                body = {"account_id": WATCHED, "command": "send_order", "payload": order}
                assert self._oms.handle("commands", {}, {}, body).status == 200
            await asyncio.sleep(0.3)
            line.cut_all()
            await asyncio.sleep(_AS_LONG_AS_IT_PAUSES)
        await asyncio.sleep(10)

    async def _order_by_socket(self, exchange: Any, side: str) -> None:
        try:
            await exchange.create_order_ws(SPOT, "market", side, 0.1)
        except ccxt.NetworkError as error:
            if vars(error).get("outcome") != "not_sent":  # that is, while it connects
                raise


def measure(events: int, reconnects: int) -> tuple[dict[str, Any], int]:
    """Stream in virtual time.

    :returns: what has grown, and how many changes were handed out
    """
    tracemalloc.start()
    try:
        leaks = Leaks(events, reconnects)
        kept = mock.patch.object(gap, "_MOST_KEPT", _CACHED)
        with kept, asyncio.Runner(loop_factory=VirtualLoop) as runner:
            warm, end, closed = runner.run(leaks.run())
    finally:
        tracemalloc.stop()
    grown = end.more_than(warm)
    if leaks.connections < reconnects:
        grown["too few connections"] = leaks.connections
    left = {"clients": closed.clients, "tasks": max(0, closed.tasks - warm.tasks)}
    grown |= {f"after closing: {name}": count for name, count in left.items() if count}
    return grown, leaks.told


def main() -> int:
    """Run what the command line asks for.

    :returns: 0 when nothing has grown
    """
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.stream_leaks", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--reconnects", type=int, default=1_000)
    given = parser.parse_args()
    grown, changes = measure(given.events, given.reconnects)
    print(f"{given.events} events, {given.reconnects} reconnects, {changes} changes")
    print(f"grown: {grown or 'nothing'}")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
