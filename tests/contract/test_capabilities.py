"""`has` is true: what it promises a card has called, and what it does not have says so."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import ccxt
import ccxt.async_support
import pytest

from ccxt_driver import OmsCcxtExchange as BlockingExchange
from ccxt_driver.contract.endpoints import snake_case
from ccxt_driver.exchange.capabilities import CAPABILITIES, Source
from ccxt_driver.pro import OmsCcxtExchange
from tests.contract.cards import (  # noqa: F401
    account,
    changes,
    market_data,
    orders,
    positions,
    powers,
    reads,
    strategies,
)
from tests.helpers.contract_card import CARDS
from tests.helpers.contract_desk import Desk, Way, desk_of

pytestmark = pytest.mark.oldest

POWERS = [
    *("close_by", "merge_positions", "set_position_stops", "reassign", "reconcile", "fetch_reconcile_status"),
    *("fetch_strategies", "create_strategy", "can_execute_order", "set_allow_new_positions"),
    *("call_ccxt", "ccxt_commands", "fetch_orders_by_ids"),
]
COLOURS = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


@pytest.fixture
def desk(asynchronous: bool, loop: asyncio.AbstractEventLoop) -> Iterator[Desk]:
    with desk_of(Way(asynchronous, None, loop)) as made:
        made.ex.load_markets()
        yield made


@COLOURS
def test_every_method_that_has_promises_is_called_by_a_card(
    desk: Desk, asynchronous: bool, loop: asyncio.AbstractEventLoop
) -> None:
    called: set[str] = set()
    for card in CARDS.values():
        with desk_of(Way(asynchronous, None, loop)) as own:
            card.run(own)
            called |= {snake_case(name) for name in own.called}
    apart = (Source.FACT, Source.STREAM)  # streams have a suite of their own
    promised = {key for key, value in desk.ex.has.items() if value and CAPABILITIES.get(key) not in apart}
    assert sorted(key for key in promised if snake_case(key) not in called) == []
    assert sorted(name for name in POWERS if name not in called) == []
    assert desk.ex.has["createOrder"] is True  # and there were keys to look at
    assert len(promised) > 70


@COLOURS
def test_every_method_that_has_promises_is_there_in_both_spellings(desk: Desk) -> None:
    promised = [key for key, value in desk.ex.has.items() if value and CAPABILITIES.get(key) != Source.FACT]
    names = [*promised, *map(snake_case, promised)]
    assert [name for name in names if not callable(getattr(desk.ex.exchange, name, None))] == []
    assert len(promised) > 70


def _not_had(exchange: Any) -> list[str]:
    return [
        key for key, value in exchange.has.items() if not value and CAPABILITIES.get(key) is not Source.FACT
    ]


def _arguments(method: Any) -> dict[str, Any]:
    """Something for every parameter that has no default."""
    plausible = {
        "symbol": "BTC/USDT",
        "symbols": ["BTC/USDT"],
        "side": "buy",
        "type": "limit",
        "amount": 1,
        "price": 90,
        "triggerPrice": 95,
        "timeframe": "1m",
        "code": "USDT",
        "orders": [],
        "ids": ["1"],
        "cost": 10,
        "takeProfit": 120,
        "stopLoss": 80,
        "takeProfitPrice": 120,
        "stopLossPrice": 80,
        "trailingAmount": 5,
        "trailingPercent": 5,
    }
    return {
        name: plausible.get(name, "1")
        for name, parameter in inspect.signature(method).parameters.items()
        if name in plausible or parameter.default is parameter.empty
    }


@COLOURS
def test_every_method_that_has_denies_says_not_supported_and_does_nothing(desk: Desk) -> None:
    without_method, said = [], {}
    before = desk.state()
    for key in _not_had(desk.ex):
        method = getattr(desk.ex.exchange, snake_case(key), None)
        if method is None:
            without_method.append(key)
            continue
        try:
            said[key] = getattr(desk.ex, snake_case(key))(**_arguments(method))
        except Exception as error:  # noqa: BLE001  # what it is stands below
            said[key] = type(error)
        assert desk.state() == before, key
    assert {key: answer for key, answer in said.items() if answer is not ccxt.NotSupported} == {}
    # ccxt has no such method on any exchange: a misspelt name is an AttributeError, here as there.
    for key in without_method:
        assert not hasattr(ccxt.Exchange, snake_case(key)), key
        with pytest.raises(AttributeError):
            getattr(desk.ex, key)
    assert len(without_method) < 30
    assert len(said) > 60


def _streamed(value: Any) -> list[str]:
    """Keys of streams, and of requests over the socket, that `has` says so of."""
    has = OmsCcxtExchange().has
    return sorted(
        key
        for key, source in CAPABILITIES.items()
        if source is Source.STREAM and key in has and bool(has[key]) is value
    )


def test_every_stream_that_has_promises_is_a_method_of_its_own() -> None:
    """What they do, the suites of streams and of methods over the socket show."""
    bases = (ccxt.Exchange, ccxt.async_support.Exchange)
    for key in _streamed(True):
        method = getattr(OmsCcxtExchange, snake_case(key))
        assert inspect.iscoroutinefunction(method), key
        own = not any(vars(base).get(snake_case(key)) is method for base in bases)
        assert own or key.startswith("create"), key  # ccxt's own create_limit_order_ws calls ours
    assert len(_streamed(True)) > 60
    assert OmsCcxtExchange().has["ws"] is True
    assert OmsCcxtExchange().pro is True


@pytest.mark.parametrize("key", _streamed(False))
async def test_every_stream_that_has_denies_is_not_supported(key: str) -> None:
    async with OmsCcxtExchange({"timeout_on_exit": 0, "options": {"base_url": "embedded:"}}) as exchange:
        method = getattr(exchange, snake_case(key))
        with pytest.raises(ccxt.NotSupported):
            await method(**_arguments(method))


def test_the_blocking_class_has_no_streams() -> None:
    has = BlockingExchange().has
    assert [key for key, source in CAPABILITIES.items() if source is Source.STREAM and has.get(key)] == []
    assert not has["ws"]
