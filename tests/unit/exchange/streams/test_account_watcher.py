"""Which changes a watcher of an account takes, and what it says when it is too slow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ccxt
import pytest

from ccxt_driver.exchange.streams.account_watcher import AccountWatcher
from ccxt_driver.exchange.streams.changes import Change, Kind, change_of

pytestmark = pytest.mark.oldest


def watcher(most: int = 10, symbols: Any = None, strategy_id: int | None = None) -> AccountWatcher:
    return AccountWatcher("oms watch_orders", most, Kind.ORDER, symbols, strategy_id, None)


def change(seq: int | None = 5, **row: Any) -> Change:
    found = change_of(1, "order_updated", seq, None, {"symbol": "BTC/USDT", "strategy_id": 2, **row})
    assert found is not None
    return found


@pytest.mark.parametrize(
    "options, taken",
    [
        ({}, True),
        ({"symbols": frozenset({"BTC/USDT", "ETH/USDT"})}, True),
        ({"symbols": frozenset({"ETH/USDT"})}, False),
        ({"strategy_id": 2}, True),
        ({"strategy_id": 3}, False),
        ({"strategy_id": 0}, False),
        ({"symbols": frozenset({"BTC/USDT"}), "strategy_id": 3}, False),
    ],
)
def test_by_symbol_and_strategy(options: dict[str, Any], taken: bool) -> None:
    watched = watcher(**options)
    watched.take(change())
    assert len(watched) == taken


def test_an_order_of_no_strategy_is_of_strategy_0() -> None:
    none, first = watcher(strategy_id=0), watcher(strategy_id=1)
    for watched in (none, first):
        watched.take(change(strategy_id=None))
    assert (len(none), len(first)) == (1, 0)


def test_what_concerns_the_account_concerns_every_strategy() -> None:
    watched = AccountWatcher("oms watch_balance", 10, Kind.BALANCE, None, 3, None)
    money = change_of(1, "balance_updated", 6, 1, {"currency": "USDT"})
    assert money is not None
    assert (money.strategy_id, money.symbol) == (None, None)
    watched.take(money)
    watched.take(change())  # of another kind
    assert len(watched) == 1


@pytest.mark.parametrize("name", ["order_submitted", "positions_merged", "reassigned", "pong"])
def test_events_without_a_row_are_no_changes(name: str) -> None:
    assert change_of(1, name, 1, 1, {"order_id": 3}) is None


def seqs(changes: Sequence[Change]) -> tuple[list[Any], int]:
    return [change.seq for change in changes], len(changes)


async def test_one_that_is_too_slow_gives_what_it_kept_and_says_where_to_go_on() -> None:
    watched = watcher(most=2)
    for seq in (41, 43, 47):
        watched.take(change(seq))
    assert await watched.next(seqs) == [41, 43]
    with pytest.raises(ccxt.ExchangeError, match="goes on after event 46") as info:
        await watched.next(seqs)
    assert (info.value.code, info.value.after_seq) == ("slow_consumer", 46)
    assert watched.resume_after == 46


async def test_one_that_is_too_slow_on_a_server_without_numbers_has_to_read_anew() -> None:
    watched = watcher(most=1)
    for _ in range(2):
        watched.take(change(None))
    assert await watched.next(seqs) == [None]
    with pytest.raises(ccxt.ExchangeError, match="read the state anew") as info:
        await watched.next(seqs)
    assert info.value.code == "slow_consumer"
    assert not hasattr(info.value, "after_seq")
