"""Every unified method has exactly ccxt's parameters: programs filter arguments by `inspect.signature`."""

from __future__ import annotations

import inspect
from typing import Any

import ccxt
import ccxt.async_support
import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange
from ccxt_driver.pro import OmsCcxtExchange as ProExchange

pytestmark = pytest.mark.oldest

OWN_POWERS = {
    # names that ccxt has too, with the parameters that the documentation of this package gives them
    "close_position",
}


def overridden(cls: type, base: type) -> list[str]:
    """Name the public methods that our classes define and ccxt's base has too."""
    ours = {
        name
        for klass in cls.__mro__
        if klass.__module__.startswith("ccxt_driver")
        for name, value in vars(klass).items()
        # An older ccxt writes the camelCase names into a class when it is used first.
        if inspect.isfunction(value) and not name.startswith("_") and name == name.lower()
    }
    return sorted(name for name in ours if inspect.isfunction(getattr(base, name, None)))


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]


PAIRS: list[tuple[type, type]] = [
    (OmsCcxtExchange, ccxt.Exchange),
    (AsyncOmsCcxtExchange, ccxt.async_support.Exchange),
]
CASES = [
    pytest.param(cls, base, name, id=f"{'async' if 'async' in base.__module__ else 'sync'}-{name}")
    for cls, base in PAIRS
    for name in overridden(cls, base)
]

# ccxt itself has two forms of these over the releases that we support.
CHANGED_IN_CCXT = {"request", "fetch2", "close", "sign"}

# ccxt has dropped it; as a parameter of the venue it still travels.
DROPPED_BY_CCXT = {"withdraw": "tag"}

# Its parameters have other names in each exchange of ccxt.
POSITIONAL_IN_CCXT = {"handle_errors"}


@pytest.mark.parametrize("cls, base, name", CASES)
def test_a_method_has_ccxts_parameters(cls: type, base: type, name: str) -> None:
    ours, theirs = parameters(getattr(cls, name)), parameters(getattr(base, name))

    theirs = [each for each in theirs if each[0] != DROPPED_BY_CCXT.get(name)]

    if name in POSITIONAL_IN_CCXT:
        assert [each[1:] for each in ours] == [each[1:] for each in theirs]
    elif name in CHANGED_IN_CCXT or name in OWN_POWERS:
        assert [each[0] for each in theirs if each[0] != "config"] == [
            each[0] for each in ours if each[0] in {other[0] for other in theirs} - {"config"}
        ]
    else:
        assert ours == theirs


def test_the_ten_methods_are_among_those_compared() -> None:
    for cls, base in PAIRS:
        assert {
            "create_order",
            "edit_order",
            "cancel_order",
            "fetch_order",
            "fetch_open_orders",
            "fetch_closed_orders",
            "fetch_my_trades",
            "fetch_positions",
            "fetch_balance",
            "fetch_ticker",
            "fetch_tickers",
            "fetch_markets",
            "fetch_currencies",
            "fetch_ohlcv",
            "fetch_order_book",
            "fetch_trades",
            "fetch_status",
            "fetch_time",
        } <= set(overridden(cls, base))


@pytest.mark.parametrize("name", overridden(*PAIRS[0]))
def test_both_colours_have_the_same_parameters(name: str) -> None:
    assert parameters(getattr(OmsCcxtExchange, name)) == parameters(getattr(AsyncOmsCcxtExchange, name))


@pytest.mark.parametrize("name", overridden(*PAIRS[0]))
def test_what_ccxt_awaits_is_awaited(name: str) -> None:
    theirs = inspect.iscoroutinefunction(getattr(ccxt.async_support.Exchange, name))

    assert inspect.iscoroutinefunction(getattr(AsyncOmsCcxtExchange, name)) == theirs
    assert not inspect.iscoroutinefunction(getattr(OmsCcxtExchange, name))


def _streamed() -> list[str]:
    names = [
        name for name in dir(ProExchange) if name.startswith(("watch_", "un_watch_")) or name.endswith("_ws")
    ]
    return [name for name in names if inspect.isfunction(getattr(ProExchange, name))]


@pytest.mark.parametrize("name", _streamed())
def test_streams_have_ccxts_parameters(name: str) -> None:
    """Those that ccxt's base class does not know have the parameters of their twin."""
    ours = parameters(getattr(ProExchange, name))
    theirs = getattr(ccxt.async_support.Exchange, name, None)
    twin = name.removesuffix("_ws")
    if theirs is None and name.endswith("_ws"):
        theirs = getattr(ProExchange, twin)
    if name == "watch_status":
        theirs = ccxt.async_support.Exchange.fetch_status
    if theirs is None and name.startswith("un_watch_"):  # on other exchanges: what is watched, and params
        assert [each[0] for each in ours][-1] == "params"
        watched = parameters(getattr(ProExchange, name.removeprefix("un_")))
        assert [each for each in watched if each[0] not in ("since", "limit")] == ours
        return
    assert ours == parameters(theirs), name


def test_streams_are_among_those_compared() -> None:
    assert {"watch_orders", "watch_balance", "un_watch_positions", "create_order_ws"} <= set(_streamed())
    assert len(_streamed()) > 60


@pytest.mark.parametrize("cls, base", PAIRS, ids=["sync", "async"])
def test_camel_case_names_are_the_same_methods(cls: Any, base: type) -> None:
    exchange = cls()

    assert exchange.createOrder.__func__ is cls.create_order
    assert exchange.fetchOHLCV.__func__ is cls.fetch_ohlcv
    assert exchange.fetchMyTrades.__func__ is cls.fetch_my_trades
