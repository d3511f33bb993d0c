"""The guard before the venue's functions: no spelling and no detour leads past it."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest
from ccxt.base.types import Entry

from ccxt_driver.exchange.venue_guard import check

pytestmark = pytest.mark.oldest

BOTH = {"allow_money_movement": True, "allow_venue_orders": True}


def refused(function: Any, **options: Any) -> bool:
    try:
        check(function, options, "oms")
    except (ccxt.PermissionDenied, ccxt.BadRequest):
        return True
    return False


def implicit_routes() -> list[tuple[str, str]]:
    """Name and verb of every implicit method of every exchange of ccxt, in both spellings."""
    kinds = [kind for name in ccxt.exchanges for kind in getattr(ccxt, name).__mro__]
    entries = {
        (name, value.method)
        for kind in kinds
        for name, value in vars(kind).items()
        if isinstance(value, Entry)
    }
    return sorted(entries)


def test_no_route_of_any_exchange_that_is_no_get_passes() -> None:
    routes = implicit_routes()
    assert len(routes) > 10_000
    assert [name for name, method in routes if method != "GET" and not refused(name)] == []


@pytest.mark.parametrize("value", ["false", "True", 1, None])
def test_an_option_that_was_set_later_to_no_true_allows_nothing(value: Any) -> None:
    for function in ("create_order", "withdraw", "private_post_order"):
        assert refused(function, **dict.fromkeys(BOTH, value))


def test_a_get_that_acts_does_not_pass() -> None:
    """There are venues whose every call is a GET."""
    acts = ("Buy", "Sell", "Edit", "Cancel", "CancelAll", "CreateApiKey", "ExecuteBlockTrade", "MassQuote")
    for name in acts:
        assert refused(f"privateGet{name}")
        assert refused(f"privateGet{name}", allow_venue_orders=True)  # it may move money, too
        assert not refused(f"privateGet{name}", **BOTH)
    for read in ("privateGetGetUserTradesByCurrency", "private_get_get_positions", "publicGetTicker"):
        assert not refused(read, allow_venue_orders=True)


@pytest.mark.parametrize(
    "function",
    [
        "safe_deterministic_call",
        "safeDeterministicCall",
        "fetch_paginated_call_dynamic",
        "fetchPaginatedCallDeterministic",
        "fetchPaginatedCallIncremental",
        "fetch_paginated_call_cursor",
        "fetchWebEndpoint",
    ],
)
def test_functions_that_call_others_by_name_are_refused(function: str) -> None:
    """`safe_deterministic_call("create_market_order", "BTC/USDT", 1, None, "buy")` places an order."""
    with pytest.raises(ccxt.BadRequest, match="machinery"):
        check(function, BOTH, "oms")


@pytest.mark.parametrize(
    "function", ["fetch_ticker", "fetchOHLCV", "describe", "load_markets", "set_leverage"]
)
def test_reads_and_settings_pass(function: str) -> None:
    check(function, {}, "oms")


@pytest.mark.parametrize("function", ["\uff57ithdraw", "with\u0501raw", "a.b", "a b", "", None, ["withdraw"]])
def test_what_is_no_plain_name_is_refused(function: Any) -> None:
    with pytest.raises(ccxt.BadRequest, match="func"):
        check(function, BOTH, "oms")
