"""ccxt's own validators, out of its wheel, on both classes, in this process and over HTTP.

They are called as plain functions: ccxt's driver does not run on an installed ccxt. Spot and swap
each have an account where there is something of everything to look at, so that no list is empty.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ccxt
import pytest

from ccxt_driver.contract.endpoints import snake_case
from tests.helpers.contract_desk import HEDGE, NETTING, SPOT, SWAP, Desk, OmsOfTheCase, Way, desk_of
from tests.helpers.served import serve

FOLDER = Path(ccxt.__file__).parent / "test" / "exchange"
if not (FOLDER / "sync").is_dir():
    pytest.skip("this release of ccxt has no validators in its wheel", allow_module_level=True)

COLOURS = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
KINDS = pytest.mark.parametrize("kind", ["spot", "swap"])

METHODS: dict[str, str] = {
    "after_construct": "",
    "features": "",
    "fetch_accounts": "",
    "fetch_balance": "",
    "fetch_closed_orders": "symbol",
    "fetch_currencies": "",
    "fetch_funding_rate_history": "symbol",
    "fetch_l2_order_book": "symbol",
    "fetch_ledger": "code",
    "fetch_leverage_tiers": "symbol",
    "fetch_margin_mode": "symbol",
    "fetch_market_leverage_tiers": "symbol",
    "fetch_my_trades": "symbol",
    "fetch_ohlcv": "symbol",
    "fetch_open_orders": "symbol",
    "fetch_order_book": "symbol",
    "fetch_order_books": "",
    "fetch_orders": "symbol",
    "fetch_positions": "symbol",
    "fetch_status": "",
    "fetch_ticker": "symbol",
    "fetch_tickers": "symbol",
    "fetch_trades": "symbol",
    "fetch_trading_fee": "symbol",
    "fetch_trading_fees": "",
    "load_markets": "",
    "sign_in": "",
}
"""Validators that run, and the argument that each wants."""

UNFIT = {
    "create_order": "cannot run in Python (text plus number, no await); see test_orders_of_every_method",
    "fetch_margin_modes": "asserts a list where every exchange of ccxt gives a dict by symbol",
    "fetch_markets": "asserts a dict where ccxt's own method gives a list; load_markets looks at each market",
    "proxies": "talks to a proxy of ccxt's on the internet",
}
"""Validators that cannot run on any exchange, and why."""

SWAP_ONLY = {
    "fetch_funding_rate_history": "spot markets have no funding",
    "fetch_leverage_tiers": "spot markets have no leverage",
    "fetch_margin_mode": "nor margin",
    "fetch_market_leverage_tiers": "nor tiers",
}

NULLS_OF_SPOT = ["collateral", "leverage", "marginMode", "percentage"]
"""What a position in coins does not have; the validator expects it of every position."""

Validator = Callable[..., Any]


def validator(colour: str, name: str) -> Validator:
    """A function of ccxt's; its module puts a folder on the path, which is taken off again."""
    before = list(sys.path)
    try:
        module = importlib.import_module(f"ccxt.test.exchange.{colour}.test_{name}")
    finally:
        sys.path[:] = before
    found = getattr(module, f"test_{name}", None)
    return found if callable(found) else module  # type: ignore[return-value]


@dataclass
class Stage:
    """A desk where everything has happened once, for one kind of market."""

    desk: Desk
    ex: Any
    symbol: str
    kind: str

    @property
    def skipped(self) -> dict[str, Any]:
        """Properties that the validators are told not to look at."""
        return {"allowNull": NULLS_OF_SPOT} if self.kind == "spot" else {}

    def validate(self, name: str) -> None:
        """Run the validator of a method."""
        colour = "async" if self.desk.way.asynchronous else "sync"
        arguments = {"": [], "symbol": [self.symbol], "code": ["USDT"]}[METHODS[name]]
        result = validator(colour, name)(self.ex.exchange, self.skipped, *arguments)
        if asyncio.iscoroutine(result):
            self.desk.way.run(result)

    def fits(self, name: str) -> bool:
        """Whether a method means something for this kind of market."""
        return self.kind == "swap" or name not in SWAP_ONLY


def stage_of(desk: Desk, kind: str) -> Stage:
    """Fills, a cancelled order, open and waiting ones, and a position; all of one kind on one account."""
    symbol = SPOT if kind == "spot" else SWAP
    ex = desk.exchange(NETTING if kind == "spot" else HEDGE)
    ex.exchange.milliseconds = desk.oms.now_ms
    ex.load_markets()
    ex.create_order(symbol, "market", "buy", 2)
    desk.advance(1000)
    ex.create_order(symbol, "limit", "sell", 1, 105)
    desk.price(symbol, 105, 106, size="0.5")
    desk.advance(1000)
    desk.price(symbol, 104, 106)
    ex.cancel_order(ex.create_order(symbol, "limit", "buy", 1, 90)["id"])
    ex.create_order(symbol, "limit", "buy", 1, 91, {"postOnly": True})
    ex.create_stop_loss_order(symbol, "market", "sell", 1, None, 80, {"reduceOnly": True})
    return Stage(desk, ex, symbol, kind)


@pytest.fixture
def stage(asynchronous: bool, kind: str, loop: asyncio.AbstractEventLoop) -> Iterator[Stage]:
    with desk_of(Way(asynchronous, None, loop)) as desk:
        yield stage_of(desk, kind)


@KINDS
@COLOURS
@pytest.mark.parametrize("name", METHODS)
def test_in_process(name: str, stage: Stage) -> None:
    if not stage.fits(name):
        assert stage.ex.fetch_leverage_tiers([stage.symbol]) == {}
        return
    stage.validate(name)


@pytest.mark.sockets
@KINDS
@COLOURS
def test_over_http(kind: str, asynchronous: bool, loop: asyncio.AbstractEventLoop) -> None:
    oms = OmsOfTheCase()
    with serve(oms) as served, desk_of(Way(asynchronous, served.base_url, loop), oms) as desk:  # type: ignore[arg-type]
        stage = stage_of(desk, kind)
        for name in METHODS:
            if stage.fits(name):
                stage.validate(name)


@KINDS
@COLOURS
def test_orders_of_every_method(stage: Stage) -> None:
    """ccxt's createOrder validator cannot run: here its order validator looks at every order we give."""
    ex, symbol, desk = stage.ex, stage.symbol, stage.desk
    resting = ex.create_order(symbol, "limit", "buy", 1, 90)
    orders = [
        resting,
        ex.create_order(symbol, "market", "sell", 1),
        ex.edit_order(resting["id"], symbol, "limit", "buy", 2, 89),
        ex.fetch_order(resting["id"], symbol),
        ex.fetch_open_order(resting["id"], symbol),
        ex.cancel_order(resting["id"], symbol),
        ex.fetch_closed_order(resting["id"], symbol),
        *ex.fetch_canceled_orders(symbol),
        *ex.fetch_canceled_and_closed_orders(symbol),
        *ex.cancel_all_orders(symbol),
    ]
    order_of_a_close = ex.close_position(symbol, "long", {"amount": "0.5"})
    look = validator("base", "order")
    for order in [*orders, order_of_a_close]:
        look(ex.exchange, {}, "orders", order, symbol, desk.oms.now_ms())
    assert len(orders) > 12
    trades = ex.fetch_order_trades(orders[1]["id"], symbol)
    assert trades
    for trade in trades:
        validator("base", "trade")(
            ex.exchange, {}, "fetchOrderTrades", trade, symbol, desk.oms.now_ms(), False
        )


@KINDS
@COLOURS
def test_positions_of_every_method(stage: Stage) -> None:
    ex, symbol = stage.ex, stage.symbol
    positions = [ex.fetch_position(symbol), *ex.fetch_positions_for_symbol(symbol)]
    assert len(positions) > 1
    for position in positions:
        now = stage.desk.oms.now_ms()
        validator("base", "position")(ex.exchange, stage.skipped, "positions", position, symbol, now)


@pytest.mark.parametrize("asynchronous", [False])
@pytest.mark.parametrize("kind", ["swap"])
def test_nothing_that_could_be_validated_is_left_out(stage: Stage) -> None:
    has = {snake_case(key) for key, value in stage.ex.has.items() if value}
    names = {path.stem.removeprefix("test_") for path in (FOLDER / "sync").glob("test_*.py")}
    assert {*METHODS, *UNFIT} <= names
    assert sorted((names & has) - METHODS.keys() - UNFIT.keys()) == []
    assert not UNFIT.keys() & METHODS.keys()
