"""What the OMS refuses although the account could pay for it; each refusal says why."""

from __future__ import annotations

from ccxt_driver.contract.codes import ErrorCode

from .entities import Strategy
from .refusals import Refusal
from .state import AccountState

ACTIVE = "active"


def check_account(account: AccountState) -> None:
    """Refuse any business with a blocked account; what is open on it may still be cancelled.

    :raises Refusal: `account_blocked`
    """
    if account.account.status != ACTIVE:
        raise Refusal(
            ErrorCode.ACCOUNT_BLOCKED,
            f"account {account.account.id} is {account.account.status}",
            {"account_id": account.account.id, "status": account.account.status},
        )


def only_closes(account: AccountState, strategy: Strategy | None) -> bool:
    """Whether no order may open anything, one that was there before either."""
    return (
        account.account.status != ACTIVE
        or not account.account.allow_new_positions
        or (strategy is not None and account.account.id in strategy.blocked_accounts)
    )


def opening_blocked(account: AccountState, strategy: Strategy | None) -> Refusal:
    """The refusal of an order that opens where only closing is allowed: `risk_blocked`."""
    account_id = account.account.id
    if strategy is None or account.account.allow_new_positions is False:
        return Refusal(
            ErrorCode.RISK_BLOCKED,
            f"account {account_id} may not open positions",
            {"reason": "account_new_positions_blocked", "account_id": account_id},
        )
    return Refusal(
        ErrorCode.RISK_BLOCKED,
        f"strategy {strategy.id} may not open positions on account {account_id}",
        {"reason": "strategy_new_positions_blocked", "account_id": account_id, "strategy_id": strategy.id},
    )
