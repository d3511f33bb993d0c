"""What is unknown is not asked for twice: batches, closing, and callers that were interrupted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange
from ccxt_driver.oms import EmbeddedOms, order_commands
from tests.helpers.gateway_stub import ALL_FEATURES, Driver, Gateway, Sent
from tests.helpers.loopback_server import Failure, Fault, serving
from tests.helpers.oms_rows import filled_row, order_row, position_row
from tests.helpers.virtual_time import with_clock

pytestmark = pytest.mark.oldest

SYMBOL = "BTC/USDT"
POST = "POST /oms/commands"
HISTORY = "GET /oms/orders/history"
POSITIONS = "GET /oms/positions/open"
NO_DEDUPE = tuple(name for name in ALL_FEATURES if name != "client_order_id_dedupe")
LOST = (504, {"detail": {"code": "dispatcher_timeout", "message": "no answer"}})
DOWN = (503, {"detail": {"code": "engine_unavailable", "message": "no"}})


class Book:
    """The orders that a stubbed gateway has, placed by whatever command arrives while it listens."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.rows: dict[str, dict[str, Any]] = {}
        self.posts: list[list[dict[str, Any]]] = []
        self.answers: list[Any] = []
        """What the next posts are answered; afterwards all is well."""
        driver.gateway.on(POST, self._take)
        driver.gateway.on(HISTORY, self._find)
        driver.gateway.on("GET /oms/deals", {"items": [], "total": 0})

    def _take(self, sent: Sent) -> Any:
        commands = sent.body if isinstance(sent.body, list) else [sent.body]
        self.posts.append(commands)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            answer = answer(commands)
        if answer is not None:
            return answer
        return {"results": [self.done(index, command) for index, command in enumerate(commands)]}

    def done(self, index: int, command: dict[str, Any]) -> dict[str, Any]:
        """Place an order; the result of its command."""
        row = self.place(command)
        return {"index": index, "ok": True, "command_id": 1, "order_id": row["id"], "order": row}

    def place(self, command: dict[str, Any]) -> dict[str, Any]:
        """Place an order, and tell nobody."""
        name = command["payload"]["client_order_id"]
        columns = {key: command["payload"][key] for key in ("side", "qty") if key in command["payload"]}
        row = order_row(id=100 + len(self.rows), client_order_id=name, **columns)
        self.rows[name] = row
        return row

    def place_all(self, commands: list[dict[str, Any]]) -> Any:
        """An answer: all are placed, and it is lost."""
        for command in commands:
            self.place(command)
        return LOST

    def _find(self, sent: Sent) -> Any:
        row = self.rows.get(sent.query.get("client_order_id", ""))
        rows = [] if row is None else [row]
        return {"items": rows, "total": len(rows), "page": 1, "page_size": 1}

    @property
    def asked(self) -> list[list[tuple[Any, Any]]]:
        """Side and quantity of each order of each post."""
        return [[(c["payload"].get("side"), c["payload"].get("qty")) for c in post] for post in self.posts]


@pytest.fixture
def make(make_driver: Any) -> Any:
    def made(features: tuple[str, ...] = NO_DEDUPE, **options: Any) -> Book:
        options = {"lookup_timeout": 500, **options}
        return Book(with_clock(make_driver(features, options=options).ready()))

    return made


def member(amount: float, **params: Any) -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "type": "limit",
        "side": "buy",
        "amount": amount,
        "price": 100,
        "params": params,
    }


def create(book: Book, amount: float) -> Any:
    return book.driver.call("create_order", SYMBOL, "limit", "buy", amount, 100)


def create_all(book: Book, *amounts: float) -> Any:
    return book.driver.call("create_orders", [member(amount) for amount in amounts])


def lose(book: Book, *amounts: float) -> ccxt.RequestTimeout:
    """A batch whose answer is lost, and of which nothing is placed yet."""
    book.answers = [LOST]
    with pytest.raises(ccxt.RequestTimeout) as caught:
        create_all(book, *amounts)
    return caught.value


# -- batches -----------------------------------------------------------------------------------


def test_a_batch_that_was_lost_is_not_placed_twice(make: Any) -> None:
    book = make()
    lose(book, 1, 2)
    with pytest.raises(ccxt.RequestTimeout) as caught:
        create_all(book, 1, 2)
    names = [each.client_order_id for each in caught.value.results]
    assert names == [command["payload"]["client_order_id"] for command in book.posts[0]]
    assert len(book.posts) == 1

    for command in book.posts[0]:
        book.place(command)
    assert [order["clientOrderId"] for order in create_all(book, 1, 2)] == names
    assert len(book.posts) == 1

    create_all(book, 1, 2)  # now these are two others
    assert len(book.posts) == 2


def test_only_the_others_of_a_batch_are_sent_and_the_order_is_kept(make: Any) -> None:
    book = make()
    lose(book, 2)
    unknown = book.place(book.posts[0][0])
    found = create_all(book, 1, 2, 3)

    assert [order["amount"] for order in found] == [1, 2, 3]
    assert found[1]["id"] == str(unknown["id"])
    assert book.asked[1:] == [[("buy", "1"), ("buy", "3")]]


def test_what_stays_unknown_of_a_batch_is_told_for_that_member_alone(make: Any) -> None:
    book = make()
    first = lose(book, 2)
    one, two, three = create_all(book, 1, 2, 3)

    assert (one["amount"], three["amount"]) == (1, 3)
    assert isinstance(two, ccxt.RequestTimeout)
    assert (two.outcome, two.client_order_id) == ("unknown", first.client_order_ids[0])


@pytest.mark.parametrize("failure", [DOWN, (401, {"detail": {"code": "invalid_api_key", "message": "no"}})])
def test_a_refusal_of_the_others_does_not_hide_what_is_unknown(make: Any, failure: Any) -> None:
    book = make()
    lose(book, 2)
    book.answers = [failure]
    with pytest.raises(ccxt.RequestTimeout) as caught:
        create_all(book, 1, 2)
    results = caught.value.results
    assert caught.value.outcome == "unknown"
    assert len({each.client_order_id for each in results}) == 2
    assert results[1].client_order_id == book.posts[0][0]["payload"]["client_order_id"]


def test_a_batch_waits_for_a_single_order_and_the_other_way_round(make: Any) -> None:
    book = make()
    book.answers = [LOST]
    with pytest.raises(ccxt.RequestTimeout) as single:
        create(book, 1)
    with pytest.raises(ccxt.RequestTimeout) as batch:
        create_all(book, 1)
    assert batch.value.client_order_id == single.value.client_order_id
    with pytest.raises(ccxt.RequestTimeout) as again:
        create(book, 1)
    assert again.value.client_order_id == single.value.client_order_id
    assert not hasattr(again.value, "results")  # of the batch, not of this
    assert len(book.posts) == 1


def test_twins_of_a_batch_are_two_orders_and_one_asks_for_one_of_them(make: Any) -> None:
    book = make()
    lose(book, 1, 1)
    rows = [book.place(command) for command in book.posts[0]]
    assert [order["id"] for order in create_all(book, 1, 1)] == [str(row["id"]) for row in rows]
    assert len(book.posts) == 1

    lose(book, 1, 1)
    second = [str(book.place(command)["id"]) for command in book.posts[1]]
    assert create(book, 1)["id"] == second[0]
    third, fourth, fifth = create_all(book, 1, 1, 1)
    assert third["id"] == second[1]
    assert {fourth["id"], fifth["id"]}.isdisjoint(second)
    assert book.asked[2] == [("buy", "1")] * 2


def test_a_batch_that_was_refused_or_named_by_its_caller_is_not_held(make: Any) -> None:
    book = make()
    error = {"code": "insufficient_funds", "message": "no"}
    book.answers = [(422, {"detail": error})]
    with pytest.raises(ccxt.InsufficientFunds):
        create_all(book, 1)
    assert create_all(book, 1)[0]["amount"] == 1

    book.answers = [LOST]
    with pytest.raises(ccxt.RequestTimeout):
        book.driver.call("create_orders", [member(5, clientOrderId="mine")])
    book.driver.call("create_orders", [member(5, clientOrderId="mine too")])
    assert len(book.posts) == 4


def unknown_for(book: Book, seconds: int) -> None:
    """A program that asks for the same order every ten seconds, and is told each time that it is unknown."""
    for _ in range(0, seconds, 10):
        with pytest.raises(ccxt.RequestTimeout):
            create(book, 1)
        book.driver.exchange.clock.now_ms += 10_000


@pytest.mark.parametrize("features", [NO_DEDUPE, ALL_FEATURES], ids=["once", "repeated"])
def test_what_the_server_does_not_have_is_held_no_longer_by_asking_for_it(
    make: Any, features: tuple[str, ...]
) -> None:
    book = make(features)
    refused = (422, {"detail": {"code": "insufficient_funds", "message": "no"}})
    book.answers = [LOST, *[refused] * 1000]
    unknown_for(book, 60)
    first = book.posts[0][0]["payload"]["client_order_id"]
    with pytest.raises(ccxt.InsufficientFunds):
        create(book, 1)
    assert book.posts[-1][0]["payload"]["client_order_id"] != first
    book.answers = []
    assert create(book, 1)["amount"] == 1


def test_an_outage_does_not_prolong_the_hold_of_what_the_server_does_not_have(make: Any) -> None:
    book = make()
    book.answers = [LOST]
    unknown_for(book, 40)
    book.driver.gateway.on(HISTORY, DOWN)
    unknown_for(book, 40)
    assert len(book.posts) == 1
    book.driver.gateway.on(HISTORY, book._find)
    unknown_for(book, 10)
    assert create(book, 1)["amount"] == 1
    assert len(book.posts) == 2


def test_what_cannot_be_looked_up_is_held_as_long_as_it_is_asked_for(make: Any) -> None:
    book = make(ALL_FEATURES)
    book.answers = [LOST]
    book.driver.gateway.on(HISTORY, DOWN)
    unknown_for(book, 300)
    assert len(book.posts) == 1
    book.place(book.posts[0][0])
    book.driver.gateway.on(HISTORY, book._find)
    assert create(book, 1)["id"] == "100"
    assert len(book.posts) == 1


@pytest.mark.parametrize("features", [NO_DEDUPE, ALL_FEATURES], ids=["once", "repeated"])
def test_without_time_for_look_ups_the_same_call_asks_once(make: Any, features: tuple[str, ...]) -> None:
    book = make(features, lookup_timeout=0)
    refused = (422, {"detail": {"code": "insufficient_funds", "message": "no"}})
    book.answers = [LOST, *[refused] * 1000]
    unknown_for(book, 10)
    assert HISTORY not in book.driver.gateway.routes  # not at all, as the option says
    unknown_for(book, 60)
    book.answers = []
    assert create(book, 1)["amount"] == 1

    book.answers = [book.place_all]
    with pytest.raises(ccxt.RequestTimeout) as lost:
        create(book, 2)
    assert create(book, 2)["clientOrderId"] == lost.value.client_order_id


def test_without_time_for_look_ups_the_same_batch_asks_once_for_each(make: Any) -> None:
    book = make(lookup_timeout=0)
    lose(book, 1, 2, 3)
    for command in book.posts[0][1:]:
        book.place(command)
    unknown, *found = create_all(book, 1, 2, 3)
    assert (unknown.outcome, [order["amount"] for order in found]) == ("unknown", [2, 3])
    assert len(book.posts) == 1


def test_a_clock_that_is_set_back_does_not_prolong_the_hold(make: Any) -> None:
    book = make()
    book.answers = [LOST]
    unknown_for(book, 20)
    book.driver.exchange.clock.now_ms -= 3_600_000
    unknown_for(book, 60)
    assert create(book, 1)["amount"] == 1
    assert len(book.posts) == 2


def test_a_clock_that_is_set_back_does_not_prolong_a_look_up(make: Any) -> None:
    book, looks = make(lookup_timeout=5_000), 0
    clock = book.driver.exchange.clock

    def find(sent: Sent) -> Any:
        nonlocal looks
        looks += 1
        clock.now_ms -= 3_600_000 if looks == 2 else 0
        return book._find(sent)

    book.driver.gateway.on(HISTORY, find)
    lose(book, 1)
    assert sum(clock.slept) < 11_000


def test_an_order_that_was_being_sent_again_is_on_its_way_once_more(make: Any) -> None:
    """By a caller that was interrupted: it may arrive later than the first sending would have."""
    book = make(ALL_FEATURES)
    refused = (422, {"detail": {"code": "insufficient_funds", "message": "no"}})
    book.answers = [LOST, *[refused] * 1000]
    unknown_for(book, 50)
    book.answers = [interrupted(asyncio.CancelledError, book, place=False)]
    with pytest.raises(asyncio.CancelledError):
        create(book, 1)
    book.answers = [refused] * 1000
    unknown_for(book, 60)
    assert len({post[0]["payload"]["client_order_id"] for post in book.posts}) == 1
    with pytest.raises(ccxt.InsufficientFunds):
        create(book, 1)


def test_all_of_a_batch_are_looked_for_by_one_deadline(make: Any) -> None:
    book = make()
    before = book.driver.exchange.clock.now_ms
    lose(book, *range(1, 21))
    assert book.driver.exchange.clock.now_ms - before < 1500


def test_what_nobody_asks_for_again_is_dropped(make: Any) -> None:
    book = make()
    for amount in range(1, 5):
        lose(book, amount)
        book.driver.exchange.clock.now_ms += 61_000
    assert len(book.driver.exchange._unknown_creates._held) == 1


def test_the_order_of_keys_makes_no_other_order(make: Any) -> None:
    book = make()
    book.answers = [LOST]
    names = []
    for params in ({"own": {"a": 1, "b": {"c": 1, "d": 2}}}, {"own": {"b": {"d": 2, "c": 1}, "a": 1}}):
        with pytest.raises(ccxt.RequestTimeout) as lost:
            book.driver.call("create_order", SYMBOL, "limit", "buy", 1, 100, params)
        names.append(lost.value.client_order_id)
    assert names[0] == names[1]
    assert len(book.posts) == 1

    book.driver.call("create_order", SYMBOL, "limit", "buy", 1, 100, {"own": {"a": 2}})
    assert len(book.posts) == 2


# -- interrupted callers -----------------------------------------------------------------------


class Bug(Exception):
    """A fault of a user's hook."""


INTERRUPTIONS = (asyncio.CancelledError, KeyboardInterrupt, Bug)


def interrupted(kind: type[BaseException], book: Book, place: bool) -> Callable[[Any], Any]:
    def answer(commands: list[dict[str, Any]]) -> Any:
        if place:
            book.place_all(commands)
        raise kind

    return answer


@pytest.mark.parametrize("kind", INTERRUPTIONS)
@pytest.mark.parametrize("placed", [True, False])
def test_an_order_whose_caller_was_interrupted_is_not_placed_twice(
    make: Any, kind: Any, placed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    book = make()
    book.answers = [interrupted(kind, book, placed)]
    with caplog.at_level(logging.WARNING), pytest.raises(kind) as caught:
        create(book, 1)
    name = book.posts[0][0]["payload"]["client_order_id"]
    assert type(caught.value) is kind
    assert (caught.value.outcome, caught.value.client_order_id) == ("unknown", name)
    assert [name in record.getMessage() for record in caplog.records] == [True]
    assert book.driver.exchange._commands_in_flight == 0

    if placed:
        assert create(book, 1)["clientOrderId"] == name
    else:
        with pytest.raises(ccxt.RequestTimeout) as again:
            create(book, 1)
        assert again.value.client_order_id == name
    assert len(book.posts) == 1


def test_where_the_id_is_unique_an_interrupted_order_is_sent_again_under_it(make: Any) -> None:
    book = make(ALL_FEATURES)
    book.answers = [interrupted(asyncio.CancelledError, book, place=False)]
    with pytest.raises(asyncio.CancelledError):
        create(book, 1)
    create(book, 1)
    assert len({post[0]["payload"]["client_order_id"] for post in book.posts}) == 1


def test_a_caller_that_is_interrupted_while_an_order_is_looked_up(make: Any) -> None:
    book = make()
    book.answers = [LOST]

    def interrupt(sent: Sent) -> Any:
        raise asyncio.CancelledError

    book.driver.gateway.on(HISTORY, interrupt)
    for _ in range(2):  # the second waits for the first
        with pytest.raises(asyncio.CancelledError) as caught:
            create(book, 1)
        assert caught.value.client_order_id == book.posts[0][0]["payload"]["client_order_id"]
    book.driver.gateway.on(HISTORY, book._find)
    row = book.place(book.posts[0][0])
    assert create(book, 1)["id"] == str(row["id"])
    assert len(book.posts) == 1


def test_a_caller_that_is_interrupted_while_the_placed_order_is_read(make: Any) -> None:
    book = make()
    row = filled_row(id=11)
    book.answers = [lambda commands: {"results": [{"index": 0, "ok": True, "command_id": 1, "order_id": 11}]}]

    def interrupt(sent: Sent) -> Any:
        raise asyncio.CancelledError

    book.driver.gateway.on("GET /oms/orders/11", interrupt)
    with pytest.raises(asyncio.CancelledError) as caught:
        create(book, 1)
    assert caught.value.outcome == "unknown"
    book.rows[caught.value.client_order_id] = {**row, "client_order_id": caught.value.client_order_id}
    assert create(book, 1)["id"] == "11"
    assert len(book.posts) == 1


def test_of_an_interrupted_batch_everything_may_be_there(make: Any) -> None:
    book = make()
    book.answers = [interrupted(asyncio.CancelledError, book, place=True)]
    with pytest.raises(asyncio.CancelledError) as caught:
        create_all(book, 1, 2)
    names = list(book.rows)
    assert (caught.value.client_order_id, caught.value.client_order_ids) == (None, names)
    assert [order["clientOrderId"] for order in create_all(book, 1, 2)] == names
    assert len(book.posts) == 1


def test_of_an_interrupted_batch_what_was_refused_is_sent_again(make: Any) -> None:
    """The look-up of the unknown one is interrupted: nobody was told of the placed one either."""
    book = make()

    def answer(commands: list[dict[str, Any]]) -> Any:
        errors = [{"code": code, "message": "no"} for code in ("exchange_timeout", "insufficient_funds")]
        failed = [{"index": index, "ok": False, "error": error} for index, error in enumerate(errors, 1)]
        return 207, {"results": [book.done(0, commands[0]), *failed]}

    def interrupt(sent: Sent) -> Any:
        raise asyncio.CancelledError

    book.answers = [answer]
    book.driver.gateway.on(HISTORY, interrupt)
    with pytest.raises(asyncio.CancelledError):
        create_all(book, 1, 2, 3)
    book.driver.gateway.on(HISTORY, book._find)
    book.place(book.posts[0][1])
    assert [order["amount"] for order in create_all(book, 1, 2, 3)] == [1, 2, 3]
    assert book.asked[1:] == [[("buy", "3")]]


def test_nothing_is_held_of_what_was_interrupted_before_it_was_sent(make: Any) -> None:
    book = make()
    book.driver.exchange.markets = None
    if not book.driver.exchange.synchronous:
        book.driver.exchange.markets_loading = None
    markets = book.driver.gateway.answers["POST /ccxt/1/fetch_markets"]
    book.driver.gateway.on("POST /ccxt/1/fetch_markets", asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError) as caught:
        create(book, 1)
    assert not hasattr(caught.value, "outcome")
    book.driver.gateway.on("POST /ccxt/1/fetch_markets", markets)
    create(book, 1)
    assert len(book.posts) == 1


def test_markets_that_were_half_loaded_are_loaded_again(make_driver: Any) -> None:
    driver = make_driver()
    describe = driver.gateway.answers["POST /ccxt/1/describe"]
    driver.gateway.on("POST /ccxt/1/describe", asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        driver.call("load_markets")
    driver.gateway.on("POST /ccxt/1/describe", describe)
    driver.gateway.sent.clear()
    driver.call("load_markets")
    assert "POST /ccxt/1/describe" in driver.gateway.routes


def test_no_sandbox_while_an_order_is_looked_up(make: Any) -> None:
    book = make(sandbox={"base_url": "http://other.test", "account_id": 1, "apiKey": "k"})
    book.answers = [LOST]

    def switch(sent: Sent) -> Any:
        book.driver.exchange.set_sandbox_mode(True)

    book.driver.gateway.on(HISTORY, switch)
    with pytest.raises(ccxt.RequestTimeout):
        create(book, 1)
    assert not book.driver.exchange.isSandboxModeEnabled


def test_no_sandbox_between_two_sendings_of_a_cancellation(make: Any) -> None:
    book = make(sandbox={"base_url": "http://other.test", "account_id": 1, "apiKey": "k"})
    book.answers = [LOST]
    exchange = book.driver.exchange
    refused = []

    def pause(milliseconds: float) -> Any:
        exchange.clock.pass_by(milliseconds)
        with pytest.raises(ccxt.OperationRejected, match="in flight") as caught:
            exchange.set_sandbox_mode(True)
        refused.append(caught.value)
        return None if exchange.synchronous else asyncio.sleep(0)

    exchange.sleep = pause
    book.driver.gateway.on("GET /oms/orders/11", {"items": [order_row(id=11, status="CANCELED")]})
    command = {"index": 0, "ok": True, "command_id": 1, "order": order_row(id=11, status="CANCELED")}
    book.answers.append({"results": [command]})
    book.driver.call("cancel_order", "11")
    assert refused


@pytest.mark.sockets
@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_a_task_that_gives_up_leaves_no_connection_and_no_task(how: str) -> None:
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()

    def silent(sent: Sent) -> Any:
        loop.call_soon_threadsafe(arrived.set)
        raise Failure(Fault.SILENCE)

    with serving(Gateway()) as server:
        options = {"base_url": server.url, "account_id": 1, "share_markets": False}
        exchange = AsyncOmsCcxtExchange({"apiKey": "k", "options": options})
        exchange.timeout_on_exit = 0
        async with exchange:
            await exchange.load_markets()
            server.gateway.on(POST, silent)
            before = asyncio.all_tasks()
            error: Any = await _given_up(exchange.create_order(SYMBOL, "limit", "buy", 2, 100), how, arrived)

            [sent] = [each for each in server.gateway.sent if each.route == POST]
            name = sent.body["payload"]["client_order_id"]
            assert (error.outcome, error.client_order_id) == ("unknown", name)
            assert asyncio.all_tasks() == before
            assert not exchange.tcp_connector._acquired
            assert exchange._commands_in_flight == 0

            server.gateway.on(HISTORY, {"items": [order_row(id=11, client_order_id=name)], "total": 1})
            assert (await exchange.create_order(SYMBOL, "limit", "buy", 2, 100))["id"] == "11"
        assert server.gateway.routes.count(POST) == 1


@pytest.mark.sockets
@pytest.mark.parametrize("method", ["create_order", "create_orders"])
async def test_a_task_that_is_cancelled_and_has_not_run_since_is_waited_for(method: str) -> None:
    """`cancel()` only asks a task to end: the next call may come before it has."""
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()

    def silent(sent: Sent) -> Any:
        loop.call_soon_threadsafe(arrived.set)
        raise Failure(Fault.SILENCE)

    with serving(Gateway()) as server:
        options = {"base_url": server.url, "account_id": 1, "share_markets": False}
        exchange = AsyncOmsCcxtExchange({"apiKey": "k", "options": options})
        exchange.timeout_on_exit = 0

        def place() -> Any:
            if method == "create_orders":
                return exchange.create_orders([member(2)])
            return exchange.create_order(SYMBOL, "limit", "buy", 2, 100)

        async with exchange:
            await exchange.load_markets()
            server.gateway.on(POST, silent)
            first = asyncio.create_task(place())
            await arrived.wait()
            sent = next(each for each in server.gateway.sent if each.route == POST)
            (command,) = sent.body if isinstance(sent.body, list) else [sent.body]
            row = order_row(id=11, client_order_id=command["payload"]["client_order_id"])
            server.gateway.on(HISTORY, {"items": [row], "total": 1})
            first.cancel()
            found = await place()

            assert (found[0] if method == "create_orders" else found)["id"] == "11"
            assert server.gateway.routes.count(POST) == 1
            with pytest.raises(asyncio.CancelledError):
                await first
            assert not exchange._placings


async def _given_up(order: Any, how: str, arrived: asyncio.Event) -> BaseException:
    """What a task ends with that is cancelled, or timed out, when the server has its order."""
    if how == "timeout":

        async def end() -> None:
            await arrived.wait()
            limit.reschedule(asyncio.get_running_loop().time())

        ending = asyncio.create_task(end())
        with pytest.raises(TimeoutError) as late:
            async with asyncio.timeout(None) as limit:
                await order
        await ending
        assert late.value.__cause__ is not None
        return late.value.__cause__
    task = asyncio.create_task(order)
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await task
    return cancelled.value


def test_an_interrupt_in_process_leaves_nothing_and_the_order_is_placed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    oms = EmbeddedOms(clock="manual")
    exchange = OmsCcxtExchange({"options": {"base_url": "embedded:", "oms": oms}})
    exchange.load_markets()
    with monkeypatch.context() as patch:

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(order_commands, "submit", stop)
        with pytest.raises(KeyboardInterrupt) as caught:
            exchange.create_order(SYMBOL, "market", "buy", 0.001)
    order = exchange.create_order(SYMBOL, "market", "buy", 0.001)
    assert order["clientOrderId"] == vars(caught.value)["client_order_id"]
    assert len(exchange.fetch_orders(SYMBOL)) == 1
    oms.close()


# -- closing -----------------------------------------------------------------------------------


def holds(book: Book, *ids: int) -> None:
    rows = [position_row(id=number, symbol=SYMBOL) for number in ids]
    book.driver.gateway.on(POSITIONS, {"items": rows, "total": len(rows), "page": 1, "page_size": 500})


def close(book: Book, **params: Any) -> Any:
    return book.driver.call("close_position", SYMBOL, None, params)


def closed(book: Book) -> list[list[int]]:
    """Ids of the positions that each post closes."""
    return [[command["payload"]["position_id"] for command in post] for post in book.posts]


def test_a_close_that_is_unknown_closes_nothing_that_was_opened_since(make: Any) -> None:
    book = make()
    holds(book, 1)
    book.answers = [LOST]
    with pytest.raises(ccxt.RequestTimeout) as caught:
        close(book)
    row = book.place(book.posts[0][0])
    holds(book, 2)  # it has worked, and another position was opened
    assert close(book)["id"] == str(row["id"])
    assert row["client_order_id"] == caught.value.client_order_id
    assert closed(book) == [[1]]

    close(book)  # a new wish
    assert closed(book) == [[1], [2]]


def test_a_part_is_not_closed_twice(make: Any) -> None:
    book = make()
    holds(book, 1)
    book.answers = [LOST]
    for _ in range(2):
        with pytest.raises(ccxt.RequestTimeout):
            close(book, amount=1)
    assert closed(book) == [[1]]


def test_of_several_closes_what_is_known_not_to_have_worked_is_sent_again(make: Any) -> None:
    book = make()
    holds(book, 1, 2, 3)

    def answer(commands: list[dict[str, Any]]) -> Any:
        errors = [{"code": code, "message": "no"} for code in ("exchange_timeout", "insufficient_funds")]
        failed = [{"index": index, "ok": False, "error": error} for index, error in enumerate(errors, 1)]
        return 207, {"results": [book.done(0, commands[0]), *failed]}

    book.answers = [answer]
    with pytest.raises(ccxt.RequestTimeout):
        close(book)
    book.place(book.posts[0][1])
    holds(book, 3, 4)
    orders = close(book)["info"]["orders"]
    assert closed(book) == [[1, 2, 3], [3]]
    assert [row["client_order_id"] for row in orders] == [
        book.posts[0][1]["payload"]["client_order_id"],
        book.posts[1][0]["payload"]["client_order_id"],
    ]
    assert orders[1]["client_order_id"] != book.posts[0][2]["payload"]["client_order_id"]


def test_an_interrupted_close_is_found_again(make: Any) -> None:
    book = make()
    holds(book, 1, 2)
    book.answers = [interrupted(asyncio.CancelledError, book, place=True)]
    with pytest.raises(asyncio.CancelledError) as caught:
        close(book)
    assert caught.value.client_order_ids == list(book.rows)
    holds(book, 3)
    assert [row["client_order_id"] for row in close(book)["info"]["orders"]] == list(book.rows)
    assert closed(book) == [[1, 2]]


def test_another_call_does_not_close_what_may_be_closed_already(make: Any) -> None:
    book = make()
    holds(book, 1)
    book.answers = [LOST]
    with pytest.raises(ccxt.RequestTimeout) as lost:
        close(book)
    holds(book, 1, 2)
    blocked, order = book.driver.call("close_all_positions")
    assert isinstance(blocked, ccxt.OperationRejected)
    assert lost.value.client_order_id in str(blocked)
    assert (blocked.outcome, blocked.client_order_id) == ("not_sent", None)
    assert closed(book) == [[1], [2]]

    holds(book, 1)
    row = book.place(book.posts[0][0])
    [found] = book.driver.call("close_all_positions")  # the other call's order is known to close it
    assert (found["id"], order["id"] != found["id"]) == (str(row["id"]), True)
    assert closed(book) == [[1], [2]]


def test_a_part_that_another_call_has_closed_does_not_stand_for_the_whole(make: Any) -> None:
    book = make()
    holds(book, 1)
    book.answers = [LOST]
    with pytest.raises(ccxt.RequestTimeout):
        close(book, amount=1)
    book.place(book.posts[0][0])
    with pytest.raises(ccxt.OperationRejected, match="is being closed already"):
        close(book)
    close(book)  # the part is known now
    assert [post[0]["payload"].get("qty") for post in book.posts] == ["1", None]


@pytest.mark.parametrize("how", ["an id of its own", "switched off", "after the hold"])
def test_what_is_closed_again_all_the_same(make: Any, how: str) -> None:
    book = make(**({"guard_unknown": False} if how == "switched off" else {}))
    holds(book, 1)
    book.answers = [LOST]
    with pytest.raises(ccxt.RequestTimeout):
        close(book)
    book.driver.exchange.clock.now_ms += 61_000 if how == "after the hold" else 0
    close(book, **({"clientOrderId": "mine"} if how == "an id of its own" else {}))
    assert closed(book) == [[1], [1]]


def test_a_position_is_not_closed_twice_by_one_id_of_the_callers(make: Any) -> None:
    book = make()
    holds(book, 1)
    book.answers = [LOST]
    for _ in range(2):
        with pytest.raises(ccxt.RequestTimeout) as lost:
            close(book, clientOrderId="mine")
        assert lost.value.client_order_id == "mine"
    with pytest.raises(ccxt.OperationRejected, match="mine"):
        close(book)
    assert closed(book) == [[1]]

    row = book.place(book.posts[0][0])
    assert close(book, clientOrderId="mine")["id"] == str(row["id"])
    assert closed(book) == [[1]]


# -- several tasks -----------------------------------------------------------------------------


async def test_of_two_tasks_that_ask_for_the_same_one_gets_what_was_unknown() -> None:
    """As of two members of a batch: two were wanted, and one of them may be there."""
    gateway = Gateway(NO_DEDUPE)

    class Stubbed(AsyncOmsCcxtExchange):
        async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            await asyncio.sleep(0)
            status, text, more = gateway.answer(method, url, headers or {}, body)
            parsed = self.parse_json(text)
            self.handle_errors(status, "", url, method, more, text, parsed, headers, body)
            return parsed

    options = {"base_url": "http://oms.test", "account_id": 1, "share_markets": False, "lookup_timeout": 0}
    exchange = Stubbed({"apiKey": "k", "options": options})
    exchange.milliseconds = lambda: 1_795_140_332_000
    book = Book(Driver(exchange, gateway, lambda result: result))
    order = (SYMBOL, "limit", "buy", 1, 100)
    book.answers = [book.place_all]
    with pytest.raises(ccxt.RequestTimeout) as lost:
        await exchange.create_order(*order)
    exchange.options["lookup_timeout"] = 500
    both = await asyncio.gather(exchange.create_order(*order), exchange.create_order(*order))
    names = {each["clientOrderId"] for each in both}
    assert lost.value.client_order_id in names
    assert len(names) == len(book.posts) == 2
