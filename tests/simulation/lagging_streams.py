"""Watchers on a bad line to a gateway that tells little, late, and too early to be read.

Which states of an order are seen depends on when it is read. What must be right is the end: every order in
its last state, every fill once, every position as the gateway has it; and no order goes back on the way.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from tests.helpers.faulty_socket import FaultySocket, Kind, planned
from tests.helpers.lagging import LaggingGateway, lagging_app
from tests.helpers.virtual_loop import VirtualLoop

from .bookkeeper import Violation
from .stream_scenario import StreamingExchange
from .stream_traffic import ACCOUNTS, WATCHED, Traffic
from .stream_watches import Manner, Watch

_TURN_SECONDS: Final = 0.25
_PAUSES: Final = (0, 0.001, 0.1, 0.4, 1.5, 6, 30)
PATIENCE = 240.0
"""So many seconds on a good line everything may take to be seen."""
_SURPLUS: Final = 40.0
_KINDS: Final = (Kind.RESET, Kind.CLOSE, Kind.HALF_OPEN, Kind.MUTE, Kind.MUTE_AND_RESET, Kind.LOST)
_METHODS: Final = ("watch_orders", "watch_my_trades", "watch_positions", "watch_balance")


class LaggingExchange(StreamingExchange):
    """A driver that lives by the gateway's clock."""

    gateway: Any = None

    def milliseconds(self) -> int:
        """The gateway's time."""
        return super().milliseconds() if self.gateway is None else int(self.gateway.now_ms())


class LaggingStreamScenario:
    """What a seed decides."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = chance = random.Random(f"lagging {seed}")
        kinds = chance.sample(_KINDS, chance.randint(2, len(_KINDS)))
        plan = planned(chance, [*{*kinds, Kind.RESET}], chance.randint(1, 5), chance.choice((5, 15)))
        self.line = FaultySocket("", plan)
        self.line.good = True
        self.gateway = LaggingGateway(
            ACCOUNTS, (1, 2), utc_offset_hours=chance.choice((0, 2, -5)), exchange_id="ccxtpro.okx"
        )
        self.journal: list[str] = []
        self._watches = [self._watch(method, chance) for method in _METHODS]

    def _watch(self, method: str, chance: random.Random) -> Watch:
        manner = chance.choice((Manner.EAGER, Manner.IMPATIENT, Manner.TWINS))
        own = random.Random(f"{self.seed} {method}")
        return Watch(method, method, None, None, None, manner, None, True, own)

    def live(self) -> Counter[str]:
        """Live through it, in virtual time.

        :returns: how often what has happened
        :raises Violation: something is wrong at the end, or went back on the way
        """
        random.seed(self.seed)  # of the driver's pauses
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            try:
                return runner.run(self._live())
            except Violation as violation:
                told = "\n".join([*self.journal, *self.line.journal])
                raise Violation(f"seed {self.seed}: Violation: {violation}\n{told}") from violation

    async def _live(self) -> Counter[str]:
        gateway, line = self.gateway, self.line
        runner = web.AppRunner(lagging_app(gateway), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = line.target = f"http://127.0.0.1:{runner.addresses[0][1]}"
        await line.start()
        watching, looking = self._exchange(line.url), self._exchange(url)
        tasks = [asyncio.create_task(self._pass_time())]
        tasks += [asyncio.create_task(watch.run(watching)) for watch in self._watches]
        try:
            traffic = Traffic(random.Random(f"{self.seed} traffic"), self._ask, self._set_price)
            traffic.start()
            await asyncio.sleep(20)
            line.good = False
            await self._trade(traffic, tasks)
            line.good = True
            line.cut_all()
            return await self._finish(looking, tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await watching.close()
            await looking.close()
            await line.stop()
            await runner.cleanup()
            gateway.close()

    def _exchange(self, url: str) -> LaggingExchange:
        options = {"base_url": url, "account_id": WATCHED, "share_markets": False}
        made = LaggingExchange({"apiKey": self.gateway.keys.create()[1], "options": options})
        made.gateway = self.gateway
        return made

    # -- others

    async def _pass_time(self) -> None:
        while True:
            await asyncio.sleep(_TURN_SECONDS)
            self.gateway.advance(round(_TURN_SECONDS * 1000))

    def _ask(self, command: dict[str, Any]) -> int | None:
        """Another client's command, readable at once or a moment after its event."""
        gateway, account_id = self.gateway, command["account_id"]
        if self.chance.random() < 0.4:
            gateway._tables.begin(account_id)
            asyncio.get_running_loop().call_later(self.chance.choice((0.01, 0.2)), self._commit, account_id)
        reply = gateway.handle("commands", {}, {}, command)
        return reply.body["results"][0]["order_id"] if reply.status == 200 else None

    def _commit(self, account_id: int) -> None:
        self.gateway._tables.commit(account_id)
        self.gateway._queries.forget(account_id)

    def _set_price(self, symbol: str, bid: float, ask: float) -> None:
        self.gateway.set_price(symbol, bid=bid, ask=ask, last=bid)

    async def _trade(self, traffic: Traffic, tasks: list[asyncio.Task[None]]) -> None:
        steps = self.chance.randint(8, 25)
        cut = self.chance.randrange(steps)
        restart = self.chance.choice((None, self.chance.randrange(steps)))
        for step in range(steps):
            traffic.step()
            if step == cut:
                self.line.cut_all()
            if step == restart:
                self.journal.append("the dispatcher restarts")
                self.gateway.restart_dispatcher()
            for watch in self._watches:
                watch.poke()
            await asyncio.sleep(self.chance.choice(_PAUSES))
            self._raise_if_failed(tasks)

    def _raise_if_failed(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            if task.cancelled():
                raise Violation("a watcher was cancelled with another")
            if task.done():
                task.result()
                raise Violation("a watcher has ended by itself")

    # -- the end

    async def _finish(self, looking: Any, tasks: list[asyncio.Task[None]]) -> Counter[str]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while True:
            truth = await self._truth(looking)
            wrong = self._wrong(truth)
            if wrong is None or loop.time() > deadline:
                break
            await asyncio.sleep(10)
            self._raise_if_failed(tasks)
        if wrong is None:
            await asyncio.sleep(_SURPLUS)
            wrong = self._wrong(truth)
        if wrong is not None:
            raise Violation(wrong)
        for watch in self._watches:
            watch.check_kept()
        self._check_lives()
        counts = Counter(
            connections=self.line.connections,
            disconnects=self.line.connections - sum(link.open for link in self.line.links),
            seconds=round(loop.time()),
            requests=len(self.gateway.requests),
            orders=len(truth["orders"]),
            trades=len(truth["trades"]),
            changes=sum(len(watch.structures) for watch in self._watches),
        )
        for watch in self._watches:
            counts.update(watch.errors)
        return counts

    async def _truth(self, looking: Any) -> dict[str, Any]:
        """What there is: orders as the venue has them, trades as the gateway calls them, positions, money."""
        gateway = self.gateway
        gateway.handle("reconcile", {}, {}, {"account_id": WATCHED, "scope": "long"})
        tables = gateway._tables
        at_venue = {
            order["id"]: order for order in gateway.venue_call(WATCHED, "fetch_orders", None, None, 1_000)
        }
        orders = {}
        for row in tables.orders.values():
            if row.account_id == WATCHED and row.exchange_order_id is not None:
                orders[str(row.id)] = at_venue[row.exchange_order_id]
        deals = [deal for deal in tables.deals.values() if deal.account_id == WATCHED]
        positions = [each for each in tables.positions.values() if each.account_id == WATCHED]
        return {
            "orders": orders,
            "trades": {str(deal.id): deal for deal in deals},
            "positions": {str(each.id): each for each in positions},
            "balance": (await looking.fetch_balance())["total"],
        }

    def _given(self, method: str) -> list[Any]:
        [watch] = [watch for watch in self._watches if watch.method == method]
        return watch.structures

    def _wrong(self, truth: dict[str, Any]) -> str | None:
        """The first thing that a program has not been told rightly."""
        last = {order["id"]: order for order in self._given("watch_orders")}
        for order_id, order in truth["orders"].items():
            if order_id not in last:
                return f"order {order_id} was never told of: {order}"
            mine = [last[order_id][name] for name in ("status", "filled", "amount", "price")]
            theirs = [order[name] for name in ("status", "filled", "amount", "price")]
            if mine[:3] != theirs[:3]:
                return f"order {order_id} was last told of as {mine}, and is {theirs}"
        ids = [trade["id"] for trade in self._given("watch_my_trades")]
        if sorted(ids, key=int) != sorted(truth["trades"], key=int):
            return f"trades told of: {ids}, there are {[*truth['trades']]}"
        amounts: Counter[str] = Counter()
        for trade in self._given("watch_my_trades"):
            amounts[trade["order"]] += trade["amount"]
        for order_id, order in truth["orders"].items():
            if abs(amounts[order_id] - order["filled"]) > 1e-9:
                return f"order {order_id} has filled {order['filled']}, told of {amounts[order_id]}"
        return self._wrong_positions(truth) or self._wrong_balance(truth)

    def _wrong_positions(self, truth: dict[str, Any]) -> str | None:
        last = {position["id"]: position for position in self._given("watch_positions")}
        for position_id, row in truth["positions"].items():
            told = last.get(position_id)
            if told is None:
                return f"position {position_id} was never told of: {row}"
            if abs(told["contracts"] - float(row.qty)) > 1e-9:
                return f"position {position_id} was last told of with {told['contracts']}, it has {row.qty}"
        return None

    def _wrong_balance(self, truth: dict[str, Any]) -> str | None:
        given = self._given("watch_balance")
        if not given:
            return "the balance was never told" if truth["trades"] else None
        told = given[-1]["total"]
        if any(abs(told.get(code, 0) - total) > 1e-6 for code, total in truth["balance"].items()):
            return f"the balance was last told as {told}, it is {truth['balance']}"
        return None

    def _check_lives(self) -> None:
        """Nothing is told twice, and nothing goes back.

        :raises Violation: it does
        """
        before: dict[str, Any] = {}
        for order in self._given("watch_orders"):
            known = before.get(order["id"])
            before[order["id"]] = order
            if known is None:
                continue
            if order["filled"] < known["filled"] or (known["status"] != "open" and order["status"] == "open"):
                raise Violation(f"order {order['id']} went back: {known}, then {order}")
            with suppress(KeyError):
                names = ("status", "filled", "amount", "price", "average", "remaining", "cost")
                if all(order[name] == known[name] for name in names) and order["trades"] == known["trades"]:
                    raise Violation(f"order {order['id']} was told of twice: {order}")


def run(seed: int) -> Counter[str]:
    """Run the scenario of a seed.

    :returns: how often what has happened
    :raises Violation: it says the seed and what is wrong
    """
    return LaggingStreamScenario(seed).live()
