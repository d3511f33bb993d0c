"""Everything of the gateway that is neither a command, nor a list, nor a call of the venue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, ValidationError

from ccxt_driver.oms import Principal, Reply

from .events import Rings
from .payloads import errors_of
from .queries import Queries
from .reconcile import Reconciler
from .refusals import Refused, check_key, invalid, not_found
from .tables import Account, Tables

_FORGIVES_MS: Final = 300_000
"""A block can be lifted for as long as the permissions of the account are remembered."""

_Comment = Annotated[str, Field(min_length=1)]


class _AllowNewPositions(BaseModel):
    allow_new_positions: bool
    comment: _Comment


class _StrategyAllowNewPositions(_AllowNewPositions):
    strategy_id: int


class _Status(BaseModel):
    status: Literal["active", "blocked"]
    comment: _Comment


class _NewStrategy(BaseModel):
    name: str
    client_strategy_id: int | str | None = None


class _Reassign(BaseModel):
    order_ids: list[int] = Field(default_factory=list)
    deal_ids: list[int] = Field(default_factory=list)
    strategy_id: int = 0
    position_id: int = 0


class _Reconcile(BaseModel):
    account_id: int | None = None
    account_ids: list[int] | str = Field(default_factory=list)
    scope: Literal["short", "hourly", "long", "period"] = "short"
    start_date: str | None = None
    end_date: str | None = None
    symbols_hint: list[str] | str = Field(default_factory=list)


class Administration:
    """Accounts, strategies, reconciling, risk, and the cache of the lists.

    :param exchange_id: what every account says of its venue
    """

    def __init__(
        self, tables: Tables, reconciler: Reconciler, queries: Queries, rings: Rings, exchange_id: str
    ) -> None:
        self._tables = tables
        self._reconciler = reconciler
        self._rings = rings
        self._queries = queries
        self._exchange_id = exchange_id
        self._handlers: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any], Any, Principal], Any]] = {
            "accounts": self._accounts,
            "strategies": self._strategies,
            "create_strategy": self._create_strategy,
            "reassign": self._reassign,
            "reconcile_status": self._reconcile_status,
            "reconcile_account_status": self._reconcile_account_status,
            "cache_clear": self._cache_clear,
            "risk_strategies": self._risk_strategies,
            "risk_allow_new_positions": self._allow_new_positions,
            "risk_strategy_allow_new_positions": self._strategy_allow_new_positions,
            "risk_status": self._risk_status,
        }

    def answer(
        self,
        endpoint: str,
        path: Mapping[str, Any],
        query: Mapping[str, Any],
        body: Any,
        principal: Principal | None,
    ) -> Reply:
        """Answer a request; an endpoint that there is not is an unknown route."""
        try:
            if endpoint == "reconcile":  # answers ok to everybody, hence by itself
                return self._reconcile(_Reconcile.model_validate(body or {}), principal)
            handler = self._handlers.get(endpoint)
            if handler is None:
                return not_found()
            return Reply(200, handler(path, query, body, check_key(principal)))
        except ValidationError as error:
            return Reply(422, errors_of(error))
        except Refused as refused:
            return Reply(400, {"detail": refused.error})
        except ValueError as error:  # a number in the path or the query that is none
            return invalid(["path", "account_id"], str(error), "int_parsing")

    def _account(self, path: Mapping[str, Any], principal: Principal, right: str) -> Account:
        account_id = int(path["account_id"])
        reason = self._tables.denial(principal, account_id, right)
        if reason is not None:
            raise Refused(reason, f"account_id={account_id}")
        return self._tables.accounts[account_id]

    # -- accounts and strategies

    def _accounts(self, path: Any, query: Any, body: Any, principal: Principal) -> Any:
        """Active ones that the key may read."""
        return {
            "items": [
                self._account_row(account, principal)
                for account in self._tables.accounts.values()
                if self._tables.denial(principal, account.id, "read") is None
            ]
        }

    def _account_row(self, account: Account, principal: Principal) -> dict[str, Any]:
        def can(right: str) -> bool:
            return self._tables.denial(principal, account.id, right) is None

        return {
            "account_id": account.id,
            "label": account.label,
            "exchange_id": self._exchange_id,
            "position_mode": account.position_mode,
            "is_testnet": False,
            "status": account.status,
            "allow_new_positions": account.allow_new_positions,
            "can_read": can("read"),
            "can_trade": can("trade"),
            "can_risk_manage": can("risk"),
        }

    def _strategies(self, path: Any, query: Any, body: Any, principal: Principal) -> Any:
        account_ids = [*self._tables.accounts]
        return {
            "items": [
                {"strategy_id": strategy_id, **columns, "status": "active", "account_ids": account_ids}
                for strategy_id, columns in self._tables.strategies.items()
            ]
        }

    def _create_strategy(self, path: Any, query: Any, body: Any, principal: Principal) -> Any:
        strategy_id = max(self._tables.strategies, default=0) + 1
        self._tables.strategies[strategy_id] = _NewStrategy.model_validate(body).model_dump()
        return {"ok": True, "strategy_id": strategy_id}

    def _reassign(self, path: Any, query: Any, body: Any, principal: Principal) -> Any:
        """Of orders of no strategy and no position only: reconciling leaves none."""
        wanted = _Reassign.model_validate(body)
        if wanted.deal_ids:
            raise Refused("validation_error", "deal_ids is not supported")
        orders = [self._tables.orders.get(order_id) for order_id in wanted.order_ids]
        if any(
            order is None or self._tables.denial(principal, order.account_id, "trade") is not None
            for order in orders
        ):
            raise Refused("order_not_found", "order_not_found")
        if any(order.strategy_id or order.position_id for order in orders if order is not None):
            raise Refused("order_already_assigned", "order_already_assigned")
        for order in orders:
            if order is not None:
                self._tables.update(order, strategy_id=wanted.strategy_id, position_id=wanted.position_id)
                self._queries.forget(order.account_id)
                ids = {"order_ids": [order.id], "strategy_id": wanted.strategy_id}
                self._rings.publish(order.account_id, "reassigned", **ids, position_id=wanted.position_id)
        return {"ok": True, "order_ids": wanted.order_ids}

    # -- reconciling

    def _reconcile(self, wanted: _Reconcile, principal: Principal | None) -> Reply:
        """Ok to everybody, whatever came of it."""
        ids = [wanted.account_id] if wanted.account_id is not None else _ids(wanted.account_ids)
        done = 0
        for account_id in ids:
            if self._may_reconcile(principal, account_id):
                account = self._tables.accounts[account_id]
                hints = wanted.symbols_hint
                symbols = hints.split(",") if isinstance(hints, str) else hints
                self._reconciler.run(account, wanted.scope, wanted.start_date, symbols)
                self._queries.forget(account_id)
                done += 1
        return Reply(200, {"ok": True, "account_ids": ids, "triggered_count": done})

    def _may_reconcile(self, principal: Principal | None, account_id: int) -> bool:
        try:
            return self._tables.denial(check_key(principal), account_id, "read") is None
        except Refused:
            return False

    def _reconcile_status(self, path: Any, query: Mapping[str, Any], body: Any, principal: Principal) -> Any:
        stale_after = int(query.get("stale_after_seconds", 120))
        rows = [
            self._status_row(account_id, stale_after)
            for account_id in self._tables.accounts
            if self._tables.denial(principal, account_id, "read") is None
        ]
        wanted = query.get("status")
        return {"items": [row for row in rows if wanted in (None, row["status"])]}

    def _reconcile_account_status(
        self, path: Mapping[str, Any], query: Any, body: Any, principal: Principal
    ) -> Any:
        return self._status_row(self._account(path, principal, "read").id, 120)

    def _status_row(self, account_id: int, stale_after_seconds: int) -> dict[str, Any]:
        """The age takes the database's time for UTC."""
        row: dict[str, Any] = dict.fromkeys(("cursor_value", "updated_at", "age_seconds"))
        cursor = self._tables.cursors.get(account_id)
        if cursor is None:
            return {"account_id": account_id, "status": "never", **row}
        behind_ms = self._tables.now_ms() - cursor.updated_at
        age = int(behind_ms / 1000 - self._tables.utc_offset_hours * 3600)
        return {
            "account_id": account_id,
            "status": "fresh" if age <= stale_after_seconds else "stale",
            "cursor_value": str(cursor.value),
            "updated_at": self._tables.time_text(cursor.updated_at),
            "age_seconds": age,
        }

    def _cache_clear(self, path: Any, query: Any, body: Any, principal: Principal) -> Any:
        scope = "all" if principal.accounts is None else "visible_accounts"
        return {"ok": True, "result": {"scope": scope, "cleared": self._queries.forget()}}

    # -- risk

    def _risk_strategies(self, path: Mapping[str, Any], query: Any, body: Any, principal: Principal) -> Any:
        account = self._account(path, principal, "risk")
        blocked = self._tables.blocked_strategies
        return {
            "items": [
                {"strategy_id": strategy_id, "allow_new_positions": (account.id, strategy_id) not in blocked}
                for strategy_id in self._tables.strategies
            ]
        }

    def _allow_new_positions(
        self, path: Mapping[str, Any], query: Any, body: Any, principal: Principal
    ) -> Any:
        wanted = _AllowNewPositions.model_validate(body)
        account = self._account(path, principal, "risk")
        account.allow_new_positions = wanted.allow_new_positions
        self._queries.forget(account.id)
        return {"ok": True}

    def _strategy_allow_new_positions(
        self, path: Mapping[str, Any], query: Any, body: Any, principal: Principal
    ) -> Any:
        wanted = _StrategyAllowNewPositions.model_validate(body)
        account = self._account(path, principal, "risk")
        pair = account.id, wanted.strategy_id
        blocked = self._tables.blocked_strategies
        blocked.discard(pair) if wanted.allow_new_positions else blocked.add(pair)
        self._queries.forget(account.id)
        return {"ok": True}

    def _risk_status(self, path: Mapping[str, Any], query: Any, body: Any, principal: Principal) -> Any:
        """A blocked account is gone at once; it comes back only soon after."""
        wanted = _Status.model_validate(body)
        account = self._tables.accounts.get(int(path["account_id"]))
        now = self._tables.now_ms()
        if account is not None and account.blocked_at is not None:
            permission = principal.permission(account.id)
            may = permission is not None and permission.risk
            if may and wanted.status == "active" and now - account.blocked_at < _FORGIVES_MS:
                account.status, account.blocked_at = "active", None
        account = self._account(path, principal, "risk")
        if wanted.status == "blocked":
            account.status, account.blocked_at = "blocked", now
        self._queries.forget(account.id)
        return {"ok": True}


def _ids(given: list[int] | str) -> list[int]:
    if isinstance(given, str):
        return [int(part) for part in given.split(",") if part.strip().isdecimal()]
    return given
