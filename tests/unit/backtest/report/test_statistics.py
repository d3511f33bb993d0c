"""Numbers of small runs, computed by hand beside them."""

from __future__ import annotations

from decimal import Decimal
from math import sqrt
from typing import Any

import pytest

from ccxt_driver.backtest.report.analysis import analyse
from ccxt_driver.backtest.report.equity import Curve
from ccxt_driver.backtest.report.statistics import (
    Statistics,
    cagr,
    daily_returns,
    sharpe,
    sortino,
    summarise,
    total_return,
    volatility,
)
from tests.helpers.backtest_runs import DAY, HOUR, SPOT, SWAP, HandRun, T

DAY_MINUTES = 24 * 60


def curve_of(values: list[float], step_ms: int = DAY, start_ms: int = T) -> Curve:
    curve = Curve(step_ms)
    curve.times = [start_ms + index * step_ms for index in range(len(values))]
    curve.index = curve.equity = values
    return curve


def total_of(hand: HandRun, **more: Any) -> Statistics:
    return summarise(analyse(hand.run(**more))).total


@pytest.mark.parametrize(
    "returns,volatility_is,sharpe_is,sortino_is",
    [
        ([], None, None, None),
        ([0.1], None, None, None),
        ([0.0, 0.0], 0, None, None),  # nothing to divide by
        ([0.01, 0.03], sqrt(2) * 0.01 * sqrt(365), sqrt(2) * sqrt(365), None),
        # mean -0.01; deviations 0.02, -0.02, 0; downside (0.03**2 + 0.01**2) / 3
        (
            [0.01, -0.03, -0.01],
            0.02 * sqrt(365),
            -0.5 * sqrt(365),
            -0.01 / sqrt(0.001 / 3) * sqrt(365),
        ),
    ],
)
def test_ratios_of_returns(
    returns: list[float], volatility_is: float | None, sharpe_is: float | None, sortino_is: float | None
) -> None:
    assert volatility(returns) == (None if volatility_is is None else pytest.approx(volatility_is))
    assert sharpe(returns) == (None if sharpe_is is None else pytest.approx(sharpe_is))
    assert sortino(returns) == (None if sortino_is is None else pytest.approx(sortino_is))


@pytest.mark.parametrize(
    "values,days,grown,a_year",
    [
        ([100, 121], 2 * 365, 0.21, 0.1),
        ([100, 50], 365, -0.5, -0.5),
        ([100, 110], 0.5, 0.1, None),  # less than a day
        ([100, 0], 365, -1, None),
        ([0, 0], 365, None, None),
        ([1, 1e300], 1, 1e300, None),  # larger than any float
    ],
)
def test_growth(values: list[float], days: float, grown: float | None, a_year: float | None) -> None:
    curve = curve_of(values, round(days * DAY))

    assert total_return(curve) == (None if grown is None else pytest.approx(grown))
    assert cagr(curve) == (None if a_year is None else pytest.approx(a_year))


@pytest.mark.parametrize(
    "start_ms,hours,returns",
    [
        (T, 24, [0.5]),  # midnight ends the day before
        (T, 25, [0.5, 0.02]),
        (T + HOUR, 24, [0.46, 1.5 / 1.46 - 1]),
        (T + HOUR, 23, [0.46]),
    ],
)
def test_days_are_those_of_utc(start_ms: int, hours: int, returns: list[float]) -> None:
    values = [100.0 + 2 * hour for hour in range(24)] + [150, 153]

    curve = curve_of(values[: hours + 1], HOUR, start_ms)

    assert daily_returns(curve) == pytest.approx(returns)


def test_returns_go_on_after_all_was_lost() -> None:
    assert daily_returns(curve_of([100, 0, 10, 20])) == [-1, 1]


def trading() -> HandRun:
    """Four days: two trades in coins, one swap with funding, and one that is still open."""
    prices = [100.0] * DAY_MINUTES + [110.0] * DAY_MINUTES + [90.0] * DAY_MINUTES + [120.0] * DAY_MINUTES
    hand = HandRun({SPOT: prices, SWAP: prices}, 4 * DAY_MINUTES)
    hand.book(0, "USDT", 1000)
    hand.spot(0, "buy", "2", "100", "1", strategy=1)
    hand.spot(1.5 * DAY_MINUTES, "sell", "2", "110", "1", strategy=1)
    hand.spot(2.5 * DAY_MINUTES, "buy", "1", "90", "0.5", strategy=1)
    hand.spot(3 * DAY_MINUTES - 1, "sell", "1", "90", "0.5", strategy=1)
    hand.swap(2 * DAY_MINUTES, 7, "buy", "5", "90", fee="2", strategy=2)
    hand.book(2.25 * DAY_MINUTES, "USDT", "-3", "funding", 7)
    hand.swap(3 * DAY_MINUTES, 7, "sell", "5", "120", pnl="150", fee="3", strategy=2)
    hand.swap(3.5 * DAY_MINUTES, 8, "sell", "1", "120", fee="1", strategy=2)
    for row in hand.deals[:2]:
        row["maker"] = True
    hand.orders.append({**hand.orders[0], "id": 99, "status": "REJECTED"})
    return hand


def test_the_numbers_of_a_run_by_hand() -> None:
    total = total_of(trading())

    # What is done at midnight still counts to the day that ends: 999 + 2 * 10 of the open coins; 1018 - 2 of
    # the swap's fee; 1016 - 3 - 1 + 150 - 3; - 1
    days = [1019 / 1000, 1016 / 1019, 1159 / 1016, 1158 / 1159]
    returns = [day - 1 for day in days]
    mean = sum(returns) / 4
    deviation = sqrt(sum((each - mean) ** 2 for each in returns) / 3)
    downside = sqrt(sum(min(each, 0) ** 2 for each in returns) / 4)
    assert (total.start_equity, total.end_equity, total.flows) == (1000, 1158, 0)
    assert total.net_profit == 158
    assert total.total_return == pytest.approx(0.158)
    assert total.cagr == pytest.approx(1.158 ** (365 / 4) - 1)
    assert total.volatility == pytest.approx(deviation * sqrt(365))
    assert total.sharpe == pytest.approx(mean / deviation * sqrt(365))
    assert total.sortino == pytest.approx(mean / downside * sqrt(365))
    assert total.daily_returns == 4
    assert total.max_drawdown == pytest.approx((1019 - 1012) / 1019)
    assert total.max_drawdown_amount == pytest.approx(7)


def test_the_trades_of_a_run_by_hand() -> None:
    summary = summarise(analyse(trading().run(path_deals=frozenset({1, 5, 1234}))))
    total = summary.total

    # 20 - 2; 0 - 1; 150 - 5 - 3
    assert (total.round_trips, total.open_round_trips) == (3, 1)
    assert total.win_rate == pytest.approx(2 / 3)
    assert total.profit_factor == pytest.approx((18 + 142) / 1)
    assert (total.average_win, total.average_loss, total.expectancy) == (80, -1, 53)
    assert (total.best, total.worst) == (142, -1)
    assert (total.orders, total.deals) == (8, 7)
    assert total.maker_share == pytest.approx(2 / 7)
    assert (total.fees, total.fees_by_currency, total.funding) == (9, {"USDT": Decimal("9.0")}, -3)
    assert total.turnover == 200 + 220 + 90 + 90 + 450 + 600 + 120
    assert summary.path_deals == 2


def test_exposure_of_a_run_by_hand() -> None:
    hand = HandRun({SPOT: [100.0] * 11}, 10)
    hand.book(0, "USDT", 1000)
    hand.spot(2, "buy", "5", "100")
    hand.spot(6, "sell", "4", "100")
    hand.spot(8, "sell", "1", "100")

    total = total_of(hand)

    assert total.time_in_market == pytest.approx(0.6)
    assert total.mean_exposure == pytest.approx((4 * 0.5 + 2 * 0.1) / 10)
    assert total.max_exposure == pytest.approx(0.5)
    assert total.turnover_ratio == pytest.approx(1)


def test_drawdown_and_what_calmar_makes_of_it() -> None:
    hand = HandRun({SPOT: [100.0] * 1440 + [80.0] * 720 + [120.0] * 2000}, 3 * DAY_MINUTES)
    hand.book(0, "BTC", 10)

    total = total_of(hand)

    assert total.max_drawdown == pytest.approx(0.2)
    assert total.max_drawdown_amount == pytest.approx(200)
    assert total.max_drawdown_ms == total.longest_drawdown_ms == 721 * 60_000
    assert total.calmar == pytest.approx((1.2 ** (365 / 3) - 1) / 0.2)


def test_a_strategy_and_a_symbol_have_numbers_of_their_own() -> None:
    summary = summarise(analyse(trading().run()))
    first, second = summary.strategies[1], summary.strategies[2]

    assert (first.net_profit, second.net_profit) == (17, 141)
    assert (first.fees, second.fees, second.funding) == (3, 6, -3)
    assert (first.orders, first.deals, second.deals) == (5, 4, 3)
    assert first.total_return == pytest.approx(0.017)  # of the money of the account
    assert summary.symbols[SPOT].net_profit == 17
    assert summary.symbols[SWAP].round_trips == 1
    assert sum(each.net_profit for each in summary.strategies.values()) == summary.total.net_profit


def test_a_run_without_a_deal_has_none_where_nothing_can_be_said() -> None:
    hand = HandRun({}, 10)
    hand.book(0, "USDT", 1000)

    total = total_of(hand)

    assert (total.net_profit, total.total_return, total.max_drawdown, total.time_in_market) == (0, 0, 0, 0)
    assert {
        getattr(total, name)
        for name in (
            *("cagr", "volatility", "sharpe", "sortino", "calmar", "win_rate", "profit_factor"),
            *("average_win", "average_loss", "expectancy", "best", "worst", "maker_share"),
        )
    } == {None}


def test_a_run_without_money_can_be_told_of() -> None:
    total = total_of(HandRun({}, 2 * DAY_MINUTES))

    assert (total.start_equity, total.total_return, total.sharpe, total.max_exposure) == (0, None, None, 0)
