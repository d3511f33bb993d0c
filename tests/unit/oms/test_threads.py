"""One OMS in many threads, and in threads with habits of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

THREADS, ORDERS = 4, 60


def test_many_threads_trade_on_one_account(desk: Any) -> None:
    def trade(number: int) -> list[int]:
        side = ("buy", "sell")[number % 2]
        return [desk.send(side, "0.1", symbol="BTC/USDT:USDT")["id"] for _ in range(ORDERS)]

    with ThreadPoolExecutor(THREADS) as pool:
        ids = [order_id for found in pool.map(trade, range(THREADS)) for order_id in found]
    assert sorted(ids) == list(range(1, THREADS * ORDERS + 1))
    assert desk.positions() == []
    seqs: dict[int, list[int]] = defaultdict(list)
    for event in desk.events:
        seqs[event.account_id].append(event.seq)
    assert all(numbers == list(range(numbers[0], numbers[0] + len(numbers))) for numbers in seqs.values())
    entries = desk.get("ledger", account_ids=1, currency="USDT", page_size=500)["items"]
    total = desk.balance("USDT")[2]
    assert Decimal(entries[-1]["balance_after"]) == total or len(entries) == 500
    deals = [*desk.deals(), *desk.deals(page=2)]
    assert total == 100000 + sum(Decimal(deal["pnl"]) - Decimal(deal["fee"]) for deal in deals)


def test_a_callers_decimal_context_changes_nothing_and_is_left_alone(desk: Any) -> None:
    with localcontext() as context:
        context.prec = 3
        row = desk.send("buy", "1.23457", "100.57", symbol="BTC/USDT")
        assert context.prec == 3
    assert row["price"] == "100.57"
    assert desk.balance("USDT")[1] == Decimal("1.23457") * Decimal("100.57") * Decimal("1.001")


@pytest.mark.parametrize("on_a_file", [False, True])
@pytest.mark.parametrize("precision", [3, 28])
def test_what_is_read_again_is_exact_whatever_the_readers_decimal_context(
    make_desk: Callable[..., Any], tmp_path: Path, on_a_file: bool, precision: int
) -> None:
    """Prices of eleven digits, as in rials: who had lost its connection was cut off each time it came."""
    desk = make_desk(db=tmp_path / "oms.sqlite" if on_a_file else None)
    told: list[Any] = []
    desk.oms.subscribe(lambda events: told.extend((event.seq, event.payload) for event in events))
    desk.send("sell", "0.12345", "75000000000", symbol="BTC/USDT")
    desk.send("sell", "0.1", "90000000000", symbol="BTC/USDT")
    desk.price("BTC/USDT", "100000000000", "100000000001")
    with localcontext() as context:
        context.prec = precision
        found = desk.oms.events(1, told[0][0] - 1, 100)
        again = [(event.seq, event.payload) for event in found]
    assert any(payload.get("avg_fill_price") == "75000000000" for _, payload in told)
    assert again == told
