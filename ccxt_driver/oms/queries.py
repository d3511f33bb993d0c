"""The lists of the contract. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from ccxt_driver.contract.endpoints import BY_NAME
from ccxt_driver.contract.rows import LedgerKind, OrderStatus, PositionState

from .access import readable, require, visible
from .core import Core
from .entities import Deal, Order, Position, Principal
from .query_parameters import Parameters, Query, read_ids
from .refusals import invalid
from .store import RowFilter
from .transaction import Row

_Row = TypeVar("_Row", Order, Deal, Position)

_OPEN_LIMIT: Final = 500
_OPEN_MOST: Final = 5000
_PAGE_SIZE: Final = 100
_PAGE_MOST: Final = 500
_STATUSES: Final = [status.value for status in OrderStatus]
_STATES: Final = [state.value for state in PositionState]


def open_orders(core: Core, principal: Principal, query: Query, now: int) -> Row:
    """`/oms/orders/open`."""
    asked = _asked(core, principal, "orders_open", query, _STATUSES)
    rows = [
        order
        for account_id in asked.wanted.account_ids
        for order in core.state.accounts[account_id].orders.values()
        if asked.matches(order, order.created_at, order.status.value)
        and asked.names(order.id, order.position_id, order.client_order_id)
    ]
    rows.sort(key=lambda order: (order.created_at, order.id))
    return {"items": [order.row() for order in asked.cut(rows)], "total": len(rows)}


def open_positions(core: Core, principal: Principal, query: Query, now: int) -> Row:
    """`/oms/positions/open`."""
    asked = _asked(core, principal, "positions_open", query, _STATES)
    rows = [
        position
        for account_id in asked.wanted.account_ids
        for position in core.state.accounts[account_id].positions.values()
        if asked.matches(position, position.opened_at, position.state.value)
        and (asked.wanted.position_id is None or position.id == asked.wanted.position_id)
    ]
    if asked.wanted.order_id is not None or asked.wanted.client_order_id is not None:
        of_orders = _positions_of(core, asked)
        rows = [position for position in rows if position.id in of_orders]
    rows.sort(key=lambda position: (position.opened_at, position.id))
    return {"items": [core.position_row(position, now) for position in asked.cut(rows)], "total": len(rows)}


def _positions_of(core: Core, asked: _Asked) -> set[int]:
    """Positions that the orders named by a query have dealt in."""
    wanted = asked.wanted
    named = RowFilter(wanted.account_ids, order_id=wanted.order_id, client_order_id=wanted.client_order_id)
    orders, _ = core.store.orders(named)
    found: set[int] = set()
    for order in orders:
        deals, _ = core.store.deals(RowFilter(wanted.account_ids, order_id=order.id))
        found.update(deal.position_id for deal in deals)
    return found


def order_history(core: Core, principal: Principal, query: Query, now: int) -> Row:
    """`/oms/orders/history`; open ones too."""
    asked = _asked(core, principal, "orders_history", query, _STATUSES)
    return asked.page(*core.store.orders(asked.wanted), lambda row: row.row())


def deals(core: Core, principal: Principal, query: Query, now: int) -> Row:
    """`/oms/deals`."""
    asked = _asked(core, principal, "deals", query, [])
    return asked.page(*core.store.deals(asked.wanted), lambda row: row.row())


def position_history(core: Core, principal: Principal, query: Query, now: int) -> Row:
    """`/oms/positions/history`; open ones too."""
    asked = _asked(core, principal, "positions_history", query, _STATES)
    return asked.page(*core.store.positions(asked.wanted), lambda row: core.position_row(row, now))


def orders_by_id(core: Core, principal: Principal, ids: str, query: Query, now: int) -> Row:
    """`/oms/orders/{ids}`."""
    return _by_id(
        core, principal, "orders_by_id", query, core.store.orders_by_id(read_ids("ids", ids)), _order_row
    )


def deals_by_id(core: Core, principal: Principal, ids: str, query: Query, now: int) -> Row:
    """`/oms/deals/{ids}`."""
    return _by_id(
        core, principal, "deals_by_id", query, core.store.deals_by_id(read_ids("ids", ids)), _deal_row
    )


def positions_by_id(core: Core, principal: Principal, ids: str, query: Query, now: int) -> Row:
    """`/oms/positions/{ids}`."""
    rows = core.store.positions_by_id(read_ids("ids", ids))
    return _by_id(
        core, principal, "positions_by_id", query, rows, lambda position: core.position_row(position, now)
    )


def _order_row(order: Order) -> Row:
    return order.row()


def _deal_row(deal: Deal) -> Row:
    return deal.row()


def _by_id(
    core: Core,
    principal: Principal,
    endpoint: str,
    query: Query,
    rows: list[_Row],
    write: Callable[[_Row], Row],
) -> Row:
    parameters = Parameters(query, BY_NAME[endpoint].query)
    strategy_id = parameters.integer("strategy_id")
    parameters.flag("cache")
    if "account_ids" in parameters:
        accounts = {
            require(core.state, principal, account_id, "read").account.id
            for account_id in parameters.ids("account_ids")
        }
    else:
        accounts = {account.account.id for account, _ in readable(core.state, principal)}
    return {
        "items": [
            write(row) for row in rows if row.account_id in accounts and visible(principal, row, strategy_id)
        ]
    }


def ledger(core: Core, principal: Principal, query: Query, now: int) -> Row:
    """`/oms/ledger`. A key limited to some strategies sees none: money is shared by the account."""
    parameters = Parameters(query, BY_NAME["ledger"].query)
    account_ids = _accounts(core, principal, parameters)
    page, size = _paging(parameters)
    if principal.strategies is not None:
        return {"items": [], "total": 0, "page": page, "page_size": size}
    wanted = replace(
        _filter(principal, parameters, account_ids, page, size),
        currency=parameters.text("currency"),
        kind=parameters.text("kind", [kind.value for kind in LedgerKind]),
    )
    rows, total = core.store.ledger(wanted)
    return {"items": [row.row() for row in rows], "total": total, "page": page, "page_size": size}


# ------------------------------------------------------------------ reading what was asked


class _Asked:
    """A list's filter with the page that is wanted of it."""

    __slots__ = ("_page", "_page_size", "wanted")

    def __init__(self, wanted: RowFilter, page: int, page_size: int) -> None:
        self.wanted = wanted
        self._page = page
        self._page_size = page_size

    def matches(self, row: Order | Position, time: int, status: str) -> bool:
        """Whether a live row is one of those wanted."""
        wanted = self.wanted
        return (
            row.is_known
            and (wanted.strategy_ids is None or row.strategy_id in wanted.strategy_ids)
            and (wanted.symbol is None or row.symbol == wanted.symbol)
            and (wanted.since_ms is None or time >= wanted.since_ms)
            and (wanted.until_ms is None or time <= wanted.until_ms)
            and (wanted.statuses is None or status in wanted.statuses)
        )

    def names(self, order_id: int, position_id: int, client_order_id: str | None) -> bool:
        """Whether an open order is the one that is named, if one is."""
        wanted = self.wanted
        return (
            (wanted.order_id is None or order_id == wanted.order_id)
            and (wanted.position_id is None or position_id == wanted.position_id)
            and (wanted.client_order_id is None or client_order_id == wanted.client_order_id)
        )

    def cut(self, rows: list[_Row]) -> list[_Row]:
        """The first rows in the direction wanted."""
        return (rows[::-1] if self.wanted.descending else rows)[: self.wanted.limit]

    def page(self, rows: list[_Row], total: int, write: Callable[[_Row], Row]) -> Row:
        """The answer of a paged list."""
        return {
            "items": [write(row) for row in rows],
            "total": total,
            "page": self._page,
            "page_size": self._page_size,
        }


def _asked(core: Core, principal: Principal, endpoint: str, query: Query, statuses: list[str]) -> _Asked:
    known = BY_NAME[endpoint].query
    parameters = Parameters(query, known)
    paged = "page" in known
    if paged and "since_ms" not in parameters:
        for name in ("start_date", "end_date"):
            if name not in parameters:
                raise invalid(name, "is required as YYYY-MM-DD unless since_ms is given")
    if paged:
        page, size = _paging(parameters)
    else:
        page, size = 1, parameters.integer("limit", 1, _OPEN_MOST) or _OPEN_LIMIT
    wanted = replace(
        _filter(principal, parameters, _accounts(core, principal, parameters), page, size),
        statuses=_wanted_statuses(parameters, statuses),
    )
    if statuses is _STATES and _names_an_order_unseen(core, principal, wanted):
        wanted = replace(wanted, strategy_ids=frozenset())
    return _Asked(wanted, page, size)


def _filter(
    principal: Principal, parameters: Parameters, account_ids: tuple[int, ...], page: int, size: int
) -> RowFilter:
    """The filters that every list has."""
    parameters.flag("cache")
    dated_since, dated_until = parameters.date("start_date"), parameters.last_moment("end_date")
    if dated_since is not None and dated_until is not None and dated_since > dated_until:
        raise invalid("end_date", "expected a day not before start_date")
    return RowFilter(
        account_ids,
        strategy_ids=_strategies(principal, parameters.integer("strategy_id")),
        symbol=parameters.text("symbol"),
        since_ms=parameters.integer("since_ms"),
        until_ms=parameters.integer("until_ms"),
        dated_since=dated_since,
        dated_until=dated_until,
        client_order_id=parameters.text("client_order_id"),
        order_id=parameters.integer("order_id"),
        position_id=parameters.integer("position_id"),
        descending=parameters.text("sort", ("asc", "desc")) == "desc",
        offset=(page - 1) * size,
        limit=size,
    )


def _names_an_order_unseen(core: Core, principal: Principal, wanted: RowFilter) -> bool:
    """Whether positions are asked for by an order that the principal may not know of."""
    if principal.strategies is None or (wanted.order_id is None and wanted.client_order_id is None):
        return False
    named = RowFilter(
        wanted.account_ids,
        strategy_ids=principal.strategies,
        order_id=wanted.order_id,
        client_order_id=wanted.client_order_id,
        limit=1,
    )
    return not core.store.orders(named)[1]


def _accounts(core: Core, principal: Principal, parameters: Parameters) -> tuple[int, ...]:
    ids = parameters.ids("account_ids")
    return tuple(require(core.state, principal, account_id, "read").account.id for account_id in ids)


def _strategies(principal: Principal, asked: int | None) -> frozenset[int] | None:
    if asked is None:
        return principal.strategies
    return frozenset((asked,)) if principal.sees(asked) else frozenset()


def _wanted_statuses(parameters: Parameters, known: list[str]) -> frozenset[str] | None:
    value = parameters.text("status")
    if value is None:
        return None
    wanted = [part.strip() for part in value.split(",")]
    for part in wanted:
        if part not in known:
            raise invalid("status", f"expected one of {', '.join(known)}, got {part[:40]!r}")
    return frozenset(wanted)


def _paging(parameters: Parameters) -> tuple[int, int]:
    return (
        parameters.integer("page", 1, 10**9) or 1,
        parameters.integer("page_size", 1, _PAGE_MOST) or _PAGE_SIZE,
    )
