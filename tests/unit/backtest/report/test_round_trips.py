"""Round trips by hand: from nothing held to nothing held again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ccxt_driver.backtest.report.analysis import analyse
from ccxt_driver.backtest.report.round_trips import RoundTrip
from tests.helpers.backtest_runs import CROSS, MARKETS, MINUTE, SPOT, SWAP, HandRun, T


def trips_of(hand: HandRun) -> list[RoundTrip]:
    return analyse(hand.run()).account.round_trips


def made(trip: RoundTrip) -> tuple[Any, ...]:
    return trip.gross, trip.fees, trip.net, trip.closed_ms is not None


@pytest.fixture
def hand() -> HandRun:
    return HandRun({SPOT: [100, 110, 120, 130], CROSS: [0.05], "BNB/USDT": [200, 250]}, 10)


def test_coins_at_their_average_price(hand: HandRun) -> None:
    hand.spot(0, "buy", "1", "100", "0.1")
    hand.spot(1, "buy", "3", "120", "0.3")
    hand.spot(2, "sell", "2", "120", "0.2")  # of 4 at 115
    hand.spot(3, "sell", "2", "105", "0.4")

    [trip] = trips_of(hand)

    assert made(trip) == (Decimal(-10), Decimal("1.0"), Decimal("-11.0"), True)
    assert (trip.opened_ms, trip.closed_ms) == (T, T + 3 * MINUTE)


def test_coins_that_were_there_before_are_sold_first(hand: HandRun) -> None:
    hand.spot(0, "sell", "1", "110")
    hand.spot(1, "buy", "1", "100")

    assert [made(trip) for trip in trips_of(hand)] == [(10, 0, 10, True)]


def test_a_deal_through_zero_ends_one_and_begins_another(hand: HandRun) -> None:
    hand.spot(0, "buy", "1", "100")
    hand.spot(1, "sell", "4", "110", "4")
    hand.spot(2, "buy", "3", "120", "1")

    first, second = trips_of(hand)

    assert made(first) == (10, 1, 9, True)  # a quarter of the fee
    assert made(second) == (-30, 4, -34, True)


def test_what_is_too_little_to_sell_goes_on_into_the_next(hand: HandRun) -> None:
    dust = str(MARKETS[SPOT].min_qty / 2)
    hand.spot(0, "buy", "1", "100")
    hand.spot(1, "sell", str(1 - Decimal(dust)), "110")
    hand.spot(2, "buy", str(1 - Decimal(dust)), "120")
    hand.spot(3, "sell", "1", "130")

    first, second = trips_of(hand)

    assert made(first) == ((1 - Decimal(dust)) * 10, 0, (1 - Decimal(dust)) * 10, True)
    assert first.qty == 0
    assert second.gross == (1 - Decimal(dust)) * 10 + Decimal(dust) * 30  # the rest had cost 100


def test_a_fee_in_the_coin_is_a_fee_and_never_held(hand: HandRun) -> None:
    hand.spot(0, "buy", "1", "100", "0.01", "BTC")
    hand.spot(1, "sell", "0.99", "110")

    [trip] = trips_of(hand)

    assert made(trip) == (Decimal("9.90"), Decimal("1.00"), Decimal("8.90"), True)
    # What was paid is 100, what came back 108.9.


def test_a_fee_in_a_third_coin_is_valued_when_it_was_paid(hand: HandRun) -> None:
    hand.spot(0.5, "buy", "1", "100", "0.01", "BNB")
    hand.spot(1, "sell", "1", "110", "0.01", "BNB")

    assert [made(trip) for trip in trips_of(hand)] == [(10, Decimal("4.5"), Decimal("5.5"), True)]


def test_each_strategy_and_each_symbol_has_its_own(hand: HandRun) -> None:
    hand.spot(0, "buy", "1", "100", strategy=1)
    hand.spot(0, "sell", "1", "100", strategy=2)
    hand.spot(0, "buy", "1", "0.05", symbol=CROSS)

    assert [(trip.symbol, trip.strategy_id, trip.qty) for trip in trips_of(hand)] == [
        (SPOT, 1, 1),
        (SPOT, 2, -1),
        (CROSS, 1, 1),
    ]


def test_profit_in_another_currency_is_valued_when_it_was_made(hand: HandRun) -> None:
    hand.spot(0, "buy", "1", "0.05", symbol=CROSS)
    hand.spot(2, "sell", "1", "0.06", symbol=CROSS)  # 0.01 BTC, at 120

    assert [trip.gross for trip in trips_of(hand)] == [Decimal("1.20")]


def test_a_swap_is_its_position_with_funding_and_insurance(hand: HandRun) -> None:
    hand.swap(0, 1, "buy", "2", "100", fee="0.1")
    hand.book(1, "USDT", "-0.5", "funding", 1)
    hand.swap(2, 1, "sell", "1", "120", pnl="20", fee="0.2")
    last = hand.swap(3, 1, "sell", "1", "40", pnl="-60", fee="0.3")
    hand.book(3, "USDT", "7", "liquidation", last["id"])
    hand.swap(4, 2, "sell", "1", "40")

    first, second = trips_of(hand)

    assert (first.gross, first.fees, first.funding, first.insurance) == (
        -40,
        Decimal("0.6"),
        Decimal("-0.5"),
        7,
    )
    assert first.net == Decimal("-34.1")
    assert (first.qty, first.entry_value) == (0, 0)
    assert (second.qty, second.entry_value, second.closed_ms) == (-1, -40, None)


def test_a_position_of_all_strategies_is_its_opener_s(hand: HandRun) -> None:
    hand.swap(0, 1, "buy", "1", "100", strategy=1)
    hand.swap(1, 1, "sell", "1", "110", pnl="10", strategy=2)

    assert [(trip.strategy_id, trip.gross) for trip in trips_of(hand)] == [(1, 10)]


def test_funding_of_a_position_that_was_merged_goes_with_its_deals(hand: HandRun) -> None:
    hand.position(1, state="merged")
    row = hand.swap(0, 2, "buy", "1", "100")
    row["previous_position_id"] = 1
    hand.book(1, "USDT", "-0.5", "funding", 1)

    [trip] = trips_of(hand)

    assert trip.funding == Decimal("-0.5")


def test_a_symbol_that_is_not_listed_is_refused(hand: HandRun) -> None:
    hand.swap(0, 1, "buy", "1", "100", symbol=SWAP)
    hand.deals[0]["symbol"] = "WHAT/USDT"

    with pytest.raises(ValueError, match="deals: deal 1 is of 'WHAT/USDT'"):
        trips_of(hand)
