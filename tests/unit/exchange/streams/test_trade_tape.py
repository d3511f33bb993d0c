"""Each public trade once, however the windows of it overlap."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ccxt_driver.exchange.streams.trade_tape import TradeTape


def trade(number: int | None, moment: int, price: float = 1.0) -> dict[str, Any]:
    return {
        "id": None if number is None else str(number),
        "timestamp": moment,
        "price": price,
        "amount": 1.0,
        "side": "buy",
    }


def test_what_overlaps_is_new_once() -> None:
    tape = TradeTape()
    rows = [trade(number, number) for number in range(6)]
    assert tape.add(rows[:3]) == rows[:3]
    assert tape.add(rows[1:5]) == rows[3:5]
    assert tape.add(rows[5:]) == rows[5:]
    assert [*tape.recent] == rows


def test_a_window_without_overlap_may_have_left_some_out() -> None:
    tape = TradeTape()
    tape.add([trade(1, 10)])
    assert tape.joins([trade(1, 10), trade(2, 11)], 2)
    assert not tape.joins([trade(2, 10), trade(3, 11)], 2)
    assert tape.joins([], 2)


def test_of_a_market_without_trades_a_full_window_may_have_left_some_out() -> None:
    tape = TradeTape()
    assert tape.joins([trade(1, 10)], 2)
    assert not tape.joins([trade(1, 10), trade(2, 10)], 2)


def test_an_id_that_is_given_twice_is_one_trade() -> None:
    assert len(TradeTape().add([trade(1, 5), trade(1, 5)])) == 1


def test_trades_that_look_alike_are_counted() -> None:
    tape = TradeTape()
    twins = [trade(None, 5)] * 3
    assert len(tape.add(twins)) == 3
    assert len(tape.add(twins)) == 0
    assert len(tape.add([*twins, trade(None, 5), trade(None, 6)])) == 2


def test_memory_is_bounded() -> None:
    tape = TradeTape()
    for start in range(0, 30_000, 1000):
        assert len(tape.add(trade(number, number) for number in range(start, start + 1000))) == 1000
    assert len(tape._known) == 10_000
    assert len(tape.recent) == 1000


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([1.0, 2.0])), max_size=60),
    st.lists(st.integers(0, 60), max_size=12),
    st.integers(1, 8),
    st.booleans(),
)
def test_every_trade_once_and_in_order(
    made: list[tuple[int, float]], looks: list[int], size: int, named: bool
) -> None:
    """A naive venue; what a window leaves out is read from the newest known moment on."""
    rows, moment = [], 100
    for number, (step, price) in enumerate(made):
        moment += step
        rows.append(trade(number if named else None, moment, price))
    tape, given_out = TradeTape(), []
    # What happens within one moment after it was looked at cannot be told apart without ids.
    cuts = sorted({min(cut, len(rows)) for cut in looks} | {len(rows)})
    for cut in cuts:
        window = rows[max(0, cut - size) : cut]
        if not tape.joins(window, size):
            since = 0 if tape.newest_ms is None else tape.newest_ms
            given_out += tape.add([row for row in rows[:cut] if row["timestamp"] >= since])
        given_out += tape.add(window)
    assert given_out == rows
