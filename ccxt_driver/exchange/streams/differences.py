"""What has changed between what was handed on and what a read has found. No I/O.

A read may be late: rows that it brings never take back what was handed on. An order that has ended stays
ended, and what has filled stays filled.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from ccxt_driver.contract.events import REASSIGNED_TO
from ccxt_driver.mappers.order import STATUSES
from ccxt_driver.mappers.values import ZERO, decimal_of, needed_decimal, time_of

from .changes import Change, Kind

Row = dict[str, Any]

_MOST_KEPT: Final = 20_000
OPEN_STATES: Final = frozenset({"open", "close_requested"})
_ORDER_NUMBERS: Final = (
    *("qty", "price", "filled_qty", "avg_fill_price", "stop_loss", "stop_gain", "trigger_price"),
    *("stop_price", "take_profit_price", "trailing_amount", "trailing_percent", "fee"),
)
_ORDER_WORDS: Final = (
    *("symbol", "side", "order_type", "client_order_id"),
    *("time_in_force", "post_only", "reduce_only", "fee_currency"),
)
_NEVER_LOST: Final = (
    *("price", "avg_fill_price", "trigger_price", "stop_price", "take_profit_price", "trailing_amount"),
    *("trailing_percent", "fee", "fee_currency", "time_in_force", "post_only", "reduce_only"),
)
"""What one source of an order tells and another does not: once known it stays."""
_POSITION_NUMBERS: Final = ("qty", "avg_price", "stop_loss", "stop_gain", "realized_pnl", "leverage")
"""Without what only follows the market's price."""
_POSITION_WORDS: Final = ("symbol", "side", "margin_mode")
_AMOUNTS: Final = ("free", "used", "total")


class Fresh(NamedTuple):
    """Rows of an account as a read has found them. An absent row says nothing.

    :param orders: those that are open, and those that may have ended since the last read
    :param deals: those that may be new
    :param positions: as orders
    :param balances: one a currency
    """

    orders: Sequence[Row] = ()
    deals: Sequence[Row] = ()
    positions: Sequence[Row] = ()
    balances: Sequence[Row] = ()


class KnownState:
    """What was handed on of an account; what has ended is kept for a while only.

    :param account_id: whose
    :param since_ms: of a state that is made of changes and not of a read: up to when they reach,
        milliseconds since the Unix epoch by the server's clock; rows that are not known and older are
        not new
    :param most: how many orders that have ended, deals, and closed positions are remembered
    """

    def __init__(self, account_id: int, since_ms: int | None = None, most: int = _MOST_KEPT) -> None:
        self.account_id = account_id
        self.since_ms = since_ms
        self.read_ms: int | None = None
        """When the last read began whose rows were handed on, by our clock."""
        self.kinds: frozenset[Kind] = frozenset()
        """What is followed: of these everything that there was when we first looked is known."""
        self.open_orders: dict[int, Row] = {}
        self.positions: dict[int, Row] = {}
        self.balances: dict[str, Row] = {}
        self._most = most
        self._ended: OrderedDict[int, Row | None] = OrderedDict()
        self._deals: OrderedDict[int, None] = OrderedDict()
        self._closed: OrderedDict[int, None] = OrderedDict()
        self._dealt: dict[int, Decimal] = {}
        """How much of open orders, and of those that ended, is known by deals or was known before."""
        self._floors: dict[Kind, int] = {}
        self._reached: dict[Kind, int] = {}
        self._highest: dict[Kind, int] = {}

    # -- what is known

    def order(self, order_id: int) -> Row | None:
        """An order as it was handed on last; None where it was not, or ended before we looked."""
        return self.open_orders.get(order_id) or self._ended.get(order_id)

    def knows(self, kind: Kind, row_id: int) -> bool:
        """Whether a row was handed on, or was there before we looked."""
        if row_id <= self._floors.get(kind, 0):
            return True
        if kind is Kind.ORDER:
            return row_id in self.open_orders or row_id in self._ended
        if kind is Kind.TRADE:
            return row_id in self._deals
        return row_id in self.positions or row_id in self._closed

    def has_ended(self, order_id: int) -> bool:
        """Whether an order is known not to be open any more."""
        return order_id in self._ended

    def is_closed(self, position_id: int) -> bool:
        """Whether a position is known not to be open any more."""
        return position_id in self._closed

    def highest(self, kind: Kind) -> int:
        """The newest id of a kind; 0 for none."""
        return self._highest.get(kind, 0)

    def reached_ms(self, kind: Kind) -> int | None:
        """The newest time of a kind, milliseconds since the Unix epoch; None where nothing was read yet."""
        return self._reached.get(kind)

    def is_old(self, change: Change) -> bool:
        """Whether a change was made before the moment up to which changes were handed on."""
        if self.since_ms is None or change.kind is Kind.BALANCE:
            return False
        handed_on: Mapping[int, Row] = {
            Kind.ORDER: self.open_orders,
            Kind.POSITION: self.positions,
        }.get(change.kind, {})
        row_id = change.row["id"]
        if row_id in handed_on or (change.kind is Kind.ORDER and self.has_ended(row_id)):
            return False
        return change.ts_ms is None or change.ts_ms < self.since_ms

    def lacking(self, fresh: Fresh) -> list[Row]:
        """The orders that have filled more than the deals say, these and those that are known."""
        dealt = self._sums(fresh.deals)
        return [
            row
            for row in fresh.orders
            if _filled(row) > self._dealt_of(row["id"]) + dealt.get(row["id"], ZERO)
        ]

    def overtaken(self, fresh: Fresh) -> list[int]:
        """The ids of orders of which these deals say more than what is known of them: read too early."""
        filled: dict[int, Decimal] = {}
        for row in fresh.orders:
            filled[row["id"]] = max(_filled(row), filled.get(row["id"], ZERO))
        return [
            order_id
            for order_id, dealt in self._sums(fresh.deals).items()
            if order_id
            and filled.get(order_id, self._filled_of(order_id)) < self._dealt_before(order_id) + dealt
        ]

    def _sums(self, deals: Iterable[Row]) -> dict[int, Decimal]:
        """How much new deals say was filled, by order."""
        sums: dict[int, Decimal] = {}
        for deal in {row["id"]: row for row in deals}.values():
            if not self.knows(Kind.TRADE, deal["id"]):
                order_id = deal.get("order_id") or 0
                sums[order_id] = sums.get(order_id, ZERO) + needed_decimal(deal, "qty")
        return sums

    def _filled_of(self, order_id: int) -> Decimal:
        known = self.order(order_id)
        return ZERO if known is None else _filled(known)

    def _dealt_of(self, order_id: int) -> Decimal:
        """As `_dealt_before`; of an order that ended before we looked it does not matter."""
        before = Decimal("Infinity") if order_id in self._ended else ZERO
        return self._dealt.get(order_id, before)

    def _dealt_before(self, order_id: int) -> Decimal:
        return self._dealt.get(order_id, ZERO)

    # -- what becomes known

    def take(self, changes: Iterable[Change]) -> None:
        """Remember changes that are handed on now."""
        dealt: set[int] = set()
        for change in changes:
            row = change.row
            if change.leaves:
                continue  # it goes on: the change after it says so
            self._reach(change.kind, change.ts_ms)
            if change.kind is Kind.BALANCE:
                self.balances[row["currency"]] = row
            elif change.kind is Kind.TRADE:
                self.note_deal(row["id"])
                order_id = row.get("order_id") or 0
                self._dealt[order_id] = self._dealt_before(order_id) + needed_decimal(row, "qty")
                dealt.add(order_id)
            elif change.kind is Kind.POSITION:
                self._take_position(row)
            else:
                self._take_order(row)
        for order_id in dealt - self.open_orders.keys() - self._ended.keys():
            self._dealt.pop(order_id, None)  # nobody follows it

    def _take_order(self, row: Row) -> None:
        order_id = row["id"]
        self._dealt[order_id] = max(self._dealt_before(order_id), _filled(row))
        if _is_open(row):
            self._ended.pop(order_id, None)
            self.open_orders[order_id] = row
            self._note_highest(Kind.ORDER, order_id)
        else:
            self.note_ended(order_id, row)

    def _take_position(self, row: Row) -> None:
        if _has_quantity(row):
            self.positions[row["id"]] = row
            self._note_highest(Kind.POSITION, row["id"])
        else:
            self.positions.pop(row["id"], None)
            self._keep(Kind.POSITION, self._closed, row["id"])

    def note_ended(self, order_id: int, row: Row | None = None) -> None:
        """Remember an order that is not open.

        :param row: as it was handed on; None of one that ended before we looked
        """
        self.open_orders.pop(order_id, None)
        self._keep(Kind.ORDER, self._ended, order_id, row)

    def note_deal(self, deal_id: int) -> None:
        """Remember a deal."""
        self._keep(Kind.TRADE, self._deals, deal_id)

    def begin_at(self, kind: Kind, oldest_id: int, reached_ms: int) -> None:
        """What was there when we first looked.

        :param oldest_id: of the rows that were read: what is older is not new, whenever it is seen
        :param reached_ms: the newest time of them, milliseconds since the Unix epoch; 0 for none
        """
        self._raise_floor(kind, oldest_id)
        self._reach(kind, reached_ms)

    def catch_up(self) -> None:
        """What was changed since `since_ms` was read, too: from now on it is like any other state."""
        if self.since_ms is not None:
            for kind in Kind:
                self._reach(kind, self.since_ms)
        self.since_ms = None

    def _reach(self, kind: Kind, moment_ms: int | None) -> None:
        self._reached[kind] = max(self._reached.get(kind, 0), moment_ms or 0)

    def _raise_floor(self, kind: Kind, oldest_id: int) -> None:
        self._floors[kind] = max(self._floors.get(kind, 0), oldest_id - 1)

    def _keep(self, kind: Kind, kept: OrderedDict[int, Any], row_id: int, row: Row | None = None) -> None:
        kept[row_id] = row
        self._note_highest(kind, row_id)
        if len(kept) > self._most:
            forgotten, _ = kept.popitem(last=False)
            self._raise_floor(kind, forgotten + 1)
            if kind is Kind.ORDER:
                self._dealt.pop(forgotten, None)

    def _note_highest(self, kind: Kind, row_id: int) -> None:
        self._highest[kind] = max(self._highest.get(kind, 0), row_id)


def differences(known: KnownState, fresh: Fresh, utc_offset_ms: int = 0) -> list[Change]:
    """What has changed, in the order in which it may have happened.

    New orders of which nothing has filled, then the deals in the order in which they were traded, then
    the orders that moved, then positions, then the balance.

    :param known: what was handed on; it is not changed
    :param fresh: what a read has found
    :param utc_offset_ms: for times without a zone
    :returns: changes, each of which `known` has to take when it is handed on
    :raises BadRow: a row is not of the contract
    """
    orders = _orders(known, fresh.orders, utc_offset_ms)
    placed = [row for row in orders if _is_open(row) and not _filled(row) and known.order(row["id"]) is None]
    names = {row["id"] for row in placed}
    moved = [row for row in orders if row["id"] not in names]
    deals = {row["id"]: row for row in fresh.deals if not known.knows(Kind.TRADE, row["id"])}
    positions = _positions(known, fresh.positions, utc_offset_ms)
    balances = {
        row["currency"]: row
        for row in fresh.balances
        if not _alike(known.balances.get(row["currency"], {}), row, _AMOUNTS, ())
    }

    def changes(kind: Kind, rows: Iterable[Row], *times: str) -> list[Change]:
        made = [_change(kind, known.account_id, row, times, utc_offset_ms) for row in rows]
        return sorted(made, key=lambda change: (change.ts_ms or 0, change.row["id"]))

    # A strategy that has lost one is told first: it must not go on with what is another's now.
    lost_orders = [*_lost(known.open_orders, moved, {"status": "CANCELED"})]
    lost = [*_lost(known.positions, positions, {"state": "closed", "qty": "0"})]
    return [
        *changes(Kind.ORDER, lost_orders, "created_at"),
        *changes(Kind.POSITION, lost, "opened_at"),
        *changes(Kind.ORDER, placed, "created_at"),
        *changes(Kind.TRADE, deals.values(), "executed_at"),
        *changes(Kind.ORDER, moved, "created_at", "updated_at", "closed_at"),
        *changes(Kind.POSITION, positions, "opened_at", "updated_at", "closed_at"),
        *(Change(Kind.BALANCE, known.account_id, None, None, None, None, row) for row in balances.values()),
    ]


def _lost(known: Mapping[int, Row], moved: Iterable[Row], ended: Row) -> Iterator[Row]:
    """What strategies had that is another's now: to them it has ended.

    :param known: what was open
    :param ended: what says so
    """
    for row in moved:
        before, getter = known.get(row["id"], {}), row.get("strategy_id")
        if getter is not None and before.get("strategy_id") not in (None, getter):
            yield {**before, **ended, REASSIGNED_TO: getter}


def newest_time(row: Row, times: Iterable[str], utc_offset_ms: int) -> int | None:
    """The newest of some times of a row, milliseconds since the Unix epoch; None where it has none."""
    found = [time_of(row, key, utc_offset_ms) for key in times]
    return max((time for time in found if time is not None), default=None)


def _change(kind: Kind, account_id: int, row: Row, times: Iterable[str], utc_offset_ms: int) -> Change:
    moved_ms = newest_time(row, times, utc_offset_ms)
    return Change(kind, account_id, row.get("strategy_id") or 0, row.get("symbol"), None, moved_ms, row)


# ------------------------------------------------------------------ orders


def _orders(known: KnownState, rows: Iterable[Row], utc_offset_ms: int) -> list[Row]:
    """The orders that have moved, as they are now."""
    moved: dict[int, Row] = {}
    for row in rows:
        order_id = row["id"]
        before = moved.get(order_id) or known.order(order_id)
        if before is None:
            # One that ended before we looked is open again only if the venue itself says so.
            late = known.has_ended(order_id) and _is_open(row) and not row.get("venue_order")
            after = None if late else row
        else:
            after = _settled_order(before, row, utc_offset_ms)
        if after is not None:
            moved[order_id] = after
    return list(moved.values())


def _settled_order(known: Row, fresh: Row, utc_offset_ms: int) -> Row | None:
    """An order after a read; None when there is nothing new."""
    more = _filled(fresh) > _filled(known)
    lives = not _is_open(known) and _lives_after_all(known, fresh, utc_offset_ms)
    if not _is_open(known) and not more and not lives:
        return None
    if _is_older(fresh, known, utc_offset_ms) and not more and _is_open(fresh):
        return None
    row = _with_what_is_known(known, fresh, lives)
    return None if _same_order(known, row) else row


def _lives_after_all(known: Row, fresh: Row, utc_offset_ms: int) -> bool:
    """Whether what had ended is another order of the venue's now, or was taken for rejected wrongly.

    Some gateways change an order by cancelling it and placing another under the same id.
    """
    if known["status"] == "REJECTED":
        return fresh["status"] != "REJECTED" and bool(fresh.get("venue_order"))
    names = known.get("exchange_order_id"), fresh.get("exchange_order_id")
    replaced = fresh.get("edit_replace_at") is not None and None not in names and names[0] != names[1]
    return replaced and not _is_older(fresh, known, utc_offset_ms)


def _with_what_is_known(known: Row, fresh: Row, lives: bool) -> Row:
    """A row that says no less than what was handed on."""
    kept = {key: known[key] for key in _NEVER_LOST if fresh.get(key) is None and known.get(key) is not None}
    if _filled(fresh) < _filled(known):
        kept.update(filled_qty=known["filled_qty"], avg_fill_price=known.get("avg_fill_price"))
        if fresh["status"] in ("PENDING_SUBMIT", "SUBMITTED"):
            kept["status"] = "PARTIALLY_FILLED"
    if not _is_open(known) and _is_open(fresh) and not lives:
        kept["status"] = known["status"]
    return {**fresh, **kept} if kept else fresh


def _same_order(one: Row, other: Row) -> bool:
    """Whether one who watches sees the same."""
    same = STATUSES.get(one["status"]) == STATUSES.get(other["status"])
    return same and _alike(one, other, _ORDER_NUMBERS, _ORDER_WORDS)


def _is_open(row: Row) -> bool:
    return STATUSES.get(row["status"]) == "open"


def _filled(row: Row) -> Decimal:
    return decimal_of(row, "filled_qty") or ZERO


# ------------------------------------------------------------------ positions


def _positions(known: KnownState, rows: Iterable[Row], utc_offset_ms: int) -> list[Row]:
    """The positions that have moved, as they are now."""
    moved: dict[int, Row] = {}
    for row in rows:
        position_id = row["id"]
        before = moved.get(position_id) or known.positions.get(position_id)
        if before is None:
            after = None if known.is_closed(position_id) else row
        else:
            after = _settled_position(before, row, utc_offset_ms)
        if after is not None:
            moved[position_id] = after
    return list(moved.values())


def _has_quantity(row: Row) -> bool:
    return row["state"] in OPEN_STATES


def _settled_position(known: Row, fresh: Row, utc_offset_ms: int) -> Row | None:
    """A position after a read; None when there is nothing new."""
    if not _has_quantity(known):
        return None
    ends = not _has_quantity(fresh)
    if not ends and _is_older(fresh, known, utc_offset_ms):
        return None
    same = not ends and _alike(known, fresh, _POSITION_NUMBERS, _POSITION_WORDS)
    return None if same else fresh


# ------------------------------------------------------------------ both


def _is_older(one: Row, other: Row, utc_offset_ms: int) -> bool:
    """Whether a row is as it was before another, as far as they say when they were changed."""
    times = [time_of(row, "updated_at", utc_offset_ms) for row in (one, other)]
    return times[0] is not None and times[1] is not None and times[0] < times[1]


def _strategy(row: Row) -> int:
    return row.get("strategy_id") or 0


def _alike(one: Row, other: Row, numbers: Iterable[str], words: Iterable[str]) -> bool:
    return (
        all((decimal_of(one, key) or ZERO) == (decimal_of(other, key) or ZERO) for key in numbers)
        and all(one.get(key) == other.get(key) for key in words)
        and _strategy(one) == _strategy(other)
    )
