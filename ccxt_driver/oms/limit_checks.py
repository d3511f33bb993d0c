"""Whether an order keeps within the limits of its account, strategy and symbol.

Orders that only reduce are never looked at. Nothing is counted twice in memory: positions and open
orders are live, and rates and profits come from the rows that are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.values import format_decimal

from .core import Core
from .entities import ZERO, Order, Position
from .limits import Kept, Limits, Scope
from .refusals import Refusal
from .reserving import opening_qty, price_estimate
from .state import AccountState
from .store import RowFilter

_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000


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


def check_limits(core: Core, account: AccountState, order: Order, now: int, *, taken: bool = False) -> None:
    """Refuse an order that would open more than some limit lets.

    :param order: as it is to be; not yet among the open ones, or, when `taken`, one of them
    :param taken: it was taken before, so that its size and rate are no matter any more
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
    if not opening:
        return
    for scope, kept in scopes:
        for measure in _measures(core, account, order, opening, scope, kept, now, taken):
            if measure.too_much:
                raise _blocked(scope, measure)


def exceeds_limits(core: Core, account: AccountState, order: Order, now: int) -> bool:
    """Whether an order that was taken may no longer open anything, now that its trigger has been reached."""
    try:
        check_limits(core, account, order, now, taken=True)
    except Refusal:
        return True
    return False


def _measures(
    core: Core,
    account: AccountState,
    order: Order,
    opening: Decimal,
    scope: Scope,
    kept: Kept,
    now: int,
    taken: bool,
) -> Iterator[_Measure]:
    limits = kept.limits
    if limits.killed:
        yield _Measure("killed", opening, ZERO)
    last = core.quote(order.symbol, now).last
    if not taken:
        yield from _of_order(core, account, order, scope, limits, last, now)
    yield from _of_position(core, account, order, opening, scope, limits, last, now)
    yield from _of_profit(core, account, scope, kept, now)


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
) -> Iterator[_Measure]:
    if limits.max_position_qty is not None or limits.max_position_notional is not None:
        qty = opening
        for position in account.positions_on.get(order.symbol, {}).values():
            if position.side is order.side and scope.covers(position):
                qty += position.qty
        for other in account.orders_on.get(order.symbol, {}).values():
            same = other.side is order.side and other.id != order.id and not other.reduce_only
            if same and scope.covers(other):
                qty += other.remaining
        if limits.max_position_qty is not None:
            yield _Measure("max_position_qty", qty, limits.max_position_qty)
        if limits.max_position_notional is not None:
            yield _Measure("max_position_notional", qty * last, limits.max_position_notional)
    if limits.max_exposure is not None:
        yield _Measure(
            "max_exposure", _exposure(core, account, order, opening, scope, limits, now), limits.max_exposure
        )


def _exposure(
    core: Core, account: AccountState, order: Order, opening: Decimal, scope: Scope, limits: Limits, now: int
) -> Decimal:
    symbols = core.state.symbols
    total = ZERO
    if symbols[order.symbol].market.quote == limits.currency:
        total += opening * (price_estimate(order) or core.quote(order.symbol, now).last)
    for position in _counted(core, account, scope, limits.currency):
        total += position.qty * core.mark_price(position.symbol, now)
    for other in account.orders.values():
        counts = symbols[other.symbol].market.quote == limits.currency and not other.reduce_only
        if counts and other.id != order.id and scope.covers(other):
            total += other.remaining * (price_estimate(other) or core.quote(other.symbol, now).last)
    return total


def _counted(core: Core, account: AccountState, scope: Scope, currency: str) -> Iterator[Position]:
    """The open positions of a scope whose markets are quoted in a currency."""
    for position in account.positions.values():
        quote = core.state.symbols[position.symbol].market.quote
        if quote == currency and scope.covers(position):
            yield position


def _of_profit(core: Core, account: AccountState, scope: Scope, kept: Kept, now: int) -> Iterator[_Measure]:
    limits = kept.limits
    if limits.max_daily_loss is None and limits.max_drawdown is None:
        return
    held = ZERO
    for position in _counted(core, account, scope, limits.currency):
        held += core.profit(position, now)
    # The limit itself is reached, not only passed, when that much is lost.
    if limits.max_daily_loss is not None:
        today = core.profits.of(
            core.store, core.market.markets, scope, "day", limits.currency, now - now % _DAY_MS
        )
        yield _Measure("max_daily_loss", -(today.total + held), limits.max_daily_loss, reached=True)
    if limits.max_drawdown is not None:
        ever = core.profits.of(
            core.store, core.market.markets, scope, "drawdown", limits.currency, kept.since_ms
        )
        yield _Measure("max_drawdown", ever.highest - ever.total - held, limits.max_drawdown, reached=True)


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
