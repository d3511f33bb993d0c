"""What a constructor's configuration means, what the environment adds, and that neither does I/O."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

import ccxt
import ccxt.async_support
import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange
from ccxt_driver.exchange.venue_guard import check
from ccxt_driver.oms import EmbeddedOms
from tests.helpers.gateway_stub import Driver

pytestmark = pytest.mark.oldest

CLASSES = pytest.mark.parametrize("cls", [OmsCcxtExchange, AsyncOmsCcxtExchange], ids=["sync", "async"])
DEFAULT = "http://127.0.0.1:8000"
GATEWAY = "https://gateway.test"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_variables(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(f"CCXT_OMS_{name.upper()}", value)

    return set_variables


# -- no I/O


@CLASSES
def test_the_constructor_and_describe_do_no_io(cls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError(f"I/O: {args}")

    cls()  # imports and caches of the first object are not what this is about
    for owner, name in (
        (socket.socket, "connect"),
        (socket, "getaddrinfo"),
        (threading.Thread, "start"),
        (os, "open"),
        (os, "mkdir"),
    ):
        monkeypatch.setattr(owner, name, refuse)
    monkeypatch.setattr("builtins.open", refuse)
    for config in ({}, {"options": {"base_url": "embedded:", "account_id": 1}}, {"urls": {"api": GATEWAY}}):
        exchange = cls(config)
        exchange.describe()
        assert exchange.id == "oms"


@CLASSES
def test_the_class_is_a_ccxt_class(cls: Any) -> None:
    base = ccxt.Exchange if cls is OmsCcxtExchange else ccxt.async_support.Exchange
    exchange = cls()

    assert issubclass(cls, base)
    assert exchange.urls["api"] == DEFAULT
    assert exchange.urls["test"] is not None
    assert exchange.requiredCredentials["apiKey"] is True
    assert exchange.requiredCredentials["secret"] is False
    assert exchange.timeframes["1m"] == "1m"
    assert {"spot", "swap"} <= set(exchange.features)


@CLASSES
def test_what_programs_compare_with_true_is_true(cls: Any) -> None:
    has = cls().has

    wanted = (
        "createOrder editOrder cancelOrder fetchOrder fetchOpenOrders fetchClosedOrders fetchMyTrades "
        "fetchPositions fetchBalance fetchTicker fetchTickers fetchMarkets fetchOHLCV fetchOrderBook "
        "fetchL2OrderBook fetchTrades fetchStatus fetchTime createLimitOrder createMarketOrder"
    )
    for name in wanted.split():
        assert has[name] is True, name


@CLASSES
def test_requests_cost_nothing_of_ccxts_limiter(cls: Any) -> None:
    """Its first millisecond is longer than the whole way to an OMS nearby."""
    from ccxt.base.types import Entry

    entries = [value for klass in cls.__mro__ for value in vars(klass).values() if isinstance(value, Entry)]
    assert entries
    assert all(entry.config == {"cost": 0} for entry in entries)


@CLASSES
def test_a_config_is_not_changed_and_not_shared(cls: Any) -> None:
    config: dict[str, Any] = {"options": {"base_url": GATEWAY + "/", "account_id": "7"}, "urls": {}}
    first, second = cls(config), cls(config)
    first.options["account_id"] = 8

    assert config == {"options": {"base_url": GATEWAY + "/", "account_id": "7"}, "urls": {}}
    assert second.options["account_id"] == 7


@CLASSES
def test_a_misspelt_name_is_an_attribute_error(cls: Any) -> None:
    with pytest.raises(AttributeError):
        cls().fetch_tikcer  # noqa: B018


# -- where the base URL comes from


@CLASSES
@pytest.mark.parametrize(
    "config, environment_url, expected",
    [
        ({}, None, DEFAULT),
        ({"options": {"base_url": GATEWAY}}, None, GATEWAY),
        ({"options": {"base_url": GATEWAY + "/"}}, None, GATEWAY),
        ({"options": {"base_url": None}}, None, DEFAULT),
        ({}, "http://env.test/", "http://env.test"),
        ({"options": {"base_url": GATEWAY}}, "http://env.test", GATEWAY),
        ({"urls": {"api": "http://urls.test/"}}, "http://env.test", "http://urls.test"),
        ({"urls": {"api": "http://urls.test"}, "options": {"base_url": GATEWAY}}, None, "http://urls.test"),
        ({"options": {"base_url": "embedded:"}}, "http://env.test", "embedded:"),
        ({}, "embedded:", "embedded:"),
        ({}, "", DEFAULT),
    ],
    ids=str,
)
def test_the_base_url(
    cls: Any, environment: Any, config: dict[str, Any], environment_url: str | None, expected: str
) -> None:
    if environment_url is not None:
        environment(base_url=environment_url)

    assert cls(config).urls["api"] == expected


def test_a_host_of_one_letter_is_a_host() -> None:
    assert OmsCcxtExchange({"options": {"base_url": "http://x/"}}).urls["api"] == "http://x"


BAD_URLS = (
    *("", "gateway.test", "ftp://gateway.test", "http://", "https:///", 7, [], "EMBEDDED:", "http://user@"),
    *("http://gateway.test:99999", "http://gateway.test:abc", "http://gateway.test:0", "http://[::1"),
    *("http://gate way.test", "http://gateway..test", f"http://{'x' * 64}.test"),
)


@CLASSES
@pytest.mark.parametrize("url", BAD_URLS)
def test_a_bad_base_url_is_refused(cls: Any, url: Any) -> None:
    with pytest.raises(ccxt.BadRequest, match="base_url"):
        cls({"options": {"base_url": url}})


# -- the key


@CLASSES
@pytest.mark.parametrize(
    "config, environment_url, expected",
    [
        ({}, "http://env.test", "env-key"),
        ({}, None, ""),
        ({"apiKey": "mine"}, "http://env.test", "mine"),
        ({"apiKey": "mine"}, None, "mine"),
        ({"apiKey": ""}, "http://env.test", ""),
        ({"options": {"base_url": GATEWAY}}, "http://env.test", ""),
        ({"urls": {"api": GATEWAY}}, "http://env.test", ""),
        ({"options": {"base_url": "http://env.test"}}, "http://env.test", ""),
    ],
    ids=str,
)
def test_the_environments_key_goes_only_to_the_environments_url(
    cls: Any, environment: Any, config: dict[str, Any], environment_url: str | None, expected: str
) -> None:
    environment(api_key="env-key")
    if environment_url is not None:
        environment(base_url=environment_url)

    assert (cls(config).apiKey or "") == expected


@pytest.mark.parametrize("key", [None, ""])
def test_private_methods_need_a_key_before_anything_is_sent(make_driver: Any, key: Any) -> None:
    driver = make_driver(apiKey=key).ready()
    for name, args in (
        ("fetch_open_orders", ()),
        ("fetch_positions", ()),
        ("create_order", ("BTC/USDT", "market", "buy", 1)),
        ("cancel_order", ("11",)),
    ):
        with pytest.raises(ccxt.AuthenticationError):
            driver.call(name, *args)
    assert driver.gateway.routes == []


@pytest.mark.parametrize(
    "key", ["the-key\n", "a\r\nx-evil: 1", "schl\u00fcssel", "a\x00b", "the-key\u2028", " the-key"]
)
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(make_driver: Any, key: str) -> None:
    driver = make_driver(apiKey=key)
    with pytest.raises(ccxt.AuthenticationError, match="apiKey") as raised:
        driver.call("load_markets")

    assert key.strip() not in str(raised.value)
    assert raised.value.__cause__ is None
    assert driver.gateway.routes == []


# -- account and strategy


@CLASSES
@pytest.mark.parametrize(
    "options, variables, expected",
    [
        ({}, {}, (None, None)),
        ({"account_id": 3, "strategy_id": 4}, {}, (3, 4)),
        ({"account_id": "3", "strategy_id": "4"}, {}, (3, 4)),
        ({"strategy_id": 0}, {}, (None, 0)),
        ({}, {"account_id": "5", "strategy_id": "6"}, (5, 6)),
        ({"account_id": 3, "strategy_id": 0}, {"account_id": "5", "strategy_id": "6"}, (3, 0)),
        ({"account_id": None}, {"account_id": "5"}, (5, None)),
    ],
    ids=str,
)
def test_account_and_strategy(
    cls: Any, environment: Any, options: dict[str, Any], variables: dict[str, str], expected: tuple[Any, Any]
) -> None:
    environment(**variables)
    exchange = cls({"options": options})

    assert (exchange.options["account_id"], exchange.options["strategy_id"]) == expected


@CLASSES
@pytest.mark.parametrize("name", ["account_id", "strategy_id"])
@pytest.mark.parametrize("value", ["x", -1, 1.5, True, "1.0", [], "\u0661"], ids=str)
def test_a_bad_id_is_refused_by_its_name(cls: Any, environment: Any, name: str, value: Any) -> None:
    with pytest.raises(ccxt.BadRequest, match=name):
        cls({"options": {name: value}})
    if isinstance(value, str):
        environment(**{name: value})
        with pytest.raises(ccxt.BadRequest, match=name):
            cls()


def test_account_zero_is_no_account() -> None:
    with pytest.raises(ccxt.BadRequest, match="account_id"):
        OmsCcxtExchange({"options": {"account_id": 0}})


@pytest.mark.parametrize(
    "name, args",
    [
        ("load_markets", ()),
        ("fetch_ticker", ("BTC/USDT",)),
        ("fetch_balance", ()),
        ("fetch_open_orders", ()),
        ("fetch_closed_orders", ()),
        ("fetch_my_trades", ()),
        ("fetch_positions", ()),
        ("fetch_order", ("11",)),
        ("cancel_order", ("11",)),
        ("edit_order", ("11", "BTC/USDT", "limit", "buy", 1, 1)),
        ("create_order", ("BTC/USDT", "market", "buy", 1)),
    ],
)
@pytest.mark.parametrize("loaded", [False, True])
def test_an_account_is_required_before_any_request(
    make_driver: Any, name: str, args: tuple[Any, ...], loaded: bool
) -> None:
    driver: Driver = make_driver()
    if loaded:
        driver.ready()
        if name == "load_markets":
            return
    driver.exchange.options["account_id"] = None
    with pytest.raises(ccxt.ArgumentsRequired, match="account_id"):
        driver.call(name, *args)
    assert driver.gateway.routes == []


# -- the rest


@CLASSES
@pytest.mark.parametrize("value, expected", [("2.5", 2500), ("30", 30000), ("", 10000)])
def test_the_environments_timeout_is_in_seconds(
    cls: Any, environment: Any, value: str, expected: int
) -> None:
    environment(timeout=value)

    assert cls().timeout == expected
    assert cls({"timeout": 77}).timeout == 77


@CLASSES
@pytest.mark.parametrize("value", ["soon", "-1", "0", "nan", "inf"])
def test_a_bad_timeout_is_refused(cls: Any, environment: Any, value: str) -> None:
    environment(timeout=value)
    with pytest.raises(ccxt.BadRequest, match="CCXT_OMS_TIMEOUT"):
        cls()


@CLASSES
@pytest.mark.parametrize(
    "name", ["allow_money_movement", "allow_venue_orders", "guard_unknown", "share_markets"]
)
@pytest.mark.parametrize("value", ["false", "True", "", 0, 1, []], ids=repr)
def test_a_switch_is_true_or_false(cls: Any, name: str, value: Any) -> None:
    """The text "false" of an environment variable would else let orders and money past the OMS."""
    with pytest.raises(ccxt.BadRequest, match=f"{name}: expected True or False"):
        cls({"options": {"base_url": "embedded:", name: value}})


@CLASSES
def test_a_switch_of_none_is_one_that_was_not_given(cls: Any) -> None:
    exchange = cls({"options": {"base_url": GATEWAY, "guard_unknown": None, "allow_venue_orders": None}})
    with pytest.raises(ccxt.PermissionDenied):
        check("create_order", exchange.options, "oms")


@pytest.mark.parametrize(
    "config, error, text",
    [
        ({"timeout": "5000"}, ccxt.BadRequest, "timeout: expected milliseconds above 0, got '5000'"),
        (
            {"number": "float"},
            ccxt.BadRequest,
            "number: expected a function such as float or str, got 'float'",
        ),
        ({"timeout": 0}, ccxt.BadRequest, "timeout: "),
        ({"timeout": -1}, ccxt.BadRequest, "timeout: "),
        ({"timeout": True}, ccxt.BadRequest, "timeout: "),
        ({"timeout": float("nan")}, ccxt.BadRequest, "timeout: "),
        ({"cafile": "nowhere.pem"}, ccxt.BadRequest, "cafile: there is no file 'nowhere.pem'"),
        ({"apiKey": 12345678}, ccxt.AuthenticationError, "apiKey: expected a text, got int"),
        ({"options": {"oms": "oms"}}, ccxt.BadRequest, "oms: expected an EmbeddedOms, got 'oms'"),
        ({"options": {"oms": EmbeddedOms}}, ccxt.BadRequest, "oms: expected an EmbeddedOms"),
        (
            {"options": {"client_order_id_factory": "x"}},
            ccxt.BadRequest,
            "client_order_id_factory: expected a func",
        ),
    ],
    ids=repr,
)
@CLASSES
def test_what_nothing_could_use_is_refused_by_its_name(cls: Any, config: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        cls(config)
    assert "12345678" not in str(caught.value)


@CLASSES
def test_a_timeout_of_none_is_one_that_was_not_given(cls: Any, environment: Any) -> None:
    assert cls({"timeout": None}).timeout == 10_000
    environment(timeout="3")
    assert cls({"timeout": None}).timeout == 3000


@CLASSES
@pytest.mark.parametrize("name", ["secret", "password", "privateKey"])
def test_paper_trading_takes_no_venue_credentials(cls: Any, name: str) -> None:
    embedded = {"options": {"base_url": "embedded:"}}
    with pytest.raises(ccxt.AuthenticationError, match=name) as raised:
        cls({**embedded, name: "hunter2"})

    assert "hunter2" not in str(raised.value)
    assert cls({**embedded, name: ""}).urls["api"] == "embedded:"


@CLASSES
def test_the_embedded_oms_has_account_1_and_needs_no_key(cls: Any) -> None:
    exchange = cls({"options": {"base_url": "embedded:"}})

    assert exchange.options["account_id"] == 1
    assert exchange.requiredCredentials["apiKey"] is False
    assert exchange.check_required_credentials() is True


def test_urls_by_kind_of_endpoint_work_as_in_ccxt() -> None:
    urls = dict.fromkeys(("public", "market"), "http://read.test") | {"private": "http://trade.test"}
    exchange = OmsCcxtExchange({"apiKey": "k", "urls": {"api": urls}, "options": {"account_id": 1}})

    assert exchange.sign("healthz")["url"] == "http://read.test/healthz"
    assert exchange.sign("oms/accounts", "private")["url"] == "http://trade.test/oms/accounts"


# -- sign


def test_sign_fills_in_path_query_and_body() -> None:
    exchange = OmsCcxtExchange({"apiKey": "k", "options": {"base_url": GATEWAY}})
    read = exchange.sign(
        "oms/orders/{ids}", "private", "GET", {"ids": [1, 2], "strategy_id": 3, "cache": False, "x": None}
    )
    call = exchange.sign(
        "ccxt/{account_id}/{func}", "market", "POST", {"account_id": 1, "func": "a/../b?c", "args": []}
    )

    assert read["url"] == f"{GATEWAY}/oms/orders/1,2?strategy_id=3&cache=false"
    assert (read["method"], read["body"]) == ("GET", None)
    assert call["url"] == f"{GATEWAY}/ccxt/1/a%2F..%2Fb%3Fc"
    assert call["body"] == '{"args":[]}'


@pytest.mark.parametrize("path, method", [("oms/nowhere", "GET"), ("healthz", "POST"), ("", "GET")])
def test_what_is_no_endpoint_is_not_supported(path: str, method: str) -> None:
    with pytest.raises(ccxt.NotSupported):
        OmsCcxtExchange().sign(path, "public", method)


def test_a_path_parameter_is_required() -> None:
    with pytest.raises(ccxt.ArgumentsRequired, match="func"):
        OmsCcxtExchange({"apiKey": "k"}).sign("ccxt/{account_id}/{func}", "market", "POST", {"account_id": 1})


def test_every_endpoint_is_reachable_by_ccxts_implicit_methods(driver: Driver) -> None:
    driver.gateway.on("GET /oms/orders/11,12", {"items": []})
    driver.gateway.on("POST /oms/commands", {"results": []})

    assert driver.call("private_get_oms_orders_ids", {"ids": "11,12"}) == {"items": []}
    assert driver.call("privateGetOmsOrdersIds", {"ids": [11, 12]}) == {"items": []}
    assert driver.call("private_post_oms_commands", [{"command": "x"}]) == {"results": []}
    assert driver.gateway.sent[-1].body == [{"command": "x"}]


# -- a class that a program derives


def _describing(cls: Any, **told: Any) -> Any:
    def describe(self: Any) -> Any:
        return self.deep_extend(super(derived, self).describe(), told)

    derived = type("Derived", (cls,), {"describe": describe})
    return derived


@CLASSES
def test_a_class_that_describes_paper_trading_trades_nowhere_else(cls: Any, environment: Any) -> None:
    environment(base_url=GATEWAY, api_key="of the gateway", account_id="7", strategy_id="2")
    exchange = _describing(cls, options={"base_url": "embedded:", "account_id": 1})()
    assert (exchange.urls["api"], exchange.apiKey or None) == ("embedded:", None)  # of old an empty text
    assert (exchange.options["account_id"], exchange.options["strategy_id"]) == (1, 2)
    assert exchange.urls["test"] == "embedded:"


@CLASSES
def test_what_a_derived_class_describes_counts_as_given(cls: Any, environment: Any) -> None:
    environment(base_url="https://other.test", api_key="of the other", account_id="7", timeout="3")
    told: Any = {"urls": {"api": GATEWAY}, "apiKey": "described", "timeout": 1234, "options": {"retries": 1}}
    derived = _describing(cls, **told)
    exchange = derived()
    assert (exchange.urls["api"], exchange.apiKey, exchange.timeout) == (GATEWAY, "described", 1234)
    assert (exchange.options["account_id"], exchange.options["retries"]) == (7, 1)

    own = derived({"urls": {"api": "https://own.test"}, "apiKey": "own", "timeout": None, "options": None})
    assert (own.urls["api"], own.apiKey, own.timeout) == ("https://own.test", "own", 1234)
    assert own.options["retries"] == 1


@CLASSES
def test_a_derived_class_on_the_embedded_oms_needs_no_account(cls: Any) -> None:
    assert _describing(cls, options={"base_url": "embedded:"})().options["account_id"] == 1
    derived = _describing(cls, options={"base_url": "embedded:"}, secret="of a venue")
    with pytest.raises(ccxt.AuthenticationError, match="secret"):
        derived()


@CLASSES
def test_a_description_that_says_nothing_of_it_leaves_it_to_the_environment(
    cls: Any, environment: Any
) -> None:
    environment(base_url=GATEWAY, api_key="of the gateway", account_id="7")
    exchange = _describing(cls, name="mine", rateLimit=1, options={"defaultType": "swap"})()
    assert (exchange.urls["api"], exchange.apiKey, exchange.name) == (GATEWAY, "of the gateway", "mine")
    assert (exchange.options["account_id"], exchange.options["defaultType"]) == (7, "swap")


@CLASSES
def test_a_class_with_attributes_for_paper_trading_trades_nowhere_else(cls: Any, environment: Any) -> None:
    environment(base_url=GATEWAY, api_key="of the gateway", account_id="7", strategy_id="1")
    mixin = type("Mixin", (), {"options": {"base_url": "embedded:", "account_id": 3, "strategy_id": 2}})
    exchange = type("Derived", (mixin, cls), {})()
    assert (exchange.urls["api"], exchange.apiKey or None) == ("embedded:", None)
    assert (exchange.options["account_id"], exchange.options["strategy_id"]) == (3, 2)

    by_url = type("Derived", (cls,), {"urls": {"api": "embedded:"}})
    assert by_url().urls["api"] == "embedded:"
    assert (
        type("Further", (by_url,), {"urls": {"api": "https://own.test"}})().urls["api"] == "https://own.test"
    )
    with pytest.raises(ccxt.AuthenticationError, match="secret"):
        type("Derived", (by_url,), {"secret": "of a venue"})()


@CLASSES
def test_attributes_of_a_class_count_less_than_what_it_describes_or_is_given(
    cls: Any, environment: Any
) -> None:
    environment(base_url="https://other.test", api_key="of the other", account_id="7", timeout="3")
    attributes: Any = {
        "urls": {"api": "https://attribute.test"},
        "apiKey": "attribute",
        "timeout": 5,
        "options": {"retries": 1, "strategy_id": 2},
    }
    plain = type("Plain", (cls,), attributes)
    exchange = plain()
    assert (exchange.urls["api"], exchange.apiKey) == ("https://attribute.test", "attribute")
    assert (exchange.timeout, exchange.options["strategy_id"]) == (5, 2)

    described = _describing(plain, urls={"api": GATEWAY}, options={"retries": 0})()
    assert (described.urls["api"], described.apiKey) == (GATEWAY, "attribute")
    assert (described.options["retries"], described.options["strategy_id"]) == (0, 2)

    given = plain({"options": {"strategy_id": 3}, "apiKey": "given"})
    assert (given.options["strategy_id"], given.options["retries"], given.apiKey) == (3, 1, "given")
    assert attributes["options"] == {"retries": 1, "strategy_id": 2}


@CLASSES
@pytest.mark.parametrize("name, value", [("base_url", "embedded:"), ("oms", EmbeddedOms)])
def test_an_oms_that_is_named_too_late_is_told(cls: Any, name: str, value: Any) -> None:
    """Requests would go on to the gateway, where a program believes that it trades on paper."""
    exchange = cls({"urls": {"api": GATEWAY}, "apiKey": "a", "options": {"account_id": 1}})
    exchange.options[name] = value() if name == "oms" else value

    def ask() -> Any:
        found = exchange.private_get_oms_accounts()
        return found.send(None) if hasattr(found, "send") else found

    with pytest.raises(ccxt.BadRequest, match=f'"{name}".*{GATEWAY}.*constructor') as info:
        ask()
    assert info.value.outcome == "not_sent"


def test_options_that_say_the_same_or_nothing_change_nothing() -> None:
    exchange = OmsCcxtExchange({"options": {"base_url": "embedded:"}})
    for options in (
        {"account_id": 1, "base_url": "embedded:"},
        {"account_id": 1},
        {"account_id": 1, "base_url": None},
    ):
        exchange.options = options
        assert exchange.fetch_accounts()
    exchange.urls["api"] = exchange.options["base_url"] = "embedded:"
    assert exchange.fetch_accounts()
