"""Rows are found by id in O(log n) pages, whatever gaps their ids have."""

from __future__ import annotations

from math import ceil, log2
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ccxt_driver.exchange.page_search import PageSearch

IDS = st.lists(st.integers(1, 10**9), min_size=1, max_size=400, unique=True).map(sorted)


def search(ids: list[int], wanted: set[int], size: int, total: int | None) -> tuple[PageSearch, int]:
    """Search a list as a gateway would serve it; gives the requests too."""
    rows: list[dict[str, Any]] = [{"id": each} for each in ids]
    pages = PageSearch(wanted, size, total)
    requests = 0
    while (page := pages.next_page()) is not None:
        requests += 1
        assert requests < 5000
        pages.take(page, rows[(page - 1) * size : page * size], len(rows))
    return pages, requests


@settings(max_examples=300)
@given(ids=IDS, size=st.integers(1, 50), known=st.booleans(), data=st.data())
def test_one_row_is_found_in_a_logarithm_of_requests(
    ids: list[int], size: int, known: bool, data: st.DataObject
) -> None:
    wanted = data.draw(st.sampled_from(ids))
    pages, requests = search(ids, {wanted}, size, len(ids) if known else None)

    assert pages.found == {wanted: {"id": wanted}}
    assert requests <= 2 * ceil(log2(ceil(len(ids) / size) + 1)) + 3


@given(ids=IDS, size=st.integers(1, 50), wanted=st.sets(st.integers(1, 10**9), max_size=5), data=st.data())
def test_several_rows_are_found_and_what_is_not_there_is_not(
    ids: list[int], size: int, wanted: set[int], data: st.DataObject
) -> None:
    there = data.draw(st.sets(st.sampled_from(ids), max_size=5))
    stale = data.draw(st.none() | st.integers(0, 500))
    pages, _ = search(ids, wanted | there, size, stale)

    assert set(pages.found) == (wanted | there) & set(ids)


def test_a_new_row_of_a_list_whose_length_is_known_takes_one_request() -> None:
    assert search(list(range(1, 100_001)), {99_990}, 500, 99_900)[1] == 1


def test_an_empty_list_takes_one_request() -> None:
    assert search([], {5}, 500, None)[1] == 1


def test_a_list_that_was_empty_before_may_hold_the_row_now() -> None:
    assert search([1], {1}, 500, 0)[0].found == {1: {"id": 1}}
