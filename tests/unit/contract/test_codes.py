"""Error codes: each has its status, and no other."""

from __future__ import annotations

import pytest

from ccxt_driver.contract.codes import HTTP_STATUS, ErrorCode

pytestmark = pytest.mark.oldest

# Written down from the contract, not from the module.
BY_STATUS = {
    401: "missing_api_key invalid_api_key",
    403: "permission_denied admin_read_only strategy_permission_denied",
    404: "account_not_found order_not_found position_not_found deal_not_found strategy_not_found",
    409: "risk_blocked account_blocked conflict duplicate_client_order_id invalid_order_state "
    "position_close_in_progress",
    422: "validation_error invalid_strategy_id invalid_position_id unsupported_engine insufficient_funds "
    "market_closed bad_symbol",
    429: "rate_limited",
    500: "internal_error",
    502: "exchange_error dispatcher_error",
    503: "engine_unavailable",
    504: "exchange_timeout dispatcher_timeout",
}


def test_every_code_travels_under_the_contracts_status() -> None:
    expected = {code: status for status, codes in BY_STATUS.items() for code in codes.split()}

    assert {code.value: status for code, status in HTTP_STATUS.items()} == expected


def test_every_code_has_a_status() -> None:
    assert set(HTTP_STATUS) == set(ErrorCode)
