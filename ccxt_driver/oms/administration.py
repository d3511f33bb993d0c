"""What is not trading: accounts, strategies, paper funds, risk switches, reassigning, reconciling."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.endpoints import BY_NAME
from ccxt_driver.contract.events import EventName
from ccxt_driver.contract.fields import Flag, Id, IdOrZero, PositiveDecimal
from ccxt_driver.contract.rows import LedgerKind
from ccxt_driver.contract.values import format_decimal, format_time

from .access import readable, require
from .core import Core
from .entities import Principal, Strategy
from .importing import import_unknown
from .query_parameters import Parameters, Query
from .refusals import Refusal, insufficient, invalid, one_of
from .state import AccountState
from .transaction import Row

EXCHANGE_ID: Final = "paper"
MOST_FUNDS: Final = Decimal(10) ** 15
"""No balance may be larger, so that sums stay exact."""


class Body(BaseModel):
    """Of a request; a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid")


def _text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Funds(Body):
    """Body of deposit and withdraw."""

    currency: Annotated[str, Field(min_length=1, max_length=16)]
    amount: PositiveDecimal
    comment: Annotated[str | None, Field(max_length=255)] = None


class NewStrategy(Body):
    """Body of `POST /strategies`."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    client_strategy_id: Annotated[
        Annotated[str, Field(max_length=100)] | None,
        BeforeValidator(_text),
        WithJsonSchema({"type": ["string", "integer", "null"], "maxLength": 100}),
    ] = None
    account_ids: list[Id] = Field(default_factory=list, max_length=5000)


class AllowNewPositions(Body):
    """Body of the switch of an account; `strategy_id` goes with that of a strategy."""

    allow_new_positions: Flag
    comment: Annotated[str, Field(min_length=1, max_length=255)]


class StrategyAllowNewPositions(AllowNewPositions):
    """Body of the switch of a strategy."""

    strategy_id: Annotated[Id, Field(validation_alias=AliasChoices("strategy_id", "magic_id"))]


class Status(Body):
    """Body of the switch that blocks an account."""

    status: Annotated[str, Field(pattern="^(active|blocked)$")]
    comment: Annotated[str, Field(min_length=1, max_length=255)]


class Reassign(Body):
    """Body of `/oms/reassign`."""

    order_ids: Annotated[list[Id], Field(min_length=1, max_length=5000)]
    strategy_id: Annotated[IdOrZero, Field(validation_alias=AliasChoices("strategy_id", "magic_id"))] = 0
    position_id: IdOrZero = 0


class Reconcile(Body):
    """Body of `/oms/reconcile`."""

    account_id: Id | None = None
    account_ids: list[Id] = Field(default_factory=list, max_length=5000)
    scope: Annotated[str, Field(pattern="^(short|hourly|long|period)$")] = "short"
    symbols_hint: list[str] = Field(default_factory=list, max_length=5000)
    start_date: str | None = None
    end_date: str | None = None


# ------------------------------------------------------------------ accounts and strategies


def accounts(core: Core, principal: Principal) -> Row:
    """`/oms/accounts`."""
    return {
        "items": [
            {
                "account_id": state.account.id,
                "label": state.account.label,
                "exchange_id": EXCHANGE_ID,
                "position_mode": state.account.position_mode.value,
                "is_testnet": True,
                "status": state.account.status,
                "allow_new_positions": state.account.allow_new_positions,
                "can_read": permission.read,
                "can_trade": permission.trade,
                "can_risk_manage": permission.risk,
            }
            for state, permission in readable(core.state, principal)
        ]
    }


def strategies(core: Core, principal: Principal) -> Row:
    """`GET /strategies`: those that the key may use, with the accounts it may read."""
    known = {state.account.id for state, _ in readable(core.state, principal)}
    items = []
    for strategy_id in sorted(core.state.strategies):
        strategy = core.state.strategies[strategy_id]
        on = [account_id for account_id in strategy.account_ids if account_id in known]
        if principal.sees(strategy_id) and (on or (known and not strategy.account_ids)):
            items.append(strategy.row() | {"account_ids": on or sorted(known)})
    return {"items": items}


def create_strategy(core: Core, principal: Principal, body: NewStrategy, now: int) -> Row:
    """`POST /strategies`; without `account_ids` it is for every account that the key may trade on."""
    if principal.strategies is not None:
        raise Refusal(ErrorCode.PERMISSION_DENIED, "a key limited to some strategies may not create one")
    account_ids = body.account_ids or [
        state.account.id for state, permission in readable(core.state, principal) if permission.trade
    ]
    if not account_ids:
        raise Refusal(ErrorCode.PERMISSION_DENIED, "this key may not trade on any account")
    for account_id in account_ids:
        require(core.state, principal, account_id, "trade")
    client_id = body.client_strategy_id
    if client_id is not None and any(
        strategy.client_strategy_id == client_id for strategy in core.state.strategies.values()
    ):
        raise Refusal(ErrorCode.CONFLICT, f"client_strategy_id {client_id!r} is used already")
    strategy_id = max(core.state.strategies, default=0) + 1
    strategy = Strategy(strategy_id, body.name, client_id, account_ids=tuple(sorted(set(account_ids))))
    with core.transaction(now) as tx:
        tx.changes.strategies[strategy_id] = strategy
    core.state.strategies[strategy_id] = strategy
    return {"ok": True, **strategy.row()}


# ------------------------------------------------------------------ paper funds


def deposit(core: Core, principal: Principal, account_id: int, body: Funds, now: int) -> Row:
    """`/oms/accounts/{account_id}/deposit`."""
    account = require(core.state, principal, account_id, "trade")
    _check_funds(core, principal, body)
    if account.totals.get(body.currency, Decimal(0)) + body.amount > MOST_FUNDS:
        raise invalid("amount", f"expected a balance of at most {format_decimal(MOST_FUNDS)}")
    return _transfer(core, account, body.currency, body.amount, LedgerKind.DEPOSIT, now)


def withdraw(core: Core, principal: Principal, account_id: int, body: Funds, now: int) -> Row:
    """`/oms/accounts/{account_id}/withdraw`: what is free, at most."""
    account = require(core.state, principal, account_id, "trade")
    _check_funds(core, principal, body)
    free = core.free(account, body.currency, now)
    if body.amount > free:
        raise insufficient(body.currency, body.amount, free)
    return _transfer(core, account, body.currency, -body.amount, LedgerKind.WITHDRAW, now)


def _check_funds(core: Core, principal: Principal, body: Funds) -> None:
    if principal.strategies is not None:
        raise Refusal(
            ErrorCode.STRATEGY_PERMISSION_DENIED,
            "a key limited to some strategies may not move the account's money",
        )
    check_amount("amount", "currency", body.currency, body.amount, core)


def check_amount(amount_field: str, currency_field: str, currency: str, amount: Decimal, core: Core) -> None:
    """Refuse money of an unknown currency, or finer than it has units.

    :raises Refusal: `validation_error`
    """
    if currency not in core.market.currencies:
        raise invalid(
            currency_field, f"{one_of(core.market.currencies, currency[:16])}, got {currency[:16]!r}"
        )
    unit = core.market.currencies[currency].precision
    if amount % unit:
        raise invalid(amount_field, f"expected a multiple of {format_decimal(unit)}")


def _transfer(
    core: Core, account: AccountState, currency: str, amount: Decimal, kind: LedgerKind, now: int
) -> Row:
    with core.transaction(now) as tx:
        tx.book(account, currency, amount, kind, None)
        entry = tx.changes.ledger[-1]
    return {"ok": True, "entry": entry.row(), "balance": core.balance_row(account, currency, now)}


# ------------------------------------------------------------------ risk switches


def risk_strategies(core: Core, principal: Principal, account_id: int) -> Row:
    """`/oms/risk/{account_id}/strategies`."""
    account = require(core.state, principal, account_id, "read", "risk").account
    return {
        "account_id": account_id,
        "status": account.status,
        "allow_new_positions": account.allow_new_positions,
        "items": [
            {
                "strategy_id": strategy.id,
                "name": strategy.name,
                "status": strategy.status,
                "allow_new_positions": account_id not in strategy.blocked_accounts,
            }
            for _, strategy in sorted(core.state.strategies.items())
            if principal.sees(strategy.id)
            and (not strategy.account_ids or account_id in strategy.account_ids)
        ],
    }


def allow_new_positions(
    core: Core, principal: Principal, account_id: int, body: AllowNewPositions, now: int
) -> Row:
    """`/oms/risk/{account_id}/allow_new_positions`."""
    account = risk_account(core, principal, account_id)
    with core.transaction(now) as tx:
        tx.touch_account(account.account)
        account.account.allow_new_positions = body.allow_new_positions
        log_switch(tx.changes.settings, account_id, now, body.model_dump())
    return {"ok": True, "account_id": account_id, "allow_new_positions": body.allow_new_positions}


def strategy_allow_new_positions(
    core: Core, principal: Principal, account_id: int, body: StrategyAllowNewPositions, now: int
) -> Row:
    """`/oms/risk/{account_id}/strategies/allow_new_positions`."""
    require(core.state, principal, account_id, "risk")
    strategy = core.state.strategies.get(body.strategy_id)
    if strategy is None or not principal.sees(strategy.id):
        raise Refusal(
            ErrorCode.STRATEGY_NOT_FOUND,
            f"strategy {body.strategy_id} does not exist",
            {"strategy_id": body.strategy_id},
        )
    with core.transaction(now) as tx:
        tx.touch_strategy(strategy)
        blocked = {*strategy.blocked_accounts} - {account_id}
        if not body.allow_new_positions:
            blocked.add(account_id)
        strategy.blocked_accounts = tuple(sorted(blocked))
        log_switch(tx.changes.settings, account_id, now, body.model_dump())
    return {
        "ok": True,
        "account_id": account_id,
        "strategy_id": strategy.id,
        "allow_new_positions": body.allow_new_positions,
    }


def set_status(core: Core, principal: Principal, account_id: int, body: Status, now: int) -> Row:
    """`/oms/risk/{account_id}/status`."""
    account = risk_account(core, principal, account_id)
    with core.transaction(now) as tx:
        tx.touch_account(account.account)
        account.account.status = body.status
        log_switch(tx.changes.settings, account_id, now, body.model_dump())
    return {"ok": True, "account_id": account_id, "status": body.status}


def risk_account(core: Core, principal: Principal, account_id: int) -> AccountState:
    """An account whose risk the principal may manage as a whole.

    :raises Refusal: `account_not_found`, `permission_denied`, `strategy_permission_denied`
    """
    account = require(core.state, principal, account_id, "risk")
    if principal.strategies is not None:
        raise Refusal(
            ErrorCode.STRATEGY_PERMISSION_DENIED,
            "a key limited to some strategies may not switch the whole account",
        )
    return account


def log_switch(settings: dict[str, Any], account_id: int, now: int, change: dict[str, Any]) -> None:
    """Keep who did what last, with its comment."""
    settings[f"risk_switch_{account_id}"] = {"at": format_time(now), **change}


# ------------------------------------------------------------------ reconcile


def reconcile(core: Core, principal: Principal, body: Reconcile, now: int) -> Row:
    """`/oms/reconcile`: take in all that was done at the venue without the OMS, whatever the scope."""
    wanted = [*dict.fromkeys([*([body.account_id] if body.account_id else []), *body.account_ids])]
    if not wanted:
        wanted = [state.account.id for state, _ in readable(core.state, principal)]
    for account_id in wanted:
        require(core.state, principal, account_id, "read")
    with core.transaction(now) as tx:
        known = core.state.reconciled | dict.fromkeys(wanted, now)
        tx.changes.settings["reconciled"] = {str(account_id): at for account_id, at in known.items()}
        for account_id in wanted:
            count = import_unknown(core, tx, account_id)
            ids = {"account_id": account_id, "scope": body.scope, "trades_count": count, "cursor": str(now)}
            tx.note(account_id, EventName.RECONCILIATION_TICK, ids, None)
    core.state.reconciled = known
    return {"ok": True, "account_ids": wanted, "triggered_count": len(wanted)}


def reconcile_account_status(core: Core, principal: Principal, account_id: int, now: int) -> Row:
    """`/oms/reconcile/{account_id}/status`."""
    require(core.state, principal, account_id, "read")
    return _reconcile_row(core, account_id, now, 120)


def reconcile_status(core: Core, principal: Principal, query: Query, now: int) -> Row:
    """`/oms/reconcile/status`."""
    parameters = Parameters(query, BY_NAME["reconcile_status"].query)
    status = parameters.text("status", ("fresh", "stale", "never"))
    stale_after = parameters.integer("stale_after_seconds", 1) or 120
    rows = [
        _reconcile_row(core, state.account.id, now, stale_after)
        for state, _ in readable(core.state, principal)
    ]
    return {"items": [row for row in rows if status is None or row["status"] == status]}


def _reconcile_row(core: Core, account_id: int, now: int, stale_after: int) -> Row:
    at = core.state.reconciled.get(account_id)
    if at is None:
        return {
            "account_id": account_id,
            "status": "never",
            "cursor_value": None,
            "updated_at": None,
            "age_seconds": None,
        }
    age = (now - at) // 1000
    return {
        "account_id": account_id,
        "status": "fresh" if age <= stale_after else "stale",
        "cursor_value": str(at),
        "updated_at": format_time(at),
        "age_seconds": age,
    }
