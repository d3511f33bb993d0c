"""ccxt's implicit API: one line for every endpoint of the contract.

`exchange.private_get_oms_orders_open({...})`, `exchange.privateGetOmsOrdersOpen({...})`. The cost is
0: the OMS has its own limits, and ccxt's limiter would add about a millisecond to every call.
"""

from __future__ import annotations

from ccxt.base.types import Entry

_FREE = {"cost": 0}


class ImplicitApi:
    """Every endpoint as a method that takes a dict of path, query and body parameters."""

    public_get_healthz = publicGetHealthz = Entry("healthz", "public", "GET", _FREE)
    private_post_oms_commands = privatePostOmsCommands = Entry("oms/commands", "private", "POST", _FREE)
    private_get_oms_orders_open = privateGetOmsOrdersOpen = Entry("oms/orders/open", "private", "GET", _FREE)
    private_get_oms_orders_history = privateGetOmsOrdersHistory = Entry(
        "oms/orders/history", "private", "GET", _FREE
    )
    private_get_oms_orders_ids = privateGetOmsOrdersIds = Entry("oms/orders/{ids}", "private", "GET", _FREE)
    private_get_oms_deals = privateGetOmsDeals = Entry("oms/deals", "private", "GET", _FREE)
    private_get_oms_deals_ids = privateGetOmsDealsIds = Entry("oms/deals/{ids}", "private", "GET", _FREE)
    private_get_oms_positions_open = privateGetOmsPositionsOpen = Entry(
        "oms/positions/open", "private", "GET", _FREE
    )
    private_get_oms_positions_history = privateGetOmsPositionsHistory = Entry(
        "oms/positions/history", "private", "GET", _FREE
    )
    private_get_oms_positions_ids = privateGetOmsPositionsIds = Entry(
        "oms/positions/{ids}", "private", "GET", _FREE
    )
    private_get_oms_accounts = privateGetOmsAccounts = Entry("oms/accounts", "private", "GET", _FREE)
    private_post_oms_accounts_account_id_deposit = privatePostOmsAccountsAccountIdDeposit = Entry(
        "oms/accounts/{account_id}/deposit", "private", "POST", _FREE
    )
    private_post_oms_accounts_account_id_withdraw = privatePostOmsAccountsAccountIdWithdraw = Entry(
        "oms/accounts/{account_id}/withdraw", "private", "POST", _FREE
    )
    private_get_oms_ledger = privateGetOmsLedger = Entry("oms/ledger", "private", "GET", _FREE)
    private_get_strategies = privateGetStrategies = Entry("strategies", "private", "GET", _FREE)
    private_post_strategies = privatePostStrategies = Entry("strategies", "private", "POST", _FREE)
    private_post_oms_reassign = privatePostOmsReassign = Entry("oms/reassign", "private", "POST", _FREE)
    private_post_oms_reconcile = privatePostOmsReconcile = Entry("oms/reconcile", "private", "POST", _FREE)
    private_get_oms_reconcile_status = privateGetOmsReconcileStatus = Entry(
        "oms/reconcile/status", "private", "GET", _FREE
    )
    private_get_oms_reconcile_account_id_status = privateGetOmsReconcileAccountIdStatus = Entry(
        "oms/reconcile/{account_id}/status", "private", "GET", _FREE
    )
    private_post_oms_cache_clear = privatePostOmsCacheClear = Entry(
        "oms/cache/clear", "private", "POST", _FREE
    )
    private_get_oms_risk_account_id_strategies = privateGetOmsRiskAccountIdStrategies = Entry(
        "oms/risk/{account_id}/strategies", "private", "GET", _FREE
    )
    private_post_oms_risk_account_id_allow_new_positions = privatePostOmsRiskAccountIdAllowNewPositions = (
        Entry("oms/risk/{account_id}/allow_new_positions", "private", "POST", _FREE)
    )
    private_post_oms_risk_account_id_strategies_allow_new_positions = (
        privatePostOmsRiskAccountIdStrategiesAllowNewPositions
    ) = Entry("oms/risk/{account_id}/strategies/allow_new_positions", "private", "POST", _FREE)
    private_post_oms_risk_account_id_status = privatePostOmsRiskAccountIdStatus = Entry(
        "oms/risk/{account_id}/status", "private", "POST", _FREE
    )
    private_get_oms_risk_account_id_limits = privateGetOmsRiskAccountIdLimits = Entry(
        "oms/risk/{account_id}/limits", "private", "GET", _FREE
    )
    private_post_oms_risk_account_id_limits = privatePostOmsRiskAccountIdLimits = Entry(
        "oms/risk/{account_id}/limits", "private", "POST", _FREE
    )
    private_post_oms_risk_account_id_kill_switch = privatePostOmsRiskAccountIdKillSwitch = Entry(
        "oms/risk/{account_id}/kill_switch", "private", "POST", _FREE
    )
    private_get_oms_sessions = privateGetOmsSessions = Entry("oms/sessions", "private", "GET", _FREE)
    private_post_oms_sessions = privatePostOmsSessions = Entry("oms/sessions", "private", "POST", _FREE)
    market_post_ccxt_core_account_id_func = marketPostCcxtCoreAccountIdFunc = Entry(
        "ccxt/core/{account_id}/{func}", "market", "POST", _FREE
    )
    market_post_ccxt_account_id_func = marketPostCcxtAccountIdFunc = Entry(
        "ccxt/{account_id}/{func}", "market", "POST", _FREE
    )
    private_post_ccxt_commands = privatePostCcxtCommands = Entry("ccxt/commands", "private", "POST", _FREE)
