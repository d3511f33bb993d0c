"""Every HTTP endpoint of the contract, once.

The driver's implicit API (`exchange/endpoints.py`) and the embedded OMS's handlers are both
checked against this table by a test.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from string import Formatter


class Access(StrEnum):
    """What a request must carry."""

    PUBLIC = "public"
    """Nothing."""
    KEY = "key"
    """The `x-api-key` header."""
    MARKET = "market"
    """The header, unless the server has `public_market_data` and the function is a market read."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route.

    :param name: how the rest of the project speaks of it
    :param method: HTTP verb
    :param path: with `{placeholders}`, without a leading slash
    :param access: what the request must carry
    :param query: parameters that travel in the query string; of a GET all do
    :param older_path: what servers that speak the older names call it
    """

    name: str
    method: str
    path: str
    access: Access = Access.KEY
    query: tuple[str, ...] = ()
    older_path: str | None = None
    placeholders: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = tuple(name for _, name, _, _ in Formatter().parse(self.path) if name)
        object.__setattr__(self, "placeholders", names)


_FILTERS = (
    "symbol",
    "since_ms",
    "until_ms",
    "client_order_id",
    "order_id",
    "position_id",
    "sort",
)
_OPEN = ("account_ids", "strategy_id", "limit", "cache", "status", *_FILTERS)
_PAGES = ("account_ids", "start_date", "end_date", "strategy_id", "page", "page_size", *_FILTERS)
_HISTORY = (*_PAGES, "cache", "status")
_BY_ID = ("account_ids", "strategy_id", "cache")
_RISK = "oms/risk/{account_id}"

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("health", "GET", "healthz", Access.PUBLIC),
    Endpoint(
        "commands",
        "POST",
        "oms/commands",
        query=("parallel", "request_timeout_seconds"),
        older_path="position/commands",
    ),
    Endpoint("orders_open", "GET", "oms/orders/open", query=_OPEN, older_path="position/orders/open"),
    Endpoint(
        "orders_history",
        "GET",
        "oms/orders/history",
        query=_HISTORY,
        older_path="position/orders/history",
    ),
    Endpoint("orders_by_id", "GET", "oms/orders/{ids}", query=_BY_ID, older_path="position/orders/{ids}"),
    Endpoint("deals", "GET", "oms/deals", query=(*_PAGES, "cache"), older_path="position/deals"),
    Endpoint("deals_by_id", "GET", "oms/deals/{ids}", query=_BY_ID, older_path="position/deals/{ids}"),
    Endpoint(
        "positions_open",
        "GET",
        "oms/positions/open",
        query=_OPEN,
        older_path="position/positions/open",
    ),
    Endpoint(
        "positions_history",
        "GET",
        "oms/positions/history",
        query=_HISTORY,
        older_path="position/positions/history",
    ),
    Endpoint(
        "positions_by_id",
        "GET",
        "oms/positions/{ids}",
        query=_BY_ID,
        older_path="position/positions/{ids}",
    ),
    Endpoint("accounts", "GET", "oms/accounts", older_path="position/accounts"),
    Endpoint("deposit", "POST", "oms/accounts/{account_id}/deposit"),
    Endpoint("withdraw", "POST", "oms/accounts/{account_id}/withdraw"),
    Endpoint("ledger", "GET", "oms/ledger", query=(*_PAGES, "currency", "kind")),
    Endpoint("strategies", "GET", "strategies"),
    Endpoint("create_strategy", "POST", "strategies"),
    Endpoint("reassign", "POST", "oms/reassign", older_path="position/reassign"),
    Endpoint("reconcile", "POST", "oms/reconcile", older_path="position/reconcile"),
    Endpoint(
        "reconcile_status",
        "GET",
        "oms/reconcile/status",
        query=("status", "stale_after_seconds"),
        older_path="position/reconcile/status",
    ),
    Endpoint(
        "reconcile_account_status",
        "GET",
        "oms/reconcile/{account_id}/status",
        older_path="position/reconcile/{account_id}/status",
    ),
    Endpoint("cache_clear", "POST", "oms/cache/clear", older_path="position/cache/clear"),
    Endpoint("risk_strategies", "GET", f"{_RISK}/strategies"),
    Endpoint("risk_allow_new_positions", "POST", f"{_RISK}/allow_new_positions"),
    Endpoint("risk_strategy_allow_new_positions", "POST", f"{_RISK}/strategies/allow_new_positions"),
    Endpoint("risk_status", "POST", f"{_RISK}/status"),
    Endpoint("risk_limits", "GET", f"{_RISK}/limits"),
    Endpoint("set_risk_limits", "POST", f"{_RISK}/limits"),
    Endpoint("kill_switch", "POST", f"{_RISK}/kill_switch"),
    Endpoint("sessions", "GET", "oms/sessions"),
    Endpoint("set_session", "POST", "oms/sessions"),
    Endpoint(
        "ccxt_core",
        "POST",
        "ccxt/core/{account_id}/{func}",
        Access.MARKET,
        query=("request_timeout_seconds",),
    ),
    Endpoint(
        "ccxt_call",
        "POST",
        "ccxt/{account_id}/{func}",
        Access.MARKET,
        query=("request_timeout_seconds",),
    ),
    Endpoint(
        "ccxt_commands",
        "POST",
        "ccxt/commands",
        query=("parallel",),
        older_path="ccxt/multiple_commands",
    ),
)

TRADES_RAW = Endpoint("trades_raw", "GET", "ccxt/trades/raw", query=_HISTORY)
"""Beyond the contract: what gateways have whose deals do not say when the venue traded."""

BY_NAME: dict[str, Endpoint] = {endpoint.name: endpoint for endpoint in ENDPOINTS}

CORE_FUNCTIONS = frozenset(
    {
        "fetch_balance",
        "fetch_ticker",
        "fetch_tickers",
        "fetch_markets",
        "load_markets",
        "fetch_order",
        "fetch_open_orders",
        "create_order",
        "cancel_order",
    }
)
"""What `/ccxt/core/{account_id}/{func}` serves, with keyword arguments as the body."""

MARKET_FUNCTIONS = frozenset(
    {
        "describe",
        "has",
        "fetch_markets",
        "load_markets",
        "fetch_currencies",
        "fetch_ticker",
        "fetch_tickers",
        "fetch_bids_asks",
        "fetch_order_book",
        "fetch_l2_order_book",
        "fetch_trades",
        "fetch_ohlcv",
        "fetch_mark_ohlcv",
        "fetch_index_ohlcv",
        "fetch_time",
        "fetch_status",
        "fetch_funding_rate",
        "fetch_funding_rate_history",
        "fetch_funding_rates",
        "fetch_mark_price",
        "fetch_mark_prices",
    }
)
"""Reads of public market data, for `Access.MARKET`; snake_case names."""


def snake_case(function: str) -> str:
    """One spelling for a ccxt function name: `fetchOHLCV`, `fetchOhlcv` and `fetch_ohlcv` alike.

    :param function: a ccxt method name in either spelling
    :returns: lower case with underscores
    """
    if function.islower():
        return function
    text = []
    previous = "_"
    for index, letter in enumerate(function):
        following = function[index + 1 : index + 2]
        starts_word = letter.isupper() and (
            previous.islower() or previous.isdigit() or (previous.isupper() and following.islower())
        )
        if starts_word:
            text.append("_")
        text.append(letter.lower())
        previous = letter
    return "".join(text)
