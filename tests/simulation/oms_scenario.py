"""One seeded history of the embedded OMS on a machine that fails, held against a twin that never does.

Clients send commands that arrive late, in another order or not at all, and ask again about what got no
answer. The server takes them one by one or in groups, on a disk that is slow, full or refuses; and it is
killed at any statement that it gives to SQLite, or while it tells its subscribers, and opened again on what
is left.
"""

from __future__ import annotations

import json
import random
import sqlite3
import tempfile
from collections import Counter
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

from ccxt_driver.oms import OWNER, EmbeddedOms, Event, Principal, Reply
from ccxt_driver.oms.clock import MANUAL_START_MS
from ccxt_driver.oms.maintenance import check as check_file
from ccxt_driver.oms.models import BehindVolume, FrontOfQueue, Models, RandomLatency, RandomPlace, SelfTrade
from ccxt_driver.oms.refusals import Refusal
from ccxt_driver.oms.service import CommandRequest
from ccxt_driver.oms.store import StoreError
from tests.helpers.auditor import SPOT, SWAP, Auditor, World

from .bookkeeper import Violation
from .faulty_file import Crash, Fault, FaultyFile
from .oms_books import ClientBooks, check_ids, check_told
from .oms_traffic import ACCOUNTS, CLIENTS, MARKETS, START, Act, Request, Traffic, pause
from .oms_twin import ACCOUNT_IDS, Heard, Twin, events_of, picture, text_of

_UNWRITTEN = ("engine_unavailable", "internal_error")
"""What a request that met a fault is answered with: nothing was done."""
_LONGEST = 400

Row = dict[str, Any]


class Scenario:
    """The history of one seed.

    :param folder: for the files of the OMS
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.journal: list[str] = []
        self.counts: Counter[str] = Counter()
        self._chance = random.Random(f"oms {seed}")
        self._file = FaultyFile(folder, self._chance, self.journal.append)
        self._options: Row = {
            "accounts": ACCOUNTS,
            "markets": MARKETS,
            "strategies": [3, 1, 2],
            "seed": seed,
            "clock": "manual",
            "models": self._models(),
        }
        self._now = MANUAL_START_MS + self._chance.choice([0, 1, 999, 86_399_990])
        self._heard = Heard()
        self._wrong: list[str] = []
        """What was wrong where no exception gets through."""
        self._world = World()
        self._books = ClientBooks()
        self._keys: dict[str, Row] = {}
        self._on_the_way: list[Request] = []
        self._unanswered: list[Request] = []

    def _models(self) -> Models:
        queue = self._chance.choice([None, None, FrontOfQueue(), BehindVolume(), RandomPlace(self.seed)])
        latency = RandomLatency(1, 2_500, self.seed) if self._chance.random() < 0.25 else None
        return Models(self_trade=self._chance.choice([*SelfTrade]), queue=queue, latency=latency)

    # -- running -------------------------------------------------------------------------------

    def run(self) -> Counter[str]:
        """Run it, then check everything.

        :returns: how often what has happened
        :raises Violation: something is doubled, lost, half done or not as it should be
        """
        try:
            self._run()
        except (Exception, Crash) as error:
            journal = "\n".join(self.journal)
            raise Violation(f"seed {self.seed}: {type(error).__name__}: {error}\n{journal}") from error
        finally:
            self._file.close()
        return self.counts + self._books.counts

    def _run(self) -> None:
        self._twin = Twin(**self._options, start_ms=self._now)
        self._traffic = Traffic(self._chance, self._twin.oms)
        if self._chance.random() < 0.3:
            self._file.fault = self._fault(first=40)
        self._start()
        for symbol in (SPOT, SWAP):
            self._act(self._traffic.price(symbol))
        for account_id in (1, 2):  # where a move of the price soon takes all there is
            if self._chance.random() < 0.7:
                self._serve([self._traffic.leverage(account_id, 100)])
        steps = (
            (self._exchange, 12),
            (self._operate, 6),
            (self._time_passes, 5),
            (self._keys_change, 1),
            (self._check, 1),
            (self._restart, 1),
        )
        kinds, weights = zip(*steps, strict=True)
        for _ in range(self._chance.randint(8, 20)):
            self._misfortune()
            self._chance.choices(kinds, weights)[0]()
            self._file.fault, self._file.slow_ms = None, 0
        self._finish()

    def _finish(self) -> None:
        """Everybody learns what became of what was asked; then once more, after an end of either kind."""
        for request in [*self._on_the_way, *self._unanswered]:
            self._serve([self._traffic.again(request)])
        self._on_the_way.clear()
        self._check_all()
        self._restart()

    def _misfortune(self) -> None:
        if self._chance.random() < 0.5:
            self._file.fault = self._fault(first=14)
        if self._chance.random() < 0.2:
            self._file.slow_ms = self._chance.choice([3, 250, 1_700])

    def _fault(self, first: int) -> Fault:
        kind = self._chance.choices(["kill", "power", "fail", "full"], [6, 2, 2, 2])[0]
        if kind == "power":
            return Fault(kind, "commit", self._chance.randrange(3), after=True)
        place = self._chance.choices(["statement", "commit", "told"], [6, 4, 2])[0]
        if place == "told" and kind != "kill":
            place = "commit"
        left = self._chance.randrange(first) if place == "statement" else self._chance.randrange(3)
        after = kind == "kill" and self._chance.random() < 0.5
        return Fault(kind, place, left, after, lasts=kind != "kill" and self._chance.random() < 0.3)

    def _note(self, text: str) -> None:
        self.journal.append(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")

    # -- lives ---------------------------------------------------------------------------------

    @property
    def _oms(self) -> EmbeddedOms:
        assert self._file.oms is not None
        return self._file.oms

    def _start(self) -> None:
        """Open the OMS, as often as it takes."""
        while True:
            fired = self._file.fired
            try:
                self._file.open(**self._options, start_ms=self._now)
                break
            except Crash:
                self._file.bury()
            except (StoreError, Refusal, sqlite3.Error) as error:
                self._met_a_fault(fired, error)
                self._file.fault = None  # the disk is good again
        self._note(f"opened at {self._now}")
        self._oms.subscribe(self._told)
        for account_id in ACCOUNT_IDS:
            self._compare_events(account_id)
            self._heard.take(events_of(self._oms, account_id, len(self._heard.of[account_id])))

    def _told(self, events: list[Event]) -> None:
        """Hear what has happened, unless killed first; a killed one tells nobody."""
        if self._file.dead:
            return
        if self._file.writing:
            self._wrong.append(f"events are told before they are on the disk: {events}")
        fault = self._file.told()
        if fault is None or fault.after:
            try:
                self._heard.take(events)
            except Violation as error:
                self._wrong.append(str(error))
        if fault is not None:
            self._file.kill(f"{'after' if fault.after else 'before'} telling of {len(events)} events")
            raise Crash

    def _restart(self) -> None:
        """The process is ended in order, or between two requests, and started anew."""
        self._file.fault = None
        self._now = self._oms.now_ms()
        if self._chance.random() < 0.5:
            self._note("closed")
            self._file.close()
        else:
            self._file.kill("between two requests")
            self._file.bury()
        self._come_back()

    def _come_back(self) -> None:
        self.counts["restarts"] += 1
        self._now += max(1, pause(self._chance))
        if self._chance.random() < 0.2:
            self._file.fault = self._fault(first=14)
        self._start()
        self._file.fault = None
        self._check_all()

    def _crashed(self) -> None:
        """Start anew after a kill; of the requests on the way some are sent again, some not."""
        self.counts["kills"] += 1
        self._now = self._oms.now_ms()
        self._file.bury()
        lost = [request for request in self._on_the_way if self._chance.random() < 0.5]
        self._on_the_way = [request for request in self._on_the_way if request not in lost]
        for request in lost:
            self._unknown(request)
        self._come_back()

    # -- clients -------------------------------------------------------------------------------

    def _exchange(self) -> None:
        """Clients send, the network mixes, the server answers what has come in."""
        for _ in range(self._chance.randint(2, 6)):
            client = self._chance.randrange(len(CLIENTS))
            mine = [request for request in self._unanswered if request.client == client]
            if mine and self._chance.random() < 0.6:
                request = self._chance.choice(mine)
                self._unanswered.remove(request)
                request = self._traffic.again(request)
            else:
                key = self._chance.choice([None, None, *self._keys])
                request = self._traffic.request(client, key)
            self._on_the_way.append(request)
        self._chance.shuffle(self._on_the_way)
        count = self._chance.randint(1, len(self._on_the_way))
        arrived, self._on_the_way = self._on_the_way[:count], self._on_the_way[count:]
        self._serve([request for request in arrived if not self._is_lost(request)])

    def _is_lost(self, request: Request) -> bool:
        if self._chance.random() < 0.95:
            return False
        self._note(f"lost on its way: {request}")
        self._unknown(request)
        return True

    def _unknown(self, request: Request) -> None:
        """A client does not learn what has become of a request; it may ask again where that is safe."""
        self.counts["unknown"] += 1
        for command in request.commands:
            if isinstance(command, dict) and "payload" in command:
                self._books.doubt(command["payload"].get("comment"))
        if all("client_order_id" in command.get("payload", ()) for command in request.commands):
            self._unanswered.append(request)

    def _serve(self, requests: list[Request]) -> None:
        together = [request for request in requests if request.endpoint == "commands"]
        if len(together) > 1 and self._chance.random() < 0.6:
            requests = [request for request in requests if request not in together]
            self._serve_group(together)
        for request in requests:
            self._serve_one(request)

    def _principal(self, request: Request) -> Principal | None:
        if request.key is None:
            return OWNER
        return self._oms.keys.authenticate(self._keys[request.key]["secret"])

    def _serve_one(self, request: Request) -> None:
        self._note(f"{self._oms.now_ms()} {request}")
        now, before, fired = self._oms.now_ms(), self._file.commits, self._file.fired
        principal = None
        try:
            principal = self._principal(request)
            if principal is None:
                self._note("  the key is not known")
                return
            reply = request.perform(self._oms, principal)
        except Crash:
            self._cut_short(request, principal, now, self._file.commits - before)
            self._unknown(request)
            self._crashed()
        except (StoreError, sqlite3.Error) as error:
            self._met_a_fault(fired, error)
            self._unknown(request)
        else:
            self._twin.fall_behind(self._file.commits - before)  # unless it does the same
            self._answer(request, principal, reply, now, faulty=self._file.fired > fired)

    def _serve_group(self, requests: list[Request]) -> None:
        """Commands that have waited for the disk, with one write for all."""
        known: list[tuple[Request, Principal]] = []
        now, before, fired = self._oms.now_ms(), self._file.commits, self._file.fired
        try:
            for request in requests:
                self._note(f"{now} in a group: {request}")
                principal = self._principal(request)
                if principal is not None:
                    known.append((request, principal))
            replies = self._oms.run_together(
                [CommandRequest({}, each.body, principal, f"r{each.number}") for each, principal in known]
            )
        except Crash:
            if self._file.commits > before:
                for request, principal in known:
                    self._twin.do(request, principal, now)
            for request in requests:
                self._unknown(request)
            self._crashed()
        except (StoreError, sqlite3.Error) as error:
            self._met_a_fault(fired, error)
            for request in requests:
                self._unknown(request)
        else:
            self.counts["groups"] += 1
            for (request, principal), reply in zip(known, replies, strict=True):
                self._answer(request, principal, reply, now, faulty=self._file.fired > fired)

    def _met_a_fault(self, fired: int, error: Exception) -> None:
        if self._file.fired == fired:
            raise error
        self._note(f"  {type(error).__name__}")

    def _cut_short(
        self, wanted: Request | Act, principal: Principal | None, now: int, transactions: int
    ) -> None:
        """Let the twin do what a killed process has still brought to the disk."""
        if self._twin.do_part(wanted, principal or OWNER, now, transactions):
            self._has_happened(wanted, now)

    def _answer(self, request: Request, principal: Principal, reply: Reply, now: int, faulty: bool) -> None:
        """A request was answered: as the twin answers it, or refused because of a fault."""
        if self._file.writing:
            raise Violation("answered before it is on the disk")
        self._note(f"  {reply.status} {json.dumps(reply.body, default=str)}")
        self._compare_reply(request, principal, reply, now, faulty)
        if self._chance.random() < 0.1:
            self._note("  the answer is lost")
            self._unknown(request)
            return
        for command, result in zip(request.commands, _results(reply), strict=False):
            if _code(result) in _UNWRITTEN:
                self.counts["unavailable"] += 1
            self._books.answered(command, result)
        if faulty and self._chance.random() < 0.5:
            self._unknown(request)  # it is tried again in any case

    def _compare_reply(
        self, request: Request, principal: Principal, reply: Reply, now: int, faulty: bool
    ) -> None:
        results = _results(reply)
        undone = [index for index, result in enumerate(results) if _code(result) in _UNWRITTEN]
        whole = not results and reply.status >= 400 and reply.body["detail"]["code"] in _UNWRITTEN
        if (undone or whole) and not faulty:
            raise Violation(f"refused without a fault: {reply.body}")
        if whole:
            return
        if not undone:
            expected = self._twin.do(request, principal, now)
            _compare([*reply], [*expected], "answer")
            if reply.status == 200:
                self._has_happened(request, now)
            return
        done = [index for index in range(len(results)) if index not in undone]
        if done:
            expected = self._twin.do(request.only(done), principal, now)
            for index, result in zip(done, _results(expected), strict=True):
                _compare(results[index], result | {"index": index}, "answer")

    # -- the operator --------------------------------------------------------------------------

    def _operate(self) -> None:
        self._act(self._traffic.act())

    def _act(self, act: Act) -> None:
        self._note(f"{self._oms.now_ms()} {act}")
        now, before, fired = self._oms.now_ms(), self._file.commits, self._file.fired
        try:
            act.perform(self._oms)
        except Crash:
            self._cut_short(act, None, now, self._file.commits - before)
            self._crashed()
        except (StoreError, Refusal, sqlite3.Error) as error:
            self._met_a_fault(fired, error)
            self._twin.fall_behind(self._file.commits - before)
        else:
            self._twin.act(act, now)
            self._has_happened(act, now)

    def _has_happened(self, wanted: Request | Act, now: int) -> None:
        """Note what the books cannot tell by themselves."""
        world = self._world
        if isinstance(wanted, Act):
            if wanted.name == "set_price" and wanted.given == (SWAP,):
                world.marks.append((now, Decimal(wanted.more["bid"])))
            if wanted.name == "set_funding_rate":
                world.rates.append((now, Decimal(wanted.given[1])))
            return
        account_id = int(wanted.path.get("account_id", 0))
        if wanted.endpoint in ("deposit", "withdraw"):
            amount = Decimal(wanted.body["amount"]) * (1 if wanted.endpoint == "deposit" else -1)
            world.transfers.append((account_id, wanted.body["currency"], amount))
        if wanted.endpoint == "ccxt_call" and wanted.body["args"][0] == "isolated":
            world.isolated_once.add(account_id)

    def _time_passes(self) -> None:
        milliseconds = pause(self._chance)
        self._note(f"{milliseconds} ms pass")
        self._oms._clock.advance(milliseconds)  # type: ignore[attr-defined]

    def _keys_change(self) -> None:
        """Make a key, disable one, or give one another secret."""
        fired = self._file.fired
        try:
            self._change_keys()
        except Crash:
            self._crashed()
        except (StoreError, sqlite3.Error) as error:
            self._met_a_fault(fired, error)

    def _change_keys(self) -> None:
        keys = self._oms.keys
        active = [name for name, key in self._keys.items() if key["active"]]
        if len(active) < 2:
            accounts, strategies = self._chance.choice([(None, None), ([1, 2], None), (None, [1])])
            role = self._chance.choice(["trader", "trader", "readonly", "risk"])
            name = f"key {len(self._keys) + 1}"
            self._note(f"{name}: {role} of accounts {accounts} and strategies {strategies}")
            made, secret = keys.create(accounts, role, strategies, name)
            self._keys[name] = {"id": made.id, "secret": secret, "active": True}
            return
        name = self._chance.choice(active)
        key = self._keys[name]
        key["active"] = None  # until it is known
        if self._chance.random() < 0.5:
            self._note(f"{name} is disabled")
            keys.disable(key["id"])
            key["active"] = False
        else:
            self._note(f"{name} gets another secret")
            old = key["secret"]
            key["secret"] = keys.rotate(key["id"])
            key["active"] = True
            if keys.authenticate(old) is not None:
                raise Violation(f"the old secret of {name} is still good")

    def _check_keys(self) -> None:
        for name, key in self._keys.items():
            good = self._oms.keys.authenticate(key["secret"]) is not None
            if key["active"] not in (None, good):
                raise Violation(f"{name} is {'good' if good else 'not good'}, and should not be")
            key["active"] = good

    # -- checks --------------------------------------------------------------------------------

    def _check(self) -> None:
        """Both have done and told the same, up to now."""
        if self._wrong:
            raise Violation(self._wrong[0])
        self._file.fault, self._file.slow_ms = None, 0
        now = self._oms.now_ms()
        self._oms.tick()
        self._twin.settle(now)
        for account_id in ACCOUNT_IDS:
            mine, expected = self._heard.of[account_id], self._twin.heard.of[account_id]
            if mine != expected:
                common = min(len(mine), len(expected))
                _compare(mine[:common], expected[:common], f"events of account {account_id}")
                raise Violation(f"heard {mine[common:][:1]}, expected {expected[common:][:1]}")

    def _check_all(self) -> None:
        """The rows, the live state, the answers, the sums, and what everybody was told."""
        self._check()
        _compare(picture(self._oms), picture(self._twin.oms))
        events: list[Row] = []
        for account_id in ACCOUNT_IDS:
            events += self._compare_events(account_id)
        self._check_keys()
        auditor = Auditor(self._oms, START, self._world)
        auditor.check()
        check_ids(auditor)
        check_told(auditor, events)
        self._books.check(auditor)
        problems = check_file(self._file.path)
        if problems:
            raise Violation(f"the file: {problems}")

    def _compare_events(self, account_id: int) -> list[Row]:
        """Everything that was told is kept as it was told."""
        kept, heard = events_of(self._oms, account_id), self._heard.of[account_id]
        if self._oms.last_seq(account_id) != len(kept):
            raise Violation(
                f"account {account_id}: last_seq is {self._oms.last_seq(account_id)} of {len(kept)}"
            )
        if len(heard) > len(kept):
            raise Violation(f"account {account_id}: told of what is not there: {heard[len(kept) :]}")
        for told, event in zip(heard, kept, strict=False):
            if told != text_of(event):
                raise Violation(f"account {account_id}: told {told}, there is {text_of(event)}")
        return [{"event": event.name, "payload": event.payload} for event in kept]


def _results(reply: Reply) -> list[Row]:
    body = reply.body
    found: list[Row] = body.get("results", []) if "detail" not in body else body["detail"].get("results", [])
    return found


def _code(result: Row) -> str | None:
    error = result.get("error")
    return None if error is None else str(error["code"])


def _compare(found: Any, expected: Any, where: str = "") -> None:
    """Name the first thing that differs."""
    if found == expected:
        return
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in {**expected, **found}:
            _compare(found.get(name), expected.get(name), f"{where}.{name}")
    if isinstance(found, list) and isinstance(expected, list):
        if len(found) == len(expected):
            for index, pair in enumerate(zip(found, expected, strict=True)):
                _compare(*pair, f"{where}[{index}]")
        found, expected = found[len(expected) :] or found, expected[len(found) :] or expected
    raise Violation(f"{where.removeprefix('.')}: there is {found}, expected {expected}")


def run(seed: int) -> Counter[str]:
    """Run the scenario of a seed.

    :returns: how often what has happened
    :raises Violation: it says the seed, what is wrong, and everything that happened
    """
    memory = Path("/dev/shm")  # where a commit waits for no disk; which one it is makes no difference
    folder = str(memory) if memory.is_dir() else None
    with ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="simulation-", dir=folder))
        return Scenario(seed, Path(place)).run()
