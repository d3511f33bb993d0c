"""A real server under load, killed at random moments: what it has acknowledged is kept, once and whole.

`python -m tests.simulation.kills --kills 100` kills as often as you like. SIGKILL cannot show that the data
have left the machine's own cache: for that there is `synchronous = FULL`, which a test of the store holds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

from ccxt_driver.oms import EmbeddedOms
from tests.helpers.auditor import SPOT, SWAP, Auditor
from tests.helpers.serve_process import ServeProcess

CLIENTS = 6
START = {"USDT": Decimal(10_000_000), "BTC": Decimal(10_000)}
ACCOUNTS = [
    {"account_id": number, "position_mode": mode, "balances": START}
    for number, mode in ((1, "netting"), (2, "hedge"), (3, "strategy_netting"))
]
_LONGEST_LIFE = 0.45
"""Seconds of load before a kill, at most."""
_KILLS_A_FILE = 10
"""Then a new file: the audit reads all of it."""

Row = dict[str, Any]


@dataclass
class Journal:
    """What the clients know, over all lives of the server on one file."""

    answered: dict[str, Row] = field(default_factory=dict)
    """The answer to each order by its client order id."""
    refused: set[str] = field(default_factory=set)
    unknown: dict[str, Row] = field(default_factory=dict)
    """Commands that got no answer, by client order id: the next life is asked again."""
    latest: dict[int, Row] = field(default_factory=dict)
    """Each order as the last answer about it had it."""
    unsure: set[int] = field(default_factory=set)
    """Orders with a cancel or change that got no answer."""
    deals: dict[int, Row] = field(default_factory=dict)
    events: dict[int, list[Row]] = field(default_factory=lambda: {1: [], 2: [], 3: []})
    """Frames as they were pushed, by account."""
    repeated: int = 0
    """Commands that had been carried out though their answer was lost."""

    def note(self, command: Row, result: Row) -> None:
        """Take an answer down."""
        for deal in result["deals"]:
            self.deals[deal["id"]] = deal
        order = result.get("order")
        if order is not None:
            self.latest[order["id"]] = order
        client_order_id = command["payload"].get("client_order_id")
        if client_order_id is None:
            return
        self.repeated += result.get("duplicate", False)
        if order is None:
            self.refused.add(client_order_id)
        else:
            self.answered[client_order_id] = result


class Client:
    """Sends one request after the other until the server is gone."""

    def __init__(self, number: int, journal: Journal, seed: str) -> None:
        self._number = number
        self._account = number % 3 + 1
        self._journal = journal
        self._random = random.Random(f"{seed} client {number}")
        self._made = 0
        self._resting: list[int] = []
        self._unknown: list[Row] = []

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Ask again about what got no answer, then trade."""
        again, self._unknown = self._unknown, []
        for command in again:
            await self._send(session, [command])
        while True:
            await self._send(session, self._next())

    async def _send(self, session: aiohttp.ClientSession, commands: list[Row]) -> None:
        journal = self._journal
        for command in commands:
            client_order_id = command["payload"].get("client_order_id")
            if client_order_id is None:
                journal.unsure.add(command["payload"]["order_id"])
            else:
                journal.unknown[client_order_id] = command
                self._unknown.append(command)
        async with session.post("/oms/commands", json=commands) as response:
            body = await response.json()
        results = body.get("results") or body["detail"]["results"]
        for command, result in zip(commands, results, strict=True):
            journal.note(command, result)
            if "client_order_id" in command["payload"]:
                del journal.unknown[command["payload"]["client_order_id"]]
                self._unknown.remove(command)
                order = result.get("order")
                if order is not None and order["closed_at"] is None:
                    self._resting.append(order["id"])
            else:
                journal.unsure.discard(command["payload"]["order_id"])

    def _next(self) -> list[Row]:
        chance = self._random.random()
        if self._resting and chance < 0.2:
            order_id = self._resting.pop(self._random.randrange(len(self._resting)))
            return [self._command("cancel_order", order_id=order_id)]
        if self._resting and chance < 0.3:
            new_price = str(self._random.randint(85, 95))
            order_id = self._random.choice(self._resting)
            return [self._command("change_order", order_id=order_id, new_price=new_price)]
        return [self._order() for _ in range(3 if chance > 0.9 else 1)]

    def _order(self) -> Row:
        self._made += 1
        limit = {"order_type": "limit", "price": str(self._random.randint(85, 95)), "side": "buy"}
        market = {"order_type": "market", "side": self._random.choice(["buy", "sell"])}
        return self._command(
            "send_order",
            symbol=self._random.choice([SPOT, SWAP]),
            qty=self._random.choice(["0.06", "0.07", "0.1"]),
            strategy_id=self._random.choice([0, 1]),
            client_order_id=f"k{self._number}-{self._made}",
            **(limit if self._random.random() < 0.4 else market),
        )

    def _command(self, name: str, **payload: Any) -> Row:
        return {"account_id": self._account, "command": name, "payload": payload}


async def listen(session: aiohttp.ClientSession, journal: Journal) -> None:
    """Follow all accounts from where the former life ended."""
    seen = {str(account): rows[-1]["seq"] if rows else 0 for account, rows in journal.events.items()}
    payload = {"account_ids": [1, 2, 3], "with_snapshot": False, "after_seq": seen}
    async with session.ws_connect("/ws", max_msg_size=0) as socket:
        await socket.send_json({"id": 1, "action": "subscribe", "payload": payload})
        async for message in socket:
            frame = message.json()
            if "seq" in frame and frame["id"] is None:
                journal.events[frame["payload"]["account_id"]].append(frame)


async def live(
    server: ServeProcess, key: str, clients: list[Client], journal: Journal, seconds: float
) -> None:
    """Load the server and kill it."""
    base_url, headers = server.all("base_url")[0], {"x-api-key": key}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(base_url, headers=headers, connector=connector) as session:
        tasks = [asyncio.create_task(client.run(session)) for client in clients]
        tasks.append(asyncio.create_task(listen(session, journal)))
        await asyncio.sleep(seconds)
        server.process.send_signal(signal.SIGKILL)
        ended, _ = await asyncio.wait(tasks, timeout=10)
    assert len(ended) == len(tasks), "a client waits for a server that is gone"
    for task in ended:
        with suppress(aiohttp.ClientError, ConnectionError):
            task.result()


def audit(path: Path, journal: Journal) -> dict[str, int]:
    """Open the file as the next server will, and compare it with itself and with what the clients know.

    :returns: how many rows of each kind there are
    """
    with EmbeddedOms(db=path, clock="manual", start_ms=0) as oms:
        auditor = Auditor(oms, START)
        auditor.check()
        _compare_orders(auditor, journal)
        _compare_ids(auditor)
        events = {account: _events(oms, account) for account in (1, 2, 3)}
        _compare_events(auditor, events, journal)
        return {
            "orders": len(auditor.orders),
            "deals": len(auditor.deals),
            "events": sum(map(len, events.values())),
        }


def _compare_orders(auditor: Auditor, journal: Journal) -> None:
    by_client_id: dict[str, Row] = {}
    for order in auditor.orders:
        assert order.client_order_id not in by_client_id, "doubled"
        by_client_id[order.client_order_id] = order.row()
    by_id = {row["id"]: row for row in by_client_id.values()}
    for client_order_id, result in journal.answered.items():
        assert by_client_id[client_order_id]["id"] == result["order_id"], "an acknowledged order is lost"
    known = journal.answered.keys() | journal.unknown.keys()
    assert by_client_id.keys() <= known, "an order that was refused, or that nobody sent"
    for order_id, row in journal.latest.items():
        if order_id not in journal.unsure:
            assert by_id[order_id] == row, "an acknowledged command is lost"
    deals = {deal.id: deal.row() for deal in auditor.deals}
    for deal_id, row in journal.deals.items():
        assert deals[deal_id] == row, "an acknowledged fill is lost"


def _compare_ids(auditor: Auditor) -> None:
    counters = auditor.state.counters
    for name, rows in (
        ("order", auditor.orders),
        ("deal", auditor.deals),
        ("position", auditor.positions),
        ("ledger", auditor.ledger),
    ):
        assert sorted(row.id for row in rows) == list(range(1, counters[name] + 1)), name
    commands = [order.command_id for order in auditor.orders]
    assert len({*commands}) == len(commands)


def _events(oms: EmbeddedOms, account: int) -> list[Row]:
    found: list[Row] = []
    while len(found) < oms.last_seq(account):
        events = oms.events(account, len(found), 10_000)
        assert events
        found += [{"seq": event.seq, "event": event.name, "payload": event.payload} for event in events]
    return found


def _compare_events(auditor: Auditor, events: dict[int, list[Row]], journal: Journal) -> None:
    told: dict[int, Row] = {}
    for account, kept in events.items():
        pushed = journal.events[account]
        assert len(pushed) <= len(kept), "an event was pushed before its commit"
        assert [frame["seq"] for frame in pushed] == list(range(1, len(pushed) + 1))
        assert [frame["prev_seq"] for frame in pushed] == list(range(len(pushed)))
        for frame, event in zip(pushed, kept, strict=False):
            assert {name: frame[name] for name in event} == event
        told |= {
            event["payload"]["id"]: event["payload"] for event in kept if event["event"] == "order_updated"
        }
    assert told == {order.id: order.row() for order in auditor.orders}, "a row without its event"


def new_file(path: Path) -> str:
    """An OMS with prices that stand still, and a key.

    :returns: the key
    """
    with EmbeddedOms(accounts=ACCOUNTS, db=path) as oms:
        for symbol in (SPOT, SWAP):
            oms.set_price(symbol, bid=100, ask=101, last=100)
        return oms.keys.create()[1]


def run(folder: Path, kills: int, seed: str) -> tuple[Journal, dict[str, int]]:
    """Kill one server on one file again and again, and audit after each.

    :returns: what the clients know, and what is in the file
    """
    path, journal, delays = folder / "oms.sqlite", Journal(), random.Random(seed)
    key = new_file(path)
    clients = [Client(number, journal, seed) for number in range(CLIENTS)]
    for _ in range(kills):
        server = ServeProcess("--db", path)
        try:
            assert server.lines[-1:] == ["ready"], server.stop()[1]
            asyncio.run(live(server, key, clients, journal, delays.uniform(0.02, _LONGEST_LIFE)))
        finally:
            server.process.kill()
            server.process.communicate()
        rows = audit(path, journal)
    return journal, rows


def main() -> int:
    """Run what the command line asks for.

    :returns: 0; an audit that finds a fault ends it with the seed
    """
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", default="0")
    given = parser.parse_args()
    left, started, number = given.kills, time.perf_counter(), 0
    while left > 0:
        kills, seed = min(left, _KILLS_A_FILE), f"{given.seed} file {number}"
        with TemporaryDirectory() as folder:
            journal, rows = run(Path(folder), kills, seed)
        left, number = left - kills, number + 1
        print(
            f"{kills} kills: {rows['orders']} orders, {rows['deals']} deals, {rows['events']} events; "
            f"{len(journal.answered)} acknowledged, {journal.repeated} of those only when asked again; "
            f"{time.perf_counter() - started:.0f} s",
            flush=True,
        )
    print(f"{given.kills} kills: nothing lost, nothing doubled, nothing half done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
