"""Error codes of the contract, and the HTTP status each travels under."""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """`detail.code` of a refusal, or `error.code` of one result of a batch."""

    MISSING_API_KEY = "missing_api_key"
    INVALID_API_KEY = "invalid_api_key"
    PERMISSION_DENIED = "permission_denied"
    ADMIN_READ_ONLY = "admin_read_only"
    STRATEGY_PERMISSION_DENIED = "strategy_permission_denied"
    ACCOUNT_NOT_FOUND = "account_not_found"
    ORDER_NOT_FOUND = "order_not_found"
    POSITION_NOT_FOUND = "position_not_found"
    DEAL_NOT_FOUND = "deal_not_found"
    STRATEGY_NOT_FOUND = "strategy_not_found"
    RISK_BLOCKED = "risk_blocked"
    ACCOUNT_BLOCKED = "account_blocked"
    CONFLICT = "conflict"
    DUPLICATE_CLIENT_ORDER_ID = "duplicate_client_order_id"
    INVALID_ORDER_STATE = "invalid_order_state"
    POSITION_CLOSE_IN_PROGRESS = "position_close_in_progress"
    VALIDATION_ERROR = "validation_error"
    INVALID_STRATEGY_ID = "invalid_strategy_id"
    INVALID_POSITION_ID = "invalid_position_id"
    UNSUPPORTED_ENGINE = "unsupported_engine"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    MARKET_CLOSED = "market_closed"
    BAD_SYMBOL = "bad_symbol"
    RATE_LIMITED = "rate_limited"
    INTERNAL_ERROR = "internal_error"
    EXCHANGE_ERROR = "exchange_error"
    DISPATCHER_ERROR = "dispatcher_error"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    EXCHANGE_TIMEOUT = "exchange_timeout"
    DISPATCHER_TIMEOUT = "dispatcher_timeout"


_C = ErrorCode

HTTP_STATUS: dict[ErrorCode, int] = {
    **dict.fromkeys((_C.MISSING_API_KEY, _C.INVALID_API_KEY), 401),
    **dict.fromkeys((_C.PERMISSION_DENIED, _C.ADMIN_READ_ONLY, _C.STRATEGY_PERMISSION_DENIED), 403),
    **dict.fromkeys(
        (
            _C.ACCOUNT_NOT_FOUND,
            _C.ORDER_NOT_FOUND,
            _C.POSITION_NOT_FOUND,
            _C.DEAL_NOT_FOUND,
            _C.STRATEGY_NOT_FOUND,
        ),
        404,
    ),
    **dict.fromkeys(
        (
            _C.RISK_BLOCKED,
            _C.ACCOUNT_BLOCKED,
            _C.CONFLICT,
            _C.DUPLICATE_CLIENT_ORDER_ID,
            _C.INVALID_ORDER_STATE,
            _C.POSITION_CLOSE_IN_PROGRESS,
        ),
        409,
    ),
    **dict.fromkeys(
        (
            _C.VALIDATION_ERROR,
            _C.INVALID_STRATEGY_ID,
            _C.INVALID_POSITION_ID,
            _C.UNSUPPORTED_ENGINE,
            _C.INSUFFICIENT_FUNDS,
            _C.MARKET_CLOSED,
            _C.BAD_SYMBOL,
        ),
        422,
    ),
    _C.RATE_LIMITED: 429,
    _C.INTERNAL_ERROR: 500,
    _C.EXCHANGE_ERROR: 502,
    _C.DISPATCHER_ERROR: 502,
    _C.ENGINE_UNAVAILABLE: 503,
    _C.EXCHANGE_TIMEOUT: 504,
    _C.DISPATCHER_TIMEOUT: 504,
}
"""The status of every code; a test holds that none is missing."""
