"""Risk limits, the kill switch and sessions, for those who manage risk while the OMS runs."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationInfo

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.fields import Flag, Id
from ccxt_driver.contract.values import format_decimal, format_time

from .access import readable, require
from .administration import Body, log_switch, risk_account
from .core import Core
from .entities import Principal
from .limit_commands import check_currency, set_killed, set_limits
from .limits import Scope, limit_rows, read_limit, read_limits
from .refusals import Refusal, invalid
from .settling import put_session
from .state import SymbolState
from .trading_hours import Session, WeeklyHours, read_session
from .transaction import Row


def _limit(value: object, info: ValidationInfo) -> Decimal:
    return read_limit(info.field_name or "", value)


def _windows(value: list[str] | None) -> list[str] | None:
    if value is not None:
        try:
            WeeklyHours(value)
        except ValueError as error:
            raise ValueError(str(error).removeprefix("hours: ")) from None  # the field is named already
    return value


_MOST_WINDOWS: Final = 500
_Limit = Annotated[Decimal, BeforeValidator(_limit), PlainSerializer(format_decimal, return_type=str)] | None
_Comment = Annotated[str | None, Field(max_length=255)]
_Symbol = Annotated[str | None, Field(min_length=1, max_length=64)]


class LimitValues(Body):
    """The limits of one scope, by the names of `Limits`; one that is null or left out does not limit."""

    max_order_qty: _Limit = None
    max_order_notional: _Limit = None
    max_position_qty: _Limit = None
    max_position_notional: _Limit = None
    max_exposure: _Limit = None
    max_open_orders: _Limit = None
    max_orders_per_minute: _Limit = None
    max_daily_loss: _Limit = None
    max_drawdown: _Limit = None
    price_band: _Limit = None
    killed: Flag | None = None
    currency: Annotated[str, Field(min_length=1, max_length=16)] = "USDT"


class NewLimits(Body):
    """Body of `POST /oms/risk/{account_id}/limits`; `limits` of null takes them away."""

    limits: LimitValues | None
    strategy_id: Id | None = None
    symbol: _Symbol = None
    comment: _Comment = None


class KillSwitch(Body):
    """Body of `/oms/risk/{account_id}/kill_switch`."""

    killed: Flag
    strategy_id: Id | None = None
    symbol: _Symbol = None
    comment: _Comment = None


class NewSession(Body):
    """Body of `POST /oms/sessions`; what is left out stays as it is, and `hours` of null is always."""

    symbol: Annotated[str, Field(min_length=1, max_length=64)]
    session: Session | None = None
    hours: Annotated[
        Annotated[list[str], Field(max_length=_MOST_WINDOWS)] | None, AfterValidator(_windows)
    ] = None
    resting: Annotated[str | None, Field(pattern="^(keep|cancel)$")] = None
    comment: _Comment = None


# ------------------------------------------------------------------ limits


def risk_limits(core: Core, principal: Principal, account_id: int) -> Row:
    """`GET /oms/risk/{account_id}/limits`: those of the account, and of the strategies that the key sees."""
    require(core.state, principal, account_id, "read", "risk")
    rows = limit_rows(core.state.limits, account_id)
    return {
        "account_id": account_id,
        "items": [row for row in rows if row["strategy_id"] is None or principal.sees(row["strategy_id"])],
    }


def set_risk_limits(core: Core, principal: Principal, account_id: int, body: NewLimits, now: int) -> Row:
    """`POST /oms/risk/{account_id}/limits`."""
    scope = _scope(core, principal, account_id, body.strategy_id, body.symbol)
    given = {} if body.limits is None else body.limits.model_dump(exclude_unset=True)
    try:
        check_currency(core, read_limits(given), body.symbol)
    except ValueError as error:
        field, _, reason = str(error).partition(": ")
        raise invalid(field, reason) from None
    with core.transaction(now) as tx:
        canceled = set_limits(core, tx, scope, given)
        log_switch(tx.changes.settings, account_id, now, body.model_dump(mode="json"))
    return _limits_answer(core, scope, canceled)


def kill_switch(core: Core, principal: Principal, account_id: int, body: KillSwitch, now: int) -> Row:
    """`POST /oms/risk/{account_id}/kill_switch`: nothing opens any more, or may again."""
    scope = _scope(core, principal, account_id, body.strategy_id, body.symbol)
    with core.transaction(now) as tx:
        canceled = set_killed(core, tx, scope, body.killed)
        log_switch(tx.changes.settings, account_id, now, body.model_dump())
    return _limits_answer(core, scope, canceled)


def _limits_answer(core: Core, scope: Scope, canceled: list[int]) -> Row:
    row: dict[str, Any] = {"strategy_id": scope.strategy_id, "symbol": scope.symbol, "limits": {}}
    for known in limit_rows(core.state.limits, scope.account_id):
        if (known["strategy_id"], known["symbol"]) == (scope.strategy_id, scope.symbol):
            row = known
    return {"ok": True, "account_id": scope.account_id, **row, "canceled_order_ids": canceled}


def _scope(
    core: Core, principal: Principal, account_id: int, strategy_id: int | None, symbol: str | None
) -> Scope:
    """Whom a change is for, if the principal may make it."""
    if strategy_id is None:
        risk_account(core, principal, account_id)
    else:
        require(core.state, principal, account_id, "risk")
        if strategy_id not in core.state.strategies or not principal.sees(strategy_id):
            raise Refusal(
                ErrorCode.STRATEGY_NOT_FOUND,
                f"strategy {strategy_id} does not exist",
                {"strategy_id": strategy_id},
            )
    if symbol is not None:
        _market(core, symbol)
    return Scope(account_id, strategy_id, symbol)


def _market(core: Core, symbol: str) -> SymbolState:
    found = core.state.symbols.get(symbol)
    if found is None:
        raise Refusal(ErrorCode.BAD_SYMBOL, f"symbol: {symbol} is not listed", {"symbol": symbol})
    return found


# ------------------------------------------------------------------ sessions


def sessions(core: Core, principal: Principal) -> Row:
    """`GET /oms/sessions`: every market, whether it is open and since what says so."""
    if not readable(core.state, principal):
        raise Refusal(ErrorCode.PERMISSION_DENIED, "this key may read no account")
    return {"items": [_session_row(symbol) for symbol in core.state.symbols.values()]}


def set_session(core: Core, principal: Principal, body: NewSession, now: int) -> Row:
    """`POST /oms/sessions`: it concerns every account, and so needs the right on each of them."""
    for account_id in sorted(core.state.accounts):
        permission = principal.permission(account_id)
        if permission is None or not permission.risk or principal.strategies is not None:
            raise Refusal(
                ErrorCode.PERMISSION_DENIED, "sessions need a key that may manage risk of every account"
            )
    symbol = _market(core, body.symbol)
    change = read_session(body.model_dump(include={"session", "hours", "resting"}, exclude_unset=True))
    with core.transaction(now) as tx:
        put_session(core, tx, body.symbol, change)
        log_switch(tx.changes.settings, 0, now, body.model_dump(mode="json"))
    return {"ok": True, **_session_row(symbol)}


def _session_row(symbol: SymbolState) -> dict[str, Any]:
    session = symbol.session
    return {
        "symbol": symbol.market.symbol,
        "session": symbol.session_name,
        "halted": symbol.halted,
        "set_by_hand": session.by_hand.value,
        "hours": None if session.hours is None else [*session.hours.windows],
        "resting": "cancel" if session.cancels else "keep",
        "opens_at": None if symbol.opens_at is None else format_time(symbol.opens_at),
        "changes_at": None if session.changes_at is None else format_time(session.changes_at),
    }
