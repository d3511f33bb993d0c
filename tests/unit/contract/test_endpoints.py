"""The table of endpoints, and one spelling for ccxt's function names."""

from __future__ import annotations

import pytest

from ccxt_driver.contract.endpoints import (
    BY_NAME,
    CORE_FUNCTIONS,
    ENDPOINTS,
    MARKET_FUNCTIONS,
    Access,
    snake_case,
)

pytestmark = pytest.mark.oldest


@pytest.mark.parametrize(
    "spelling, expected",
    [
        ("fetchOHLCV", "fetch_ohlcv"),
        ("fetchOhlcv", "fetch_ohlcv"),
        ("fetch_ohlcv", "fetch_ohlcv"),
        ("fetchL2OrderBook", "fetch_l2_order_book"),
        ("fetchBalance", "fetch_balance"),
        ("createMarketBuyOrderWithCost", "create_market_buy_order_with_cost"),
        ("fetchOHLCVWs", "fetch_ohlcv_ws"),
        ("loadMarkets", "load_markets"),
        ("has", "has"),
        ("CreateOrder", "create_order"),
        ("", ""),
    ],
)
def test_function_names_have_one_spelling(spelling: str, expected: str) -> None:
    assert snake_case(spelling) == expected


def test_snake_case_is_idempotent_on_the_contracts_names() -> None:
    for name in CORE_FUNCTIONS | MARKET_FUNCTIONS:
        assert snake_case(name) == name


def test_no_function_that_trades_is_called_a_market_read() -> None:
    """Market reads need no key on some servers: a trade among them would be open to everybody."""
    reads = {name for name in MARKET_FUNCTIONS if name.startswith(("fetch_", "load_"))}

    assert {"describe", "has"} == MARKET_FUNCTIONS - reads
    assert MARKET_FUNCTIONS.isdisjoint({"fetch_balance", "fetch_order", "fetch_my_trades"})


def test_names_and_routes_are_unique() -> None:
    assert len(BY_NAME) == len(ENDPOINTS)
    assert len({(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}) == len(ENDPOINTS)


def test_only_health_needs_no_key_whatever_the_server() -> None:
    assert [endpoint.name for endpoint in ENDPOINTS if endpoint.access is Access.PUBLIC] == ["health"]


def test_placeholders_are_those_of_the_path() -> None:
    assert BY_NAME["ccxt_call"].placeholders == ("account_id", "func")
    assert BY_NAME["orders_by_id"].placeholders == ("ids",)
    assert BY_NAME["commands"].placeholders == ()


def test_older_names_keep_the_placeholders() -> None:
    for endpoint in ENDPOINTS:
        if endpoint.older_path is not None:
            assert all("{" + name + "}" in endpoint.older_path for name in endpoint.placeholders)


def test_lists_can_be_read_by_dates_filters_and_pages() -> None:
    dated = {"account_ids", "start_date", "end_date", "strategy_id", "page", "page_size", "since_ms", "sort"}

    for name in ("orders_history", "deals", "positions_history"):
        assert dated <= set(BY_NAME[name].query)
    for name in ("orders_open", "positions_open"):
        assert {"account_ids", "strategy_id", "limit", "cache"} <= set(BY_NAME[name].query)
