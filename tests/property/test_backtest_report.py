"""Random trading against what must always be true of the numbers of a report."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccxt_driver.backtest.report.analysis import analyse
from ccxt_driver.backtest.report.statistics import summarise
from ccxt_driver.backtest.run import Prices, Run
from ccxt_driver.oms import EmbeddedOms
from tests.helpers.backtest_runs import CROSS, HOUR, SPOT, SWAP, rows_of, run_of
from tests.helpers.examples import examples

NETTING, HEDGE, BY_STRATEGY = 1, 2, 3
START = {SPOT: 100, SWAP: 100, CROSS: 100}
BALANCES = {"USDT": "15000"}

moves = st.tuples(st.just("price"), st.sampled_from([SPOT, SWAP, CROSS]), st.integers(80, 120))
waits = st.tuples(st.just("wait"), st.sampled_from([1, 60_000, HOUR, 9 * HOUR]), st.none())


def orders(symbols: list[str], quantities: list[str]) -> st.SearchStrategy[Any]:
    """Of two strategies, at the market or resting."""
    fields = st.tuples(
        st.sampled_from(["buy", "sell"]),
        st.sampled_from(quantities),
        st.sampled_from([1, 2]),
        st.sampled_from([None, None, 95, 105]),
    )
    return st.tuples(st.just("order"), st.sampled_from(symbols), fields)


def scripts(*symbols: str) -> st.SearchStrategy[list[Any]]:
    """Trading that may begin with a swap that is large enough to be liquidated."""
    small = orders([*symbols], ["1", "2", "5", "90"])
    steps = st.lists(st.one_of(moves, waits, small, small, small), min_size=6, max_size=30)
    first = st.lists(orders([SWAP], ["1000"]), max_size=1)
    return st.tuples(first, steps).map(lambda parts: parts[0] + parts[1])


class World:
    """An OMS with prices set by hand, which are written down as a run has them."""

    def __init__(self, account: int, balances: dict[str, str]) -> None:
        modes = {NETTING: "netting", HEDGE: "hedge", BY_STRATEGY: "strategy_netting"}
        accounts = [{"account_id": account, "position_mode": modes[account], "balances": balances}]
        self.oms = EmbeddedOms(accounts=accounts, clock="manual")
        self.account = account
        self.start_ms = self.oms.now_ms()
        self.prices: dict[str, Prices] = {symbol: Prices([], []) for symbol in START}
        for symbol, price in START.items():
            self.price(symbol, price)

    def price(self, symbol: str, price: int) -> None:
        """Set a price; that of the cross is a hundredth of it."""
        unit = Decimal("0.01") if symbol == CROSS else Decimal(1)
        exact = price * unit
        self.oms.set_price(symbol, bid=exact, ask=exact + unit, last=exact)
        times, values = self.prices[symbol]
        times.append(self.oms.now_ms())  # type: ignore[attr-defined]
        values.append(float(exact))  # type: ignore[attr-defined]

    def command(self, command: str, **payload: Any) -> None:
        body = {"account_id": self.account, "command": command, "payload": payload}
        self.oms.handle("commands", {}, {}, body)  # a refusal is as good as anything

    def order(self, symbol: str, side: str, qty: str, strategy: int, price: int | None) -> None:
        kind = {"order_type": "market"} if price is None else {"order_type": "limit", "price": str(price)}
        self.command("send_order", symbol=symbol, side=side, qty=qty, strategy_id=strategy, **kind)

    def play(self, script: list[Any]) -> None:
        for kind, what, how in script:
            if kind == "price":
                self.price(what, how)
            elif kind == "wait":
                self.oms.advance(what)
            else:
                self.order(what, *how)

    def close_all(self) -> None:
        self.command("cancel_all_orders")
        for row in self.open_positions():
            self.command("close_position", position_id=row["id"], strategy_id=row["strategy_id"])

    def open_positions(self) -> list[dict[str, Any]]:
        rows = rows_of(self.oms, "positions_history", self.account)
        return [row for row in rows if row["state"] in ("open", "close_requested")]

    def run(self) -> Run:
        return run_of(self.oms, self.start_ms, self.prices, account_id=self.account)

    def worth(self) -> Decimal:
        """Balances of the venue and profit of open swaps, at the last prices."""
        last = {symbol: Decimal(repr(prices.values[-1])) for symbol, prices in self.prices.items()}
        rates = {"USDT": Decimal(1), "BTC": last[SPOT], "ETH": last[CROSS] * last[SPOT]}
        body = {"args": [], "kwargs": {}}
        path = {"account_id": str(self.account), "func": "fetch_balance"}
        reply = self.oms.handle("ccxt_call", path, {}, body)
        total = sum(
            Decimal(row["total"]) * rates.get(row["currency"], Decimal(0))
            for row in reply.body["result"]["info"]["balances"]
        )
        swaps = [row for row in self.open_positions() if row["symbol"] == SWAP]
        return total + sum(Decimal(row["unrealized_pnl"]) for row in swaps)


@pytest.mark.parametrize("account", [NETTING, HEDGE, BY_STRATEGY])
@examples(25)
@given(script=scripts(SPOT, SWAP, CROSS))
def test_equity_at_the_end_is_what_is_held_at_the_last_prices(account: int, script: list[Any]) -> None:
    world = World(account, BALANCES | {"BTC": "3", "ETH": "4"})
    world.play(script)

    analysis = analyse(world.run())

    assert analysis.account.end == world.worth()
    curve = analysis.account.curve
    assert curve.equity[-1] == pytest.approx(float(analysis.account.end), rel=1e-12)
    assert curve.equity[0] == pytest.approx(float(analysis.account.start), rel=1e-12)


@pytest.mark.parametrize("account", [NETTING, HEDGE, BY_STRATEGY])
@examples(25)
@given(script=scripts(SPOT, SWAP, CROSS))
def test_symbols_and_strategies_add_up_to_the_account(account: int, script: list[Any]) -> None:
    world = World(account, BALANCES)
    world.play(script)

    summary = summarise(analyse(world.run()))

    for parts in (summary.strategies, summary.symbols):
        for name in ("net_profit", "fees", "funding", "turnover", "orders", "deals", "round_trips"):
            assert sum(getattr(part, name) for part in parts.values()) == getattr(summary.total, name), name


@pytest.mark.parametrize("account", [NETTING, HEDGE, BY_STRATEGY])
@examples(25)
@given(script=scripts(SPOT, SWAP, CROSS))
def test_what_trading_did_not_make_is_what_coins_of_the_start_made(account: int, script: list[Any]) -> None:
    traded, untouched = (World(account, BALANCES | {"BTC": "3", "ETH": "4"}) for _ in range(2))
    traded.play(script)
    untouched.play([step for step in script if step[0] != "order"])

    total, held = (summarise(analyse(world.run())).total for world in (traded, untouched))

    assert total.net_profit - total.trading_profit == held.net_profit
    assert held.trading_profit == 0


@pytest.mark.parametrize("account", [NETTING, HEDGE, BY_STRATEGY])
@examples(25)
@given(script=scripts(SPOT, SWAP))
def test_round_trips_add_up_to_the_change_of_equity_when_all_is_closed(
    account: int, script: list[Any]
) -> None:
    world = World(account, BALANCES)
    world.play(script)
    world.close_all()

    analysis = analyse(world.run())

    trips = analysis.account.round_trips
    still_open = [trip for trip in trips if trip.closed_ms is None]
    by_hand = sum(
        (
            trip.qty * Decimal(str(world.prices[trip.symbol].values[-1])) - trip.entry_value
            for trip in still_open
        ),
        Decimal(0),
    )
    # In hedge mode a close of one position by the other leaves coins where they are.
    assert (
        sum((trip.net for trip in trips), Decimal(0)) + by_hand
        == analysis.account.end - analysis.account.start
    )
    held = {row["symbol"] for row in world.open_positions()}
    assert {trip.symbol for trip in still_open if trip.symbol == SWAP} == held & {SWAP}


@examples(25)
@given(script=scripts(SPOT, SWAP, CROSS))
def test_the_deepest_fall_is_that_of_every_price_and_change(script: list[Any]) -> None:
    """The same by the plainest means: equity at every moment at which there is anything."""
    world = World(NETTING, BALANCES)
    world.play(script)

    analysis = analyse(world.run())

    curve = analysis.account.curve
    peak, deepest = curve.equity[0], 0.0
    for lowest, highest in zip(curve.lowest, curve.highest, strict=True):
        # Within one sample nobody knows what came first. Below 0 the fall is deepest from the lower peak.
        deepest = max(deepest, 1 - lowest / (max(peak, highest) if lowest > 0 else peak))
        peak = max(peak, highest)
    share = 0.0 if curve.deepest is None else curve.deepest.share
    assert max(curve.drawdown) == share
    assert share <= deepest + 1e-9
