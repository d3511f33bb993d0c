"""set_sandbox_mode: to what is configured and exactly back, and never by accident to live trading."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.pro import OmsCcxtExchange as OmsCcxtExchangeOfPro
from tests.helpers.oms_rows import markets, order_row
from tests.helpers.virtual_time import with_clock

pytestmark = pytest.mark.oldest

SANDBOX = {"base_url": "http://sandbox.test/", "account_id": 9, "apiKey": "sandbox-key"}


def seen(exchange: Any) -> tuple[Any, ...]:
    return (
        copy.deepcopy(exchange.urls["api"]),
        exchange.apiKey,
        exchange.options["account_id"],
        exchange.options["strategy_id"],
        exchange.isSandboxModeEnabled,
    )


def test_it_switches_to_the_sandbox_and_exactly_back(make_driver: Any) -> None:
    driver = make_driver(options={"sandbox": SANDBOX, "strategy_id": 4}).ready()
    live = seen(driver.exchange)
    for _ in range(2):
        for _ in range(2):  # idempotent
            driver.exchange.set_sandbox_mode(True)
            assert seen(driver.exchange) == ("http://sandbox.test", "sandbox-key", 9, 4, True)
        for _ in range(2):
            driver.exchange.set_sandbox_mode(False)
            assert seen(driver.exchange) == live


def test_requests_go_where_the_mode_says(make_driver: Any) -> None:
    driver = make_driver(options={"sandbox": SANDBOX})
    for name in ("fetch_markets", "fetch_currencies", "describe"):
        driver.gateway.on(f"POST /ccxt/9/{name}", driver.gateway.answers[f"POST /ccxt/1/{name}"])
    driver.gateway.on("GET /oms/orders/open", {"items": []})

    def accounts_and_keys() -> set[tuple[str, str]]:
        driver.gateway.sent.clear()
        driver.call("fetch_open_orders")
        orders = [sent for sent in driver.gateway.sent if sent.path == "/oms/orders/open"]
        return {(sent.query["account_ids"], sent.headers["x-api-key"]) for sent in orders}

    assert accounts_and_keys() == {("1", "the-key")}
    driver.exchange.set_sandbox_mode(True)
    assert accounts_and_keys() == {("9", "sandbox-key")}
    assert "POST /ccxt/9/fetch_markets" in driver.gateway.routes
    driver.exchange.set_sandbox_mode(False)
    assert accounts_and_keys() == {("1", "the-key")}


def test_nothing_of_one_side_is_kept_for_the_other(make_driver: Any) -> None:
    driver = make_driver(options={"sandbox": SANDBOX}).ready()
    driver.exchange.tickers["BTC/USDT"] = {"last": 1}
    driver.exchange.set_sandbox_mode(True)

    assert not driver.exchange.markets
    assert driver.exchange.tickers == {}
    assert driver.exchange.currencies == {}
    assert driver.exchange._server_features is None


def test_a_sandbox_without_a_key_does_not_get_the_live_one(make_driver: Any) -> None:
    driver = make_driver(options={"sandbox": {"base_url": "http://sandbox.test", "account_id": 9}})
    driver.exchange.set_sandbox_mode(True)

    assert not driver.exchange.apiKey
    with pytest.raises(ccxt.AuthenticationError):
        driver.call("private_get_oms_accounts")
    assert driver.gateway.routes == []


def test_a_sandbox_without_an_account_does_not_trade_on_the_live_one(make_driver: Any) -> None:
    driver = make_driver(options={"sandbox": {"base_url": "http://sandbox.test", "apiKey": "k"}})
    driver.exchange.set_sandbox_mode(True)
    with pytest.raises(ccxt.ArgumentsRequired, match="account_id"):
        driver.call("load_markets")
    assert driver.gateway.routes == []


@pytest.mark.parametrize("sandbox", [None, {}, True, "yes"])
def test_without_a_configured_sandbox_a_gateway_may_be_live(sandbox: Any) -> None:
    exchange = OmsCcxtExchange({"options": {"account_id": 1}})
    exchange.options["sandbox"] = sandbox
    before = seen(exchange)
    with pytest.raises(ccxt.NotSupported, match="sandbox"):
        exchange.set_sandbox_mode(True)

    assert seen(exchange) == before
    exchange.set_sandbox_mode(False)
    assert seen(exchange) == before


@pytest.mark.parametrize("config", [{"sandbox": True}, {"options": {"testnet": True}}])
def test_a_program_that_asks_for_a_sandbox_in_the_constructor_is_not_left_live(config: Any) -> None:
    with pytest.raises(ccxt.NotSupported, match="sandbox"):
        OmsCcxtExchange(config)


def test_a_program_that_takes_the_address_of_a_sandbox_that_is_none_is_not_left_live(
    make_driver: Any,
) -> None:
    """As programs did before there was `set_sandbox_mode`."""
    driver = make_driver()
    driver.exchange.urls["api"] = driver.exchange.urls["test"]
    with pytest.raises(ccxt.NotSupported, match="has no sandbox"):
        driver.call("load_markets")
    with pytest.raises(ccxt.NotSupported, match="has no sandbox"):
        driver.call("fetch_order", "1")

    assert driver.gateway.sent == []


def test_a_sandbox_configured_later_is_the_one_that_is_entered() -> None:
    """Not the live gateway, which `urls["test"]` was filled in with."""
    exchange = OmsCcxtExchange({"apiKey": "the-key", "options": {"account_id": 1}})
    exchange.options["sandbox"] = SANDBOX
    live = seen(exchange)
    exchange.set_sandbox_mode(True)

    assert (exchange.urls["api"], exchange.apiKey) == ("http://sandbox.test", "sandbox-key")
    exchange.set_sandbox_mode(False)
    assert seen(exchange) == live


def test_an_embedded_sandbox_has_an_account_by_default() -> None:
    exchange = OmsCcxtExchange({"options": {"account_id": 7, "sandbox": {"base_url": "embedded:"}}})
    exchange.set_sandbox_mode(True)
    assert exchange.options["account_id"] == 1

    exchange.set_sandbox_mode(False)
    assert exchange.options["account_id"] == 7


def test_a_configured_sandbox_is_not_entered_before_it_is_asked_for() -> None:
    exchange = OmsCcxtExchange({"options": {"account_id": 1, "sandbox": SANDBOX}})

    assert exchange.urls["api"] == "http://127.0.0.1:8000"
    assert exchange.urls["test"] == "http://sandbox.test"
    assert exchange.isSandboxModeEnabled is False


def test_the_embedded_oms_is_paper_already() -> None:
    exchange = OmsCcxtExchange({"options": {"base_url": "embedded:"}})
    urls, account_id = copy.deepcopy(exchange.urls), exchange.options["account_id"]
    exchange.set_sandbox_mode(True)

    assert (exchange.urls, exchange.options["account_id"]) == (urls, account_id)
    exchange.set_sandbox_mode(False)
    assert (exchange.urls, exchange.options["account_id"]) == (urls, account_id)


def test_it_is_refused_while_a_command_is_in_flight(make_driver: Any) -> None:
    driver = make_driver(options={"sandbox": SANDBOX}).ready()
    refused: list[type] = []

    def answer(sent: Any) -> Any:
        with pytest.raises(ccxt.OperationRejected) as raised:
            driver.exchange.set_sandbox_mode(True)
        refused.append(type(raised.value))
        return {"results": [{"index": 0, "ok": True, "order_id": 11, "order": order_row()}]}

    driver.gateway.on("POST /oms/commands", answer)
    driver.call("create_order", "BTC/USDT", "limit", "buy", 2, 100)
    assert refused == [ccxt.OperationRejected]

    driver.exchange.set_sandbox_mode(True)  # afterwards it works
    assert driver.exchange.isSandboxModeEnabled is True


def test_markets_that_were_being_read_are_not_taken_for_the_other_sides(make_driver: Any) -> None:
    driver = make_driver(options={"sandbox": SANDBOX})
    found = driver.gateway.answers["POST /ccxt/1/fetch_markets"]
    driver.gateway.on("POST /ccxt/9/describe", driver.gateway.answers["POST /ccxt/1/describe"])

    def switch(sent: Any) -> Any:
        driver.exchange.set_sandbox_mode(True)
        return found

    driver.gateway.on("POST /ccxt/1/fetch_markets", switch)
    for name in ("fetch_markets", "fetch_currencies"):
        driver.gateway.on(f"POST /ccxt/9/{name}", driver.gateway.answers["POST /ccxt/1/fetch_currencies"])
    with pytest.raises(ccxt.OperationRejected, match="set_sandbox_mode"):
        driver.call("load_markets")

    assert not driver.exchange.markets
    assert driver.exchange._server_features is None


@pytest.mark.parametrize("fails", [False, True])
def test_an_answer_of_one_side_is_not_given_to_the_other(make_driver: Any, fails: bool) -> None:
    """Nor is a read that failed on one side sent again to the other."""
    driver = make_driver(("by_id",), options={"sandbox": SANDBOX})
    health = driver.gateway.answers["GET /healthz"]

    def switch(sent: Any) -> Any:
        driver.exchange.set_sandbox_mode(not driver.exchange.isSandboxModeEnabled)
        driver.gateway.on("GET /healthz", health)
        return (503, {"detail": {"code": "engine_unavailable"}}) if fails else {"features": ["ledger"]}

    for _ in range(2):  # there, and back
        driver.gateway.on("GET /healthz", switch)
        driver.exchange._server_features = None
        with pytest.raises(ccxt.OperationRejected, match="set_sandbox_mode"):
            driver.call("_features")
        assert driver.gateway.routes.count("GET /healthz") == 1
        driver.gateway.sent.clear()
        assert driver.call("_features") == {"by_id"}
        driver.gateway.sent.clear()


def test_what_is_unknown_of_a_side_is_held_until_it_comes_back(make_driver: Any) -> None:
    driver = with_clock(make_driver((), options={"sandbox": SANDBOX, "lookup_timeout": 0}).ready())
    exchange, gateway = driver.exchange, driver.gateway
    for name in ("fetch_markets", "fetch_currencies", "describe"):
        gateway.on(f"POST /ccxt/9/{name}", gateway.answers[f"POST /ccxt/1/{name}"])
    gateway.on("POST /oms/commands", (504, {"detail": {"code": "dispatcher_timeout"}}))
    gateway.on("GET /oms/orders/history", {"items": [], "total": 0})

    def name_of_the_lost_order() -> Any:
        with pytest.raises(ccxt.RequestTimeout) as lost:
            driver.call("create_order", "BTC/USDT", "limit", "buy", 2, 100)
        return lost.value.client_order_id  # type: ignore[attr-defined]

    live, truth = name_of_the_lost_order(), exchange._truth
    exchange.set_sandbox_mode(True)
    paper = name_of_the_lost_order()
    assert paper != live
    assert exchange._truth is not truth
    exchange.set_sandbox_mode(False)
    assert (name_of_the_lost_order(), exchange._truth) == (live, truth)
    exchange.set_sandbox_mode(True)
    assert name_of_the_lost_order() == paper
    assert gateway.routes.count("POST /oms/commands") == 2


async def test_in_process_nothing_goes_to_one_side_that_was_asked_of_the_other(tmp_path: Path) -> None:
    """Other tasks run before a request is carried out."""
    files = [f"embedded:{tmp_path / name}.sqlite" for name in ("live", "paper")]
    for url, funds in zip(files, ("777", "5"), strict=True):
        account = {"account_id": 1, "balances": {"USDT": funds}}
        EmbeddedOms(db=url.removeprefix("embedded:"), accounts=[account]).close()
    options = {"base_url": files[0], "sandbox": {"base_url": files[1]}}
    exchange = AsyncOmsCcxtExchange({"options": options, "timeout_on_exit": 0})
    for method, *arguments in (("fetch_balance",), ("create_strategy", "mine")):
        await exchange.load_markets()
        asked = asyncio.ensure_future(getattr(exchange, method)(*arguments))
        await asyncio.sleep(0)
        exchange.set_sandbox_mode(True)
        with pytest.raises(ccxt.OperationRejected, match="set_sandbox_mode") as info:
            await asked
        assert info.value.outcome == "not_sent"  # type: ignore[attr-defined]
        assert (await exchange.fetch_balance())["USDT"]["total"] == 5
        assert "mine" not in [each["name"] for each in await exchange.fetch_strategies()]
        exchange.set_sandbox_mode(False)
    assert (await exchange.fetch_balance())["USDT"]["total"] == 777
    await exchange.close()


async def test_nor_is_it_sent_when_markets_made_it_wait(tmp_path: Path) -> None:
    """For the same markets as who changes the mode as soon as they are there."""
    files = [f"embedded:{tmp_path / name}.sqlite" for name in ("live", "paper")]
    exchange = AsyncOmsCcxtExchange(
        {"options": {"base_url": files[0], "sandbox": {"base_url": files[1]}}, "timeout_on_exit": 0}
    )
    exchange.set_sandbox_mode(True)

    async def go_live() -> None:
        await exchange.load_markets()
        exchange.set_sandbox_mode(False)

    going = asyncio.ensure_future(go_live())
    order = ("BTC/USDT", "limit", "buy", 0.01, 10_000)
    ordered = asyncio.ensure_future(exchange.create_order(*order))
    await going
    with pytest.raises(ccxt.OperationRejected, match="set_sandbox_mode") as info:
        await ordered
    assert info.value.outcome == "not_sent"  # type: ignore[attr-defined]
    assert await exchange.fetch_open_orders() == []
    await exchange.create_order(*order)
    await exchange.close()


async def test_nor_is_it_sent_when_the_socket_made_it_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = OmsCcxtExchangeOfPro({"options": {"base_url": "http://live.test", "sandbox": SANDBOX}})

    async def switch(*request: Any) -> None:
        exchange.set_sandbox_mode(True)

    monkeypatch.setattr(exchange, "_socket_for", switch)
    exchange.set_markets(markets())
    with pytest.raises(ccxt.OperationRejected, match="set_sandbox_mode"):
        await exchange.fetch_balance_ws({"account_id": 1})
    await exchange.close()
