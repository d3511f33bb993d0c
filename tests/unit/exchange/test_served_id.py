"""Under another exchange's id: nothing that a program has for the venue is stored, sent or logged."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest

import ccxt_driver
from ccxt_driver import OmsCcxtExchange, OmsCcxtProExchange, profiles
from ccxt_driver.exchange.served_id import CREDENTIALS
from tests.helpers.gateway_stub import Gateway
from tests.helpers.loopback_server import LoopbackServer, serving
from tests.helpers.oms_rows import order_row

pytestmark = pytest.mark.oldest

VENUE = "venue-credential-0123456789"
ORDER = ("BTC/USDT", "limit", "buy", 2, 100)
CLASSES = pytest.mark.parametrize(
    "make", [lambda: ccxt.binance, lambda: ccxt.pro.binance], ids=["sync", "async"]
)
Make = Callable[[], Any]


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    ccxt_driver.register(alias=["binance"])
    yield
    ccxt_driver.unregister()


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCXT_OMS_BASE_URL", "embedded:")


def _everything(exchange: Any) -> str:
    seen = {name: value for name, value in vars(exchange).items() if name != "logger"}
    return repr(seen) + repr([getattr(exchange, name) for name in CREDENTIALS])


def _config() -> dict[str, Any]:
    return {
        **dict.fromkeys(CREDENTIALS, VENUE),
        "api_secret": VENUE,
        "headers": {"X-MBX-APIKEY": VENUE},
        "urls": {"api": {"public": "https://api.binance.example"}},
        "hostname": "binance.example",
        "name": "Binance",
        "requiredCredentials": {"secret": True},
        "options": {
            "defaultType": "margin",
            "recvWindow": 10_000,
            "apiSecret": VENUE,
            "accounts": [{"type": "spot", "api_key": VENUE, "password": VENUE}],
            "sandbox": {"enabled": True, "apiKey": VENUE},
            "ws": {"options": {"headers": {"Cookie": VENUE}}},
        },
        "proxyUrl": f"https://proxy.example/{VENUE}?",
        "session": SimpleNamespace(headers={"X-MBX-APIKEY": VENUE}),
    }


@CLASSES
@pytest.mark.usefixtures("paper")
def test_credentials_are_never_stored(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    config = _config()
    exchange = make()(config)
    for name in (*CREDENTIALS, "headers"):
        setattr(exchange, name, {"Authorization": VENUE} if name == "headers" else VENUE)
    exchange.options["secretKey"] = VENUE
    exchange.options.update(privateKey=VENUE)
    exchange.options |= {"passphrase": VENUE}
    exchange.options.setdefault("token", VENUE)
    exchange.options["nested"] = {"deep": {"apiKey": VENUE, "kept": 1}}

    assert VENUE not in _everything(exchange)
    assert VENUE not in caplog.text
    assert "apiKey" in caplog.text  # that there were some is said
    assert VENUE.encode() not in pickle.dumps(exchange)
    assert config == _config()
    assert exchange.options["defaultType"] == "margin"
    assert exchange.options["nested"] == {"deep": {"kept": 1}}
    vars(exchange).update(apiKey=VENUE, secret=VENUE)
    assert not exchange.apiKey
    assert not exchange.secret
    exchange.options = {"secret": VENUE, "defaultType": "spot"}
    assert exchange.options == {"defaultType": "spot"}


@CLASSES
@pytest.mark.usefixtures("paper")
def test_a_subclass_of_the_programs_own_has_them_as_little(make: Make) -> None:
    class Mixin:
        privateKey = VENUE  # noqa: N815  # the name is ccxt's
        urls: Any = {"api": "https://api.binance.example"}  # noqa: RUF012

    class Own(Mixin, make()):  # type: ignore[misc]
        apiKey = VENUE  # noqa: N815
        headers = {"X-MBX-APIKEY": VENUE}  # noqa: RUF012

        @property
        def secret(self) -> str:
            return VENUE

        def describe(self) -> Any:
            own = {"apiKey": VENUE, "headers": {"h": VENUE}, "urls": {"api": {"public": VENUE}}}
            return self.deep_extend(super().describe(), own, {"options": {"secret": VENUE}})

    exchange = Own()

    assert VENUE not in _everything(exchange) + repr([exchange.headers, exchange.urls, exchange.secret])
    assert exchange.urls["api"] == "embedded:"


@CLASSES
@pytest.mark.usefixtures("paper")
def test_it_says_what_it_is(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ccxt_driver")
    exchange = make()(_config())

    assert "binance is PAPER trading on embedded:" in caplog.text
    assert (exchange.id, exchange.name) == ("binance", "OMS (PAPER) as binance")
    assert exchange.describe()["alias"] is True
    assert exchange.check_required_credentials() is True
    assert isinstance(exchange, OmsCcxtExchange | OmsCcxtProExchange)
    assert str(exchange) == "OMS (PAPER) as binance"
    parent = type(exchange).__mro__[1]()  # what programs that list exchanges make of a class with an alias
    assert parent.id == "oms"


@CLASSES
@pytest.mark.usefixtures("paper")
def test_requests_go_nowhere_else(make: Make) -> None:
    exchange = make()(_config())
    exchange.urls["api"] = "https://testnet.binance.test"
    exchange.urls = {"api": "https://testnet.binance.test"}
    exchange.urls.update(api="https://testnet.binance.test")
    exchange.urls |= {"api": "https://testnet.binance.test"}
    exchange.urls.pop("api")
    exchange.urls.setdefault("demo", "https://demo.binance.test")
    exchange.hostname = "binance.test"

    assert exchange.urls["api"] == exchange.urls["test"] == "embedded:"


@CLASSES
@pytest.mark.usefixtures("paper")
def test_the_sandbox_may_be_switched_on_right_after_construction(make: Make) -> None:
    exchange = make()({"secret": VENUE})
    for switch in (exchange.set_sandbox_mode, exchange.setSandboxMode, exchange.enable_demo_trading):
        switch(True)
        assert exchange.isSandboxModeEnabled is True
        assert exchange.urls["api"] == "embedded:"
        switch(False)
    for config in ({"sandbox": True}, {"options": {"sandbox": True}}, {"options": {"testnet": True}}):
        assert make()(config).isSandboxModeEnabled is True


@CLASSES
def test_without_any_configuration_it_refuses_to_start(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCXT_OMS_OVERRIDE_EXCHANGES", "binance")
    monkeypatch.setenv("CCXT_OMS_ACCOUNT_ID", "1")
    with pytest.raises(ccxt.ArgumentsRequired, match="CCXT_OMS_BASE_URL") as raised:
        make()({"apiKey": VENUE, "urls": {"api": "https://api.binance.example"}})

    assert VENUE not in str(raised.value)


@CLASSES
def test_a_live_gateway_without_a_sandbox_refuses_it(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCXT_OMS_BASE_URL", "http://gateway.test")
    with pytest.raises(ccxt.NotSupported, match="sandbox"):
        make()().set_sandbox_mode(True)
    with pytest.raises(ccxt.NotSupported, match="sandbox"):
        make()({"options": {"sandbox": True}})


def _turn_to_the_venues_testnet(exchange: Any, how: str) -> None:
    """Do as programs did before there was `set_sandbox_mode`."""
    if how == "test":
        exchange.urls["api"] = exchange.urls["test"]
    elif how == "address":
        exchange.urls["api"] = {"public": "https://testnet.binance.vision/api"}
    elif how == "update":
        exchange.urls.update(api="https://demo-api.binance.com")
    else:
        exchange.urls = {**exchange.urls, "api": "https://testnet.binance.vision"}


@CLASSES
@pytest.mark.parametrize("how", ["test", "address", "update", "assign"])
def test_a_program_that_takes_the_testnets_address_does_not_stay_live_unnoticed(
    make: Make, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCXT_OMS_BASE_URL", "http://gateway.test")
    exchange = make()()
    for each in (exchange, copy.deepcopy(exchange), pickle.loads(pickle.dumps(exchange))):
        with pytest.raises(ccxt.NotSupported, match="set_sandbox_mode"):
            _turn_to_the_venues_testnet(each, how)
        each.urls.update(each.urls)  # means nothing
        assert each.urls["api"] == "http://gateway.test"
    monkeypatch.setenv("CCXT_OMS_BASE_URL", "embedded:")
    paper = make()()
    _turn_to_the_venues_testnet(paper, how)

    assert paper.urls["api"] == "embedded:"


@CLASSES
@pytest.mark.parametrize(
    "config",
    [
        {"urls": {"api": {"public": "https://testnet.binance.vision/api"}}},
        {"urls": {"api": "https://demo-api.binance.com"}},
        {"urls": "https://testnet.binance.vision"},
        {"hostname": "testnet.binance.vision"},
    ],
    ids=["urls", "url", "no-urls", "hostname"],
)
def test_the_testnets_address_in_the_constructor_is_a_wish_for_the_sandbox(
    make: Make, config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCXT_OMS_BASE_URL", "http://gateway.test")
    with pytest.raises(ccxt.NotSupported, match="sandbox"):
        make()(config)
    monkeypatch.setenv("CCXT_OMS_BASE_URL", "embedded:")

    assert make()(config).isSandboxModeEnabled is True


@CLASSES
@pytest.mark.parametrize("by_option", [False, True])
def test_the_sandbox_of_a_profile(
    make: Make, by_option: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with profiles.changing() as content:
        content["chosen"] = "live"
        content["profiles"] = {
            "live": {"base_url": "http://live.test", "account_id": 7, "api_key": "live-key", "sandbox": "t"},
            "t": {"base_url": "http://test.test", "account_id": 9, "api_key": "test-key"},
        }
    exchange = make()({"apiKey": VENUE, "options": {"sandbox": True} if by_option else {}})
    if not by_option:
        assert (exchange.urls["api"], exchange.apiKey) == ("http://live.test", "live-key")
        exchange.set_sandbox_mode(True)

    assert (exchange.urls["api"], exchange.apiKey) == ("http://test.test", "test-key")
    assert exchange.options["account_id"] == 9
    exchange.urls["api"] = exchange.urls["test"]  # it is there already
    assert exchange.urls["api"] == "http://test.test"
    exchange.set_sandbox_mode(False)
    assert (exchange.urls["api"], exchange.apiKey) == ("http://live.test", "live-key")
    assert exchange.options["account_id"] == 7


@CLASSES
@pytest.mark.usefixtures("paper")
def test_a_sandbox_of_the_programs_own_gets_no_key_of_the_program(make: Make) -> None:
    exchange = make()()
    exchange.options["sandbox"] = {"base_url": "http://test.test", "apiKey": VENUE}
    exchange.set_sandbox_mode(True)

    assert not exchange.apiKey
    assert VENUE not in _everything(exchange)


@CLASSES
@pytest.mark.usefixtures("paper")
def test_copies_are_as_careful(make: Make) -> None:
    exchange = make()({"options": {"defaultType": "spot"}})
    for twin in (copy.deepcopy(exchange), copy.copy(exchange), pickle.loads(pickle.dumps(exchange))):
        twin.urls["api"] = "https://api.binance.test"
        twin.options["secret"] = VENUE
        twin.apiKey = VENUE
        assert type(twin) is type(exchange)
        assert twin.urls["api"] == "embedded:"
        assert twin.options["defaultType"] == "spot"
        assert VENUE not in _everything(twin)


PERPETUAL = "BTC/USDT:USDT"


@CLASSES
@pytest.mark.usefixtures("paper")
def test_a_symbol_means_what_it_means_on_the_exchange(make: Make) -> None:
    """As the installed release of ccxt has it: of old `future` meant what `swap` means now."""
    markets = _markets_of_one_id()
    for options in ({}, *({"defaultType": kind} for kind in ("spot", "swap", "future", "linear"))):
        ours, theirs = make()({"options": options}), make().replaced({"options": options})
        for exchange in (ours, theirs):
            exchange.set_markets(copy.deepcopy(markets))
        for symbol in ("BTC/USDT", PERPETUAL, "BTCUSDT"):
            assert ours.market(symbol)["symbol"] == theirs.market(symbol)["symbol"], (options, symbol)
        for unknown in ("X/Y", "BTC-C", None, 1):
            with pytest.raises((ccxt.BadSymbol, ccxt.ArgumentsRequired)):
                ours.market(unknown)


def _markets_of_one_id() -> list[dict[str, Any]]:
    """Markets of one id, as those of Binance are."""
    made = OmsCcxtExchange({"options": {"base_url": "embedded:"}})
    chosen = [made.load_markets()[symbol] for symbol in ("BTC/USDT", PERPETUAL)]
    return [{**market, "id": "BTCUSDT"} for market in chosen]


@pytest.mark.usefixtures("paper")
def test_a_program_for_perpetuals_trades_no_coins() -> None:
    real = ccxt.binance({"options": {"defaultType": "future"}})
    real.set_markets(_markets_of_one_id())
    # Of old `future` means the perpetual, and to the id it makes no difference.
    kind = "future" if real.market("BTC/USDT")["swap"] else "swap"
    ccxt_driver.register(alias=["binance", "binanceusdm", "bybit"])
    coins = OmsCcxtExchange({"options": {"base_url": "embedded:"}}).fetch_balance()["BTC"]["total"]
    made = [ccxt.binance({"options": {"defaultType": kind}})]
    for exchange in [*made, ccxt.binanceusdm()] if kind == "swap" else made:
        exchange.load_markets()
        assert exchange.market("BTC/USDT")["symbol"] == PERPETUAL
        assert exchange.set_leverage(5, "BTC/USDT")["symbol"] == PERPETUAL
        order = exchange.create_order("BTC/USDT", "market", "sell", 0.01)
        assert (order["symbol"], order["side"]) == (PERPETUAL, "sell")
        assert [each["side"] for each in exchange.fetch_positions(["BTC/USDT"])] == ["short"]
        assert exchange.fetch_ticker("BTC/USDT")["symbol"] == PERPETUAL
        assert exchange.fetch_order(order["id"], "BTC/USDT")["id"] == order["id"]
        assert [each["order"] for each in exchange.fetch_my_trades("BTC/USDT")][-1] == order["id"]
        exchange.close_position("BTC/USDT")
        assert exchange.fetch_balance()["BTC"]["total"] == coins

    made[0].set_markets(_markets_of_one_id()[:1])
    with pytest.raises(ccxt.BadSymbol, match=f"BTC/USDT: options.defaultType {kind} makes a contract of it"):
        made[0].create_order("BTC/USDT", "market", "sell", 0.01)

    bybit = ccxt.bybit()
    bybit.set_markets(_markets_of_one_id())
    assert (bybit.options["defaultType"], bybit.market("BTCUSDT")["symbol"]) == ("swap", PERPETUAL)
    assert bybit.market("BTC/USDT")["spot"]


@pytest.mark.sockets
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_only_the_environments_key_is_sent(
    is_async: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def seen(server: LoopbackServer) -> str:
        return json.dumps([[dict(sent.headers), sent.body, sent.path] for sent in server.gateway.sent])

    with serving(Gateway()) as server:
        server.gateway.on("GET /oms/orders/open", {"items": []})
        server.gateway.on_command(order=order_row(), deals=[], positions=[])
        server.gateway.on("POST /ccxt/1/fetch_ticker", {"ok": True, "result": {"symbol": "BTC/USDT"}})
        monkeypatch.setenv("CCXT_OMS_BASE_URL", server.url)
        monkeypatch.setenv("CCXT_OMS_API_KEY", "key-of-the-oms-0123456789")
        monkeypatch.setenv("CCXT_OMS_ACCOUNT_ID", "1")
        if is_async:

            async def ask() -> None:
                exchange: Any = ccxt.async_support.binance({**_config(), "verbose": True})
                exchange.apiKey, exchange.headers = VENUE, {"X-MBX-APIKEY": VENUE}
                exchange.proxy_url = f"https://proxy.test/{VENUE}?"
                await exchange.fetch_open_orders()
                await exchange.create_order(*ORDER, {"secret": VENUE, "nested": [{"apiKey": VENUE}]})
                await exchange.fetch_ticker("BTC/USDT", {"walletAddress": VENUE})
                await exchange.close()

            asyncio.run(ask())
        else:
            exchange: Any = ccxt.binance({**_config(), "verbose": True})
            exchange.apiKey, exchange.headers = VENUE, {"X-MBX-APIKEY": VENUE}
            exchange.proxy_url = f"https://proxy.test/{VENUE}?"
            exchange.fetch_open_orders()
            exchange.create_order(*ORDER, {"secret": VENUE, "nested": [{"apiKey": VENUE}]})
            exchange.fetch_ticker("BTC/USDT", {"walletAddress": VENUE})
            exchange.close()
        assert VENUE not in seen(server)
        assert "key-of-the-oms-0123456789" in seen(server)
    assert VENUE not in "".join(capsys.readouterr())


@pytest.mark.usefixtures("paper")
def test_what_a_venue_can_do_is_asked_of_the_real_class() -> None:
    description = ccxt.oms.local_description("ccxt.binance")  # type: ignore[attr-defined]

    assert description["name"] == "Binance"
    assert ccxt.oms.local_description("ccxt.oms") is None  # type: ignore[attr-defined]


@CLASSES
@pytest.mark.usefixtures("paper")
def test_what_a_derived_class_describes_of_the_venue_is_discarded(make: Make) -> None:
    told = {**_config(), "options": {**_config()["options"], "account_id": 3}}

    def describe(self: Any) -> Any:
        return self.deep_extend(super(derived, self).describe(), told)

    derived = type("Derived", (make(),), {"describe": describe})
    exchange = derived()
    assert (exchange.urls["api"], exchange.apiKey, exchange.secret) == ("embedded:", None, None)
    assert exchange.options["account_id"] == 3
    assert exchange.options["defaultType"] == "margin"
    assert VENUE not in json.dumps(dict(exchange.options), default=str)


@CLASSES
def test_a_derived_class_may_say_which_oms_it_is(make: Make) -> None:
    def describe(self: Any) -> Any:
        return self.deep_extend(super(derived, self).describe(), {"options": {"base_url": "embedded:"}})

    derived = type("Derived", (make(),), {"describe": describe})
    assert derived().urls["api"] == "embedded:"
