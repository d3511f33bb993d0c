"""What limits count of a strategy of a netting account is the plain sum of its deals, restarts or not."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from ccxt_driver.oms import EmbeddedOms, deal_reading
from ccxt_driver.oms.deal_reading import Checkpoints
from ccxt_driver.oms.limits import Scope
from ccxt_driver.oms.own_books import OwnBooks
from ccxt_driver.oms.profits import Profits

SYMBOLS = ("BTC/USDT", "BTC/USDT:USDT")
MARK = Decimal(100)
START = 1_767_225_600_000
DAY = 86_400_000
EVERYTHING = {"account_ids": "1", "since_ms": "0", "page_size": "500"}
FEW = Decimal("1E-12")
"""Averages are rounded to 18 decimals."""

trades = st.tuples(
    st.sampled_from(["buy", "sell"]),
    st.sampled_from(SYMBOLS),
    st.integers(1, 3),
    st.integers(1, 9),
    st.integers(90, 110),
)
steps = st.lists(st.one_of(trades, st.sampled_from(["restart", "fail", "move"])), max_size=14)
others = st.sampled_from(["restart", "fail", "move", "newest", "day", "limit"])
days = st.lists(st.one_of(trades, trades, others), max_size=14)


class Naive:
    """Sums over all deals, each time anew."""

    def __init__(self, oms: EmbeddedOms) -> None:
        rows = oms.handle("deals", {}, EVERYTHING, None).body["items"]
        self.deals = sorted(rows, key=lambda row: row["id"])

    def net(self, strategy: int, symbol: str) -> Decimal:
        return sum((self.signed(row) for row in self.of(strategy, symbol)), Decimal(0))

    def profit(self, strategy: int) -> Decimal:
        """What came in less what went out, at a price for what is left, net of fees."""
        total = Decimal(0)
        for symbol in SYMBOLS:
            for row in self.of(strategy, symbol):
                total -= self.signed(row) * (Decimal(row["price"]) - MARK) + Decimal(row["fee"])
        return total

    def of(self, strategy: int, symbol: str) -> list[dict[str, Any]]:
        return [row for row in self.deals if (row["strategy_id"], row["symbol"]) == (strategy, symbol)]

    @staticmethod
    def signed(row: dict[str, Any]) -> Decimal:
        return Decimal(row["qty"]) if row["side"] == "buy" else -Decimal(row["qty"])


def post(oms: EmbeddedOms, command: str, **payload: Any) -> dict[str, Any]:
    reply = oms.handle("commands", {}, {}, {"account_id": 1, "command": command, "payload": payload})
    assert reply.status == 200, reply.body
    return dict(reply.body["results"][0])


def trade(oms: EmbeddedOms, side: str, symbol: str, strategy: int, qty: int, price: int) -> None:
    oms.set_price(symbol, bid=price, ask=price + 1)
    order = {"symbol": symbol, "side": side, "order_type": "market", "qty": str(qty)}
    post(oms, "send_order", strategy_id=strategy, **order)


def after_each(given_steps: list[Any], strategies: tuple[int, ...]) -> Iterator[EmbeddedOms]:
    """Yield the OMS before the first step and after each, with limits on some strategies."""
    with tempfile.TemporaryDirectory() as folder:
        oms = start(Path(folder) / "oms.sqlite")
        try:
            for strategy in strategies:
                oms.set_limits(1, {"max_drawdown": "1000000"}, strategy)
            yield oms
            for step in given_steps:
                if step == "restart":
                    oms.close()
                    oms = start(Path(folder) / "oms.sqlite")
                take(oms, step)
                yield oms
        finally:
            oms.close()


def book_of(oms: EmbeddedOms) -> Any:
    """As a limit sees it."""
    core = oms._core
    state, now = core.state, oms.now_ms()
    return core.profits.own.of(core.store, core.market.markets, 1, state.limits, None, state.checkpoints, now)


def hold(oms: EmbeddedOms) -> None:
    """The book is what the deals sum up to."""
    book, naive = book_of(oms), Naive(oms)
    for strategy in (1, 2, 3):
        for symbol in SYMBOLS:
            assert book.net(strategy, symbol) == naive.net(strategy, symbol)
        held = sum((part.profit(MARK) for part in book.held(strategy, None)), Decimal(0))
        made = book.made[Scope(1, strategy, None)]
        assert abs(made.total + held - naive.profit(strategy)) < FEW
        assert made.today(oms.now_ms()) == made.total <= made.highest


def start(db: Path) -> EmbeddedOms:
    account = {"account_id": 1, "position_mode": "netting", "balances": {"USDT": "1000000", "BTC": "1000"}}
    oms = EmbeddedOms([account], clock="manual", db=db, start_ms=START)
    for symbol in SYMBOLS:
        oms.set_price(symbol, bid=99, ask=100, last=MARK)
    return oms


def take(oms: EmbeddedOms, step: Any) -> None:
    """One step other than a restart."""
    if step == "fail":
        store, done = oms._core.store, oms._core.store.commit
        store.commit = lambda changes: 1 / 0  # type: ignore[method-assign]
        try:
            order = {"symbol": SYMBOLS[1], "side": "buy", "order_type": "market", "qty": "1"}
            body = {"account_id": 1, "command": "send_order", "payload": order | {"strategy_id": 1}}
            assert oms.handle("commands", {}, {}, body).status == 503
        finally:
            store.commit = done  # type: ignore[method-assign]
    elif step in ("move", "newest"):
        orders = oms.handle("orders_history", {}, EVERYTHING, None).body["items"]
        if orders:
            order = min(orders, key=lambda row: row["id"]) if step == "move" else orders[-1]
            moved = {"order_ids": [order["id"]], "strategy_id": 3}
            assert oms.handle("reassign", {}, {}, moved).status == 200
    elif step == "day":
        oms.advance(DAY // 2)
    elif step == "limit":
        oms.set_limits(1, {"max_drawdown": str(10_000 + oms._core.commits), "max_daily_loss": "10000"}, 1)
    elif step != "restart":
        trade(oms, *step)


@settings(max_examples=40, deadline=None)
@given(steps, st.sampled_from([2, 1_000]))
def test_own_books_are_the_sums_of_deals(given_steps: list[Any], page: int) -> None:
    with patch.object(deal_reading, "_PAGE", page):
        for oms in after_each(given_steps, (1, 2, 3)):
            hold(oms)


def from_scratch(oms: EmbeddedOms) -> list[Any]:
    """What books, profits of the account and those of today are without any checkpoint."""
    core, none = oms._core, Checkpoints({})
    now, markets, store, limits = oms.now_ms(), core.market.markets, core.store, core.state.limits
    book = OwnBooks().of(store, markets, 1, limits, None, none, now)
    since = {"day": now - now % DAY, "drawdown": START}
    account = Scope(1, None, None)
    made = [Profits().of(store, markets, account, *each, None, none).dump() for each in profits(since)]
    return [figures(book, now), *map(without_place, made)]


def profits(since: dict[str, int]) -> list[tuple[str, str, int]]:
    return [(name, "USDT", at) for name, at in since.items()]


def as_known(oms: EmbeddedOms) -> list[Any]:
    """The same as limits see it."""
    core, now = oms._core, oms.now_ms()
    markets, store, kept = core.market.markets, core.store, core.state.checkpoints
    since = {"day": now - now % DAY, "drawdown": START}
    account = Scope(1, None, None)
    made = [core.profits.of(store, markets, account, *each, None, kept).dump() for each in profits(since)]
    return [figures(book_of(oms), now), *map(without_place, made)]


def figures(book: Any, now: int) -> dict[str, Any]:
    """What limits see of a book: what was made on an earlier day is none of it."""
    made = {scope: (each.today(now), each.total, each.highest) for scope, each in book.made.items()}
    return without_place({**book.dump(), "made": [*made.items()]})


def without_place(row: dict[str, Any]) -> dict[str, Any]:
    """The figures alone, in one order."""
    return {
        name: sorted(map(str, value)) for name, value in row.items() if name in ("together", "apart", "made")
    }


@settings(max_examples=60, deadline=None)
@given(days, st.sampled_from([1, 2, 4]), st.booleans())
def test_a_checkpoint_is_as_good_as_all_deals(given_steps: list[Any], every: int, looks: bool) -> None:
    with patch.object(deal_reading, "KEEP_EVERY", every):
        for done, oms in enumerate(after_each(given_steps, (1, 2))):
            if looks or done == len(given_steps):
                assert as_known(oms) == from_scratch(oms)


@settings(max_examples=40, deadline=None)
@given(st.lists(trades, min_size=1, max_size=8), st.integers(1, 3))
def test_closing_the_position_closes_every_part_and_loses_nothing(
    given_trades: list[Any], parts: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        oms = start(Path(folder) / "oms.sqlite")
        try:
            for strategy in (1, 2, 3):
                oms.set_limits(1, {"max_drawdown": "1000000"}, strategy)
            for each in given_trades:
                trade(oms, *each)
            held = oms.handle("positions_open", {}, {"account_ids": "1"}, None).body["items"]
            for row in held:
                part = (Decimal(row["qty"]) / parts).quantize(Decimal("0.001"))
                for _ in range(parts - 1):
                    post(oms, "close_position", position_id=row["id"], qty=str(part))
                    book_of(oms)
                post(oms, "close_position", position_id=row["id"])
            book, naive = book_of(oms), Naive(oms)
            for row in held:
                assert [book.net(strategy, row["symbol"]) for strategy in (1, 2, 3)] == [0, 0, 0]
            made = sum((made.total for made in book.made.values()), Decimal(0))
            for strategy in (1, 2, 3):
                made += sum((part.profit(MARK) for part in book.held(strategy, None)), Decimal(0))
                made -= naive.profit(strategy)
            assert abs(made) < FEW
        finally:
            oms.close()
