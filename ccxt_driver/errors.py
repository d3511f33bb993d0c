"""OMS errors as ccxt exceptions: one table.

What a caller catches, drawn as ccxt's tree (only the classes that the OMS leads to)::

    BaseError
    ├── ExchangeError                      internal_error, exchange_error (unless the venue's class is known)
    │   ├── AuthenticationError            missing_api_key, invalid_api_key
    │   │   ├── PermissionDenied           permission_denied, admin_read_only, strategy_permission_denied
    │   │   │   └── AccountNotEnabled      account_not_found
    │   │   └── AccountSuspended           account_blocked
    │   ├── BadRequest                     validation_error, invalid_strategy_id, invalid_position_id,
    │   │   │                              strategy_not_found, deal_not_found
    │   │   └── BadSymbol                  bad_symbol
    │   ├── InsufficientFunds              insufficient_funds
    │   ├── InvalidOrder                   invalid_order_state; validation_error and
    │   │   │                              invalid_position_id of a command that makes or changes an order
    │   │   ├── OrderNotFound              order_not_found
    │   │   └── DuplicateOrderId           duplicate_client_order_id
    │   ├── OperationRejected              risk_blocked, conflict, position_not_found,
    │   │   │                              position_close_in_progress
    │   │   └── MarketClosed               market_closed
    │   └── NotSupported                   unsupported_engine, a route that the server does not have
    └── OperationFailed
        ├── BadResponse                    garbage in answer to a read
        └── NetworkError                   (what a program may answer by asking again)
            ├── RateLimitExceeded          rate_limited; `retry_after` in seconds when the server said
            ├── ExchangeNotAvailable       engine_unavailable, dispatcher_error, a gateway that is down
            └── RequestTimeout             exchange_timeout, dispatcher_timeout

`dispatcher_error`, `internal_error` and `exchange_error` of gateways that lose the venue's class get
the class that their text speaks of, by the table in `error_texts.py`; a venue's words that it does not know
are an ExchangeError.

A refusal (any 4xx of the OMS but 429) is never a NetworkError. Every exception made here has
`details` (the parsed body, or None), `code`, `http_status` and `retry_after`; one that ends a
command also has `outcome`: "refused" when the OMS denied it, "unknown" when it may have been
carried out, and then `client_order_id`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

import ccxt

from .contract.codes import ErrorCode
from .error_texts import class_of_text

_C = ErrorCode

CODES: Final[dict[str, type[ccxt.BaseError]]] = {
    _C.MISSING_API_KEY: ccxt.AuthenticationError,
    _C.INVALID_API_KEY: ccxt.AuthenticationError,
    _C.PERMISSION_DENIED: ccxt.PermissionDenied,
    _C.ADMIN_READ_ONLY: ccxt.PermissionDenied,
    _C.STRATEGY_PERMISSION_DENIED: ccxt.PermissionDenied,
    _C.ACCOUNT_NOT_FOUND: ccxt.AccountNotEnabled,
    _C.ACCOUNT_BLOCKED: ccxt.AccountSuspended,
    _C.ORDER_NOT_FOUND: ccxt.OrderNotFound,
    _C.POSITION_NOT_FOUND: ccxt.OperationRejected,
    _C.DEAL_NOT_FOUND: ccxt.BadRequest,
    _C.STRATEGY_NOT_FOUND: ccxt.BadRequest,
    _C.RISK_BLOCKED: ccxt.OperationRejected,
    _C.CONFLICT: ccxt.OperationRejected,
    _C.POSITION_CLOSE_IN_PROGRESS: ccxt.OperationRejected,
    _C.DUPLICATE_CLIENT_ORDER_ID: ccxt.DuplicateOrderId,
    _C.INVALID_ORDER_STATE: ccxt.InvalidOrder,
    _C.VALIDATION_ERROR: ccxt.BadRequest,
    _C.INVALID_STRATEGY_ID: ccxt.BadRequest,
    _C.INVALID_POSITION_ID: ccxt.BadRequest,
    _C.UNSUPPORTED_ENGINE: ccxt.NotSupported,
    _C.INSUFFICIENT_FUNDS: ccxt.InsufficientFunds,
    _C.MARKET_CLOSED: ccxt.MarketClosed,
    _C.BAD_SYMBOL: ccxt.BadSymbol,
    _C.RATE_LIMITED: ccxt.RateLimitExceeded,
    _C.INTERNAL_ERROR: ccxt.ExchangeError,
    _C.EXCHANGE_ERROR: ccxt.ExchangeError,
    _C.DISPATCHER_ERROR: ccxt.ExchangeNotAvailable,
    _C.ENGINE_UNAVAILABLE: ccxt.ExchangeNotAvailable,
    _C.EXCHANGE_TIMEOUT: ccxt.RequestTimeout,
    _C.DISPATCHER_TIMEOUT: ccxt.RequestTimeout,
    # Of older gateways, beyond the contract:
    "dispatcher_unavailable": ccxt.ExchangeNotAvailable,
    "dispatcher_empty_response": ccxt.RequestTimeout,
    "dispatcher_invalid_json": ccxt.RequestTimeout,
}
"""The class of every code."""

_OF_ORDER_COMMANDS: Final = {
    _C.VALIDATION_ERROR: ccxt.InvalidOrder,
    _C.INVALID_POSITION_ID: ccxt.InvalidOrder,
}
_EXCHANGES: Final = frozenset(ccxt.exchanges) - {"oms"}  # there when `register()` was called before
_CLASS_IN_TEXT: Final = frozenset({_C.DISPATCHER_ERROR, _C.INTERNAL_ERROR, "error", "ccxt_error"})
"""Codes under which older gateways pass on any exception: only its text says which."""
_ORDER_COMMANDS: Final = frozenset({"send_order", "check_order", "change_order", "close_position"})
_MAKES_ORDERS: Final = frozenset({"send_order", "close_position", "batch"})

_STATUSES: Final[dict[int, type[ccxt.BaseError]]] = {
    400: ccxt.BadRequest,
    401: ccxt.AuthenticationError,
    403: ccxt.PermissionDenied,
    404: ccxt.NotSupported,
    405: ccxt.NotSupported,
    408: ccxt.RequestTimeout,
    409: ccxt.OperationRejected,
    413: ccxt.BadRequest,
    418: ccxt.DDoSProtection,  # banned, for having been told 429 too often
    422: ccxt.BadRequest,
    429: ccxt.RateLimitExceeded,
    504: ccxt.RequestTimeout,
}
"""The class of an answer without a code of the contract (a router's, a proxy's)."""
_WAITED_IN_VAIN: Final = frozenset({408, 460, 499})
"""Statuses by which a proxy says that it gave up: what it passed on may have been carried out."""
_NOTHING_THERE: Final = frozenset({404, 405})
"""Statuses of a route that is missing: at the server, or at a proxy before it."""
_OF_THE_WHOLE_REQUEST: Final = frozenset({401, 405, 413, 429})
"""Statuses that no single command of a list has."""

_NOT_A_REFUSAL: Final = frozenset(
    {
        _C.INTERNAL_ERROR,
        _C.EXCHANGE_ERROR,  # of a class that nobody knows
        _C.EXCHANGE_TIMEOUT,
        _C.DISPATCHER_TIMEOUT,
        _C.DISPATCHER_ERROR,
        "dispatcher_empty_response",
        "dispatcher_invalid_json",
    }
)
"""Codes after which a command may still have been carried out."""

_UNREACHED: Final = "dispatcher_unavailable"
"""The front of an older gateway lost its dispatcher: before it sent the command, or after."""
_NO_CONNECTION: Final = re.compile(r"connect call failed|connection refused|name or service", re.IGNORECASE)

_VENUE_REFUSED: Final = (
    ccxt.RateLimitExceeded,
    ccxt.DDoSProtection,
    ccxt.OnMaintenance,
    ccxt.InvalidNonce,
)
"""What a venue says before it looks at an order, among classes that otherwise leave it open."""


def annotate(
    error: ccxt.BaseError,
    *,
    code: str | None = None,
    status: int | None = None,
    details: Any = None,
    retry_after: float | None = None,
    outcome: str | None = None,
    client_order_id: str | None = None,
) -> ccxt.BaseError:
    """Give an exception the attributes that the top of this module promises."""
    attributes = {
        "code": code,
        "http_status": status,
        "details": details,
        "retry_after": retry_after,
        "outcome": outcome,
        "client_order_id": client_order_id,
    }
    error.__dict__.update(attributes)
    return error


def error_from_response(
    exchange_id: str,
    status: int,
    body: Any,
    text: str | None = None,
    headers: Mapping[str, str] | None = None,
    command: str | None = None,
) -> ccxt.BaseError:
    """The exception for an answer with an HTTP status of 400 or more.

    :param exchange_id: starts the message, as ccxt's do
    :param status: HTTP status
    :param body: the parsed body, or None when it was not JSON
    :param text: the body as it came, for the message when it was not JSON
    :param headers: of the response; `Retry-After` is read
    :param command: the command's name when the request was one
    :returns: an exception to raise
    """
    detail = body.get("detail") if isinstance(body, dict) else None
    retry_after = retry_after_of(headers)
    if isinstance(detail, dict) and "code" in detail:
        return error_from_detail(exchange_id, detail, status, body, command, retry_after)
    if isinstance(detail, list):
        return _schema_error(exchange_id, detail, status, body, command)
    # A router's own text, a proxy's page, or nothing: no code of the contract.
    reason = detail if isinstance(detail, str) else (text or "").strip()[:200]
    kind = _STATUSES.get(status, ccxt.ExchangeNotAvailable if status >= 500 else ccxt.BadRequest)
    if is_of_a_proxy(status, body):
        # What a program may ask again; no refusal of a command looks like that.
        kind = ccxt.ExchangeNotAvailable if command is None else kind
    elif status == 404:
        reason = f"{reason or 'Not Found'}: this server does not have the route"
    message = f"{exchange_id} HTTP {status} {reason}".rstrip()
    lost = status >= 500 or status in _WAITED_IN_VAIN
    hides = body is None and (command == "batch" or (command is not None and status == 400))
    if hides and _may_hide_results(status, text):
        kind, lost = ccxt.RequestTimeout, True
    outcome = None if command is None else ("unknown" if lost else "refused")
    return annotate(kind(message), status=status, details=body, retry_after=retry_after, outcome=outcome)


def is_of_a_proxy(status: Any, body: Any) -> bool:
    """Whether an answer says that a proxy has nothing there, such as while its server is started anew.

    A server that lacks a route says so in `detail`.

    :param status: HTTP status, or None
    :param body: the parsed body, or None when it was not JSON
    """
    told = isinstance(body, Mapping) and isinstance(body.get("detail"), str)
    return status in _NOTHING_THERE and not told


def _may_hide_results(status: int, text: str | None) -> bool:
    """Whether an answer that was cut off had results, or the reason of an older gateway's 400.

    The status of a list is the first result's only, and such a gateway answers 400 to nearly everything.
    """
    return status not in _OF_THE_WHOLE_REQUEST and (text or "").strip()[:1] in ("", "{")


def error_from_detail(
    exchange_id: str,
    detail: Mapping[str, Any],
    status: int | None = None,
    body: Any = None,
    command: str | None = None,
    retry_after: float | None = None,
) -> ccxt.BaseError:
    """The exception for an error object of the contract (`detail`, or `error` of one result).

    :param exchange_id: starts the message
    :param detail: with `code`, `message`, `details`, `request_id`
    :param status: HTTP status, when it came as a whole answer
    :param body: what to keep as `details`; the detail itself when left out
    :param command: the command's name when the request was one
    :param retry_after: seconds, when the server said
    :returns: an exception to raise
    """
    code, message = _reason(detail)
    kind = CODES.get(code)
    recovered = None
    if code == _C.EXCHANGE_ERROR:
        recovered = _venue_class(detail) or class_of_text(message)
        kind = recovered or kind
    elif code in _CLASS_IN_TEXT:
        recovered = class_of_text(message)
        kind = recovered or (ccxt.ExchangeError if _said_by_venue(message) else kind)
    elif command in _ORDER_COMMANDS:
        kind = _OF_ORDER_COMMANDS.get(code, kind)  # type: ignore[call-overload]
    if kind is None:
        kind = _STATUSES.get(
            status or 0, ccxt.ExchangeNotAvailable if (status or 0) >= 500 else ccxt.ExchangeError
        )
    parts = [exchange_id, code or "error"]
    if message and message != code:
        parts.append(message)
    if detail.get("request_id"):
        parts.append(f"(request id {detail['request_id']})")
    if retry_after is None:
        retry_after = _seconds(_nested(detail, "retry_after"))
    outcome = None if command is None else _outcome(code, message, recovered, status, command)
    kept = dict(detail) if body is None else body
    return annotate(
        kind(" ".join(parts)),
        code=code or None,
        status=status,
        details=kept,
        retry_after=retry_after,
        outcome=outcome,
    )


def _reason(detail: Mapping[str, Any]) -> tuple[str, str]:
    """Code and message of an error object, dug out of the results when it says nothing itself."""
    code, message = str(detail.get("code") or ""), str(detail.get("message") or "")
    if not message and isinstance(detail.get("detail"), str):  # the word of older gateways over /ws
        message = detail["detail"]
    results = detail.get("results")
    if message in ("", code) and isinstance(results, list):
        errors = (result.get("error") for result in results if isinstance(result, Mapping))
        inner = next((error for error in errors if error), None)
        if isinstance(inner, Mapping):
            code, message = str(inner.get("code") or code), str(inner.get("message") or message)
        elif inner is not None:
            message = str(inner)
    if code in _CLASS_IN_TEXT and message in CODES:
        code = message  # some gateways put the true code where the prose belongs
    return code, message


def _said_by_venue(message: str) -> bool:
    """Whether a text is that of an exception of ccxt's, which begins with the exchange's id."""
    return message.partition(" ")[0] in _EXCHANGES


def _outcome(
    code: str, message: str, recovered: type[ccxt.BaseError] | None, status: int | None, command: str | None
) -> str:
    """What a command's failure says of the command: "refused" only where that is sure.

    :param recovered: the class that the venue raised, when it is known
    """
    if recovered is not None:
        lost = issubclass(recovered, ccxt.OperationFailed) and not issubclass(recovered, _VENUE_REFUSED)
        # Some venues look an order up that they have just placed.
        lost = lost or (issubclass(recovered, ccxt.OrderNotFound) and command in _MAKES_ORDERS)
    elif code == _UNREACHED:
        lost = _NO_CONNECTION.search(message) is None
    elif code in CODES:
        lost = code in _NOT_A_REFUSAL
    else:  # 400 is what older gateways answer to nearly everything
        lost = status is None or status == 400 or status >= 500 or status in _WAITED_IN_VAIN
    return "unknown" if lost else "refused"


def garbage(exchange_id: str, what: str, command: str | None, details: Any = None) -> ccxt.BaseError:
    """The exception for an answer that is not of the contract.

    :param exchange_id: starts the message
    :param what: what was expected and what came
    :param command: the command's name when the request was one: then the outcome is unknown
    :param details: the answer
    :returns: BadResponse for a read, RequestTimeout with `outcome` "unknown" for a command
    """
    if command is None:
        return annotate(ccxt.BadResponse(f"{exchange_id} {what}"), details=details)
    message = f"{exchange_id} {command}: the outcome is unknown: {what}"
    return annotate(ccxt.RequestTimeout(message), details=details, outcome="unknown")


def _schema_error(
    exchange_id: str, problems: list[Any], status: int, body: Any, command: str | None
) -> ccxt.BaseError:
    """`detail` as a list: the server's schema refused the request; each entry names a field."""
    said = []
    for problem in problems:
        place = _nested(problem, "loc", within=None)
        where = ".".join(map(str, place)) if isinstance(place, list) else ""
        said.append(f"{where}: {_nested(problem, 'msg', within=None)}" if where else str(problem))
    kind = ccxt.InvalidOrder if command in _ORDER_COMMANDS else ccxt.BadRequest
    text = f"{exchange_id} {_C.VALIDATION_ERROR} {'; '.join(said)}"
    return annotate(
        kind(text[:1000]),
        code=_C.VALIDATION_ERROR,
        status=status,
        details=body,
        outcome=None if command is None else "refused",
    )


def _nested(mapping: Any, key: str, within: str | None = "details") -> Any:
    inner = mapping if within is None else mapping.get(within)
    return inner.get(key) if isinstance(inner, Mapping) else None


def _venue_class(detail: Mapping[str, Any]) -> type[ccxt.BaseError] | None:
    """The venue's own ccxt class, **[feature ccxt_error]**."""
    name = _nested(detail, "ccxt_error")
    known = getattr(ccxt, name, None) if isinstance(name, str) else None
    return known if isinstance(known, type) and issubclass(known, ccxt.BaseError) else None


def retry_after_of(headers: Mapping[str, str] | None) -> float | None:
    """Seconds until the server wants to be asked again; a date counts by the server's own clock.

    :param headers: of a response, in whatever case
    :returns: None where it does not say
    """
    named = {name.lower(): value for name, value in (headers or {}).items()}
    wanted = named.get("retry-after")
    seconds = _seconds(wanted)
    return _until(wanted, named.get("date")) if seconds is None else seconds


def _until(date: Any, now: Any) -> float | None:
    """Seconds from one HTTP date to another; None where one is none: programs wait by their own rule then."""
    try:
        return max(0.0, (parsedate_to_datetime(date) - parsedate_to_datetime(now)).total_seconds())
    except (AttributeError, TypeError, ValueError):
        return None


def _seconds(value: Any) -> float | None:
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        return None


def command_of(body: Any) -> str | None:
    """The command's name in the body of a request to the commands endpoint.

    :param body: as sent: JSON text, bytes, or the object itself
    :returns: the name, "batch" for a list of several, None when it is not a command
    """
    try:
        parsed = json.loads(body) if isinstance(body, str | bytes) else body
    except ValueError:
        return None
    if isinstance(parsed, list):
        return command_of(parsed[0]) if len(parsed) == 1 else "batch"
    name = parsed.get("command") if isinstance(parsed, dict) else None
    return name if isinstance(name, str) else None
