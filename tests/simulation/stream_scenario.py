"""One exchange object with several watchers on a bad line, while other clients trade.

At the end every watcher has been given what the OMS has committed, all of it, once, in its order.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import ccxt
import pytest
from aiohttp import web

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.server import create_app, event_hub, outbox
from ccxt_driver.oms.server.running import make_runner
from ccxt_driver.pro import OmsCcxtExchange
from tests.helpers.faulty_socket import FaultySocket, Kind, planned
from tests.helpers.virtual_loop import VirtualLoop

from .bookkeeper import Violation
from .stream_traffic import ACCOUNTS, WATCHED, Traffic
from .stream_watches import Manner, Watch, watch_of

Row = dict[str, Any]

_PAUSES: Final = (0, 0, 0, 0.001, 0.02, 0.3, 1, 4)
"""Seconds between two steps of the other clients."""
_PATIENCE: Final = 300.0
"""After so many seconds on a good line everybody has everything."""
_SURPLUS: Final = 15.0
"""So long it is watched whether more comes."""
_UNTIL_ALL_HAVE_BEGUN: Final = 75.0
"""Seconds on a good line after which everybody watches, however slow it is and was cut off."""
_PAUSE_OF_PROGRAMS: Final = 1.5
"""So long a program waits at most after an error before it calls again."""
_SMALL_BUFFER: Final = 20
_ENDS: Final = ("nothing", "nothing", "nothing", "key", "close")


class StreamingExchange(OmsCcxtExchange):
    """The driver without TLS, which takes longer than the whole scenario."""

    timeout_on_exit = 0

    def milliseconds(self) -> int:
        """The virtual time."""
        loop: Any = asyncio.get_running_loop()
        return int(loop.now_ms())

    def open(self, lazy: bool = False) -> None:
        """No connector of its own."""
        if lazy and self.closed_by_user:
            raise ccxt.ExchangeClosedByUser(f"{self.id} instance was closed by the user")
        self.closed_by_user = False
        self.asyncio_loop = asyncio.get_running_loop()
        self.throttler.loop = self.asyncio_loop
        if self.own_session and self.session is None:
            self.tcp_connector = aiohttp.TCPConnector()
            self.session = aiohttp.ClientSession(connector=self.tcp_connector)


def streaming_exchange(url: str, secret: str, streams: dict[str, Any]) -> StreamingExchange:
    """An exchange object for the account that is watched."""
    options = {"base_url": url, "account_id": WATCHED, "share_markets": False, "streams": streams}
    return StreamingExchange({"apiKey": secret, "options": options})


class World:
    """A served OMS that can be stopped and started.

    :param oms: what is served
    :param reopened: opens it again after it was closed; None if it is not kept
    """

    def __init__(self, oms: EmbeddedOms, reopened: Callable[[], EmbeddedOms] | None = None) -> None:
        self.oms = oms
        self._reopened = reopened
        self.key, self.secret = self.oms.keys.create()
        self.url = ""
        self._runner: web.AppRunner | None = None

    @property
    def restarts(self) -> bool:
        """Whether it is kept on disk."""
        return self._reopened is not None

    async def start(self) -> None:
        """Serve on a free port."""
        self._runner = make_runner(create_app(self.oms), shutdown_seconds=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Say goodbye to everybody."""
        assert self._runner is not None
        await self._runner.cleanup()

    def reopen(self) -> None:
        """Read the file again."""
        assert self._reopened is not None, "it is kept"
        self.oms.close()
        self.oms = self._reopened()

    def ask(self, command: Row) -> int | None:
        """Run a command of another client."""
        reply = self.oms.handle("commands", {}, {}, command)
        if reply.status != 200:
            return None
        found: int | None = reply.body["results"][0]["order_id"]
        return found

    def set_price(self, symbol: str, bid: float, ask: float) -> None:
        """Let the market move."""
        self.oms.set_price(symbol, bid=bid, ask=ask, last=bid)

    def log(self) -> list[Any]:
        """Everything that was committed on the account that is watched."""
        return self.oms.events(WATCHED, 0, 1_000_000) or []


def _world(db: Path | None) -> World:
    def opened() -> EmbeddedOms:
        return EmbeddedOms(ACCOUNTS, db=db, clock="manual", strategies=(1, 2))

    return World(opened(), None if db is None else opened)


class StreamScenario:
    """What a seed decides.

    :param seed: of everything
    :param folder: for files
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.chance = chance = random.Random(seed)
        self.world = _world(folder / "oms.sqlite" if chance.random() < 0.3 else None)
        self.calm_start = chance.random() < 0.5
        """Whether the line is good until all have begun to watch."""
        kinds = chance.sample([*Kind], chance.randint(3, len(Kind)))
        if not {Kind.RESET, Kind.CLOSE, Kind.HALF_OPEN} & {*kinds}:
            kinds.append(Kind.RESET)
        plan = planned(chance, kinds, chance.randint(1, 8), chance.choice((4, 12, 40)))
        self.line = FaultySocket("", plan)
        self.line.good = self.calm_start
        self._small_outbox = chance.random() < 0.2
        self._buffer = chance.choice((_SMALL_BUFFER, 50_000, 50_000))
        self.end = chance.choice(_ENDS)
        self.journal: list[str] = []
        self.counts: Counter[str] = Counter()
        self._watches: list[Watch] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._begun_at = 0
        self._last_at = 0
        """The event after which everybody is told of everything."""

    # -- its course

    def live(self) -> Counter[str]:
        """Live through it, in virtual time.

        :returns: how often what has happened
        :raises Violation: something was lost, doubled, out of order or changed later
        """
        random.seed(self.seed)  # of the driver's pauses
        with ExitStack() as stack:
            if self._small_outbox:
                stack.enter_context(_small_outbox())
            runner = stack.enter_context(asyncio.Runner(loop_factory=VirtualLoop))
            try:
                return runner.run(self._live())
            except Violation as violation:
                told = "\n".join([*self.journal, *self.line.journal])
                raise Violation(f"seed {self.seed}: Violation: {violation}\n{told}") from violation

    async def _live(self) -> Counter[str]:
        world, line = self.world, self.line
        await world.start()
        line.target = world.url
        await line.start()
        exchange = self._exchange(line.url)
        traffic = Traffic(random.Random(f"{self.seed} traffic"), world.ask, world.set_price)
        try:
            traffic.start()
            for _ in range(self.chance.choice((0, 3))):
                traffic.step()
            self._begin(exchange, self.chance.randint(2, 6))
            self._begun_at = world.oms.last_seq(WATCHED)
            if self.calm_start:
                await asyncio.sleep(2)
                self.line.good = False
            await self._trade(traffic, exchange)
            if self.end != "key":
                await self._calm_down(traffic)
            await self._finish(exchange)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await exchange.close()
            await line.stop()
            await world.stop()
            world.oms.close()
        return self.counts

    def _exchange(self, url: str) -> StreamingExchange:
        streams = {"buffer": self._buffer}
        return streaming_exchange(url, self.world.secret, streams)

    def _note(self, text: str) -> None:
        self.journal.append(f"{asyncio.get_running_loop().time():.3f} {text}")

    def _begin(self, exchange: Any, count: int, seq: int | None = None) -> None:
        """Some programs begin to watch.

        :param seq: where those begin that ask for it; None for now, before anything else happens
        """
        now = self.world.oms.last_seq(WATCHED)
        for _ in range(count):
            name = f"watcher {len(self._watches)}"
            begin, initial = (now, True) if seq is None else (seq, False)
            twins = self._buffer > _SMALL_BUFFER  # an error that only one of two is told helps nobody
            watch = watch_of(f"{self.seed}", name, begin, initial=initial, twins=twins)
            self._note(f"after event {now}: {watch}")
            self._watches.append(watch)
            self._tasks.append(asyncio.create_task(watch.run(exchange)))

    async def _trade(self, traffic: Traffic, exchange: Any) -> None:
        """Others trade, and once at least the line is cut."""
        steps = self.chance.randint(15, 60)
        cut, late = self.chance.randrange(steps), self.chance.randrange(steps)
        stop = self.chance.randrange(steps) if self.world.restarts else None
        for step in range(steps):
            traffic.step()
            self.world.oms.advance(self.chance.choice((0, 1, 700)))
            if step == cut:
                self._note("the line is cut")
                self.line.cut_all()
            if step == late:
                self._begin(exchange, 1, self.chance.randint(0, self.world.oms.last_seq(WATCHED)))
            if step == stop:
                await self._restart()
            for watch in self._watches:
                watch.poke()
            await asyncio.sleep(self.chance.choice(_PAUSES))
            self._raise_if_failed()

    async def _calm_down(self, traffic: Traffic) -> None:
        """Let everybody be connected, and then everybody be told of something."""
        self.line.good = True
        self.line.cut_all()
        await asyncio.sleep(_UNTIL_ALL_HAVE_BEGUN)
        self._last_at = self.world.oms.last_seq(WATCHED)
        traffic.finish()

    async def _restart(self) -> None:
        self._note("the server is restarted")
        self.counts["restarts"] += 1
        if self.chance.random() < 0.5:
            self.line.cut_all()
        await self.world.stop()
        self.line.target = "http://127.0.0.1:1"
        await asyncio.sleep(self.chance.choice((0, 1, 20)))
        self.world.reopen()
        await self.world.start()
        self.line.target = self.world.url

    def _raise_if_failed(self) -> None:
        for watch, task in zip(self._watches, self._tasks, strict=True):
            if task.cancelled():
                raise Violation(f"{watch.name} was cancelled with another")
            error = task.exception() if task.done() else None
            if isinstance(error, ccxt.BaseError):
                raise Violation(f"{watch.name} was told {error!r}") from error
            if error is not None:
                raise error

    # -- the end

    async def _finish(self, exchange: Any) -> None:
        for watch in self._watches:
            watch.hurries = True
        log = [(event.seq, event.name, event.payload) for event in self.world.log()]
        if self.end == "key":
            await self._revoke()
        else:
            await self._until(lambda: all(self._complete(watch, log) for watch in self._watches))
            await asyncio.sleep(_SURPLUS)
        for watch in self._watches:
            self._check(watch, log)
        self.counts["disconnects"] += self.line.connections - sum(link.open for link in self.line.links)
        await self._close(exchange)
        self.counts["faults"] += self.line.fired.total()
        self.counts["connections"] += self.line.connections
        self.counts["events"] += len(log)
        for watch in self._watches:
            self.counts["changes"] += len(watch.got)
            self.counts.update(watch.errors)

    async def _until(self, done: Callable[[], bool]) -> None:
        """Wait until something is so, or patience ends."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE
        while not done() and loop.time() < deadline:
            self._raise_if_failed()
            await asyncio.sleep(0.5)
        self._raise_if_failed()

    async def _revoke(self) -> None:
        """The key is disabled: everybody is told so, after what they had been given."""
        self._note("the key is disabled")
        self.counts["revoked"] += 1
        self.world.oms.keys.disable(self.world.key.id)
        await self._until(lambda: all(watch.refused for watch in self._watches))
        silent = [watch.name for watch in self._watches if not watch.refused]
        if silent:
            raise Violation(f"the key is disabled, which {silent} were not told")

    async def _close(self, exchange: Any) -> None:
        """Within a second everybody is told that it is over, and nothing is left."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        await exchange.close()
        if loop.time() - started > 1:
            raise Violation("closing took longer than a second")
        await asyncio.wait(self._tasks, timeout=_PAUSE_OF_PROGRAMS)
        left = [
            watch.name
            for watch, task in zip(self._watches, self._tasks, strict=True)
            if not task.done() and watch.manner is not Manner.SLOW
        ]
        if left:
            raise Violation(f"closed, which {left} were not told")
        if exchange.clients:
            raise Violation(f"closed, and there is {exchange.clients}")

    # -- what it should be

    def _expected(self, watch: Watch, log: list[tuple[int, str, Row]], after: int) -> list[Row]:
        return [row for seq, name, row in log if seq > after and watch.wants(name, row)]

    def _begins(self, watch: Watch) -> int | None:
        """The event after which a program must have been given everything; None when that is not known."""
        if watch.after_seq is not None:
            return watch.after_seq
        if self.calm_start and watch.initial:
            return self._begun_at
        return None

    def _complete(self, watch: Watch, log: list[tuple[int, str, Row]]) -> bool:
        """Whether a program has all that it must have."""
        begin = self._begins(watch)
        every = self._expected(watch, log, 0 if begin is None else begin)
        if begin is None:
            return watch.got[-1:] == every[-1:]
        return len(watch.got) >= len(every)

    def _check(self, watch: Watch, log: list[tuple[int, str, Row]]) -> None:
        """It was given exactly what was committed.

        :raises Violation: it was not
        """
        watch.check_kept()
        begin = self._begins(watch)
        every = self._expected(watch, log, 0)
        expected = every if begin is None else self._expected(watch, log, begin)
        got = watch.got
        if watch.refused:  # until then
            begins = range(len(expected)) if begin is None else (0,)
            expected = next(
                (part for at in begins if (part := expected[at : at + len(got)]) == got), expected[: len(got)]
            )
        elif begin is None:
            expected = _tail(expected, got, self._expected(watch, log, self._last_at))
        if got != expected:
            raise Violation(f"{watch.name} ({watch.method}): {_difference(got, expected)}")


def _tail(every: list[Row], got: list[Row], least: list[Row]) -> list[Row]:
    """The end of a list that is what was given, if there is one that is long enough."""
    tails = [every[index:] for index in range(len(every) + 1 - len(least))]
    return got if got in tails else next((tail for tail in tails if tail[:1] == got[:1]), least)


def _difference(got: list[Row], expected: list[Row]) -> str:
    for index, (mine, theirs) in enumerate(zip(got, expected, strict=False)):
        if mine != theirs:
            return f"change {index} of {len(expected)} was {mine}, expected {theirs}"
    if len(got) < len(expected):
        return f"{len(expected) - len(got)} of {len(expected)} are missing, the first {expected[len(got)]}"
    return f"{len(got) - len(expected)} too many after {len(expected)}: {got[len(expected)]}"


@contextmanager
def _small_outbox() -> Iterator[None]:
    """The server has so little room for a client that it is cut off after a burst."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox, "MOST_FRAMES", 16)
        patch.setattr(event_hub, "_CHUNK", 8)
        yield


@contextmanager
def scenario_of(seed: int) -> Iterator[StreamScenario]:
    """The scenario of a seed, ready to run."""
    memory = Path("/dev/shm")  # where a commit waits for no disk; which one it is makes no difference
    folder = str(memory) if memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="streams-", dir=folder) as place:
        yield StreamScenario(seed, Path(place))


def run(seed: int) -> Counter[str]:
    """Run the scenario of a seed, in virtual time.

    :returns: how often what has happened
    :raises Violation: it says the seed, what is wrong, and what happened to the line
    """
    with scenario_of(seed) as scenario:
        return scenario.live()
