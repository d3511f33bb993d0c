"""Whether an order keeps within the limits of its account, strategy and symbol.

Orders that only reduce are never looked at. Nothing is counted twice in memory: positions and open
orders are live, and rates and profits come from the rows that are kept. What a strategy of a netting account
holds, where the positions are of all strategies together, comes from these too: see `own_books`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.rows import PositionMode
from ccxt_driver.contract.values import format_decimal

from .core import Core
from .deal_reading import DAY_MS
from .entities import ZERO, Order
from .limits import Kept, Limits, Scope
from .own_books import OwnBook, Part
from .profits import Profit
from .refusals import Refusal
from .reserving import opening_qty, price_estimate
from .state import AccountState
from .store import Changes, RowFilter
from .transaction import Transaction

_MINUTE_MS: Final = 60_000


class _Measure(NamedTuple):
    """What a limit is about, as it would be.

    :param reached: whether the limit itself is too much already
    """

    name: str
    value: Decimal
    limit: Decimal
    reached: bool = False

    @property
    def too_much(self) -> bool:
        return self.value > self.limit or (self.reached and self.value == self.limit > ZERO)


def check_limits(
    core: Core,
    account: AccountState,
    order: Order,
    now: int,
    *,
    taken: bool = False,
    changes: Changes | None = None,
) -> None:
    """Refuse an order that would open more than some limit lets.

    :param order: as it is to be; not yet among the open ones, or, when `taken`, one of them
    :param taken: it was taken before, so that its size and rate are no matter any more
    :param changes: of the transaction that it is part of, if it is part of one
    :raises Refusal: `risk_blocked`, with the name of the limit as `reason`
    """
    scopes = [
        (scope, kept)
        for scope, kept in core.state.limits.items()
        if scope.account_id == order.account_id and scope.covers(order)
    ]
    if not scopes or order.reduce_only:
        return
    opening = opening_qty(account, order)
    for scope, kept in scopes:
        own = _own_book(core, account, scope, kept.limits, now, changes)
        if own is None and not opening:
            continue
        for measure in _measures(core, account, order, opening, scope, kept, now, taken, own, changes):
            if measure.too_much:
                raise _blocked(scope, measure)


def exceeds_limits(core: Core, account: AccountState, order: Order, tx: Transaction) -> bool:
    """Whether an order that was taken may no longer open anything, now that its trigger has been reached."""
    try:
        check_limits(core, account, order, tx.now, taken=True, changes=tx.changes)
    except Refusal:
        return True
    return False


def _own_book(
    core: Core, account: AccountState, scope: Scope, limits: Limits, now: int, changes: Changes | None
) -> OwnBook | None:
    """What the strategy of a scope holds by itself; None where its positions say that."""
    shared = account.account.position_mode is PositionMode.NETTING and scope.strategy_id is not None
    if not shared or not (limits.of_positions or limits.of_profit):
        return None
    state = core.state
    return core.profits.own.of(
        core.store,
        core.market.markets,
        scope.account_id,
        state.limits,
        changes,
        state.checkpoints,
        now,
    )


def _measures(
    core: Core,
    account: AccountState,
    order: Order,
    opening: Decimal,
    scope: Scope,
    kept: Kept,
    now: int,
    taken: bool,
    own: OwnBook | None,
    changes: Changes | None,
) -> Iterator[_Measure]:
    limits = kept.limits
    last = core.quote(order.symbol, now).last
    if opening:
        if limits.killed:
            yield _Measure("killed", opening, ZERO)
        if not taken:
            yield from _of_order(core, account, order, scope, limits, last, now)
    if own is not None:
        opening = _own_opening(account, order, own.net(order.strategy_id, order.symbol))
    if opening:
        yield from _of_position(core, account, order, opening, scope, limits, last, now, own)
        yield from _of_profit(core, account, scope, kept, now, own, changes)


def _own_opening(account: AccountState, order: Order, net: Decimal) -> Decimal:
    """How much of what is left of an order its strategy does not have to give, as `opening_qty` reckons it.

    :param net: what the strategy has, below 0 when it has sold
    """
    available = max(ZERO, net if order.side is Side.SELL else -net)
    for other in account.orders_on.get(order.symbol, {}).values():
        if other.id < order.id and other.side is order.side and other.strategy_id == order.strategy_id:
            available -= other.remaining
    return order.remaining - min(order.remaining, max(ZERO, available))


def _of_order(
    core: Core,
    account: AccountState,
    order: Order,
    scope: Scope,
    limits: Limits,
    last: Decimal,
    now: int,
) -> Iterator[_Measure]:
    price = price_estimate(order) or last
    if limits.max_order_qty is not None:
        yield _Measure("max_order_qty", order.qty, limits.max_order_qty)
    if limits.max_order_notional is not None:
        yield _Measure("max_order_notional", order.qty * price, limits.max_order_notional)
    if limits.price_band is not None and order.price is not None:
        yield _Measure("price_band", abs(order.price - last) / last, limits.price_band)
    if order.id in account.orders:
        return  # it is changed: that is no other order
    if limits.max_open_orders is not None:
        count = sum(scope.covers(other) for other in account.orders.values())
        yield _Measure("max_open_orders", Decimal(count + 1), limits.max_open_orders)
    if limits.max_orders_per_minute is not None:
        strategies = None if scope.strategy_id is None else frozenset((scope.strategy_id,))
        recent = RowFilter(
            (scope.account_id,), strategies, scope.symbol, since_ms=now - _MINUTE_MS + 1, limit=0
        )
        _, count = core.store.orders(recent)
        yield _Measure("max_orders_per_minute", Decimal(count + 1), limits.max_orders_per_minute)


def _of_position(
    core: Core,
    account: AccountState,
    order: Order,
    opening: Decimal,
    scope: Scope,
    limits: Limits,
    last: Decimal,
    now: int,
    own: OwnBook | None,
) -> Iterator[_Measure]:
    if limits.max_position_qty is not None or limits.max_position_notional is not None:
        qty = opening
        sign = 1 if order.side is Side.BUY else -1
        for held in _held(account, scope._replace(symbol=order.symbol), own):
            qty += max(ZERO, sign * held.qty)
        for other in account.orders_on.get(order.symbol, {}).values():
            same = other.side is order.side and other.id != order.id and not other.reduce_only
            if same and scope.covers(other):
                qty += other.remaining
        if limits.max_position_qty is not None:
            yield _Measure("max_position_qty", qty, limits.max_position_qty)
        if limits.max_position_notional is not None:
            yield _Measure("max_position_notional", qty * last, limits.max_position_notional)
    if limits.max_exposure is not None:
        value = _exposure(core, account, order, opening, scope, limits, now, own)
        yield _Measure("max_exposure", value, limits.max_exposure)


def _exposure(
    core: Core,
    account: AccountState,
    order: Order,
    opening: Decimal,
    scope: Scope,
    limits: Limits,
    now: int,
    own: OwnBook | None,
) -> Decimal:
    symbols = core.state.symbols
    total = ZERO
    if symbols[order.symbol].market.quote == limits.currency:
        total += opening * (price_estimate(order) or core.quote(order.symbol, now).last)
    for held in _held(account, scope, own):
        if _quoted_in(core, held.symbol, limits.currency):
            total += abs(held.qty) * core.mark_price(held.symbol, now)
    for other in account.orders.values():
        counts = symbols[other.symbol].market.quote == limits.currency and not other.reduce_only
        if counts and other.id != order.id and scope.covers(other):
            total += other.remaining * (price_estimate(other) or core.quote(other.symbol, now).last)
    return total


def _held(account: AccountState, scope: Scope, own: OwnBook | None) -> Iterator[Part]:
    """What a scope has open: its positions, or what its strategy has by itself."""
    if own is not None:
        yield from own.held(scope.strategy_id, scope.symbol)
        return
    positions = account.positions if scope.symbol is None else account.positions_on.get(scope.symbol, {})
    for position in positions.values():
        if scope.covers(position):
            sign = 1 if position.side is Side.BUY else -1
            yield Part(position.symbol, sign * position.qty, sign * position.entry_cost)


def _quoted_in(core: Core, symbol: str, currency: str) -> bool:
    return core.state.symbols[symbol].market.quote == currency


def _of_profit(
    core: Core,
    account: AccountState,
    scope: Scope,
    kept: Kept,
    now: int,
    own: OwnBook | None,
    changes: Changes | None,
) -> Iterator[_Measure]:
    limits = kept.limits
    if not limits.of_profit:
        return
    unrealized = ZERO
    for held in _held(account, scope, own):
        if _quoted_in(core, held.symbol, limits.currency):
            unrealized += held.profit(core.mark_price(held.symbol, now))

    def made(name: str, since_ms: int) -> Profit:
        return core.profits.of(
            core.store,
            core.market.markets,
            scope,
            name,
            limits.currency,
            since_ms,
            changes,
            core.state.checkpoints,
        )

    # The limit itself is reached, not only passed, when that much is lost.
    if limits.max_daily_loss is not None:
        today = made("day", now - now % DAY_MS).total if own is None else own.made[scope].today(now)
        yield _Measure("max_daily_loss", -(today + unrealized), limits.max_daily_loss, reached=True)
    if limits.max_drawdown is not None:
        ever = made("drawdown", kept.since_ms) if own is None else own.made[scope]
        yield _Measure(
            "max_drawdown", ever.highest - ever.total - unrealized, limits.max_drawdown, reached=True
        )


def _blocked(scope: Scope, measure: _Measure) -> Refusal:
    details: dict[str, Any] = {"reason": measure.name, "account_id": scope.account_id}
    whose = f"account {scope.account_id}"
    if scope.strategy_id is not None:
        details["strategy_id"] = scope.strategy_id
        whose += f", strategy {scope.strategy_id}"
    if scope.symbol is not None:
        details["symbol"] = scope.symbol
        whose += f", {scope.symbol}"
    if measure.name == "killed":
        return Refusal(ErrorCode.RISK_BLOCKED, f"{whose}: killed, nothing may be opened", details)
    details["limit"], details["value"] = format_decimal(measure.limit), format_decimal(measure.value)
    return Refusal(
        ErrorCode.RISK_BLOCKED,
        f"{whose}: {measure.name} is {details['limit']}, this would be {details['value']}",
        details,
    )
