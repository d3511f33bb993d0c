"""`watch_orders`, `watch_my_trades`, `watch_positions`, `watch_balance` and their kin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import ccxt

from ccxt_driver.contract.values import format_time
from ccxt_driver.exchange.configuration import whole_number
from ccxt_driver.exchange.list_requests import Wanted
from ccxt_driver.exchange.spelling import said
from ccxt_driver.mappers.values import decimal_of

from .account_watcher import AccountWatcher
from .caches import RowCache
from .changes import Change, Kind
from .streaming import Streaming

if TYPE_CHECKING:
    from ccxt.base.types import Balances, Order, Position, Trade

_MOST_CACHED: Final = 1000
_AMOUNTS: Final = ("free", "used", "total")
_SINCE: Final = {Kind.ORDER: "created_at", Kind.TRADE: "executed_at", Kind.POSITION: "updated_at"}
"""The time that `since` is compared with. Of a position it is when it has changed, as ccxt's streams of other
venues stamp them: one that was opened long ago may be liquidated now."""


class AccountStreams(Streaming):
    """Every committed change of an account, handed to every watcher once, in the OMS's order.

    A watcher is (method, symbols, strategy, `params["watcher"]`), whatever task calls it. It begins at
    its first call, or after the event `params["after_seq"]`. Calls at the same time get the same.
    """

    async def watch_orders(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Order]:
        """Orders that have changed, each state of them once.

        :param symbol: unified symbol, or None for all
        :param since: milliseconds since the Unix epoch; older orders are left out
        :param limit: at most so many at a time; the others come with the next calls
        :param params: `strategy_id`, `account_id`, `watcher` (a name, when several should each get
            everything), `after_seq` (begin after this event)
        :returns: ccxt order structures, in the OMS's order
        :raises ExchangeError: the watcher was too slow; it carries `after_seq`
        """
        return await self._watched(Kind.ORDER, "watch_orders", _listed(symbol), since, limit, params)

    async def watch_orders_for_symbols(
        self, symbols: list[str], since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Order]:
        """Orders of several markets that have changed; arguments as of `watch_orders`."""
        return await self._watched(Kind.ORDER, "watch_orders_for_symbols", symbols, since, limit, params)

    async def watch_my_trades(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Trade]:
        """The account's new deals; arguments as of `watch_orders`.

        :returns: ccxt trade structures, in the OMS's order
        """
        return await self._watched(Kind.TRADE, "watch_my_trades", _listed(symbol), since, limit, params)

    async def watch_my_trades_for_symbols(
        self, symbols: list[str], since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Trade]:
        """New deals of several markets; arguments as of `watch_orders`."""
        return await self._watched(Kind.TRADE, "watch_my_trades_for_symbols", symbols, since, limit, params)

    async def watch_positions(
        self, symbols: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Position]:
        """Positions that have changed, also those that have closed (`contracts` is 0).

        :param symbols: unified symbols, or None for all
        :param since: milliseconds since the Unix epoch; what has changed earlier is left out, however long
            ago the positions were opened that change later
        :param params: as of `watch_orders`
        :returns: ccxt position structures, in the OMS's order; with
            `options.watchPositions.fetchPositionsSnapshot` the first call returns what is open
        """
        asked = (Kind.POSITION, "watch_positions", symbols, since, limit, params)
        if self.handle_option("watchPositions", "fetchPositionsSnapshot", False):
            watcher, _ = await self._watcher_of(Kind.POSITION, "watch_positions", symbols, params)
            if not watcher.was_given_a_snapshot:
                known = await self.fetch_positions(symbols, self._own_params(params))
                is_first, watcher.was_given_a_snapshot = not watcher.was_given_a_snapshot, True
                if known and is_first:
                    return known
        return await self._watched(*asked)

    async def watch_position(self, symbol: Any = None, params: dict[str, Any] = {}) -> Position:
        """The next change of a position.

        :param symbol: unified symbol, or None for all
        :returns: a ccxt position structure
        """
        [position] = await self._watched(Kind.POSITION, "watch_position", _listed(symbol), None, 1, params)
        return position

    async def watch_balance(self, params: dict[str, Any] = {}) -> Balances:
        """The account's money after its latest changes.

        :param params: `account_id`, `watcher`, `after_seq`
        :returns: ccxt's balance structure; `info["changes"]` holds the rows of all changes since the
            call before
        """
        watcher, _ = await self._watcher_of(Kind.BALANCE, "watch_balance", None, params)
        if watcher.balance is None:
            asked = self._own_params(params)
            snapshot: Any = await self.fetch_balance(self.omit(asked, ["strategy_id"]))
            if watcher.balance is None:
                watcher.balance = {code: {**snapshot[code]} for code in snapshot["total"]}
                if self.handle_option("watchBalance", "fetchBalanceSnapshot", False):
                    return snapshot
        known = watcher.balance
        balance: Any = await watcher.next(
            lambda changes: self._delivered_balance(known, changes),
            again=lambda changes: self._balance_again(known, changes),
        )
        if isinstance(balance, ccxt.BaseError):
            raise balance
        self.balance = self.deep_extend(balance)  # the caller may do with its own what it likes
        found: Balances = balance
        return found

    # -- un_watch --------------------------------------------------------------------------------------

    async def un_watch_orders(self, symbol: Any = None, params: dict[str, Any] = {}) -> Any:
        """End the watcher of `watch_orders` with the same arguments; calls that wait get UnsubscribeError."""
        return await self._unwatched("watch_orders", _listed(symbol), params)

    async def un_watch_orders_for_symbols(self, symbols: list[str], params: dict[str, Any] = {}) -> Any:
        """End the watcher of `watch_orders_for_symbols` with the same arguments."""
        return await self._unwatched("watch_orders_for_symbols", symbols, params)

    async def un_watch_my_trades(self, symbol: Any = None, params: dict[str, Any] = {}) -> Any:
        """End the watcher of `watch_my_trades` with the same arguments."""
        return await self._unwatched("watch_my_trades", _listed(symbol), params)

    async def un_watch_my_trades_for_symbols(self, symbols: list[str], params: dict[str, Any] = {}) -> Any:
        """End the watcher of `watch_my_trades_for_symbols` with the same arguments."""
        return await self._unwatched("watch_my_trades_for_symbols", symbols, params)

    async def un_watch_positions(self, symbols: Any = None, params: dict[str, Any] = {}) -> Any:
        """End the watcher of `watch_positions` with the same arguments."""
        return await self._unwatched("watch_positions", symbols, params)

    async def un_watch_position(self, symbol: Any = None, params: dict[str, Any] = {}) -> Any:
        """End the watcher of `watch_position` with the same arguments."""
        return await self._unwatched("watch_position", _listed(symbol), params)

    async def un_watch_balance(self, params: dict[str, Any] = {}) -> Any:
        """End the watcher of `watch_balance` with the same arguments."""
        return await self._unwatched("watch_balance", None, params)

    # -- how -------------------------------------------------------------------------------------------

    async def _watched(
        self, kind: Kind, method: str, symbols: Any, since: Any, limit: Any, params: dict[str, Any]
    ) -> Any:
        checked = self._list_arguments(since, limit, {})
        since, limit = checked["since"], checked["limit"]
        watcher, wanted = await self._watcher_of(kind, method, symbols, params)
        parse = await self._parser(kind, self._account_id(params))
        is_wanted = self._changed_since(since)
        while True:
            if self.newUpdates:
                found = await watcher.next(_all_of(parse, is_wanted), limit)
                if isinstance(found, ccxt.BaseError):
                    raise found
            else:
                left = await watcher.next(_leaving)
                cached = self._cached(kind, wanted, params, left)
                made = [parse(change) for change in (*cached, *left) if is_wanted(change)]
                found = self.filter_by_since_limit(made, None, limit, "timestamp", True)
            if found:
                return found

    def _changed_since(self, since: int | None) -> Callable[[Change], bool]:
        """What tells the changes that are not older; where times are in whole seconds, that may not be."""
        if since is None:
            return lambda change: True
        wanted = Wanted(since=since)

        def is_wanted(change: Change) -> bool:
            key = _SINCE[change.kind]
            return change.row.get(key) is None or self._matches(change.row, wanted, key)

        return is_wanted

    async def _watcher_of(
        self, kind: Kind, method: str, symbols: Any, params: dict[str, Any]
    ) -> tuple[AccountWatcher, frozenset[str] | None]:
        """The watcher that a call is of; when this returns it misses nothing."""
        account_id, strategy_id = self._account_id(params), self._strategy_id(params)
        after_seq, name = said(params, "after_seq"), self._watcher_name(params)
        if after_seq is not None:
            after_seq = whole_number("after_seq", after_seq)
        await self._give_way_when_closed()
        desk = self._desk()
        stream = desk.stream(account_id)
        with self._beginning(desk), stream.joining():
            desk.at_once(stream)
            if not stream.is_on:
                await stream.started()
            position = stream.position
            if not self.markets:
                await self.load_markets()
            wanted = self._symbols_of(symbols)
            key = (method, wanted, strategy_id, name)

            def make(resume_after: int | None) -> AccountWatcher:
                # A loop gives the same `after_seq` with each call; what came before this was delivered.
                given = [seq for seq in (after_seq, resume_after) if seq is not None]
                begin = max(given, default=position)
                most, of_kind = desk.settings.buffer, None if kind is Kind.BALANCE else strategy_id
                return AccountWatcher(f"{self.id} {method}", most, kind, wanted, of_kind, begin)

            watcher = stream.watcher(key, make)
            if not stream.is_on:  # it has failed, or was closed, while markets were loaded
                await stream.started()
            await stream.caught_up(watcher)
        return watcher, wanted

    async def _unwatched(self, method: str, symbols: Any, params: dict[str, Any]) -> Any:
        account_id, strategy_id = self._account_id(params), self._strategy_id(params)
        await self.load_markets()
        key = (method, self._symbols_of(symbols), strategy_id, self._watcher_name(params))
        error = ccxt.UnsubscribeError(f"{self.id} {method} was unsubscribed")
        await self._desk().stream(account_id).remove(key, error)
        return True

    def _symbols_of(self, symbols: Any) -> frozenset[str] | None:
        if symbols is None:
            return None
        if isinstance(symbols, str) or not isinstance(symbols, Sequence):
            raise ccxt.ArgumentsRequired(
                f"{self.id} symbols: expected a list of symbols, got {symbols!r}"[:200]
            )
        return frozenset(self.market(symbol)["symbol"] for symbol in symbols) or None

    async def _parser(self, kind: Kind, account_id: int) -> Callable[[Change], Any]:
        """What makes a caller's own structure of a change."""
        if kind is not Kind.POSITION:
            return self._parse_order_change if kind is Kind.ORDER else self._parse_trade_change
        mode = (await self._account(account_id)).get("position_mode")
        hedged = None if mode is None else mode == "hedge"
        return lambda change: self._position({**change.row}, hedged)

    def _parse_order_change(self, change: Change) -> Any:
        deals = None if change.deals is None else [{**deal} for deal in change.deals]
        return self._order({**change.row}, deals)

    def _parse_trade_change(self, change: Change) -> Any:
        return self.parse_trade({**change.row})

    def _parse_position_change(self, change: Change) -> Any:
        return self._position({**change.row}, None)

    # -- caches ----------------------------------------------------------------------------------------

    def remember_change(self, change: Change) -> None:
        """Keep a change in ccxt's caches."""
        if change.kind is not Kind.BALANCE:
            self._cache_of(change.kind).keep(change)

    def _cache_of(self, kind: Kind) -> RowCache:
        name, option, parse, is_over = {
            Kind.ORDER: ("orders", "ordersLimit", self._parse_order_change, None),
            Kind.TRADE: ("myTrades", "tradesLimit", self._parse_trade_change, None),
            Kind.POSITION: ("positions", "positionsLimit", self._parse_position_change, _has_closed),
        }[kind]
        cache = getattr(self, name, None)
        if not isinstance(cache, RowCache):
            limit = self.safe_integer(self.options, option, _MOST_CACHED)
            cache = RowCache(limit, parse, is_over)
            setattr(self, name, cache)
        return cache

    def _cached(
        self,
        kind: Kind,
        wanted: frozenset[str] | None,
        params: Mapping[str, Any],
        left: Sequence[Change],
    ) -> list[Change]:
        """What is cached of those that are watched: as with `newUpdates` False.

        :param left: what has left their strategy, which the caches may not know yet
        """
        account_id, strategy_id = self._account_id(params), self._strategy_id(params)
        gone = [change.row.get("id") for change in left]
        return [
            change
            for change in self._cache_of(kind).changes()
            if change.account_id == account_id
            and (wanted is None or change.symbol in wanted)
            and (strategy_id is None or change.strategy_id == strategy_id)
            and change.row.get("id") not in gone
        ]

    def _delivered_balance(
        self, known: dict[str, dict[str, Any]], changes: Sequence[Change]
    ) -> tuple[Any, int]:
        """The whole balance after some changes, up to the first row that is none; `known` is it then."""
        for index, change in enumerate(changes):
            try:
                known[str(change.row.get("currency"))] = self._amounts(change.row)
            except ccxt.BadResponse as error:
                return (self._balance(known, changes[:index]), index) if index else (error, 1)
        return self._balance(known, changes), len(changes)

    def _balance_again(self, known: Mapping[str, dict[str, Any]], changes: Sequence[Change]) -> Any:
        """The whole balance of now for one of several who waited: what has changed since stays changed."""
        balance, _ = self._delivered_balance({**known}, changes)  # says of a bad row what the first was told
        return balance if isinstance(balance, ccxt.BaseError) else self._balance(known, changes)

    def _amounts(self, row: Mapping[str, Any]) -> dict[str, Any]:
        number = self._number()
        amounts = {name: self._mapped(decimal_of, row, name) for name in _AMOUNTS}
        return {name: None if amount is None else number(amount) for name, amount in amounts.items()}

    @staticmethod
    def _balance(known: Mapping[str, dict[str, Any]], changes: Sequence[Change]) -> Any:
        ts_ms = changes[-1].ts_ms
        balance: dict[str, Any] = {
            "info": {"changes": [{**change.row} for change in changes]},
            "timestamp": ts_ms,
            "datetime": None if ts_ms is None else format_time(ts_ms),
            **{code: dict(amounts) for code, amounts in known.items()},
        }
        for name in _AMOUNTS:
            balance[name] = {code: amounts[name] for code, amounts in known.items()}
        return balance


def _has_closed(change: Change) -> bool:
    """Whether a position is one of the past: of those the newest are kept."""
    return change.row.get("state") not in ("open", "close_requested")


def _listed(symbol: Any) -> list[Any] | None:
    return None if symbol is None else [symbol]


def _leaving(changes: Sequence[Change]) -> tuple[list[Change], int]:
    """What has left its strategy by these changes and not come back: the caches, which are of all, go on."""
    left: list[Change] = []
    for change in changes:
        left = [each for each in left if each.row.get("id") != change.row.get("id")]
        if change.leaves:
            left.append(change)
    return left, len(changes)


def _all_of(
    parse: Callable[[Change], Any], is_wanted: Callable[[Change], bool]
) -> Callable[[Sequence[Change]], tuple[Any, int]]:
    """What delivers changes: the caller's own structures, up to the first row that is none."""

    def deliver(changes: Sequence[Change]) -> tuple[Any, int]:
        made: list[Any] = []
        for index, change in enumerate(changes):
            try:
                structure = parse(change)
                if is_wanted(change):
                    made.append(structure)
            except ccxt.BadResponse as error:
                if index:
                    return made, index
                return error, 1
        return made, len(changes)

    return deliver
