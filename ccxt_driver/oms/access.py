"""Who may do what: every check of a principal, on every endpoint."""

from __future__ import annotations

from typing import Final, Literal

from ccxt_driver.contract.codes import ErrorCode

from .entities import OWNER, Deal, Order, Permission, Position, Principal
from .refusals import Refusal
from .state import AccountState, State

Right = Literal["read", "trade", "close", "risk"]

_WORDS: Final[dict[Right, str]] = {"risk": "manage risk"}
"""What a right is called in a sentence, where that is not its name."""

ANONYMOUS: Final = Principal(key_id=-1, accounts={})
"""Someone without a key: market reads only."""


def require(state: State, principal: Principal, account_id: int, *rights: Right) -> AccountState:
    """The account, if the principal has one of these rights on it.

    :raises Refusal: `account_not_found` when it may not even know of the account, `permission_denied`
    """
    account = state.accounts.get(account_id)
    if principal is OWNER and account is not None:
        return account  # may do everything, and asks most often
    permission = principal.permission(account_id)
    if permission is None or account is None:
        raise Refusal(
            ErrorCode.ACCOUNT_NOT_FOUND, f"account {account_id} does not exist", {"account_id": account_id}
        )
    if not any(getattr(permission, right) for right in rights):
        raise Refusal(
            ErrorCode.PERMISSION_DENIED,
            f"this key may not {' or '.join(_WORDS.get(right, right) for right in rights)} "
            f"on account {account_id}",
            {"account_id": account_id, "required": list(rights)},
        )
    return account


def readable(state: State, principal: Principal) -> list[tuple[AccountState, Permission]]:
    """Accounts that the principal may read, by id."""
    found = []
    for account_id in sorted(state.accounts):
        permission = principal.permission(account_id)
        if permission is not None and permission.read:
            found.append((state.accounts[account_id], permission))
    return found


def usable_strategy(state: State, principal: Principal, account_id: int, strategy_id: int) -> None:
    """Refuse a strategy that an order may not carry.

    :raises Refusal: `strategy_permission_denied`, `invalid_strategy_id`
    """
    if principal.strategies is not None and strategy_id not in principal.strategies:
        raise _not_among(sorted(principal.strategies), strategy_id)
    if strategy_id == 0:
        return
    strategy = state.strategies.get(strategy_id)
    if (
        strategy is None
        or strategy.status != "active"
        or (strategy.account_ids and account_id not in strategy.account_ids)
    ):
        raise Refusal(
            ErrorCode.INVALID_STRATEGY_ID,
            f"payload.strategy_id: no active strategy {strategy_id} on account {account_id}",
            {"strategy_id": strategy_id},
        )


def _not_among(allowed: list[int], strategy_id: int) -> Refusal:
    listed = ", ".join(map(str, allowed))
    if strategy_id == 0:
        message = (
            f"this key is limited to strategies {listed}, and none was named: name one of them in "
            "strategy_id (in ccxt_driver options.strategy_id or CCXT_OMS_STRATEGY_ID)"
        )
    else:
        message = f"this key may not use strategy {strategy_id}; it is limited to strategies {listed}"
    details = {"strategy_id": strategy_id, "allowed": allowed}
    return Refusal(ErrorCode.STRATEGY_PERMISSION_DENIED, message, details)


def visible(principal: Principal, row: Order | Position | Deal, guard: int | None = None) -> bool:
    """Whether a row may be known to the principal that asks for it: never one that the OMS does not know.

    :param guard: the only strategy that the row may belong to; None for any
    """
    return row.is_known and principal.sees(row.strategy_id) and (guard is None or row.strategy_id == guard)
