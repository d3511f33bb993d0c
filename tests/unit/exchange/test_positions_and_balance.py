"""Positions and balance: the exact requests, raw and net views, and the money that strategies share."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.helpers.gateway_stub import ALL_FEATURES, NO_FEATURES, Driver
from tests.helpers.oms_rows import CREATED_MS, UPDATED, account_row, position_row
from tests.helpers.row_tables import Tables

pytestmark = pytest.mark.oldest

SWAP = "BTC/USDT:USDT"


def on_account(driver: Driver, mode: str) -> None:
    driver.gateway.on("GET /oms/accounts", {"items": [account_row(position_mode=mode)]})


def test_an_open_position(driver: Driver) -> None:
    on_account(driver, "hedge")
    Tables(driver.gateway, positions=[position_row()])
    (position,) = driver.call("fetch_positions")

    assert driver.gateway.routes == ["GET /oms/positions/open", "GET /oms/accounts"]
    assert driver.gateway.sent[0].query == {"account_ids": "1", "limit": "5000", "cache": "false"}
    assert (position["id"], position["side"], position["hedged"]) == ("31", "long", True)
    assert (position["contracts"], position["contractSize"], position["notional"]) == (2.0, 0.01, 2.2)
    assert (position["stopLossPrice"], position["takeProfitPrice"]) == (90.0, 120.0)


def test_the_account_is_read_once(driver: Driver) -> None:
    Tables(driver.gateway)
    driver.call("fetch_positions")
    driver.call("fetch_positions")

    assert driver.gateway.routes.count("GET /oms/accounts") == 1


@pytest.mark.parametrize(
    "mode, options, params, expected",
    [
        ("netting", {}, {}, "net"),
        ("hedge", {}, {}, "raw"),
        ("strategy_netting", {}, {}, "raw"),
        ("hedge", {"positions": "net"}, {}, "net"),
        ("netting", {"positions": "raw"}, {}, "raw"),
        ("netting", {"positions": "net"}, {"positions": "raw"}, "raw"),
        ("hedge", {}, {"positions": "net"}, "net"),
    ],
)
def test_the_view_follows_the_account_unless_told(
    make_driver: Any, mode: str, options: dict[str, Any], params: dict[str, Any], expected: str
) -> None:
    driver = make_driver(options=options).ready()
    on_account(driver, mode)
    Tables(driver.gateway, positions=[position_row(id=1), position_row(id=2, avg_price="103")])
    positions = driver.call("fetch_positions", None, params)

    if expected == "net":
        assert [(each["id"], each["contracts"], each["entryPrice"]) for each in positions] == [
            ("1", 4.0, 101.5)
        ]
    else:
        assert [each["id"] for each in positions] == ["1", "2"]
    assert {each["hedged"] for each in positions} == {mode == "hedge"}


def test_an_unknown_view_is_refused(driver: Driver) -> None:
    Tables(driver.gateway)
    with pytest.raises(ccxt.BadRequest, match="net or raw"):
        driver.call("fetch_positions", None, {"positions": "both"})


@pytest.mark.parametrize("features", [ALL_FEATURES, NO_FEATURES], ids=["all", "none"])
def test_symbols_are_what_is_wanted_and_limit_counts_them_only(make_driver: Any, features: Any) -> None:
    driver = make_driver(features=features).ready()
    on_account(driver, "hedge")
    symbols = [SWAP, "BTC/USD:BTC", "BTC/USDT", "ETH/USDT", SWAP, "BTC/USD:BTC", "ETH/USDT"]
    rows = [position_row(id=number, symbol=symbol) for number, symbol in enumerate(symbols, start=1)]
    Tables(driver.gateway, positions=rows)

    def ids(symbols: Any, params: dict[str, Any]) -> list[str]:
        return [each["id"] for each in driver.call("fetch_positions", symbols, params)]

    assert ids([SWAP], {}) == ["1", "5"]
    assert ids([SWAP, "BTC/USD:BTC"], {}) == ["1", "2", "5", "6"]
    assert ids([SWAP], {"limit": 1}) == ["5"]
    assert ids([SWAP, "BTC/USD:BTC"], {"limit": 3}) == ["2", "5", "6"]
    assert ids([SWAP, "BTC/USD:BTC"], {"since": CREATED_MS, "limit": 3}) == ["1", "2", "5"]


@pytest.mark.parametrize("features", [ALL_FEATURES, NO_FEATURES], ids=["all", "none"])
def test_history_reads_closed_positions_only(make_driver: Any, features: Any) -> None:
    driver = make_driver(features=features).ready()
    driver.exchange.milliseconds = lambda: CREATED_MS + 5000
    rows = [
        position_row(id=1, state="closed", closed_at=UPDATED),
        position_row(id=2, state="open"),
        position_row(id=3, state="merged", closed_at=UPDATED),
        position_row(id=4, state="closed", symbol="ETH/USDT", closed_at=UPDATED),
        position_row(id=5, state="closed", symbol="BTC/USD:BTC", closed_at=UPDATED),
    ]
    Tables(driver.gateway, positions=rows)

    def ids(*args: Any) -> list[str]:
        return [each["id"] for each in driver.call("fetch_positions", *args)]

    assert ids(None, {"history": True}) == ["1", "3", "4", "5"]
    assert ids([SWAP], {"history": True}) == ["1", "3"]
    assert ids([SWAP, "ETH/USDT"], {"history": True, "limit": 2}) == ["3", "4"]


def test_a_strategy_sees_only_its_positions(make_driver: Any) -> None:
    driver = make_driver(options={"strategy_id": 7}).ready()
    Tables(driver.gateway, positions=[position_row(id=1), position_row(id=2, strategy_id=7)])

    assert [each["id"] for each in driver.call("fetch_positions")] == ["2"]
    assert driver.gateway.sent[0].query["strategy_id"] == "7"


def test_an_unknown_symbol_is_refused_before_anything_is_sent(driver: Driver) -> None:
    with pytest.raises(ccxt.BadSymbol):
        driver.call("fetch_positions", ["DOGE/USDT:USDT"])
    assert driver.gateway.routes == []


# -- balance

BALANCE = {
    "info": {"from": "venue"},
    "USDT": {"free": "90.5", "used": "9.5", "total": "100"},
    "BTC": {"free": 0.1, "used": 0, "total": 0.1},
}


def test_the_balance_is_the_accounts(driver: Driver) -> None:
    driver.gateway.on("POST /ccxt/core/1/fetch_balance", {"ok": True, "result": BALANCE})
    balance = driver.call("fetch_balance")

    (sent,) = driver.gateway.sent
    assert (sent.query, sent.body) == ({}, {})
    assert sent.headers["x-api-key"] == "the-key"
    assert balance["USDT"] == {"free": 90.5, "used": 9.5, "total": 100.0}
    assert balance["free"] == {"USDT": 90.5, "BTC": 0.1}
    assert balance["info"] == {"from": "venue"}


def test_the_venues_params_travel_as_its_keyword_argument(driver: Driver) -> None:
    """The body is keyword arguments, and ccxt's fetch_balance has one: params."""
    driver.gateway.on("POST /ccxt/core/1/fetch_balance", {"ok": True, "result": BALANCE})
    driver.call("fetch_balance", {"type": "swap", "strategy_id": 3})

    assert driver.gateway.sent[0].body == {"params": {"type": "swap"}}


def test_another_account_may_be_named(driver: Driver) -> None:
    driver.gateway.on("POST /ccxt/core/2/fetch_balance", {"ok": True, "result": BALANCE})
    driver.call("fetch_balance", {"account_id": "2"})

    assert driver.gateway.routes == ["POST /ccxt/core/2/fetch_balance"]


def test_a_balance_as_decimals(make_driver: Any) -> None:
    driver = make_driver(number=Decimal).ready()
    driver.gateway.on("POST /ccxt/core/1/fetch_balance", {"ok": True, "result": BALANCE})

    assert driver.call("fetch_balance")["USDT"]["free"] == Decimal("90.5")


@pytest.mark.parametrize(
    "body",
    ["", "null", "[]", "{}", '{"ok": true}', '{"ok": true, "result": []}', '{"ok": false, "result": {}}'],
)
def test_a_balance_that_is_garbage(driver: Driver, body: str) -> None:
    driver.gateway.on("POST /ccxt/core/1/fetch_balance", (200, body))
    with pytest.raises(ccxt.BadResponse):
        driver.call("fetch_balance")


def test_a_balance_needs_a_key(make_driver: Any) -> None:
    driver = make_driver(apiKey="").ready()
    with pytest.raises(ccxt.AuthenticationError):
        driver.call("fetch_balance")
    assert driver.gateway.routes == []


def test_one_position_is_that_of_all_strategies(driver: Driver) -> None:
    """Without a strategy configured: the first strategy's alone would be less than the account holds."""
    rows = [
        position_row(strategy_id=1, qty="1"),
        position_row(id=32, strategy_id=2, qty="2", avg_price="103"),
        position_row(id=33, strategy_id=3, qty="4", side="sell"),
    ]
    driver.gateway.on("GET /oms/positions/open", {"items": rows})
    position = driver.call("fetch_position", rows[0]["symbol"])
    assert (position["id"], position["side"], position["contracts"]) == ("31", "short", 1)

    mine = [{**row, "strategy_id": 1} for row in rows]
    driver.gateway.on("GET /oms/positions/open", {"items": mine})
    assert driver.call("fetch_position", rows[0]["symbol"], {"strategy_id": 1})["contracts"] == 1
