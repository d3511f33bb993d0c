"""The gateway's front: every endpoint that it has, and the shape of its answers and errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import RLock
from typing import Any, Final

from pydantic import ValidationError

from ccxt_driver.contract.endpoints import CORE_FUNCTIONS, snake_case
from ccxt_driver.oms import OWNER, EmbeddedOms, Market, Principal, Reply
from ccxt_driver.oms.service import CommandRequest

from .administration import Administration
from .commands import Commands
from .events import Rings
from .payloads import CALLS, COMMANDS, errors_of
from .queries import BadParameter, Queries
from .reconcile import Reconciler
from .refusals import Refused, before_storing, check_key, invalid
from .tables import Account, Tables
from .venue import Venue, changes_something

ACCOUNTS: Final[tuple[dict[str, Any], ...]] = tuple(
    {
        "account_id": account_id,
        "position_mode": mode,
        "balances": {"USDT": "100000", "BTC": "10", "ETH": "100"},
    }
    for account_id, mode in ((1, "netting"), (2, "hedge"), (3, "strategy_netting"))
)

_LISTS: Final = frozenset(
    {"orders_open", "orders_history", "deals", "positions_open", "positions_history"}
    | {"orders_raw", "trades_raw"}
)


class LaggingGateway:
    """A gateway as the public one is, in memory, in front of a venue of its own.

    It announces no features and has no reads by id. An order stays as it was sent. Deals and positions
    appear when `reconcile` is called, one position a trade. It stands wherever an `EmbeddedOms` does: as
    `options.oms`, behind the server, under a transport. Two lists have no endpoint in the contract: they are
    called `orders_raw` (GET /ccxt/orders/raw) and `trades_raw` (GET /ccxt/trades/raw) here.

    :param accounts: as those of an `EmbeddedOms`; the venue's accounts are netting ones, whatever the mode
    :param strategies: ids
    :param clock: manual or wall
    :param start_ms: where a manual clock starts, milliseconds since the Unix epoch
    :param markets: what the venue lists
    :param utc_offset_hours: how far the clock of its database is ahead of UTC
    :param exchange_id: what it says that the venue is
    :param venue_functions: what the venue has beside the basics; None for all. Without `edit_order` a
        change is a cancel and a new order
    :param trades_in_order: whether the venue's `fetch_order` comes with the trades
    :param symbol_required: functions of the venue that want a symbol
    :param reconcile_limit: how many trades one request of reconciling reads
    :param cache: whether lists are remembered for 5 s
    """

    def __init__(
        self,
        accounts: Iterable[Mapping[str, Any]] = ACCOUNTS,
        strategies: Iterable[int] = (1, 2, 3),
        clock: str = "manual",
        start_ms: int | None = None,
        markets: Iterable[Market] | None = None,
        *,
        utc_offset_hours: float = 0,
        exchange_id: str = "ccxtpro.binance",
        venue_functions: Iterable[str] | None = None,
        trades_in_order: bool = True,
        symbol_required: Iterable[str] = (),
        reconcile_limit: int = 200,
        cache: bool = True,
    ) -> None:
        given = [*accounts]
        netting = [{**account, "position_mode": "netting"} for account in given]
        self.venue = EmbeddedOms(netting, clock=clock, start_ms=start_ms, markets=markets, strategies=())
        self.requests: list[tuple[str, Any]] = []
        """What it was asked: endpoints and bodies."""
        self.lists: list[tuple[str, dict[str, Any]]] = []
        """The lists that it was asked for, with the parameters."""
        self.dispatcher_down = False
        """Whether the process behind the front is down: nothing is carried out."""
        self.lose_next_answer: str | None = None
        """A code, such as dispatcher_timeout, that the next commands are answered with once carried out."""
        self._lock = RLock()
        self._closed = False
        self._venue = Venue(self.venue, exchange_id, venue_functions, trades_in_order, symbol_required)
        self._tables = tables = Tables(self.venue.now_ms, utc_offset_hours)
        for each in given:
            mode, label = each.get("position_mode", "hedge"), each.get("label")
            tables.accounts[each["account_id"]] = Account(each["account_id"], mode, label)
        for strategy_id in strategies:
            tables.strategies[strategy_id] = {"name": f"strategy {strategy_id}", "client_strategy_id": None}
        self.rings = Rings()
        """What it tells over its socket."""
        self._commands = Commands(tables, self._venue, self.rings)
        self._queries = Queries(tables, self._check_list, cache)
        self._administration = Administration(
            tables,
            Reconciler(tables, self._venue, self.rings, reconcile_limit),
            self._queries,
            self.rings,
            exchange_id,
        )
        self._handlers: dict[str, Callable[..., Reply]] = {
            "commands": self._take_commands,
            "ccxt_call": self._ccxt_call,
            "ccxt_core": self._ccxt_core,
            "ccxt_commands": self._ccxt_commands,
        }

    # -- the door

    durable = False

    def run_together(self, requests: Sequence[CommandRequest]) -> list[Reply]:
        """Answer requests to `commands`."""
        return [self.handle("commands", {}, *request) for request in requests]

    def handle(
        self,
        endpoint: str,
        path: Mapping[str, Any],
        query: Mapping[str, Any],
        body: Any,
        principal: Principal | None = OWNER,
        request_id: str | None = None,
    ) -> Reply:
        """Answer one request.

        :param endpoint: its name in `contract.endpoints`
        :param principal: who asks; None for a key that nobody knows
        :param request_id: nobody looks at it
        :returns: the body of an error that nobody caught is a text, and no JSON
        """
        with self._lock:
            self.requests.append((endpoint, body))
            if endpoint == "health":
                return Reply(200, {"status": "ok"})
            if self._closed or self.dispatcher_down:
                return self._unavailable(endpoint, body)
            if endpoint in _LISTS:
                self.lists.append((endpoint, dict(query)))
                return self._list(endpoint, query, principal)
            own = self._handlers.get(endpoint)
            if own is not None:
                return own(path, body, principal)
            return self._administration.answer(endpoint, path, query, body, principal)

    def _unavailable(self, endpoint: str, body: Any) -> Reply:
        if endpoint == "reconcile":
            return Reply(200, {"ok": True, "account_ids": [], "triggered_count": 0})
        return Reply(400, {"detail": {"code": "dispatcher_unavailable"}})

    def _list(self, endpoint: str, query: Mapping[str, Any], principal: Principal | None) -> Reply:
        try:
            return self._queries.answer(endpoint, query, check_key(principal))
        except Refused as refused:
            return Reply(400, {"detail": refused.error})
        except BadParameter as wrong:
            return wrong.reply

    def _check_list(self, principal: Principal, account_id: int) -> None:
        reason = self._tables.denial(principal, account_id, "read")
        if reason is not None:
            raise Refused(reason, f"account_id={account_id}")

    def _account(self, principal: Principal | None, account_id: int, right: str) -> Account:
        """The account of a command or a call.

        :raises Refused: as of a check before anything is stored
        """
        reason = self._tables.denial(check_key(principal), account_id, right)
        if reason is not None:
            raise before_storing(reason)
        return self._tables.accounts[account_id]

    # -- commands

    def _take_commands(self, path: Any, body: Any, principal: Principal | None) -> Reply:
        try:
            given = COMMANDS.validate_python(body)
        except ValidationError as error:
            return Reply(422, errors_of(error))
        commands = given if isinstance(given, list) else [given]
        results = [self._result(index, command, principal) for index, command in enumerate(commands)]
        code, self.lose_next_answer = self.lose_next_answer, None
        if code is not None:
            return Reply(400, {"detail": {"code": code}})
        failed = [result for result in results if not result["ok"]]
        if not failed:
            return Reply(200, {"results": results})
        if len(failed) < len(results):
            return Reply(207, {"results": results})
        first = Refused(**failed[0]["error"])
        return Reply(first.status, {"detail": {**first.error, "results": results}})

    def _result(self, index: int, command: Any, principal: Principal | None) -> dict[str, Any]:
        try:
            if command.account_id is None:
                raise before_storing(
                    "1 validation error for CommandRequest\naccount_id\n  Input should be a valid integer"
                )
            closes = command.command in ("close_position", "close_by")
            account = self._account(principal, command.account_id, "close" if closes else "trade")
            command_id, order_id = self._commands.run(account, command, check_key(principal))
        except Refused as refused:
            ids = {"command_id": None, "order_id": None}
            return {"index": index, "ok": False, **ids, "error": refused.error}
        self._queries.forget(account.id)
        return {"index": index, "ok": True, "command_id": command_id, "order_id": order_id, "error": None}

    # -- the venue's functions

    def _ccxt_call(self, path: Mapping[str, Any], body: Any, principal: Principal | None) -> Reply:
        if not isinstance(body, dict):
            return invalid(["body"], "Field required", "missing")
        arguments = body.get("args") or [], body.get("kwargs") or {}
        return self._called(path, path["func"], *arguments, principal)

    def _ccxt_core(self, path: Mapping[str, Any], body: Any, principal: Principal | None) -> Reply:
        """The body is the arguments by name. Creating an order has never worked here."""
        func = path["func"]
        if func == "create_order":
            message = "Object of type Decimal is not JSON serializable"
            return Reply(400, {"detail": {"code": "dispatcher_unavailable", "message": message}})
        if func not in CORE_FUNCTIONS:
            return invalid(["path", "func"], "Input should be a core function", "literal_error", func)
        return self._called(path, func, [], body or {}, principal)

    def _called(
        self, path: Mapping[str, Any], func: str, args: list[Any], kwargs: Any, principal: Principal | None
    ) -> Reply:
        try:
            result = self._call(int(path["account_id"]), func, args, kwargs, principal)
        except ValueError:
            message = "Input should be a valid integer, unable to parse string as an integer"
            return invalid(["path", "account_id"], message, "int_parsing", path["account_id"])
        except Refused as refused:
            return Reply(refused.status, {"detail": refused.error})
        return Reply(200, {"ok": True, "result": result})

    def _ccxt_commands(self, path: Any, body: Any, principal: Principal | None) -> Reply:
        try:
            given = CALLS.validate_python(body)
        except ValidationError as error:
            return Reply(422, errors_of(error))
        results: list[dict[str, Any]] = []
        for index, call in enumerate(given if isinstance(given, list) else [given]):
            try:
                result = self._call(call.account_id, call.func, call.args, call.kwargs, principal)
                results.append({"index": index, "ok": True, "result": result})
            except Refused as refused:
                results.append({"index": index, "ok": False, "error": refused.error})
        return Reply(200, {"results": results})

    def _call(
        self, account_id: int, func: str, args: list[Any], kwargs: Any, principal: Principal | None
    ) -> Any:
        """Call the venue past the tables: what an order placed like this is, only reconciling tells.

        :raises Refused: with the text of whatever went wrong; its class is lost
        """
        trades = changes_something(func)
        self._account(principal, account_id, "trade" if trades else "read")
        try:
            result = self._venue.call(account_id, func, args, kwargs)
        except Exception as error:  # of whatever class: all are answered alike
            raise before_storing(str(error)) from error
        if changes_something(snake_case(func)):
            self._queries.forget(account_id)
        return result

    # -- the world

    @property
    def keys(self) -> Any:
        """Who may come in."""
        return self.venue.keys

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held while several reads have to belong together; re-entrant."""
        return self._lock

    @property
    def venue_down(self) -> Exception | None:
        """What every call of the venue raises, until it is None again."""
        return self._venue.down

    @venue_down.setter
    def venue_down(self, error: Exception | None) -> None:
        self._venue.down = error

    def restart_dispatcher(self) -> None:
        """Restart the process behind the front: its memory is lost, that is the events and the cache."""
        with self._lock:
            self.rings.restart()
            self._queries.forget()

    @contextmanager
    def uncommitted(self, account_id: int) -> Iterator[None]:
        """What the block does with an account is told at once, and can be read only when the block ends."""
        with self._lock:
            self._tables.begin(account_id)
        try:
            yield
        finally:
            with self._lock:
                self._tables.commit(account_id)
                self._queries.forget(account_id)

    def change_venue_answers(self, changed: Callable[[str, Any], Any] | None) -> None:
        """Let the venue answer otherwise: venues differ.

        :param changed: gives, or raises, the answer, of a function's name and what the venue would say
        """
        self._venue.changed = changed

    def lose_next_venue_answer(self) -> None:
        """Let the venue carry out the next order or cancellation, and the gateway never hear of it."""
        self._venue.loses_next_answer = True

    def venue_call(self, account_id: int, function: str, *args: Any, **kwargs: Any) -> Any:
        """What the venue says itself, past the gateway, under the venue's ids: the truth."""
        return self._venue.call(account_id, function, [*args], kwargs)

    def rows(self) -> dict[str, Any]:
        """Everything that the gateway itself keeps, as it looks in its answers."""
        tables = self._tables
        return {
            "orders": tables.rows(tables.orders.values()),
            "deals": tables.rows(tables.deals.values()),
            "positions": tables.rows(tables.positions.values()),
            "accounts": tables.rows(tables.accounts.values()),
            "strategies": [{"id": each, **columns} for each, columns in tables.strategies.items()],
        }

    def now_ms(self) -> int:
        """The time, milliseconds since the Unix epoch."""
        return self.venue.now_ms()

    def advance(self, milliseconds: int) -> None:
        """Move a manual clock on: the venue trades on the way, the gateway learns nothing of it."""
        self.venue.advance(milliseconds)

    def tick(self) -> None:
        """Bring the venue up to the present."""
        self.venue.tick()

    def set_price(self, symbol: str, *args: Any, **prices: Any) -> None:
        """Set a market's price at the venue, as `EmbeddedOms.set_price` does."""
        self.venue.set_price(symbol, *args, **prices)

    @property
    def manual(self) -> bool:
        """Whether its clock moves only by `advance`."""
        return self.venue.manual

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def close(self) -> None:
        """Close it and its venue; the front goes on and says that the rest is unavailable."""
        self._closed = True
        self.venue.close()

    # -- what the server of the embedded OMS asks for beside; its events have another way, and no numbers

    def subscribe(self, callback: Callable[[list[Any]], None]) -> Callable[[], None]:
        """Nobody is told of anything."""
        return lambda: None

    def last_seq(self, account_id: int) -> int:
        """There are no events."""
        return 0

    def events(self, account_id: int, after_seq: int, limit: int) -> list[Any]:
        """There are no events."""
        return []
