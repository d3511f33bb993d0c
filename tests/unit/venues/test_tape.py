"""One live market: what counts when, and what nobody may trade on."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ccxt_driver.oms import DEFAULT_MARKETS
from ccxt_driver.oms.market.feed import Candle, Level, NoPrice
from ccxt_driver.venues.reading import Print
from ccxt_driver.venues.tape import LiveTape

D = Decimal
T = 1_700_006_400_000  # a whole hour
MARKET = replace(DEFAULT_MARKETS[0], tick_size=D("0.1"))


def levels(*rows: tuple[Any, Any]) -> tuple[Level, ...]:
    return tuple(Level(D(str(price)), D(str(qty))) for price, qty in rows)


def sides(bid: Any, ask: Any, qty: Any = 2) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
    return levels((bid, qty), (bid - 1, 5), (bid - 2, 5)), levels((ask, qty), (ask + 1, 5), (ask + 2, 5))


def sold(price: Any, qty: Any = 1) -> Print:
    return Print("s", D(str(price)), D(str(qty)), "sell")


def bought(price: Any, qty: Any = 1) -> Print:
    return Print("b", D(str(price)), D(str(qty)), "buy")


@pytest.fixture
def tape() -> LiveTape:
    made = LiveTape(MARKET, 1_000)
    made.put_book(T, *sides(100, 101))
    return made


def best(tape: LiveTape, at_ms: int) -> tuple[str, ...]:
    return tuple(str(value) for value in tape.quote(at_ms)[1:])


def test_what_was_said_of_a_moment_never_changes(tape: LiveTape) -> None:
    before = tape.quote(T + 10), tape.book(T + 10), tape.version(T + 10)
    tape.put_book(T + 5, *sides(200, 201))  # it has come before, and is heard of after that was asked
    assert (tape.quote(T + 10), tape.book(T + 10), tape.version(T + 10)) == before
    assert best(tape, T + 11)[0] == "200"
    assert best(tape, T + 10)[0] == "100"


def test_time_never_goes_back(tape: LiveTape) -> None:
    tape.put_book(T + 50, *sides(102, 103))
    tape.put_book(T + 20, *sides(104, 105))
    assert best(tape, T + 50)[0] == "104"
    assert tape.first_move(T, T + 100, None, D(102)) == tape.quote(T + 50)


def test_before_the_first_book_there_is_no_price() -> None:
    tape = LiveTape(MARKET, 1_000)
    assert tape.halted(T) == "no_price_yet"
    tape.put_trouble(T, "disconnected")
    tape.put_trades(T, [bought(100)], new=True)
    with pytest.raises(NoPrice):
        tape.quote(T + 1)
    tape.put_book(T + 2, *sides(100, 101))
    assert tape.halted(T + 2) is None
    with pytest.raises(NoPrice):
        tape.quote(T + 1)


def test_a_book_that_is_not_confirmed_is_stale(tape: LiveTape) -> None:
    assert tape.halted(T + 1_000) is None
    assert tape.halted(T + 1_001) == "stale_prices"
    tape.put_trades(T + 1_002, [sold(90)], new=True)  # trades say nothing of the book
    assert tape.halted(T + 1_003) == "stale_prices"
    assert tape.first_move(T, T + 1_003, D(100), None) is None
    version = tape.version(T + 1_003)
    tape.put_book(T + 1_004, *tape.book(T + 1_003))
    assert tape.halted(T + 1_004) is None
    assert tape.version(T + 1_004) == version  # the same book: what was taken of it stays taken
    move = tape.first_move(T, T + 1_004, D(100), None)
    assert move is not None
    assert move.time_ms == T + 1_004


def test_trouble_halts_until_the_next_book(tape: LiveTape) -> None:
    tape.put_trouble(T + 1, "disconnected")
    assert (tape.halted(T), tape.halted(T + 1)) == (None, "disconnected")
    assert best(tape, T + 1) == ("100", "101", "100.5")  # valued at the last price known
    tape.put_trades(T + 2, [sold(90)], new=True)
    assert tape.halted(T + 2) == "disconnected"
    assert tape.first_move(T, T + 2, D(95), None) is None
    tape.put_book(T + 3, *sides(90, 91))
    assert tape.halted(T + 3) is None
    assert tape.first_move(T, T + 3, D(95), None) == tape.quote(T + 3)


def test_a_trade_beyond_the_book_takes_what_was_before_it(tape: LiveTape) -> None:
    tape.put_trades(T + 1, [sold("98.5")], new=True)
    assert best(tape, T + 1) == ("98", "101", "98.5")
    assert tape.version(T + 1) == tape.version(T) + 1
    tape.put_trades(T + 2, [bought("102.0")], new=True)
    assert best(tape, T + 2) == ("98", "102", "102.0")
    tape.put_book(T + 3, *sides(100, 101))
    assert best(tape, T + 3) == ("100", "101", "101")


def test_a_trade_beyond_all_that_is_known_invents_nothing(tape: LiveTape) -> None:
    tape.put_trades(T + 1, [sold(50)], new=True)
    assert best(tape, T + 1) == ("100", "101", "100")
    assert tape.candles("1m", None, T + 1, 1)[0].low == 50


def test_trades_inside_the_book_are_the_last_price(tape: LiveTape) -> None:
    tape.put_trades(T + 1, [bought("100.4"), sold("100.3", "0.5")], new=True)
    assert best(tape, T + 1) == ("100", "101", "100.3")
    assert tape.version(T + 1) == tape.version(T)
    assert [(str(row.price), str(row.qty), row.side) for row in tape.trades(None, T + 1, 10)] == [
        ("100.4", "1", "buy"),
        ("100.3", "0.5", "sell"),
    ]
    assert tape.trades(T + 2, T + 9, 10) == tape.trades(None, T, 10) == tape.trades(None, T + 9, 0) == []


def test_trades_that_may_be_old_say_the_last_price_only(tape: LiveTape) -> None:
    tape.put_trades(T + 1, [sold(90), bought("100.8")], new=False)
    assert tape.trades(None, T + 1, 10) == []
    assert tape.first_move(T, T + 1, D(95), None) is None
    tape.put_book(T + 2, *sides(100, 101, 3))
    assert best(tape, T + 2) == ("100", "101", "100.8")
    assert tape.candles("1m", None, T + 2, 1)[0].volume == 0


def test_candles_go_on_where_those_of_the_venue_end() -> None:
    tape = LiveTape(MARKET, 1_000)
    past = [Candle(T - 60_000 * back, D(100), D(110), D(90), D(105), D(8)) for back in (3, 2, 0)]
    tape.put_history("1m", [*past, past[0]])
    tape.put_book(T + 100, *sides(104, 106))
    tape.put_trades(T + 200, [bought(120, 2)], new=True)
    rows = tape.candles("1m", None, T + 200, 10)
    assert [(row.open_ms - T, str(row.close), str(row.volume)) for row in rows] == [
        (-180_000, "105", "8"),
        (-120_000, "105", "8"),
        (-60_000, "105", "0"),
        (0, "120", "10"),
    ]
    [half_hour] = tape.candles("30m", T, T + 200, 10)
    assert half_hour == rows[-1]
    assert tape.candles("1w", None, T + 200, 1)[0].high == 120
    with pytest.raises(ValueError, match="timeframe: expected one of"):
        tape.candles("7m", None, T, 1)


def test_a_venue_whose_clock_is_ahead_breaks_no_candles() -> None:
    tape = LiveTape(MARKET, 1_000)
    flat = [D(100)] * 4
    tape.put_history("1m", [Candle(T + ahead, *flat, D(1)) for ahead in (-60_000, 120_000)])
    tape.put_book(T, *sides(100, 101))
    tape.put_trades(T + 1, [bought(101, 2)], new=True)
    rows = tape.candles("1m", T - 60_000, T + 120_000, 5)
    assert [row.volume for row in rows] == [1, 0, 0, 3]


def test_without_trades_the_price_is_the_middle_of_the_book() -> None:
    tape = LiveTape(MARKET, 1_000)
    tape.price_is_middle()
    tape.put_book(T, *sides(100, 101))
    tape.put_book(T + 1, *sides(102, 103))
    assert best(tape, T + 1)[2] == "102.5"
    [row] = tape.candles("1m", None, T + 1, 1)
    assert (str(row.open), str(row.close), str(row.volume)) == ("100.5", "102.5", "0")
    assert tape.trades(None, T + 1, 5) == []


def test_memory_does_not_grow(tape: LiveTape) -> None:
    book = sides(100, 110)
    for index in range(2_500):
        tape.put_book(T + index, *book)
        tape.put_trades(T + index, [bought("105.0")] * 5, new=True)
    tape.quote(T + 9_999)
    assert len(tape._states) <= 1_000
    assert len(tape._trades) <= 10_000
    assert len(tape._pending) == 0
    for index in range(2_500):  # nobody asks
        tape.put_book(T + 10_000 + index, *book)
    assert len(tape._pending) <= 2_001
