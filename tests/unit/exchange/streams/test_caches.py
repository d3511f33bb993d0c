"""The caches that users of ccxt.pro read."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from ccxt.async_support.base.ws.cache import ArrayCache, ArrayCacheBySymbolById

from ccxt_driver.exchange.streams.caches import RowCache
from ccxt_driver.exchange.streams.changes import Change, Kind

pytestmark = pytest.mark.oldest

parsed: list[int] = []


def parse(change: Change) -> dict[str, Any]:
    parsed.append(change.row["id"])
    return {"id": str(change.row["id"]), "symbol": change.symbol, "filled": change.row["filled"]}


def change(number: int, filled: int = 0, symbol: str = "BTC/USDT") -> Change:
    return Change(Kind.ORDER, 1, 0, symbol, None, None, {"id": number, "filled": filled})


def filled_with(*changes: Change, most: int | None = 3) -> RowCache:
    parsed.clear()
    cache = RowCache(most, parse)
    for each in changes:
        cache.keep(each)
    return cache


def structure(number: int, filled: int = 0, symbol: str = "BTC/USDT") -> dict[str, Any]:
    return {"id": str(number), "symbol": symbol, "filled": filled}


def test_to_a_reader_it_is_ccxts_cache() -> None:
    ours = filled_with(change(1), change(2, 5))
    theirs = ArrayCacheBySymbolById(3)
    for each in (structure(1), structure(2, 5)):
        theirs.append(each)
    assert isinstance(ours, list | ArrayCache | ArrayCacheBySymbolById)
    for read in (
        list,
        len,
        bool,
        repr,
        str,
        lambda cache: cache[0],
        lambda cache: cache[-1],
        lambda cache: cache[-1:],
        lambda cache: cache[::2],
        lambda cache: cache[5:],
        lambda cache: list(reversed(cache)),
        lambda cache: structure(2, 5) in cache,
        lambda cache: structure(2, 4) in cache,
        lambda cache: cache == [structure(1), structure(2, 5)],
        lambda cache: cache != [structure(1)],
        lambda cache: cache + [structure(9)],  # noqa: RUF005  # what is tested
        lambda cache: sorted(cache, key=lambda each: each["filled"]),
        lambda cache: cache.hashmap,
        lambda cache: cache.hashmap["BTC/USDT"]["2"],
        lambda cache: cache.max_size,
    ):
        assert read(ours) == read(theirs)
    with pytest.raises(IndexError):
        ours[2]
    with pytest.raises(TypeError):
        hash(ours)


def test_a_change_takes_the_place_of_what_was_known_and_comes_last() -> None:
    cache = filled_with(change(1), change(2), change(1, 5))
    assert list(cache) == [structure(2), structure(1, 5)]
    assert len(cache) == 2


def test_the_same_id_on_another_market_is_another_row() -> None:
    cache = filled_with(change(1), change(1, 0, "ETH/USDT"))
    assert [each["symbol"] for each in cache] == ["BTC/USDT", "ETH/USDT"]
    assert set(cache.hashmap) == {"BTC/USDT", "ETH/USDT"}


def test_the_oldest_change_goes_when_it_is_full() -> None:
    cache = filled_with(change(1), change(2), change(3), change(1, 5), change(4))
    assert [each["id"] for each in cache] == ["3", "1", "4"]
    assert [each.row["id"] for each in cache.changes()] == [3, 1, 4]


@pytest.mark.parametrize("most", [None, 0])
def test_without_a_limit_all_are_kept(most: int | None) -> None:
    cache = filled_with(*(change(number) for number in range(1, 2001)), most=most)
    assert len(cache) == 2000


def test_structures_are_made_when_somebody_reads_them_and_once() -> None:
    cache = filled_with(*(change(number) for number in range(1, 1001)), most=None)
    assert parsed == []
    assert cache[0] is cache[0]
    assert len(parsed) == 1000
    cache.keep(change(1, 5))
    assert cache[-1] == structure(1, 5)
    assert len(parsed) == 1001


def test_it_can_be_cleared() -> None:
    cache = filled_with(change(1))
    cache.clear()
    assert (list(cache), len(cache), cache.hashmap) == ([], 0, {})
    cache.keep(change(2))
    assert list(cache) == [structure(2)]


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))])
def test_a_copy_has_the_same_rows_and_goes_its_own_way(twin_of: Any) -> None:
    cache = filled_with(change(1), change(2, 5))
    twin = twin_of(cache)
    assert list(twin) == list(cache)
    assert isinstance(twin, RowCache)
    twin.keep(change(1, 7))
    assert list(twin) == [structure(2, 5), structure(1, 7)]
    assert list(cache) == [structure(1), structure(2, 5)]


def _is_closed(change: Change) -> bool:
    return change.row["filled"] == 0


def test_what_is_open_is_kept_and_of_what_is_over_the_newest() -> None:
    cache = RowCache(2, parse, _is_closed)
    for each in (change(1, 5), change(2), change(3, 5), change(4), change(5), change(3), change(6, 5)):
        cache.keep(each)

    assert [row["id"] for row in cache] == ["1", "5", "3", "6"]
    assert [row["id"] for row in pickle.loads(pickle.dumps(cache))] == ["1", "5", "3", "6"]
