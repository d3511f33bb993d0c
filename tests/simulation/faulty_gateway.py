"""A gateway in memory that loses, delays and garbles, by a seed; the time is virtual.

It takes the place of the connections under the driver's classes, see `transports`, so that everything of the
driver runs as it does on a network: real JSON, real status codes, real API keys.
"""

from __future__ import annotations

import json
import re
from asyncio import Task
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from ccxt_driver.contract.codes import HTTP_STATUS
from ccxt_driver.contract.endpoints import ENDPOINTS, TRADES_RAW, Access, Endpoint
from ccxt_driver.contract.features import Feature
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.access import ANONYMOUS
from ccxt_driver.oms.market.listing import DEFAULT_MARKETS

SYMBOLS: Final = ("BTC/USDT", "ETH/USDT", "BTC/USDT:USDT")
MARKETS: Final = tuple(market for market in DEFAULT_MARKETS if market.symbol in SYMBOLS)
ACCOUNT_ID: Final = 1

ALL: Final = frozenset(Feature)
WITHOUT_DEDUPE: Final = ALL - {Feature.CLIENT_ORDER_ID_DEDUPE, Feature.ROWS_IN_RESULTS}
NONE: Final[frozenset[Feature]] = frozenset()

_MOST_REQUESTS: Final = 20_000
_FILTERS: Final = frozenset(
    {"symbol", "since_ms", "until_ms", "client_order_id", "order_id", "position_id", "status", "sort"}
)
_BEYOND_THE_PLAIN_ROW: Final = frozenset(
    {"time_in_force", "post_only", "reduce_only", "trigger_price", "stop_price", "take_profit_price"}
    | {"trailing_amount", "trailing_percent", "reject_reason", "fee_currency", "maker"}
)


class Fault(StrEnum):
    """What happens to one request."""

    NOTHING = "nothing"
    DELAY = "delay"
    DROPPED_BEFORE = "dropped before"
    DROPPED_AFTER = "dropped after executing"
    LATE = "executed long after the time-out"
    RESET_BEFORE = "reset before"
    RESET_AFTER = "reset after executing"
    ERROR_BEFORE = "5xx before"
    ERROR_AFTER = "5xx after executing"
    GARBAGE = "garbage after executing"
    HALF = "half an answer"
    BROKEN = "connection broken in mid-answer"
    RESULT_LOST = "the result of a command says time-out"
    RATE_LIMITED = "429"
    REFUSED = "connection refused"
    INTERRUPTED_BEFORE = "caller interrupted before it is sent"
    INTERRUPTED = "caller interrupted, executed later"
    INTERRUPTED_AFTER = "caller interrupted after executing"


class NoAnswer(Exception):
    """There is no answer to a request; each class is told by an exception of its own library."""


class ConnectionRefused(NoAnswer):
    """Nothing was sent."""


class TimedOut(NoAnswer):
    """The driver has waited long enough."""


class Reset(NoAnswer):
    """The connection broke before an answer came."""


class Broken(NoAnswer):
    """The connection broke in the middle of the answer."""


class Interrupted(NoAnswer):
    """The task that waits is cancelled; in a blocking program, Ctrl-C."""


_WITHOUT_ANSWER: Final[dict[Fault, type[NoAnswer]]] = {
    Fault.REFUSED: ConnectionRefused,
    Fault.DROPPED_BEFORE: TimedOut,
    Fault.DROPPED_AFTER: TimedOut,
    Fault.LATE: TimedOut,
    Fault.RESET_BEFORE: Reset,
    Fault.RESET_AFTER: Reset,
    Fault.BROKEN: Broken,
    Fault.INTERRUPTED_BEFORE: Interrupted,
    Fault.INTERRUPTED: Interrupted,
    Fault.INTERRUPTED_AFTER: Interrupted,
}
_NEVER_EXECUTED: Final = frozenset(
    {Fault.REFUSED, Fault.DROPPED_BEFORE, Fault.RESET_BEFORE, Fault.INTERRUPTED_BEFORE}
)

WEIGHTS: Final[dict[Fault, int]] = {
    **dict.fromkeys(Fault, 2),
    Fault.NOTHING: 0,
    Fault.DROPPED_AFTER: 4,
    Fault.ERROR_AFTER: 3,
    Fault.LATE: 3,
}
_KINDS: Final = tuple(WEIGHTS)
_WEIGHTS: Final = tuple(WEIGHTS.values())

Error = tuple[int, str | None]
"""Status and code; without a code it is a proxy's page."""

_ERRORS_AFTER: Final[tuple[Error, ...]] = (
    (500, "internal_error"),
    (502, "dispatcher_error"),
    (502, "exchange_error/RequestTimeout"),
    (502, "exchange_error/NetworkError"),
    (504, "exchange_timeout"),
    (504, "dispatcher_timeout"),
    (500, None),
    (502, None),
    (503, None),
    (504, None),
)
"""What says nothing of whether the command was carried out."""
_ERRORS_BEFORE: Final[tuple[Error, ...]] = (
    *_ERRORS_AFTER,
    (503, "engine_unavailable"),
    (502, "exchange_error/OnMaintenance"),
)
_GARBAGE: Final = (
    "",
    "<html>It works!</html>",
    "null",
    "[]",
    "{}",
    '{"results": []}',
    '{"results": [{"index": 0}]}',
    '{"results": [{"ok": true}, {"ok": true}, {"ok": true}, {"ok": true}, {"ok": true}]}',
    '{"items": null}',
    '"ok"',
    "\x00\x01\x02",
)

Reply = tuple[int, str, dict[str, str]]
"""Status, text and headers."""


def _route(endpoint: Endpoint) -> tuple[Endpoint, re.Pattern[str]]:
    pattern = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", "/" + endpoint.path)
    return endpoint, re.compile(pattern)


_ROUTES: Final = tuple(_route(endpoint) for endpoint in ENDPOINTS)
LAGGING_ROUTES: Final = (*_ROUTES, _route(TRADES_RAW))


class FaultyGateway:
    """An OMS behind a bad line, told apart from a good one only by what the driver sees.

    Where an OMS of another kind differs by nature is said here, under *the truth* and *its nature*.

    :param random: decides everything
    :param features: what it announces; without `client_order_id_dedupe` it really places twice
    :param position_mode: of its one account
    :param db: where it is kept over restarts; None keeps the OMS in memory, and restarts only its front
    """

    # -- its nature

    fault_rates = (0.05, 0.2, 0.5, 0.8)
    """How likely it is that a request fails: of a whole scenario."""
    _routes: Sequence[tuple[Endpoint, re.Pattern[str]]] = _ROUTES
    errors_before: Sequence[Error] = _ERRORS_BEFORE
    errors_after: Sequence[Error] = _ERRORS_AFTER
    lost_result: Mapping[str, Any] = {"code": "exchange_timeout", "message": "no answer", "details": {}}
    """Of a command that was carried out and whose answer the venue owes."""
    lost_status = HTTP_STATUS["exchange_timeout"]
    takes_ids_again = False
    """Whether a client order id may be used for another order, once its first has ended."""
    cancels_all_or_none = True
    """Whether orders that a cancellation of several leaves open are its failure."""
    leftovers_for_ms = 0
    """How long it may take until it is known of a refused order that it was refused."""

    def __init__(
        self,
        random: Random,
        features: Iterable[Feature] = ALL,
        position_mode: str = "netting",
        db: Path | None = None,
    ) -> None:
        self.random = random
        self.features = frozenset(features)
        self.faulty = False
        """Whether anything goes wrong now."""
        self.fault_rate = 0.0
        self.outage_rate = 0.0
        self.weights = [weight * random.choice((0, 1, 1, 20)) for weight in _WEIGHTS]
        """How likely each fault is: every scenario has weather of its own."""
        self.downgrade: frozenset[Feature] | None = None
        """What is announced after the next outage."""
        self.journal: list[str] = []
        self.caller: Task[Any] | None = None
        """Who waits for the next answer, in a program with coroutines."""
        self.requests = 0
        self.late_executed = 0
        self._mode = position_mode
        self._db = db
        self._prices: dict[str, tuple[str, str]] = {}
        self._late: list[tuple[int, Callable[[], object]]] = []
        self._outage = 0
        self._restarts = False
        self.oms: Any = self._open(None)
        self.secret = self.oms.keys.create()[1]
        self.start_ms = self.now_ms()

    def _account(self) -> dict[str, Any]:
        balances = {"USDT": "1000000", "BTC": "10", "ETH": "100"}
        return {"account_id": ACCOUNT_ID, "position_mode": self._mode, "balances": balances}

    def _open(self, start_ms: int | None) -> Any:
        return EmbeddedOms(
            accounts=[self._account()],
            db=self._db,
            clock="manual",
            start_ms=start_ms,
            markets=MARKETS,
            strategies=[1],
        )

    # -- the world -----------------------------------------------------------------------------

    def now_ms(self) -> int:
        """The virtual time, milliseconds since the Unix epoch."""
        return int(self.oms.now_ms())

    def advance(self, milliseconds: int) -> None:
        """Let time pass; what was on its way arrives."""
        self.oms.advance(max(0, int(milliseconds)))
        now = self.now_ms()
        due = [each for each in self._late if each[0] <= now]
        if due:
            self._late = [each for each in self._late if each[0] > now]
            self._execute_late(due)

    def deliver(self) -> None:
        """Let everything that is still on its way arrive."""
        while self._late:  # a late request may have others follow
            due, self._late = self._late, []
            self._execute_late(due)

    def _execute_late(self, due: Iterable[tuple[int, Callable[[], object]]]) -> None:
        for _, execute in due:
            self.journal.append("    a late request is executed")
            execute()
            self.late_executed += 1

    def set_price(self, symbol: str, bid: str, ask: str) -> None:
        """Move a market."""
        self._prices[symbol] = bid, ask
        self.oms.set_price(symbol, bid=bid, ask=ask, last=bid)

    def restart(self) -> None:
        """The process ends and another one takes over: what was on its way is lost."""
        self._late.clear()
        if self._db is None:
            return
        now = self.now_ms()
        self.oms.close()
        self.oms = self._open(now)
        for symbol, (bid, ask) in self._prices.items():
            self.oms.set_price(symbol, bid=bid, ask=ask, last=bid)

    def calm(self) -> None:
        """From now on nothing goes wrong; an outage is over."""
        self.faulty = False
        if self._outage:
            self._end_outage()

    def order(self, payload: dict[str, Any]) -> None:
        """Place an order past the line and its faults, as another program."""
        command = {"account_id": ACCOUNT_ID, "command": "send_order", "payload": payload}
        self.oms.handle("commands", {}, {}, command)

    # -- the truth, past the line and its faults -------------------------------------------------

    @property
    def books(self) -> EmbeddedOms:
        """Where the truth is."""
        oms: EmbeddedOms = self.oms
        return oms

    def order_rows(self) -> dict[int, dict[str, Any]]:
        """Every order of the OMS by id."""
        return {row["id"]: row for row in self._all_rows("orders_history")}

    def second_rows(self) -> set[int]:
        """Ids under which an order is that has another row: nobody is told of it twice."""
        return set()

    def under_way(self) -> set[int]:
        """Ids of orders that may be shown as open, or not."""
        return set()

    def deal_rows(self) -> list[dict[str, Any]]:
        """Every trade at the venue."""
        return self._all_rows("deals")

    def deal_ids(self) -> set[str]:
        """What the OMS calls the trades that it knows of."""
        return {str(row["id"]) for row in self.deal_rows()}

    def position_rows(self) -> list[dict[str, Any]]:
        """Every open position at the venue."""
        body = self.books.handle("positions_open", {}, {"account_ids": ACCOUNT_ID}, None).body
        return list(body["items"])

    def position_ids(self, symbol: str) -> frozenset[int]:
        """Ids of all positions of a symbol that there have been."""
        return frozenset(row["position_id"] for row in self.order_rows().values() if row["symbol"] == symbol)

    def check_closed(self, result: Any) -> None:
        """What else must be so of what `close_position` has returned or raised: nothing."""

    def check(self) -> None:
        """What else must be so in the end: nothing."""

    def _all_rows(self, endpoint: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        page = 1
        while True:
            query = {"account_ids": ACCOUNT_ID, "since_ms": 0, "page": page, "page_size": 500}
            body = self.books.handle(endpoint, {}, query, None).body
            rows += body["items"]
            if len(rows) >= body["total"] or not body["items"]:
                return rows
            page += 1

    # -- the line ------------------------------------------------------------------------------

    def take(self, method: str, url: str, headers: Any, text: str | None, timeout_ms: int) -> Reply:
        """One request as it comes from the driver, with what happens to it.

        :param timeout_ms: how long the driver waits for an answer
        :returns: status, text and headers of the answer
        :raises NoAnswer: there is none
        """
        self.requests += 1
        if self.requests > _MOST_REQUESTS:
            raise AssertionError("the driver asks without end")
        self.advance(self.random.randint(1, 30))
        fault = self._drawn(url)
        path = urlsplit(url).path
        self.journal.append(f"    {method} {path} {text or urlsplit(url).query}"[:400] + f" -> {fault}")
        return self._happens(fault, lambda: self._execute(method, url, headers, text), timeout_ms)

    def interrupts_a_pause(self) -> bool:
        """Whether the caller is interrupted while the driver waits between two requests."""
        interrupts = self.faulty and self.random.random() < self.fault_rate / 20
        if interrupts:
            self.journal.append("    the caller is interrupted in a pause")
        return interrupts

    def _drawn(self, url: str) -> Fault:
        if not self.faulty:
            return Fault.NOTHING
        if self._outage:
            self._outage -= 1
            if not self._outage:
                # Not between a promise and what the driver does because of it: nobody could be safe there.
                self._end_outage()
            return Fault.REFUSED if self._restarts else Fault.DROPPED_BEFORE
        if self.random.random() < self.outage_rate and not url.endswith("/healthz"):
            self._outage = self.random.randint(2, 12)
            self._restarts = self.random.random() < 0.5
            return Fault.RESET_AFTER
        if self.random.random() >= self.fault_rate:
            return Fault.NOTHING
        return self.random.choices(_KINDS, self.weights)[0]

    def _end_outage(self) -> None:
        self._outage = 0
        if self._restarts:
            self.journal.append("    the server restarts")
            self.restart()
            if self.downgrade is not None:
                self.features, self.downgrade = self.downgrade, None

    def _happens(self, fault: Fault, execute: Callable[[], Reply], timeout_ms: int) -> Reply:
        random = self.random
        if fault is Fault.RATE_LIMITED:
            body = {"detail": {"code": "rate_limited", "message": "slow down", "details": {}}}
            text = random.choice((json.dumps(body), "Too Many Requests"))
            return 429, text, {"Retry-After": str(random.randint(0, 3))}
        if fault is Fault.ERROR_BEFORE:
            return _error(*random.choice(self.errors_before))
        reply = None
        if fault is Fault.LATE:
            due = self.now_ms() + timeout_ms + random.choice((0, 100, 1_000, 10_000, 60_000))
            self._late.append((due, execute))
        elif fault is Fault.INTERRUPTED:
            self._late.append((self.now_ms() + random.choice((1, 100, 1_000, 10_000, 60_000)), execute))
        elif fault not in _NEVER_EXECUTED:
            reply = execute()
        failure = _WITHOUT_ANSWER.get(fault)
        if failure is TimedOut:
            self.advance(timeout_ms)
        if failure is not None or reply is None:
            raise failure or AssertionError(fault)
        if fault is Fault.DELAY:
            self.advance(random.randint(0, timeout_ms - 1))
        return self._garbled(fault, reply)

    def _garbled(self, fault: Fault, reply: Reply) -> Reply:
        status, text, headers = reply
        if fault is Fault.ERROR_AFTER:
            return _error(*self.random.choice(self.errors_after))
        if fault is Fault.GARBAGE:
            return 200, self.random.choice(_GARBAGE), {}
        if fault is Fault.HALF:
            return status, text[: self.random.randrange(len(text))], headers
        if fault is Fault.RESULT_LOST:
            return self._with_results_lost(reply)
        return reply

    def _with_results_lost(self, reply: Reply) -> Reply:
        """Some results of commands that were carried out say that the venue did not answer."""
        status, text, headers = reply
        body = json.loads(text)
        results = body.get("results") if isinstance(body, dict) else None
        if status >= 300 or not results:
            return reply
        for result in results:
            if result["ok"] and self.random.random() < 0.7:
                kept = {"index": result["index"], "ok": False, "error": dict(self.lost_result)}
                result.clear()
                result.update(kept)
        if any(result["ok"] for result in results):
            return 207, json.dumps(body), headers
        first = results[0]["error"]
        text = json.dumps({"detail": {**first, "results": results}})
        if self.random.random() < 0.3:
            text = text[: self.random.randrange(len(text))]
        return self.lost_status, text, headers

    # -- the server ----------------------------------------------------------------------------

    def _execute(self, method: str, url: str, headers: Any, text: str | None) -> Reply:
        """What the server does with a request that has reached it."""
        parts = urlsplit(url)
        found = self._endpoint(method, unquote(parts.path))
        if found is None:
            return 404, '{"detail": "Not Found"}', {}
        endpoint, placeholders = found
        principal: Any = ANONYMOUS
        if endpoint.access is not Access.PUBLIC:
            principal = self.oms.keys.authenticate(dict(headers).get("x-api-key", ""))
        query = dict(parse_qsl(parts.query))
        return self._answer(endpoint.name, placeholders, query, json.loads(text) if text else None, principal)

    def _answer(self, endpoint: str, placeholders: Any, query: Any, body: Any, principal: Any) -> Reply:
        if principal is None:
            return 401, '{"detail": {"code": "invalid_api_key", "message": "", "details": {}}}', {}
        if Feature.QUERY_FILTERS not in self.features:
            query = {name: value for name, value in query.items() if name not in _FILTERS}
        keeps_claims = endpoint != "commands" or Feature.CLIENT_ORDER_ID_DEDUPE in self.features
        with nullcontext() if keeps_claims else self._without_claims():
            reply = self.oms.handle(endpoint, placeholders, query, body, principal)
        return reply.status, json.dumps(self._poorer(endpoint, reply.body)), {}

    @contextmanager
    def _without_claims(self) -> Iterator[None]:
        """The same client order id makes another order; reads, which look at claims, find the newest."""
        claims = self.oms._core.store._claims
        earlier = dict(claims)
        claims.clear()
        yield
        for account_id, named in earlier.items():
            claims[account_id] = {**named, **claims[account_id]}

    def _endpoint(self, method: str, path: str) -> tuple[Endpoint, dict[str, str]] | None:
        for endpoint, pattern in self._routes:
            match = pattern.fullmatch(path) if endpoint.method == method else None
            if match is not None:
                by_id = endpoint.name.endswith("_by_id")
                missing = by_id and Feature.BY_ID not in self.features
                return None if missing else (endpoint, match.groupdict())
        return None

    def _poorer(self, endpoint: str, body: Any) -> Any:
        """An answer without what is not announced."""
        if endpoint == "health":
            return {**body, "features": sorted(self.features)}
        detail = body.get("detail") if isinstance(body, dict) else None
        holder = detail if isinstance(detail, dict) else body
        if endpoint == "commands" and "results" in holder:
            hidden = {"duplicate"} if Feature.CLIENT_ORDER_ID_DEDUPE not in self.features else set()
            if Feature.ROWS_IN_RESULTS not in self.features:
                hidden |= {"order", "deals", "positions"}
            holder["results"] = [_without(result, hidden) for result in holder["results"]]
        elif Feature.ORDER_OPTIONS not in self.features and isinstance(body, dict) and "items" in body:
            body = {**body, "items": [_without(row, _BEYOND_THE_PLAIN_ROW) for row in body["items"]]}
        return body


def _without(row: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def _error(status: int, code: str | None) -> Reply:
    if code is None:
        return status, f"<html><h1>{status}</h1></html>", {}
    code, _, ccxt_error = code.partition("/")
    details = {"ccxt_error": ccxt_error} if ccxt_error else {}
    return status, json.dumps({"detail": {"code": code, "message": "no", "details": details}}), {}
