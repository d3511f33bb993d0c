"""Reading what may be new on an account, by the lists that every server has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import ccxt

from ccxt_driver.contract.features import Feature
from ccxt_driver.contract.values import format_decimal
from ccxt_driver.exchange._async.true_deals import SYMBOLS_AT_ONCE, sums_of
from ccxt_driver.exchange.base import LOGGER
from ccxt_driver.exchange.list_requests import (
    NAMES_STRATEGY,
    ONE_STRATEGY,
    OPEN_STATUSES,
    RouteMissing,
    Wanted,
)

from .changes import Change, Kind
from .differences import OPEN_STATES, Fresh, KnownState, Row, differences, newest_time

if TYPE_CHECKING:
    from ccxt_driver.exchange._async.exchange import OmsCcxtExchange

_LISTS: Final = {
    Kind.ORDER: ("orders_history", "created_at"),
    Kind.TRADE: ("deals", "executed_at"),
    Kind.POSITION: ("positions_history", "opened_at"),
}
"""The list that has all rows of a kind, and the time by which a server filters it."""
_OVERLAP_MS: Final = 600_000
"""Deals may be written down later than they were traded."""
_ON_A_PAGE: Final = 200
"""The last page is read again and again."""
_OVERLAP_ROWS: Final = 20
"""Of two rows the one with the lower id may be readable later."""
_TRIES: Final = 3
"""How often a gateway is asked to reconcile until it knows the deals of what has filled."""
_MOST_RECONCILES: Final = 10
_MANY_AT_ONCE: Final = 100
"""So many new deals after one reconcile: it may not have read all. It reads 200 trades, of which some may be
known."""
_NO_ID: Final = 2**63
_BEING_REPLACED: Final = "create_pending"
_SOON_MS: Final = 60_000
_AMOUNTS: Final = ("free", "used", "total")


class AccountReader:
    """Reads an account's rows, of all strategies that the key may see.

    :param exchange: how, and with which key
    :param account_id: whose
    """

    def __init__(self, exchange: OmsCcxtExchange, account_id: int) -> None:
        self._exchange = exchange
        self._account_id = account_id
        self._strategies: list[int | None] | None = None
        self._pages: dict[tuple[str, int | None], int] = {}
        """The last page of a list, when it was last read."""
        self._turn = 0
        """How many markets were named in turn."""
        self._named_late: dict[int | None, dict[int, int]] = {}
        """By strategy the positions that deals have named after positions were read, and how often they were
        looked for since: they may have opened and closed meanwhile."""

    async def first(self, kinds: Iterable[Kind], known: KnownState) -> Fresh:
        """Rows as they stand, before anything is handed on.

        What has ended, and the deals, are noted in `known` once everything was read.

        :param kinds: of which
        :param known: changed at the end only, and not by what is returned
        """
        notes: dict[Kind, list[Row]] = {}
        found: list[Fresh] = []
        for strategy_id in await self._parts():
            with self._only(strategy_id):
                if Kind.TRADE in kinds and await self._exchange._composes():
                    await self._exchange._reconcile_all(self._account_id, ())
                for kind in (Kind.ORDER, Kind.TRADE):
                    if kind in kinds:
                        notes.setdefault(kind, []).extend(await self._recent(kind, known, strategy_id))
                # What is open is read after everything that was: nothing is in neither, or taken for ended.
                orders = await self._open_orders(strategy_id) if Kind.ORDER in kinds else []
                positions = await self._open_positions(strategy_id) if Kind.POSITION in kinds else []
                found.append(Fresh(orders, (), positions))
        balances = await self._balances() if Kind.BALANCE in kinds else []
        fresh = _together(found, balances)
        self._note(notes, known, fresh)
        return fresh

    def _note(self, notes: dict[Kind, list[Row]], known: KnownState, fresh: Fresh) -> None:
        live = {row["id"] for row in fresh.orders}
        offset = self._exchange._utc_offset_ms()
        for kind, rows in notes.items():
            times = [newest_time(row, (_LISTS[kind][1],), offset) or 0 for row in rows]
            oldest = min((row["id"] for row in rows), default=0)
            known.begin_at(kind, oldest, max(times, default=0))
            for row in rows:
                if kind is Kind.TRADE:
                    known.note_deal(row["id"])
                elif row["id"] not in live:
                    known.note_ended(row["id"])

    async def read(self, kinds: Iterable[Kind], known: KnownState) -> Fresh:
        """Rows that may be new, or may have changed.

        Deals are read last: what orders and positions say is known of them, too.

        :param kinds: of which
        :param known: what was handed on; it is not changed
        """
        found: list[Fresh] = []
        for strategy_id in await self._parts():
            with self._only(strategy_id):
                found.append(await self._read_rows(kinds, known, strategy_id))
        balances = await self._balances() if Kind.BALANCE in kinds else []
        return _together(found, balances)

    def _differences(self, known: KnownState, fresh: Fresh) -> list[Change]:
        exchange = self._exchange
        return [*exchange._mapped(differences, known, fresh, exchange._utc_offset_ms())]

    async def _read_rows(self, kinds: Iterable[Kind], known: KnownState, strategy_id: int | None) -> Fresh:
        orders: list[Row] = []
        if Kind.ORDER in kinds:
            orders = await self._orders(known, strategy_id)
        deals: list[Row] = []
        if Kind.TRADE in kinds:
            deals = await self._learned_deals(known, strategy_id, orders)
        positions: list[Row] = []
        if Kind.POSITION in kinds:
            positions = await self._positions(known, strategy_id, deals)
            moved = self._differences(known, Fresh((), (), positions))
            if moved:  # by deals that came after those that were read
                late = await self._new_deals(known, strategy_id)
                deals += late
                self._note_late(known, strategy_id, late, positions)
        if Kind.ORDER in kinds:
            early = known.overtaken(Fresh(orders, deals))
            if early:
                orders += await self._orders_by_id(early)
        return Fresh(orders, deals, positions)

    # -- orders

    async def _open_orders(self, strategy_id: int | None) -> list[Row]:
        wanted = Wanted(statuses=OPEN_STATUSES, strategy_id=strategy_id)
        return [*await self._exchange._all_open_orders(self._account_id, wanted)]

    async def _orders(self, known: KnownState, strategy_id: int | None) -> list[Row]:
        """Open orders, and those that may have ended: known as open, or made since the last read."""
        rows = await self._open_orders(strategy_id)
        listed = {row["id"] for row in rows}
        recent = await self._recent(Kind.ORDER, known, strategy_id)
        gone = {
            order_id
            for order_id, row in known.open_orders.items()
            if order_id not in listed and _is_of(row, strategy_id)
        }
        ended = [
            row
            for row in recent
            if row["id"] not in listed and (row["id"] in gone or not known.knows(Kind.ORDER, row["id"]))
        ]
        rows += await self._true(ended)
        missing = gone - {row["id"] for row in ended}
        found = await self._found_orders(sorted(missing))
        rows += await self._true(found)
        if strategy_id is None and Feature.BY_ID in await self._exchange._features():
            # The server shows a key of some strategies nothing of what has gone to another one. Where
            # orders are searched for, one may have been overlooked.
            lost = missing - {row["id"] for row in found}
            rows += [{**known.open_orders[each], "status": "CANCELED"} for each in sorted(lost)]
        return rows

    async def _orders_by_id(self, ids: list[int]) -> list[Row]:
        """Orders by id, as they truly are; without those that do not exist."""
        return await self._true(await self._found_orders(ids))

    async def _found_orders(self, ids: list[int]) -> list[Row]:
        exchange = self._exchange
        if not ids:
            return []
        if Feature.BY_ID in await exchange._features():
            rows = await exchange._rows_by_id(ids)
        else:
            rows = await exchange._orders_of_ids(self._account_id, ids)
        return [row for row in rows if row.get("account_id") == self._account_id]

    async def _true(self, rows: Sequence[Row]) -> list[Row]:
        """Orders as they truly are; not those that are being replaced: cancelled for a moment only."""
        exchange = self._exchange
        settled = [dict(row) for row in rows if not self._is_being_replaced(row)]
        if settled and await exchange._composes():
            return [*await exchange._true_page(self._account_id, settled)]
        return [*settled]

    def _is_being_replaced(self, row: Row) -> bool:
        if row.get("edit_replace_state") != _BEING_REPLACED:
            return False
        moved = "created_at" if row.get("updated_at") is None else "updated_at"
        return self._exchange._age_ms(row, moved) < _SOON_MS

    # -- deals

    async def _learned_deals(
        self, known: KnownState, strategy_id: int | None, orders: list[Row]
    ) -> list[Row]:
        """New deals, after the gateway has learned of what has filled, if it has to be told to."""
        exchange = self._exchange
        if not await exchange._composes():
            return await self._new_deals(known, strategy_id)
        deals: list[Row] = []
        for attempt in range(_MOST_RECONCILES):
            lacking = known.lacking(Fresh(orders, deals))
            if attempt:
                await exchange._find_doubles(self._account_id, lacking)
            symbols = await self._markets(lacking, orders)
            await exchange._reconcile_now(self._account_id, symbols)
            before = len(deals)
            deals = await self._new_deals(known, strategy_id)
            if len(deals) - before >= _MANY_AT_ONCE:
                continue
            if attempt + 1 >= _TRIES or not known.lacking(Fresh(orders, deals)):
                break
        return deals

    async def _markets(self, lacking: Sequence[Row], orders: Sequence[Row]) -> list[str]:
        """The markets that a reconcile names: where the venue wants a symbol all of them, in turn.

        :param lacking: orders of which deals are missing
        """
        exchange = self._exchange
        named = [*dict.fromkeys(row["symbol"] for row in lacking)]
        if not await exchange._trades_want_symbol(self._account_id):
            return [*dict.fromkeys((*named, *(row["symbol"] for row in orders)))]
        others = [each for each in await exchange._traded_symbols(self._account_id) if each not in named]
        room = min(max(SYMBOLS_AT_ONCE - len(named), 0), len(others))
        start, self._turn = self._turn, self._turn + room
        return [*named, *(others[(start + each) % len(others)] for each in range(room))]

    async def _new_deals(self, known: KnownState, strategy_id: int | None) -> list[Row]:
        exchange = self._exchange
        rows = await self._recent(Kind.TRADE, known, strategy_id)
        new = [row for row in rows if not known.knows(Kind.TRADE, row["id"])]
        if not new or not await exchange._composes():
            return new
        true = await exchange._at_true_times(self._account_id, [dict(row) for row in new])
        exchange._mapped(exchange._truth.learn_fills, exchange._mapped(sums_of, true))
        return [*true]

    # -- positions

    async def _open_positions(self, strategy_id: int | None) -> list[Row]:
        wanted = Wanted(strategy_id=strategy_id)
        rows = await self._exchange._open_rows("positions_open", self._account_id, wanted, "opened_at")
        if rows is None:
            everything = Wanted(strategy_id=strategy_id, everything=True)
            rows = await self._exchange._history(
                "positions_history", self._account_id, everything, "opened_at"
            )
        return [row for row in rows if row.get("state") in OPEN_STATES]

    async def _positions(self, known: KnownState, strategy_id: int | None, deals: list[Row]) -> list[Row]:
        """Open positions, and those that may have closed: known as open, or named by new deals."""
        rows = await self._open_positions(strategy_id)
        if known.since_ms is not None:
            rows += await self._recent(Kind.POSITION, known, strategy_id)
        found = {row["id"] for row in rows}
        gone = {each for each, row in known.positions.items() if _is_of(row, strategy_id)}
        gone |= {deal["position_id"] for deal in deals if deal.get("position_id")}
        gone |= self._looked_for(known, strategy_id)
        gone = {each for each in gone - found if not known.is_closed(each)}
        return rows + await self._closed_positions(known, strategy_id, gone)

    def _note_late(
        self, known: KnownState, strategy_id: int | None, deals: list[Row], positions: list[Row]
    ) -> None:
        """Have the next read look for what these deals have opened, should it have closed by then."""
        if known.since_ms is not None:
            return  # events follow, and say so
        read = {row["id"] for row in positions}
        named = {deal.get("position_id") for deal in deals} - read
        self._named_late.setdefault(strategy_id, {}).update((each, 0) for each in named if each)

    def _looked_for(self, known: KnownState, strategy_id: int | None) -> set[int]:
        """Positions that were named late and not handed on yet; some cannot be shown, such as merged ones."""
        late = self._named_late.pop(strategy_id, {})
        left = {
            each: tries + 1
            for each, tries in late.items()
            if tries < _TRIES and not known.knows(Kind.POSITION, each)
        }
        if left:
            self._named_late[strategy_id] = left
        return {*left}

    async def _closed_positions(self, known: KnownState, strategy_id: int | None, ids: set[int]) -> list[Row]:
        """Positions that are not in the open list: as the server has them, or else as they were, closed.

        A gateway may be unable to show one that was merged.
        """
        exchange = self._exchange
        if not ids:
            return []
        rows: list[Row] = []
        try:
            if Feature.BY_ID in await exchange._features():
                rows += await exchange._rows_by_id(sorted(ids), "positions_by_id")
            else:
                rows += await self._tail("positions_history", known, strategy_id, min(ids))
        except RouteMissing as error:
            LOGGER.debug("%s closed positions are taken for what they were: %s", exchange.id, error)
        found: dict[int, Row] = {row["id"]: row for row in rows if row["id"] in ids}
        lost = [row for each, row in known.positions.items() if each in ids - found.keys()]
        return [*found.values(), *({**row, "state": "closed", "qty": "0"} for row in lost)]

    # -- the balance

    async def _balances(self) -> list[Row]:
        balance: Any = await self._exchange.fetch_balance({"account_id": self._account_id})
        return [
            {
                "account_id": self._account_id,
                "currency": currency,
                **{name: _text_of(balance[currency].get(name)) for name in _AMOUNTS},
            }
            for currency in balance["total"]
        ]

    # -- rows of history lists

    async def _recent(self, kind: Kind, known: KnownState, strategy_id: int | None) -> list[Row]:
        """All rows that are newer than the newest of the last read, and some older ones."""
        exchange = self._exchange
        endpoint, time_key = _LISTS[kind]
        if known.since_ms is not None:
            return await self._changed(endpoint, known.since_ms)
        reached_ms = known.reached_ms(kind)
        if Feature.QUERY_FILTERS not in await exchange._features():
            down_to = _NO_ID if reached_ms is None else known.highest(kind)
            return await self._tail(endpoint, known, strategy_id, down_to)
        wanted = Wanted(strategy_id=strategy_id)
        if reached_ms is not None:
            wanted = Wanted(strategy_id=strategy_id, since=max(reached_ms - _OVERLAP_MS, 0))
        return [*await exchange._history(endpoint, self._account_id, wanted, time_key)]

    async def _tail(
        self, endpoint: str, known: KnownState, strategy_id: int | None, down_to: int
    ) -> list[Row]:
        """The end of a list that ascends by id, down to an id.

        :param down_to: read on until this id and everything above it was seen
        """
        exchange = self._exchange
        request = {**self._dated_request(known.read_ms), "page_size": _ON_A_PAGE}
        key = endpoint, strategy_id
        start = self._pages.get(key, 1)
        first = await exchange._read_page(endpoint, {**request, "page": start})
        last = max(1, -(-exchange.total_of(first, start, _ON_A_PAGE) // _ON_A_PAGE))
        found: dict[int, Row] = {}
        for page in range(last, 0, -1):
            body = first if page == start else await exchange._read_page(endpoint, {**request, "page": page})
            rows = exchange._items(body)
            found.update((row["id"], row) for row in rows)
            if rows and rows[0]["id"] <= down_to and len(found) >= _OVERLAP_ROWS:
                break
        self._pages[key] = last
        return [*found.values()]

    async def _changed(self, endpoint: str, since_ms: int) -> list[Row]:
        """All rows that were changed since a moment, and others of that day."""
        exchange = self._exchange
        request = self._dated_request(since_ms)
        rows: list[Row] = []
        page, last = 0, 1
        while page < last:
            page += 1
            body = await exchange._read_page(endpoint, {**request, "page": page})
            rows += exchange._items(body)
            # What has changed meanwhile may stand before these, and have moved the last ones on.
            last = exchange._last_page(body, page, request["page_size"])
        return rows

    def _dated_request(self, since_ms: int | None) -> dict[str, Any]:
        """The first page of what was changed since the day before a moment, by any server."""
        now = self._exchange.milliseconds()
        wanted = Wanted(since=now if since_ms is None else min(now, since_ms))
        return self._exchange._first_page_request(self._account_id, wanted, frozenset(), now)

    # -- strategies

    async def _parts(self) -> list[int | None]:
        """What to read one after the other: None for everything, or strategies.

        :raises PermissionDenied: the key may not read the account
        """
        if self._strategies is None:
            refusal = await self._refusal()
            if refusal is None:
                self._strategies = [None]
            elif vars(refusal).get("code") == NAMES_STRATEGY:
                self._strategies = await self._allowed_strategies(refusal)
            else:
                raise refusal
        return self._strategies

    @contextmanager
    def _only(self, strategy_id: int | None) -> Iterator[None]:
        """Let all lists be of a strategy."""
        token = ONE_STRATEGY.set((self._exchange, strategy_id))
        try:
            yield
        finally:
            ONE_STRATEGY.reset(token)

    async def _refusal(self, strategy_id: int | None = None) -> ccxt.ExchangeError | None:
        """Why the server does not show what is open; None when it does."""
        exchange = self._exchange
        wanted = Wanted(strategy_id=strategy_id)
        request = exchange._open_request(self._account_id, wanted, await exchange._features())
        try:
            with self._only(strategy_id):
                await exchange._read_list("orders_open", {**request, "limit": 1})
        except ccxt.ExchangeError as error:
            return error
        return None

    async def _allowed_strategies(self, refusal: ccxt.ExchangeError) -> list[int | None]:
        """The strategies that the key may read.

        :param refusal: raised when there is none
        """
        listed = {int(strategy["id"]) for strategy in await self._exchange.fetch_strategies()}
        configured = self._exchange._strategy_id({})
        candidates = sorted(listed if configured is None else {*listed, configured})
        allowed: list[int | None] = [
            strategy_id for strategy_id in candidates if await self._refusal(strategy_id) is None
        ]
        if not allowed:
            raise refusal
        return allowed


def _is_of(row: Row, strategy_id: int | None) -> bool:
    return strategy_id is None or (row.get("strategy_id") or 0) == strategy_id


def _together(found: Iterable[Fresh], balances: Sequence[Row]) -> Fresh:
    parts = [*found]
    return Fresh(
        [row for each in parts for row in each.orders],
        [row for each in parts for row in each.deals],
        [row for each in parts for row in each.positions],
        balances,
    )


def _text_of(value: Any) -> str | None:
    return None if value is None else format_decimal(Decimal(str(value)))
