"""Equity by hand: what is held, at the prices of the moment."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest

from ccxt_driver.backtest.report.analysis import Part, analyse
from ccxt_driver.backtest.report.equity import MOST_STEPS, step_of
from ccxt_driver.backtest.run import Prices, Run
from tests.helpers.backtest_runs import CROSS, DAY, HOUR, MARKETS, MINUTE, SPOT, SWAP, HandRun, T


def account_of(hand: HandRun) -> Part:
    return analyse(hand.run()).account


def samples(part: Part) -> dict[int, float]:
    """Equity by minute."""
    return {
        (time - T) // MINUTE: value for time, value in zip(part.curve.times, part.curve.equity, strict=True)
    }


def test_coins_and_swaps_at_last_prices() -> None:
    hand = HandRun({SPOT: [100, 110, 90, 120], SWAP: [100, 120, 80, 100]}, 4)
    hand.book(0, "USDT", 1000)
    hand.book(0, "BTC", 1)
    hand.spot(1, "buy", "2", "110", "1")
    hand.swap(2, 1, "sell", "3", "80", fee="2")

    part = account_of(hand)

    # 1000 + 1 coin; 780 - 1 + 3 coins; less 2 more and 3 sold at 80
    assert samples(part) == {0: 1100, 1: 779 + 330, 2: 777 + 270, 3: 777 + 360 - 60, 4: 777 + 360 - 60}
    assert (part.start, part.end) == (1100, 1077)
    assert [*part.curve.gross] == [0, 220, 180 + 240, 240 + 300, 540]
    assert [*part.curve.net] == [0, 220, 180 - 240, 240 - 300, -60]


def test_extremes_between_samples_are_seen() -> None:
    minutes = [100.0] * (MOST_STEPS + 2)
    minutes[7001 - 4000], minutes[3003] = 150, 60
    hand = HandRun({SPOT: minutes}, MOST_STEPS + 2)
    hand.book(0, "BTC", 10)

    curve = account_of(hand).curve

    assert curve.step_ms == 5 * MINUTE
    at = curve.times.index(T + 3005 * MINUTE)
    assert (curve.lowest[at], curve.equity[at], curve.highest[at]) == (600, 1000, 1500)
    deepest = curve.deepest
    assert deepest is not None
    assert (deepest.share, deepest.amount) == (pytest.approx(0.6), pytest.approx(900))
    assert (deepest.peak_ms, deepest.trough_ms) == (T + 3001 * MINUTE, T + 3003 * MINUTE)
    assert deepest.recovered_ms is None
    assert curve.longest_ms == (MOST_STEPS + 2 - 3001) * MINUTE


def test_a_fall_ends_where_its_peak_is_reached_again() -> None:
    hand = HandRun({SPOT: [100, 120, 90, 110, 120, 119, 130]}, 7)
    hand.book(0, "BTC", 1)

    curve = account_of(hand).curve

    assert curve.deepest is not None
    assert curve.deepest.recovered_ms == T + 4 * MINUTE
    assert curve.longest_ms == 3 * MINUTE
    assert curve.drawdown == pytest.approx([0, 0, 0.25, 1 / 12, 0, 1 / 120, 0, 0])


def test_money_that_comes_and_goes_is_no_profit() -> None:
    hand = HandRun({SPOT: [100, 110, 110, 99]}, 4)
    hand.book(0, "BTC", 10)
    hand.book(1, "USDT", 1100)
    hand.book(2, "USDT", -100, "withdraw")

    part = account_of(hand)

    assert part.curve.index == pytest.approx([1000, 1100, 1100, 1100 * (1 - 110 / 2100), 1100 * 1990 / 2100])
    assert part.flows == 1000
    assert part.end - part.start - part.flows == -10


def test_what_leads_to_the_currency_through_other_markets() -> None:
    hand = HandRun({CROSS: [0.05, 0.06], SPOT: [100, 110]}, 2)
    hand.book(0, "ETH", 10)

    part = account_of(hand)

    assert samples(part) == pytest.approx({0: 50, 1: 66, 2: 66})
    assert part.end == Decimal("66.00")


def test_a_currency_that_prices_are_in_is_divided_by_them() -> None:
    hand = HandRun({SPOT: [100, 200]}, 2, currency="BTC")
    hand.book(0, "USDT", 1000)

    part = account_of(hand)

    assert samples(part) == {0: 10, 1: 5, 2: 5}
    assert part.end == 5


def test_two_symbols_whose_prices_come_at_other_times() -> None:
    hand = HandRun({SPOT: [100] * 3}, 10)
    hand.book(0, "BTC", 1)
    hand.book(0, "ETH", 1)
    prices = {
        SPOT: Prices([T, T + 61_000, T + 62_000], [100, 50, 100]),
        "ETH/USDT": Prices([T, T + 61_000, T + 63_000], [10, 20, 5]),
    }

    curve = analyse(hand.run(prices=prices)).account.curve

    assert [*curve.equity[:4]] == [110, 110, 105, 105]
    assert (curve.lowest[2], curve.highest[2]) == (70, 120)  # never 60, which no moment had


def test_before_its_first_price_a_coin_is_worth_it() -> None:
    hand = HandRun({}, 3)
    hand.book(0, "BTC", 1)

    curve = analyse(hand.run(prices={SPOT: Prices([T + 90_000], [100])})).account.curve

    assert [*curve.equity] == [100] * 4


def test_what_has_no_price_counts_as_nothing_and_is_named() -> None:
    hand = HandRun({SPOT: [100]}, 2)
    hand.book(0, "USDT", 10)
    hand.book(0, "XRP", 5)
    hand.swap(0, 1, "buy", "1", "100")

    analysis = analyse(hand.run())

    assert analysis.unvalued == [SWAP, "XRP"]
    assert analysis.account.end == 10


def test_two_changes_of_one_moment_are_one_sample() -> None:
    hand = HandRun({SPOT: [100, 100]}, 2)
    hand.book(0, "USDT", 1000)
    hand.spot(0.5, "buy", "1", "100", "1")
    hand.spot(0.5, "sell", "1", "99", "1")

    curve = account_of(hand).curve

    assert [(time - T, value) for time, value in zip(curve.times, curve.equity, strict=True)] == [
        (0, 1000),
        (30_000, 997),
        (60_000, 997),
        (120_000, 997),
    ]


@pytest.mark.parametrize(
    "span,step",
    [
        (0, MINUTE),
        (5_000 * MINUTE, MINUTE),
        (5_001 * MINUTE, 5 * MINUTE),
        (365 * DAY, 2 * HOUR),
        (10 * 365 * DAY, DAY),
        (100 * 365 * DAY, DAY),
    ],
)
def test_the_step_follows_the_span(span: int, step: int) -> None:
    assert step_of(span) == step
    assert DAY % step == 0


def test_each_midnight_is_a_sample() -> None:
    hand = HandRun({SPOT: [100]}, 40 * 24 * 60, start_ms=T + 7 * HOUR + 1)
    hand.book(0, "BTC", 1)

    times = account_of(hand).curve.times

    assert {T + day * DAY for day in range(1, 41)} <= {*times}
    assert all(before < after for before, after in pairwise(times))


def test_a_run_of_no_time_has_one_sample() -> None:
    hand = HandRun({}, 0)
    hand.book(0, "USDT", 10)

    curve = account_of(hand).curve

    assert ([*curve.times], [*curve.equity], curve.longest_ms) == ([T], [10], 0)


def test_a_run_that_ends_before_it_starts_is_refused() -> None:
    run = HandRun({}, -1).run()

    with pytest.raises(ValueError, match="end_ms: expected a time not before start_ms"):
        analyse(run)


def test_each_strategy_has_the_curve_that_it_would_have_alone() -> None:
    def made(*wanted: int) -> HandRun:
        hand = HandRun({SPOT: [100, 110, 90, 120, 95, 130], "ETH/USDT": [10, 12, 9]}, 6)
        hand.book(0, "USDT", 1000)
        deals = [
            (1, 0.5, "buy", "1", "101", SPOT),
            (1, 1.0, "sell", "0.5", "111", SPOT),
            (2, 1.5, "buy", "3", "11", "ETH/USDT"),
            (1, 2.5, "sell", "0.5", "95", SPOT),
            (3, 2.5, "buy", "2", "95", SPOT),
            (2, 4.0, "sell", "3", "10", "ETH/USDT"),
            (3, 5.5, "sell", "2", "120", SPOT),
        ]
        for strategy, minute, side, qty, price, symbol in deals:
            if strategy in wanted:
                hand.spot(minute, side, qty, price, "0.1", symbol=symbol, strategy=strategy)
        return hand

    together = analyse(made(1, 2, 3).run())

    assert [*together.strategies] == [1, 2, 3]
    for strategy, part in together.strategies.items():
        alone = account_of(made(strategy))
        assert (part.curve, part.end, part.tally) == (alone.curve, alone.end, alone.tally)
    assert together.symbols["ETH/USDT"].curve == together.strategies[2].curve
    assert together.symbols[SPOT].tally.deals == 5


def test_rows_that_go_back_in_time_are_refused() -> None:
    hand = HandRun({SPOT: [100]}, 2)
    hand.book(0, "USDT", 1000)
    hand.spot(1, "buy", "1", "100")
    hand.spot(0.5, "buy", "1", "100")

    with pytest.raises(ValueError, match="deals: deal 2 is of a time before"):
        analyse(hand.run(deals=hand.deals))
    with pytest.raises(ValueError, match="ledger: row 5 is of a time before"):
        analyse(hand.run(ledger=hand.ledger))


def test_parts_have_the_money_of_the_account_and_their_own_deals() -> None:
    hand = HandRun({SPOT: [100, 110], SWAP: [100, 110]}, 2)
    hand.book(0, "USDT", 1000)
    hand.book(0, "BTC", 5)
    hand.spot(0, "buy", "1", "100", "1", strategy=1)
    hand.swap(0, 1, "sell", "1", "100", fee="2", strategy=2)

    run: Run = hand.run()
    analysis = analyse(run)

    assert analysis.account.start == 1500
    assert {name: part.end for name, part in analysis.strategies.items()} == {1: 1509, 2: 1488}
    assert {name: part.end for name, part in analysis.symbols.items()} == {SPOT: 1509, SWAP: 1488}
    assert analysis.account.end == 1500 + 50 + 9 - 12
    assert run.markets is MARKETS
