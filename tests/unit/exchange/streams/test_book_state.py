"""A book that is brought up by updates is the server's book."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccxt_driver.exchange.streams.book_state import BookState, OutOfStep
from ccxt_driver.oms.server.book_updates import BookUpdates

SYMBOL = "BTC/USDT"
amounts = st.floats(0.001, 1e6, allow_nan=False)
bids = st.dictionaries(st.integers(1, 30).map(lambda tick: tick / 10), amounts, max_size=20)
asks = st.dictionaries(st.integers(31, 60).map(lambda tick: tick / 10), amounts, max_size=20)


def book(bids: dict[float, float], asks: dict[float, float], timestamp: int = 0) -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "bids": [[price, bids[price]] for price in sorted(bids, reverse=True)],
        "asks": [[price, asks[price]] for price in sorted(asks)],
        "timestamp": timestamp,
        "datetime": None,
        "nonce": None,
    }


def take(state: BookState, payload: dict[str, Any]) -> None:
    """As it comes over the wire."""
    payload = json.loads(json.dumps(payload))
    if "update" in payload:
        state.update(payload["update"])
    else:
        state.replace(payload["data"])


@given(st.lists(st.tuples(bids, asks), min_size=1, max_size=12), st.integers(1, 10))
def test_updates_make_the_servers_book(states: list[tuple[Any, Any]], depth: int) -> None:
    updates, state, whole = BookUpdates(), BookState(SYMBOL), 0
    for number, (bids, asks) in enumerate(states):
        now = book(bids, asks, number)
        now["bids"], now["asks"] = now["bids"][:depth], now["asks"][:depth]
        payload = updates.payload(now)
        whole += "data" in payload
        take(state, payload)
        copy = state.copy()
        assert (copy["bids"], copy["asks"]) == (now["bids"], now["asks"])
        assert (copy["nonce"], copy["timestamp"]) == (number + 1, number)
    assert whole >= 1


def test_small_changes_are_sent_as_such() -> None:
    updates = BookUpdates()
    levels = dict.fromkeys(range(1, 20), 1.0)
    assert "data" in updates.payload(book(levels, {20: 1}))
    assert "update" in updates.payload(book({**levels, 3: 2.0}, {20: 1}))


def test_an_update_that_does_not_follow_is_refused() -> None:
    updates, state = BookUpdates(), BookState(SYMBOL)
    levels = dict.fromkeys(range(1, 20), 1.0)
    first = updates.payload(book(levels, {20: 1}))
    lost = updates.payload(book({**levels, 3: 2.0}, {20: 1}))
    third = updates.payload(book({**levels, 3: 2.0, 4: 5.0}, {20: 1}))
    take(state, first)
    before = state.copy()
    with pytest.raises(OutOfStep):
        take(state, third)
    assert state.copy() == before
    take(state, lost)
    with pytest.raises(OutOfStep):
        take(state, lost)  # twice
    take(state, third)
    assert dict(map(tuple, state.copy()["bids"]))[4] == 5.0


def test_a_book_that_was_read_takes_no_update() -> None:
    state = BookState(SYMBOL)
    assert state.replace(book({1: 1}, {2: 1}))
    assert not state.replace(book({1: 1}, {2: 1}, 9))
    with pytest.raises(OutOfStep):
        state.update({"bids": [], "asks": [], "nonce": 1, "prev_nonce": None})


def test_a_copy_never_changes() -> None:
    state = BookState(SYMBOL)
    state.replace({**book({1: 1}, {2: 1}), "nonce": 1})
    copy = state.copy()
    state.update({"bids": [[1, 7]], "asks": [[2, 0]], "nonce": 2, "prev_nonce": 1})
    assert (copy["bids"], copy["asks"]) == ([[1.0, 1.0]], [[2.0, 1.0]])
    assert (state.copy()["bids"], state.copy()["asks"]) == ([[1.0, 7.0]], [])


def test_texts_are_numbers_here() -> None:
    state = BookState(SYMBOL)
    state.replace({"bids": [["1.5", "2"]], "asks": [], "timestamp": None, "nonce": None})
    assert state.copy()["bids"] == [[1.5, 2.0]]


def test_a_book_that_was_read_and_is_the_same_goes_on_with_its_number() -> None:
    updates, state = BookUpdates(), BookState(SYMBOL)
    levels = dict.fromkeys(range(1, 20), 1.0)
    take(state, updates.payload(book(levels, {20: 1})))
    assert not state.replace(book(levels, {20: 1}, 5))
    assert (state.book["nonce"], state.book["timestamp"]) == (1, 5)
    take(state, updates.payload(book({**levels, 3: 2.0}, {20: 1})))
    assert state.book["nonce"] == 2
    assert state.replace(book(levels, {20: 1}))
    assert (
        state.book["nonce"] is None
    )  # of what was pushed nobody knows any more whether it goes on from here
    with pytest.raises(OutOfStep):
        take(state, updates.payload(book({**levels, 3: 3.0}, {20: 1})))
