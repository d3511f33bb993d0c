"""Margin of an isolated position, added and taken by hand; in ccxt's structures.

What is added stands for the position alone, beside its initial margin, and goes with it: a part that is
closed gives its share back.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.values import format_decimal, format_time

from .access import visible
from .entities import ZERO, Position
from .ledger.margin import initial_margin, leverage_of
from .market.listing import Market
from .refusals import Refusal, venue_refusal
from .risk import check_account
from .venue_arguments import Call
from .venue_margin import margin_mode, swap

_UNIT: Final = Decimal("0.00000001")
_SIDES: Final = {"long": (Side.BUY,), "short": (Side.SELL,), "both": (Side.BUY, Side.SELL)}
"""What venues call the side of a position; "both" where they do not tell them apart."""
_NAMES: Final = (("position_id", "positionId"), ("positionSide", "side"))


def add_margin(call: Call) -> dict[str, Any]:
    """Add free money to the margin of an isolated position.

    :raises Refusal: InsufficientFunds beyond what is free, OperationRejected where the margin is crossed or
        no position is open, ArgumentsRequired where several are, BadRequest
    """
    market, amount = _market(call), _amount(call)
    position = _position(call, market)
    _check_free(call, market, amount)
    return _changed(call, market, position, amount, "add", amount)


def reduce_margin(call: Call) -> dict[str, Any]:
    """Take margin of an isolated position back; its initial margin and what it has lost stay covered.

    :raises Refusal: as of `add_margin`, InsufficientFunds beyond what is to spare
    """
    market, amount = _market(call), _amount(call)
    position = _position(call, market)
    _check_spare(call, market, position, amount)
    return _changed(call, market, position, -amount, "reduce", amount)


def set_margin(call: Call) -> dict[str, Any]:
    """Add or take as much as lets the margin of an isolated position be an amount.

    :raises Refusal: as of `add_margin` and `reduce_margin`
    """
    market, amount = _market(call), _amount(call)
    position = _position(call, market)
    change = amount - call.owner.margin_of[position.id]
    if change > ZERO:
        _check_free(call, market, change)
    elif change < ZERO:
        _check_spare(call, market, position, -change)
    return _changed(call, market, position, change, "set", amount)


def _market(call: Call) -> Market:
    market = swap(call, call.market())
    check_account(call.owner)
    if margin_mode(call, market) != "isolated":
        raise venue_refusal(
            "OperationRejected", f"{call.name}: {market.symbol} has crossed margin; expected isolated"
        )
    return market


def _amount(call: Call) -> Decimal:
    given = call.decimal("amount")
    amount = given - given % _UNIT  # what a program has reckoned in floats has digits beyond
    if amount <= ZERO:
        raise venue_refusal(
            "BadRequest",
            f"{call.name}: amount: expected at least {format_decimal(_UNIT)}, got {format_decimal(given)}",
        )
    return amount


def _position(call: Call, market: Market) -> Position:
    """The open position on a swap that the caller means."""
    wanted_id, wanted_side = (_param(call, *names) for names in _NAMES)
    sides = _SIDES["both"] if wanted_side is None else _sides(call, wanted_side)
    found = [
        position
        for position in call.owner.positions_on.get(market.symbol, {}).values()
        if visible(call.principal, position)
        and (wanted_id is None or str(position.id) == str(wanted_id))
        and position.side in sides
    ]
    if not found:
        raise venue_refusal("OperationRejected", f"{call.name}: there is no such open position")
    if len(found) > 1:
        ids = ", ".join(str(position.id) for position in found)
        raise venue_refusal(
            "ArgumentsRequired", f"{call.name}: params.position_id: expected one of {ids}, got none"
        )
    return found[0]


def _param(call: Call, *names: str) -> Any:
    params = call.params
    return next((params[name] for name in names if params.get(name) is not None), None)


def _sides(call: Call, word: Any) -> tuple[Side, ...]:
    sides = _SIDES.get(str(word).lower())
    if sides is None:
        raise venue_refusal(
            "BadRequest", f"{call.name}: params.positionSide: expected long or short, got {str(word)[:16]!r}"
        )
    return sides


def _check_free(call: Call, market: Market, amount: Decimal) -> None:
    free = call.core.free(call.owner, market.settlement_currency, call.now)
    if amount > free:
        raise _insufficient(call, amount, max(free, ZERO), "free")


def _check_spare(call: Call, market: Market, position: Position, amount: Decimal) -> None:
    loss = min(call.core.profit(position, call.now), ZERO)
    needed = initial_margin(position.entry_cost, leverage_of(call.owner.account, market))
    spare = call.owner.margin_of[position.id] + loss - needed
    if amount > spare:
        raise _insufficient(call, amount, max(spare, ZERO), "to spare")


def _insufficient(call: Call, amount: Decimal, most: Decimal, which: str) -> Refusal:
    return venue_refusal(
        "InsufficientFunds",
        f"{call.name}: amount: {format_decimal(amount)} is more than the {format_decimal(most)} {which}",
    )


def _changed(
    call: Call, market: Market, position: Position, change: Decimal, kind: str, amount: Decimal
) -> dict[str, Any]:
    account, currency = call.owner, market.settlement_currency
    if change:
        with call.core.transaction(call.now) as tx:
            tx.touch_position(position)
            position.margin_added += change
            position.updated_at = call.now
            call.core.state.margin_changed(position)
            tx.balance_changed(account, currency)
            tx.swap_changed(account.account.id, market.symbol)
    return {
        "info": call.core.position_row(position, call.now),
        "symbol": market.symbol,
        "type": kind,
        "marginMode": "isolated",
        "amount": float(amount),
        "total": float(account.margin_of[position.id]),
        "code": currency,
        "status": "ok",
        "timestamp": call.now,
        "datetime": format_time(call.now),
    }
