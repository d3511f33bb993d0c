"""The embedded OMS: one object, one lock, one door."""

from __future__ import annotations

import os
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal, getcontext, setcontext
from threading import RLock
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol, Self, TypeVar

from pydantic import ValidationError

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.values import parse_decimal

from . import funding
from .account_rows import AccountRows
from .clock import MANUAL_START_MS, Clock, ManualClock, ReplayClock, WallClock
from .configuring import configure, is_id_of
from .core import LOG, Core, unreadable, unwritable
from .effects import settle_effects
from .entities import EXACT, OWNER, Event, LedgerEntry, Principal
from .execution import cancel_idle, hold_fees_of_now
from .forks import FORKED, keep_to_this_process
from .gateway import HANDLERS, Reply, Request, refused, schema_refusal, unwritten
from .keys import KeyRing
from .limit_commands import check_currency, set_killed, set_limits
from .limits import Scope, limit_rows, read_limits
from .market.feed import LiveData, NoPrice, Recording
from .market.listing import DEFAULT_MARKETS, Market
from .market.market_data import MarketData
from .market.weather import Synthetic
from .market_news import MarketNews, of_events, of_prices
from .models import Models
from .outcome import internal_error
from .refusals import Refusal, no_price, one_of
from .settling import next_move, settle, settle_price, settle_session
from .setup import DEFAULT_STRATEGIES, default_accounts, populate, read_accounts, read_strategies
from .store import MemoryStore, RowKind, Snapshot, Store, StoreError
from .trading_hours import Session, SessionChange, read_session

_Row = TypeVar("_Row")
_Subscriber = Callable[[list[Event]], None]
_PriceSubscriber = Callable[[MarketNews], None]
_MEMORY_EVENTS: Final = 10_000
_MOST_SPEED: Final = 1_000_000
_ANY: Final = object()
_IN_THE_MIDDLE: Final = (
    "another request of this thread is in the middle: a signal handler should set a flag, "
    "and the program act on it between its calls"
)


class CommandRequest(NamedTuple):
    """A request to the endpoint `commands`; the fields are those of `EmbeddedOms.handle`."""

    query: Mapping[str, Any]
    body: Any
    principal: Principal = OWNER
    request_id: str | None = None


class History(NamedTuple):
    """Contract rows of an account and its ledger, made when they are looked at."""

    orders: AccountRows[dict[str, Any]]
    deals: AccountRows[dict[str, Any]]
    positions: AccountRows[dict[str, Any]]
    ledger: AccountRows[LedgerEntry]


class EmbeddedOms:
    """An OMS in this process, on a paper venue. Thread-safe.

    :param accounts: mappings with `account_id`, `position_mode` (netting, hedge, strategy_netting),
        `balances` (amounts by currency), `label` and `limits` (see `set_limits`); by default account 1
        is netting, 2 hedge and 3 strategy_netting, each with 10,000 USDT and some coins, or of a file that
        exists those that it has. One that is there already stays as it is, and another `position_mode` for it
        is refused
    :param seed: of the synthetic prices; of a file that exists, its own seed goes on
    :param db: path of a SQLite file to keep everything in; None keeps it in memory
    :param clock: "wall", or "manual" that moves only by `advance`; "wall" by default, and "manual" with
        a `feed`, which knows no other time than its own; or a `Clock` that the caller moves
    :param start_ms: where a manual clock starts, milliseconds since the Unix epoch; with a `feed` its
        first moment by default
    :param markets: what is listed; by default a handful of spot markets and swaps, or those of the `feed`,
        whose symbols, ticks and lots they must have
    :param strategies: ids, or mappings with `strategy_id` and `name`; by default 1 to 3, or of a file that
        exists those that it has
    :param feed: recorded prices instead of the synthetic ones, for example a `FileFeed`; or live ones, a
        `LiveFeed`, which go by the clock on the wall and whose news are settled as they come
    :param models: what paper fills assume: fees, queues and so on
    :param synthetic: regimes, gaps and halts of the synthetic prices; of a file that exists, its own go on
    :param speed: with a `feed`: its time goes by itself, so many times faster than the wall's
    :raises ValueError: a parameter that makes no sense, naming it and what was expected
    :raises StoreError: the file cannot be used, or not be written
    """

    def __init__(
        self,
        accounts: Iterable[Mapping[str, Any]] | None = None,
        seed: int = 0,
        db: str | os.PathLike[str] | None = None,
        clock: str | Clock | None = None,
        start_ms: int | None = None,
        markets: Iterable[Market] | None = None,
        strategies: Iterable[int | Mapping[str, Any]] | None = None,
        feed: Recording | None = None,
        models: Models | None = None,
        speed: float | None = None,
        synthetic: Synthetic | None = None,
    ) -> None:
        self._lock = RLock()
        self._closed, self._closed_by = False, "the OMS is closed"
        self._subscribers: list[_Subscriber] = []
        self._price_subscribers: list[_PriceSubscriber] = []
        self._closers: list[Callable[[], None]] = []
        self._news: deque[tuple[Any, list[Any]]] = deque()
        """What is to be told, and to which of the subscribers."""
        self._told_commits = 0
        self._told_of_ms = 0
        self._telling = False
        self._working = False
        """Whether a request is being answered: one that comes now is of a signal handler."""
        if feed is None and speed is not None:
            raise ValueError("speed: goes with a feed")
        if feed is not None and synthetic is not None:
            raise ValueError("synthetic: expected none with a feed, which has prices of its own")
        if not isinstance(clock, str | None):
            if start_ms is not None or speed is not None:
                raise ValueError("clock: expected a word beside start_ms or speed")
            self._clock: Clock = clock
        elif feed is None:
            self._clock = _clock(clock or "wall", start_ms)
        else:
            self._clock = _replay(feed, clock, start_ms, speed)
        if type(seed) is not int or not -(2**63) <= seed < 2**63:  # as a file can keep it
            raise ValueError(f"seed: expected a whole number of at most 64 bits, got {seed!r}")
        if not isinstance(synthetic, Synthetic | None):
            raise ValueError(f"synthetic: expected a Synthetic, got {type(synthetic).__name__}")
        listed = _listed(feed, markets)
        store = _store(db)
        try:
            chosen = synthetic or Synthetic()
            self._open(store, listed, seed, chosen, accounts, strategies, feed, models or Models())
        except BaseException as error:
            store.close()
            if isinstance(error.__cause__, StoreError):  # of a client's refusal: there is no client yet
                raise error.__cause__ from None
            raise
        self._unlisten = feed.listen(self._on_news) if isinstance(feed, LiveData) else None

    def _open(
        self,
        store: Store,
        markets: list[Market],
        seed: int,
        synthetic: Synthetic,
        accounts: Iterable[Mapping[str, Any]] | None,
        strategies: Iterable[int | Mapping[str, Any]] | None,
        feed: Recording | None,
        models: Models,
    ) -> None:
        snapshot = store.load()
        settings = snapshot.settings
        _refuse_unlisted(markets, snapshot)
        if "seed" in settings:  # it goes on with what it was made with
            seed, synthetic = settings["seed"], Synthetic.load(settings.get("synthetic", {}))
        market = MarketData(markets, seed, feed, synthetic)
        if "prices" in settings:
            market.restore(settings["prices"])
        settled_at = int(settings.get("settled_at", 0))
        if isinstance(feed, LiveData):  # of the time before it nothing is known, and so nothing has happened
            settled_at = max(settled_at, feed.start_ms)
        self._clock.not_before(settled_at)
        with _Exact():
            self._core = core = Core(market, store, models)
        core.publish = self._publish
        core.settle_effects = settle_effects
        core.settled_at = settled_at or self._clock.now_ms()
        core.find_halts()
        self.keys = KeyRing(store, self._clock.now_ms)
        with _Exact():
            # The usual ones are those of a new OMS: who only looks into a file adds none to it.
            is_new = not core.state.accounts
            if accounts is None and is_new:
                accounts = default_accounts(core.market)
            given = [] if accounts is None else read_accounts(core, accounts)
            if strategies is None:
                strategies = DEFAULT_STRATEGIES if is_new else ()
            wanted = read_strategies(core, strategies, given)
            # What has happened by itself since a file was closed is still to be settled, at its own time.
            populate(core, given, wanted, core.settled_at)
            if "seed" not in settings:
                with core.transaction(core.settled_at) as tx:
                    tx.changes.settings |= {"seed": seed, "synthetic": synthetic.dump()}
            # Those of a file that an earlier version has written may have nothing to reduce.
            with core.transaction(core.settled_at) as tx:
                for account in core.state.accounts.values():
                    for symbol in account.orders_on:
                        cancel_idle(core, tx, account, symbol)
                    hold_fees_of_now(core, tx, account)
            # A file keeps it; nothing that happens in the OMS depends on it.
            self.history: str = settings.get("history") or uuid.uuid4().hex
            """Whose events these are: another OMS, or one in memory that was started anew, has another."""
            if "history" not in settings and store.durable:
                with core.transaction(core.settled_at) as tx:
                    tx.changes.settings["history"] = self.history
        if store.durable:
            keep_to_this_process(self)

    # the door

    def handle(
        self,
        endpoint: str,
        path: Mapping[str, str],
        query: Mapping[str, Any],
        body: Any,
        principal: Principal = OWNER,
        request_id: str | None = None,
    ) -> Reply:
        """Answer one request of the contract. Never raises.

        :param endpoint: its name in `contract.endpoints`
        :param path: the placeholders of its path, for example {"ids": "1,2"}
        :param query: query parameters, as strings or as what they mean
        :param body: the parsed JSON body
        :param principal: who asks
        :param request_id: to find the request in the log again; one is made when there is none
        """
        with self._lock:
            if self._working:  # by this thread, which has the lock
                return refused(Refusal(ErrorCode.ENGINE_UNAVAILABLE, _IN_THE_MIDDLE), request_id)
            before = getcontext()
            setcontext(EXACT)  # as `_Exact` does; every request comes by here
            try:
                self._working = True
                now = self._enter()
                return HANDLERS[endpoint](Request(self._core, path, query, body, principal, request_id, now))
            except ValidationError as error:
                return refused(schema_refusal(error), request_id)
            except Refusal as refusal:
                return refused(refusal, request_id)
            except NoPrice as error:
                return refused(no_price(error), request_id)
            except StoreError as error:
                LOG.exception("request %s to %s could not be answered from the store", request_id, endpoint)
                return refused(unreadable(error), request_id)
            except Exception as error:  # noqa: BLE001  # the door never raises: logged, answered as internal_error
                request_id = request_id or uuid.uuid4().hex
                LOG.exception("request %s to %s failed", request_id, endpoint)
                return refused(internal_error(error), request_id)
            except BaseException:
                self._core.doubt()
                raise
            finally:
                self._working = False
                if self._news:
                    self._tell()
                setcontext(before)

    @property
    def durable(self) -> bool:
        """Whether it is kept on disk."""
        return self._core.store.durable

    def run_together(self, requests: Sequence[CommandRequest]) -> list[Reply]:
        """Answer several requests to `commands`, as `handle` does, with one write to the disk for all.

        When that fails, each of them is refused with `engine_unavailable` and nothing was done.
        Subscribers are told after it. Never raises.
        """
        with self._lock:
            alone = len(requests) == 1 and not isinstance(requests[0].body, list)
            if alone or self._closed or self._telling or not self.durable:
                return [self._run(request) for request in requests]
            replies: list[Reply] = []
            self._telling = True  # nobody is told of what is not on the disk yet
            try:
                with self._core.together():
                    replies += [self._run(request) for request in requests]
            except Exception as error:  # noqa: BLE001  # it is logged, and answered to every request
                LOG.exception("%d requests could not be written; they are rolled back", len(requests))
                self._news.clear()
                refusal = unwritable(error)
                # Fewer than there are requests: the disk has refused before they were run.
                done = zip(requests, replies, strict=False)
                answers = [unwritten(reply, refusal, request.request_id) for request, reply in done]
                not_run = requests[len(replies) :]
                return answers + [refused(refusal, request.request_id) for request in not_run]
            except BaseException:
                self._news.clear()
                raise
            finally:
                self._telling = False
                self._tell()
            return replies

    def _run(self, request: CommandRequest) -> Reply:
        return self.handle("commands", {}, *request)

    def subscribe(
        self, callback: Callable[[list[Event]], None], closed: Callable[[], None] | None = None
    ) -> Callable[[], None]:
        """Be told of every committed change, in order, in the thread that made it, when its request is done.

        :param callback: gets the events of one commit; it must be quick and must not raise
        :param closed: called when the OMS is closed
        :returns: ends the subscription
        """
        unsubscribe = self._add(self._subscribers, callback)
        if closed is None:
            return unsubscribe
        forget = self._add(self._closers, closed)

        def end() -> None:
            unsubscribe()
            forget()

        return end

    def subscribe_prices(self, callback: Callable[[MarketNews], None]) -> Callable[[], None]:
        """Be told when market data may have changed, in the thread that did it, when its request is done.

        Told are prices that are set or come from a live feed, `advance`, `tick` when the feed has moved since
        the last one, and orders that change a book. Prices that are a function of time move without a word
        between two ticks: whoever needs them looks.

        :param callback: gets the symbols to look at again; it must be quick and must not raise
        :returns: ends the subscription
        """
        return self._add(self._price_subscribers, callback)

    def _add(self, subscribers: list[Any], callback: Any) -> Callable[[], None]:
        if not callable(callback):
            raise ValueError(f"callback: expected something to call, got {callback!r}")
        with self._lock:
            subscribers.append(callback)

        def unsubscribe() -> None:
            with self._lock:
                if callback in subscribers:
                    subscribers.remove(callback)

        return unsubscribe

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held while several reads have to belong together; re-entrant."""
        return self._lock

    def last_seq(self, account_id: int) -> int:
        """The `seq` of an account's last event, 0 before the first or for an unknown account."""
        with self._lock:
            account = self._core.state.accounts.get(account_id)
            return 0 if account is None else account.seq

    def events(self, account_id: int, after_seq: int, limit: int) -> list[Event] | None:
        """Committed events of an account after a cursor, ascending.

        :returns: None when the cursor cannot be continued: too old, or of another history
        """
        with self._lock:
            self._refuse_closed()
            return self._core.store.events(account_id, after_seq, limit)

    def history_of(self, account_id: int) -> History:
        """Everything that an account has had up to now, ascending by id.

        The rows are made when they are looked at, as they are then, while the OMS is open.
        """
        with self._settled(_ANY, account_id) as (core, _):
            store = core.store

            def rows(kind: RowKind, read: Callable[[Sequence[int]], list[_Row]]) -> AccountRows[_Row]:
                return AccountRows(store.ids(kind, account_id), self._lock, read)

            return History(
                rows("orders", _rows_of(store.orders_by_id)),
                rows("deals", _rows_of(store.deals_by_id)),
                rows("positions", self._position_rows),
                rows("ledger", store.ledger_by_id),
            )

    def _position_rows(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        core, now = self._core, self._clock.now_ms()
        with _Exact():
            return [core.position_row(row, now) for row in core.store.positions_by_id(ids)]

    # time and prices

    def now_ms(self) -> int:
        """The OMS's time, milliseconds since the Unix epoch."""
        return self._clock.now_ms()

    def advance(self, milliseconds: int) -> None:
        """Move a manual clock on, and do what happens on the way.

        :raises ValueError: a step back, or no whole number of milliseconds; then nothing has moved
        :raises RuntimeError: the clock is the wall's, or the OMS is closed
        """
        clock = self._clock
        if not isinstance(clock, ManualClock):
            raise RuntimeError("advance needs an OMS with clock='manual'")
        with self._lock, _Exact(), self._told():
            self._refuse_closed()
            self._core.ensure_whole()
            clock.advance(milliseconds)
            try:
                settle(self._core, clock.now_ms())
            finally:  # the clock has moved in any case
                self._prices_moved(self._core.market.markets)

    def tick(self) -> None:
        """Do what has happened up to now: fills, stops, expiries. Every request does it too."""
        with self._settled() as (core, now):
            if not core.market.is_live:  # of that one's moves `_on_news` tells
                step_ms = core.market.step_ms
                if now // step_ms != self._told_of_ms // step_ms:
                    self._told_of_ms = now
                    self._prices_moved(core.market.markets)
            core.store.catch_up()

    def next_move(self, until_ms: int) -> int | None:
        """The first moment after all that is settled, up to another, at which something may happen by itself.

        A feed of records knows it; whoever trades must not. Whatever is commanded before may change it.

        :returns: None when nothing can
        :raises ValueError: no whole number of milliseconds
        :raises RuntimeError: the OMS is closed
        """
        if type(until_ms) is not int:
            raise ValueError(f"until_ms: expected milliseconds since the Unix epoch, got {until_ms!r}")
        with self._settled() as (core, _):
            return next_move(core, until_ms)

    def set_price(
        self,
        symbol: str,
        bid: object = None,
        ask: object = None,
        last: object = None,
        size: object = None,
    ) -> None:
        """Set a market's price by hand, and settle what it crosses. It no longer moves by itself.

        The book then has one level each side.

        :param bid: best bid in quote units; each of bid, ask and last may be left out
        :param ask: best ask in quote units
        :param last: last traded price in quote units
        :param size: base units at each side, unlimited when it is left out; what is taken of it is
            gone until the next call
        :raises ValueError: an unknown symbol or a price that makes no sense, naming the field
        :raises RuntimeError: the OMS is closed
        """
        prices = [
            None if value is None else _number(name, value)
            for name, value in (("bid", bid), ("ask", ask), ("last", last), ("size", size))
        ]
        with self._settled(symbol) as (core, now):
            settle_price(core, symbol, now, *prices)
            self._prices_moved((symbol,))

    def set_funding_rate(self, symbol: str, rate: object) -> None:
        """Set what long pays short of a swap from its next funding time on.

        :param rate: a fraction of the value of a position, 0.0001 is 0.01 %; below 0 short pays long
        :raises ValueError: a symbol that is not a swap, or a rate that makes no sense
        :raises RuntimeError: the OMS is closed
        """
        wanted = _number("rate", rate)
        if not -1 < wanted < 1:
            raise ValueError(f"rate: expected a fraction, got {wanted}")
        with self._settled(symbol) as (core, now):
            if core.market.markets[symbol].settle is None:
                raise ValueError(f"symbol: {symbol!r} is not a listed swap")
            with core.transaction(now) as tx:
                funding.set_rate(core, tx, symbol, wanted)

    def set_session(self, symbol: str, session: str, resting: str | None = None) -> None:
        """Open, close, halt or delist a market by hand.

        While it is not open, orders and changes of them are refused with `market_closed`, and nothing fills
        or fires; cancelling is possible. It stays so until set again: "open" leaves it to its hours.

        :param session: open, closed, halted or delisted
        :param resting: "keep" lets orders rest and stops wait until it opens, "cancel" cancels the orders;
            None leaves it as it was said last, which is keep at first; orders of a delisted market are
            cancelled in any case
        :raises ValueError: an unknown symbol or word
        :raises RuntimeError: the OMS is closed
        """
        if session is None:
            raise ValueError(f"session: expected one of {', '.join(Session)}, got None")
        self._change_session(symbol, read_session({"session": session, "resting": resting}))

    def set_hours(self, symbol: str, hours: Iterable[str] | None, resting: str | None = None) -> None:
        """Let a market open and close by the week, in UTC.

        :param hours: windows such as "mon-fri 14:30-21:00"; None for always
        :param resting: as `set_session`
        :raises ValueError: an unknown symbol, or hours that make no sense
        :raises RuntimeError: the OMS is closed
        """
        self._change_session(symbol, read_session({"hours": hours, "resting": resting}))

    def _change_session(self, symbol: str, change: SessionChange) -> None:
        with self._settled(symbol) as (core, now):
            settle_session(core, symbol, now, change)

    # limits

    def set_limits(
        self,
        account_id: int,
        limits: Mapping[str, Any] | None,
        strategy_id: int | None = None,
        symbol: str | None = None,
    ) -> None:
        """Set the risk limits of an account, of a strategy or a symbol of it, or of both; see `Limits`.

        They take the place of those set before for the same; an order has to keep within all that concern
        it. What is open is left alone, and what only reduces is never refused.

        :param limits: values by the names of `Limits`; None takes them away, except a kill switch
        :raises ValueError: an unknown account, strategy, symbol or limit, or a value that makes no sense
        :raises RuntimeError: the OMS is closed
        """
        given = {} if limits is None else limits
        if not isinstance(given, Mapping):
            raise ValueError(f"limits: expected values by name, got {limits!r}")
        wanted = read_limits(given)  # before anything is done
        with self._settled(_any(symbol), account_id, strategy_id) as (core, now):
            check_currency(core, wanted, symbol)
            with core.transaction(now) as tx:
                set_limits(core, tx, Scope(account_id, strategy_id, symbol), given)

    def kill_switch(
        self, account_id: int, on: bool = True, strategy_id: int | None = None, symbol: str | None = None
    ) -> None:
        """Let nothing be opened any more, and cancel the open orders that would; or let it again.

        :param on: False ends it; what was cancelled does not come back
        :raises ValueError: an unknown account, strategy or symbol, or `on` is neither True nor False
        :raises RuntimeError: the OMS is closed
        """
        if type(on) is not bool:
            raise ValueError(f"on: expected True or False, got {on!r}")
        with self._settled(_any(symbol), account_id, strategy_id) as (core, now), core.transaction(now) as tx:
            set_killed(core, tx, Scope(account_id, strategy_id, symbol), on)

    def limits(self, account_id: int) -> list[dict[str, Any]]:
        """The limits of an account: `strategy_id`, `symbol` (None for all) and `limits` by name."""
        with self._lock:
            return limit_rows(self._core.state.limits, account_id)

    def add(
        self,
        accounts: Iterable[Mapping[str, Any]] = (),
        strategies: Iterable[int | Mapping[str, Any]] = (),
    ) -> None:
        """Add accounts and strategies; those that are there stay as they are.

        :param accounts: as of this class
        :param strategies: as of this class
        :raises ValueError: something that makes no sense, naming the field
        :raises RuntimeError: the OMS is closed
        """
        with self._settled() as (core, now):
            listed = [*accounts]
            given = read_accounts(core, listed) if listed else []
            populate(core, given, read_strategies(core, strategies, given), now)

    def configure(
        self,
        limits: Sequence[Mapping[str, Any]] | None = None,
        sessions: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Take limits and sessions of a configuration file, where it says something else than the last time.

        What was set in the meantime by other ways stands. Either all of it is taken or nothing.

        :param limits: mappings with `account_id`, `strategy_id` and `symbol` (all when they are left out) and
            values by the names of `Limits`; without values they are taken away; None when this is about
            sessions alone
        :param sessions: by symbol, mappings with any of `session`, `hours` and `resting`; see `set_session`;
            None when this is about limits alone
        :raises ValueError: something that makes no sense, naming the field
        :raises RuntimeError: the OMS is closed
        """
        if not isinstance(limits, list | tuple | None):
            raise ValueError(f"limits: expected a list of mappings, got {limits!r}")
        for index, row in enumerate(limits or ()):
            if not isinstance(row, Mapping):
                raise ValueError(f"limits[{index}]: expected values by name, got {row!r}")
        if not isinstance(sessions, Mapping | None):
            raise ValueError(f"sessions: expected mappings by symbol, got {sessions!r}")
        with self._settled() as (core, now):
            configure(core, now, limits, sessions)

    @contextmanager
    def _settled(
        self, symbol: object = _ANY, account_id: object = _ANY, strategy_id: object = None
    ) -> Iterator[tuple[Core, int]]:
        """For a `with` block of a method: the lock is held, and all is settled up to now, which it gets too.

        :param strategy_id: None for all
        :raises ValueError: an unknown symbol, account or strategy, before anything is settled
        :raises RuntimeError: the OMS is closed
        """
        with self._lock, _Exact(), self._told():
            self._refuse_closed()
            core = self._core
            core.ensure_whole()
            if account_id is not _ANY and not is_id_of(account_id, core.state.accounts):
                raise ValueError(f"account_id: {account_id!r} does not exist")
            if strategy_id is not None and not is_id_of(strategy_id, core.state.strategies):
                raise ValueError(f"strategy_id: {strategy_id!r} does not exist")
            markets = core.market.markets
            if symbol is not _ANY and not (isinstance(symbol, str) and symbol in markets):
                raise ValueError(f"symbol: {symbol!r} is not listed; {one_of(markets, symbol)}")
            now = self._clock.now_ms()
            settle(core, now)
            yield core, now

    # the end

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @property
    def commits(self) -> int:
        """How many changes were committed in this process: another number, and something has changed."""
        return self._core.commits

    @property
    def told(self) -> int:
        """How many of them had events."""
        return self._told_commits

    def has_margin(self, account_id: int) -> bool:
        """Whether the free money of an account follows the price of what it holds."""
        account = self._core.state.accounts.get(account_id)
        return account is not None and bool(account.margin_of)

    def stand_still_from(self, at_ms: int) -> None:
        """Have orders be at the venue by a time, and later ones at once: the clock stands still from there.

        :param at_ms: milliseconds since the Unix epoch
        """
        self._core.still_from_ms = at_ms

    def last_arrival_ms(self) -> int | None:
        """When the last order that is on its way is at its market; None where none is."""
        return max(self._core.state.arriving.values(), default=None)

    @property
    def is_followed(self) -> bool:
        """Whether anybody is told of events or of market data."""
        return bool(self._subscribers or self._price_subscribers)

    @property
    def events_followed(self) -> bool:
        """Whether anybody is told of events."""
        return bool(self._subscribers)

    @property
    def prices_followed(self) -> bool:
        """Whether anybody is told of market data."""
        return bool(self._price_subscribers)

    @property
    def manual(self) -> bool:
        """Whether its clock moves only by `advance`."""
        return self._clock.manual

    def close(self) -> None:
        """Release the store. Every later request is refused with `engine_unavailable`."""
        with self._lock:
            if not self._closed:
                self._closed = True
                if self._unlisten is not None:
                    self._unlisten()
                self._subscribers.clear()
                self._price_subscribers.clear()
                self._core.store.close()
                closers, self._closers = self._closers, []
                for closed in closers:
                    closed()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # inside

    def leave_to_the_parent(self) -> None:
        """In a process that was forked: refuse everything, and touch nothing of the file."""
        self._lock, self._working = RLock(), False  # another thread of the parent may have been at work
        self._closed, self._closed_by = True, FORKED

    def _enter(self) -> int:
        if self._closed:
            raise Refusal(ErrorCode.ENGINE_UNAVAILABLE, self._closed_by)
        core = self._core
        core.ensure_whole()
        now = self._clock.now_ms()
        settle(core, now)
        return now

    def _on_news(self) -> None:
        """A live feed has something new."""
        with self._lock:
            if not self._closed:
                self._prices_moved(self._core.market.markets)
                self.tick()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise RuntimeError(self._closed_by)

    def _publish(self, events: list[Event]) -> None:
        self._told_commits += 1
        if self._subscribers:
            self._news.append((events, [*self._subscribers]))
        if self._price_subscribers and (news := of_events(events)).books:
            self._news.append((news, [*self._price_subscribers]))

    def _prices_moved(self, symbols: Iterable[str]) -> None:
        if self._price_subscribers:
            self._news.append((of_prices(symbols), [*self._price_subscribers]))

    @contextmanager
    def _told(self) -> Iterator[None]:
        worked, self._working = self._working, True
        try:
            yield
        except BaseException as error:
            if not isinstance(error, Exception):
                self._core.doubt()
            raise
        finally:
            self._working = worked
            self._tell()

    def _tell(self) -> None:
        """Tell the subscribers what was committed, now that everything is done.

        One that trades comes in by the door again: told in the middle of a walk through time, it would
        trade ahead of what is still to happen. What it does is told next, after all have heard this.
        """
        if self._telling:
            return
        self._telling = True
        try:
            while self._news:
                news, subscribers = self._news.popleft()
                for callback in subscribers:
                    if callback in self._subscribers or callback in self._price_subscribers:
                        self._tell_one(callback, news)
        finally:
            self._telling = False

    def _tell_one(self, callback: Callable[[Any], None], news: Any) -> None:
        try:
            callback(news)
        except Exception:  # noqa: BLE001
            # The change is committed: a subscriber's fault must not make it look undone.
            LOG.exception("a subscriber failed")


class _Exact:
    """The decimal context of the OMS, for a while."""

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before = getcontext()
        setcontext(EXACT)

    def __exit__(self, *_: object) -> None:
        setcontext(self._before)


class _WithRow(Protocol):
    def row(self) -> dict[str, Any]: ...


def _rows_of(read: Callable[[Sequence[int]], Iterable[_WithRow]]) -> Callable[..., list[dict[str, Any]]]:
    """What makes rows as they are read, whatever decimal context its caller has."""

    def made(ids: Sequence[int]) -> list[dict[str, Any]]:
        with _Exact():
            return [row.row() for row in read(ids)]

    return made


def _clock(kind: str, start_ms: int | None) -> Clock:
    if kind == "manual":
        if start_ms is None:
            return ManualClock(MANUAL_START_MS)
        return ManualClock(start_ms)
    if kind != "wall":
        raise ValueError(f"clock: expected wall or manual, got {kind!r}")
    if start_ms is not None:
        raise ValueError("start_ms: goes with clock='manual'")
    return WallClock()


def _replay(feed: Recording, kind: str | None, start_ms: int | None, speed: float | None) -> Clock:
    if isinstance(feed, LiveData):
        if kind not in (None, "wall") or start_ms is not None or speed is not None:
            raise ValueError("clock: expected wall, without start_ms and speed, with a live feed")
        return WallClock()
    if kind == "wall" or (speed is not None and kind is not None):
        raise ValueError(f"clock: expected manual with a feed of records, or speed, got {kind!r}")
    start_ms = feed.start_ms if start_ms is None else start_ms
    if speed is None:
        return _clock("manual" if kind is None else kind, start_ms)
    if not 0 < speed <= _MOST_SPEED:
        raise ValueError(f"speed: expected a number above 0, at most {_MOST_SPEED}, got {speed!r}")
    return ReplayClock(start_ms, speed)


def _listed(feed: Recording | None, markets: Iterable[Market] | None) -> list[Market]:
    """What is listed; of a feed what it has, described as somebody may have chosen."""
    if feed is None:
        return [*(DEFAULT_MARKETS if markets is None else markets)]
    if markets is None:
        return [*feed.markets]
    chosen = [*markets]
    units = [
        {market.symbol: (market.tick_size, market.lot_size) for market in rows}
        for rows in (chosen, feed.markets)
    ]
    if units[0] != units[1]:
        raise ValueError("markets: expected the symbols of the feed, each with its tick and lot")
    return chosen


def _refuse_unlisted(markets: Iterable[Market], snapshot: Snapshot) -> None:
    """A market that something is open on, or whose price was set, cannot go away."""
    needed = {order.symbol for order in snapshot.open_orders}
    needed |= {position.symbol for position in snapshot.open_positions}
    needed.update(snapshot.settings.get("prices", {}).get("hand", ()))
    missing = sorted(needed - {market.symbol for market in markets})
    if missing:
        raise ValueError(
            f"markets: expected {', '.join(missing)} among them: the file has open orders or positions "
            "there, or a price set by hand"
        )


def _store(db: str | os.PathLike[str] | None) -> Store:
    if db is None:
        return MemoryStore(_MEMORY_EVENTS)
    from .sqlite_store import SqliteStore

    return SqliteStore(os.fspath(db))


def _any(symbol: str | None) -> object:
    """None, which stands for all symbols, as `_settled` has it."""
    return _ANY if symbol is None else symbol


def _number(name: str, value: object) -> Decimal:
    try:
        return parse_decimal(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
