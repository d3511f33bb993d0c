"""Random trading against what must always be true of the books, and against naive models.

The models know deals, prices and rates only: one nets positions, one charges funding, one says who has to
be liquidated.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ccxt_driver.contract.rows import OPEN_STATUSES
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.reserving import opening_qty, price_estimate
from ccxt_driver.oms.state import State
from ccxt_driver.oms.store import RowFilter

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
HOUR = 3_600_000
FUNDING = 8 * HOUR
TIERS = ((0, 300_000, Fraction(4, 1000)), (300_000, 800_000, Fraction(5, 1000)))
"""Of the swap, as far as anybody here can get: from, up to, rate."""
START = {"USDT": Decimal(5000), "BTC": Decimal(5)}
ACCOUNTS = [
    {"account_id": number, "position_mode": mode, "balances": START}
    for number, mode in ((1, "netting"), (2, "hedge"), (3, "strategy_netting"))
]

accounts = st.sampled_from([1, 2, 2, 3])
sides = st.sampled_from(["buy", "sell"])
symbols = st.sampled_from([SPOT, SWAP])
quantities = st.sampled_from(["0.5", "1", "1.5", "2", "7", "40", "400", "900"])
prices = st.integers(90, 110).map(str)
row_ids = st.integers(1, 12)
options = st.fixed_dictionaries(
    {},
    optional={
        "strategy_id": st.sampled_from([0, 1, 2]),
        "position_id": row_ids,
        "reduce_only": st.booleans(),
        "post_only": st.booleans(),
        "time_in_force": st.sampled_from(["GTC", "IOC", "FOK"]),
        "trigger_price": prices,
        "oms_stop_loss": prices,
        "oms_stop_gain": prices,
        "stop_price": prices,
        "take_profit_price": prices,
        "trailing_amount": st.sampled_from(["1", "3"]),
    },
)


def command(name: str, **payload: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(name), accounts, st.fixed_dictionaries(payload))


@st.composite
def orders(draw: st.DrawFn) -> Any:
    payload = {"symbol": draw(symbols), "side": draw(sides), "qty": draw(quantities), "order_type": "market"}
    if draw(st.booleans()):
        payload |= {"order_type": "limit", "price": draw(prices)}
    rare = draw(options) if draw(st.integers(0, 3)) == 0 else {}
    return "send_order", draw(accounts), payload | {"strategy_id": draw(st.sampled_from([0, 1]))} | rare


moves = st.tuples(
    st.just("price"),
    symbols,
    st.tuples(st.integers(90, 110), st.integers(1, 3), st.sampled_from([None, "1", "3"])),
)
commands = st.one_of(
    command("cancel_order", order_id=row_ids),
    command("change_order", order_id=row_ids, new_price=prices, new_qty=quantities),
    command("close_position", position_id=row_ids),
    command("close_position", position_id=row_ids, order_type=st.just("limit"), price=prices),
    command("close_by", position_id_a=row_ids, position_id_b=row_ids),
    command("merge_positions", source_position_id=row_ids, target_position_id=row_ids),
    command("position_change", position_id=row_ids, oms_stop_loss=prices),
    command("position_change", position_id=row_ids, oms_stop_gain=prices),
    command("cancel_all_orders"),
)


margins = st.one_of(
    st.tuples(st.just("advance"), st.none(), st.sampled_from([HOUR, FUNDING, 3 * FUNDING + 5])),
    st.tuples(st.just("set_leverage"), accounts, st.sampled_from([1, 5, 20, 50, 100, 125])),
    st.tuples(st.just("set_leverage"), accounts, st.sampled_from([50, 100])),
    st.tuples(st.just("set_margin_mode"), accounts, st.sampled_from(["cross", "isolated"])),
    st.tuples(st.just("rate"), st.none(), st.sampled_from(["0.0001", "-0.002", "0.01", "0"])),
)


@st.composite
def weighted_steps(draw: st.DrawFn) -> Any:
    """Mostly orders and moves of the price: without them there is nothing to command."""
    kind = draw(st.sampled_from([*["order"] * 5, *["move"] * 2, *["command"] * 3, *["margin"] * 2]))
    return draw({"order": orders(), "move": moves, "command": commands, "margin": margins}[kind])


steps = st.lists(weighted_steps(), min_size=20, max_size=60)


def signed(row: Any) -> Decimal:
    return row.qty if row.side == "buy" else -row.qty


@dataclass
class World:
    """What has happened outside the books: prices and funding rates of the swap, by time."""

    marks: list[tuple[int, Decimal]] = field(default_factory=list)
    rates: list[tuple[int, Decimal]] = field(default_factory=lambda: [(0, Decimal("0.0001"))])
    isolated_once: set[int] = field(default_factory=set)
    """Accounts that have had isolated margin."""

    def mark(self) -> Fraction:
        return Fraction(self.marks[-1][1])


def before(history: list[tuple[int, Decimal]], at: int) -> Decimal:
    """The last value before a moment: what is set at that very moment comes after it."""
    return [value for time, value in history if time < at][-1]


class Auditor:
    """Reads the whole store and the live state, and checks every sum anew."""

    def __init__(self, oms: EmbeddedOms, world: World) -> None:
        self.core = oms._core
        self.world = world
        self.now = oms.now_ms()
        self.state = self.core.state
        self.refresh()

    def refresh(self) -> None:
        everything = RowFilter((1, 2, 3))
        store = self.core.store
        self.orders = store.orders(everything)[0]
        self.deals = sorted(store.deals(everything)[0], key=lambda deal: deal.id)
        self.positions = store.positions(everything)[0]
        self.ledger = sorted(store.ledger(everything)[0], key=lambda entry: entry.id)

    def check(self) -> None:
        self.deals_make_orders()
        self.deals_make_positions()
        self.deals_and_fees_make_balances()
        self.open_orders_make_reservations()
        self.swap_orders_hold_what_they_would_open()
        self.open_positions_make_margins()
        self.deals_make_funding()
        self.nobody_is_left_to_be_liquidated()
        self.insurance_pays_what_is_missing()
        self.memory_is_what_the_store_says()
        self.events_are_numbered()

    def deals_make_orders(self) -> None:
        by_order = defaultdict(list)
        for deal in self.deals:
            by_order[deal.order_id].append(deal)
        for order in self.orders:
            deals = by_order[order.id]
            assert order.filled_qty == sum(deal.qty for deal in deals)
            assert order.filled_cost == sum(deal.qty * deal.price for deal in deals)
            assert order.fee == sum(deal.fee for deal in deals)
            assert order.filled_qty <= order.qty
            assert (order.status == "FILLED") == (order.filled_qty == order.qty)
            if order.time_in_force == "FOK":
                assert order.filled_qty in (0, order.qty)
            assert (order.closed_at is None) == (order.status in OPEN_STATUSES)

    def deals_make_positions(self) -> None:
        reducing = {order.id for order in self.orders if order.reduce_only}
        for position in self.positions:
            deals = [deal for deal in self.deals if deal.position_id == position.id]
            assert not any(deal.order_id in reducing and deal.side == position.side for deal in deals)
            total = sum(signed(deal) for deal in deals)
            if position.state == "merged":
                assert deals == []
            assert signed(position) == total
            assert position.is_open == (position.qty > 0)
            assert position.realized_pnl == sum(deal.pnl for deal in deals)
            if position.is_open:
                # All that was paid and is not realised yet is the cost of what is open.
                paid = sum(
                    deal.qty * deal.price * (1 if deal.side == position.side else -1) for deal in deals
                )
                realized = position.realized_pnl if position.side == "buy" else -position.realized_pnl
                assert position.entry_cost == paid + realized
            locked = any(
                order.closes_position and order.position_id == position.id
                for order in self.state.orders.values()
            )
            assert (position.state == "close_requested") == locked

    def deals_and_fees_make_balances(self) -> None:
        for number, account in self.state.accounts.items():
            expected: dict[str, Decimal] = defaultdict(Decimal, START)
            for deal in self.deals:
                if deal.account_id != number:
                    continue
                if deal.symbol == SPOT:
                    expected["BTC"] += signed(deal)
                    expected["USDT"] -= signed(deal) * deal.price + deal.fee
                else:
                    expected["USDT"] += deal.pnl - deal.fee
            for entry in self.ledger:
                if entry.account_id == number and entry.kind in ("funding", "liquidation"):
                    expected[entry.currency] += entry.amount
            assert account.totals == dict(expected)
            running: dict[str, Decimal] = defaultdict(Decimal)
            for entry in self.ledger:
                if entry.account_id == number:
                    running[entry.currency] += entry.amount
                    assert entry.balance_after == running[entry.currency]
            assert dict(running) == account.totals

    def open_orders_make_reservations(self) -> None:
        for number, account in self.state.accounts.items():
            held: dict[str, Decimal] = defaultdict(Decimal)
            for order in self.orders:
                if order.account_id == number and order.is_open:
                    assert self.state.orders[order.id] == order
                    if order.reserved_currency is not None:
                        held[order.reserved_currency] += order.reserved
                    if order.symbol == SPOT and order.side == "sell":
                        assert (order.reserved_currency, order.reserved) == ("BTC", order.remaining)
                    elif order.symbol == SPOT and order.price is not None:
                        assert order.reserved == order.remaining * order.price * Decimal("1.001")
                else:
                    assert not order.reserved or order.account_id != number
            assert {name: value for name, value in account.reserved.items() if value} == {
                name: value for name, value in held.items() if value
            }
            assert account.totals["BTC"] - account.reserved.get("BTC", 0) >= 0
            if not any(deal.symbol == SWAP and deal.account_id == number for deal in self.deals):
                assert account.totals["USDT"] - account.reserved.get("USDT", 0) >= 0

    def swap_orders_hold_what_they_would_open(self) -> None:
        for account in self.state.accounts.values():
            assert account.reducing_on.get(SWAP, {}).keys() <= account.orders_on.get(SWAP, {}).keys()
            for order in account.orders_on.get(SWAP, {}).values():
                price = price_estimate(order)
                assert price is not None
                notional = opening_qty(account, order) * price
                expected = notional / self.leverage(account) + notional * Decimal("0.0005")
                assert expected <= order.reserved <= expected + Decimal("0.00000001")

    def open_positions_make_margins(self) -> None:
        for account in self.state.accounts.values():
            for position in account.positions.values():
                if position.symbol == SWAP:
                    expected = position.entry_cost / self.leverage(account) + position.margin_added
                    assert not position.margin_added or SWAP in account.account.isolated
                    assert expected <= account.margin_of[position.id] <= expected + Decimal("0.00000001")
            assert sum(account.margin_of.values()) == account.margins.get("USDT", 0)

    @staticmethod
    def leverage(account: Any) -> Decimal:
        return account.account.leverage.get(SWAP, Decimal(10))

    def deals_make_funding(self) -> None:
        paid: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
        for entry in self.ledger:
            if entry.kind == "funding":
                assert entry.currency == "USDT"
                paid[entry.account_id, entry.created_at] += entry.amount
        expected: dict[tuple[int, int], Decimal] = {}
        first = self.world.marks[0][0]
        for at in range((first // FUNDING + 1) * FUNDING, self.now + 1, FUNDING):
            each = before(self.world.marks, at) * before(self.world.rates, at)
            for number in self.state.accounts:
                held = [
                    deal
                    for deal in self.deals
                    if (deal.account_id, deal.symbol) == (number, SWAP) and deal.executed_at < at
                ]
                expected[number, at] = -sum(map(signed, held), Decimal(0)) * each
        assert {key: value for key, value in paid.items() if value} == {
            key: value for key, value in expected.items() if value
        }

    def nobody_is_left_to_be_liquidated(self) -> None:
        mark = self.world.mark()
        for account in self.state.accounts.values():
            money, crossed = Fraction(account.totals["USDT"]), False
            for position in account.positions.values():
                if position.symbol != SWAP:
                    continue
                value = Fraction(position.qty) * mark
                needs = sum((min(value, top) - low) * rate for low, top, rate in TIERS if value > low)
                cost = Fraction(position.entry_cost)
                left = (value - cost if position.side == "buy" else cost - value) - needs
                if SWAP in account.account.isolated:
                    money -= Fraction(account.margin_of[position.id])
                    assert Fraction(account.margin_of[position.id]) + left > 0
                else:
                    crossed = True
                    money += left
            # Not even if all that orders hold back were spent.
            money -= Fraction(account.reserved.get("USDT", 0))
            assert money > 0 if crossed else money >= 0

    def insurance_pays_what_is_missing(self) -> None:
        """To the unit, and never more: without isolated margin the balance is zero after it."""
        for entry in self.ledger:
            if entry.kind == "liquidation":
                assert (entry.currency, entry.amount > 0) == ("USDT", True)
                if entry.account_id not in self.world.isolated_once:
                    assert entry.balance_after == 0
        liquidating = {order.id for order in self.orders if order.reason == "liquidation"}
        for order in self.orders:
            if order.id in liquidating:
                assert (order.status, order.symbol, order.reduce_only) == ("FILLED", SWAP, True)

    def memory_is_what_the_store_says(self) -> None:
        loaded = State(self.core.market.markets, self.core.store.load())
        for number, account in self.state.accounts.items():
            other = loaded.accounts[number]
            for name in ("account", "totals", "orders", "positions", "margin_of", "seq"):
                assert getattr(account, name) == getattr(other, name), name
            for name in ("reserved", "margins"):
                mine = {key: value for key, value in getattr(account, name).items() if value}
                assert mine == {key: value for key, value in getattr(other, name).items() if value}, name
        assert loaded.counters == self.state.counters
        assert loaded.funding_rates == self.state.funding_rates
        for name, symbol in self.state.symbols.items():
            other_symbol = loaded.symbols[name]
            assert symbol.triggers == other_symbol.triggers
            assert symbol.stops == other_symbol.stops
            assert symbol.margined == other_symbol.margined
            for side in ("buy", "sell"):
                mine_first = [order.id for order in symbol.resting.orders(side)]  # type: ignore[arg-type]
                assert mine_first == [order.id for order in other_symbol.resting.orders(side)]  # type: ignore[arg-type]

    def events_are_numbered(self) -> None:
        for number, account in self.state.accounts.items():
            events = self.core.store.events(number, 0, 10_000)
            assert events is not None
            assert [event.seq for event in events] == list(range(1, account.seq + 1))


class NaiveNetting:
    """Nets deals one by one, in fractions; knows nothing of orders, margins or prices."""

    def __init__(self, deals: list[Any], by_strategy: bool) -> None:
        self.open: dict[tuple[str, int], tuple[Fraction, Fraction]] = {}
        for deal in deals:
            key = (deal.symbol, deal.strategy_id if by_strategy else 0)
            held, average = self.open.get(key, (Fraction(0), Fraction(0)))
            qty, price = Fraction(signed(deal)), Fraction(deal.price)
            if held * qty >= 0:
                average = (average * abs(held) + price * abs(qty)) / (abs(held) + abs(qty))
            elif abs(qty) > abs(held):
                average = price
            held += qty
            self.open[key] = (held, average)
        self.open = {key: value for key, value in self.open.items() if value[0]}


def compare_with_naive_netting(auditor: Auditor) -> None:
    for number, by_strategy in ((1, False), (3, True)):
        naive = NaiveNetting([deal for deal in auditor.deals if deal.account_id == number], by_strategy)
        found = {
            (position.symbol, position.strategy_id if by_strategy else 0): position
            for position in auditor.state.accounts[number].positions.values()
        }
        assert found.keys() == naive.open.keys()
        # A merge joins positions whose deals were netted apart: then only the quantities can be netted anew.
        merged = any(row.state == "merged" for row in auditor.positions if row.account_id == number)
        for key, position in found.items():
            held, average = naive.open[key]
            assert Fraction(signed(position)) == held
            assert merged or abs(Fraction(position.avg_price) - average) < Fraction(1, 10**12)


def meant(oms: EmbeddedOms, account: int, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload with ids of rows that are open, where there are any: a guess would rarely hit one."""
    live = oms._core.state.accounts[account]
    found = dict(payload)
    for name in payload.keys() & {"order_id", "position_id", "position_id_a", "position_id_b"} | (
        payload.keys() & {"source_position_id", "target_position_id"}
    ):
        ids = [*(live.orders if name == "order_id" else live.positions)]
        if ids:
            found[name] = ids[payload[name] % len(ids)]
    return found


def perform(oms: EmbeddedOms, step: Any, world: World) -> None:
    name, target, payload = step
    if name == "price":
        bid, spread, size = payload
        if target == SWAP:
            world.marks.append((oms.now_ms(), Decimal(bid)))
        oms.set_price(target, bid=bid, ask=bid + spread, last=bid, size=size)
        return
    if name == "advance":
        oms.advance(payload)
        return
    if name == "rate":
        world.rates.append((oms.now_ms(), Decimal(payload)))
        oms.set_funding_rate(SWAP, payload)
        return
    if name in ("set_leverage", "set_margin_mode"):
        path, body = {"account_id": str(target), "func": name}, {"args": [payload, SWAP], "kwargs": {}}
        reply = oms.handle("ccxt_call", path, {}, body)
        assert reply.status < 500 or reply.body["detail"]["code"] == "exchange_error", reply.body
        if payload == "isolated" and reply.status == 200:
            world.isolated_once.add(target)
        return
    payload = meant(oms, target, payload)
    reply = oms.handle("commands", {}, {}, {"account_id": target, "command": name, "payload": payload})
    assert reply.status < 500 or reply.body["detail"]["code"] == "exchange_error", reply.body


@settings(max_examples=150)
@given(steps)
def test_the_books_balance_after_every_step(sequence: list[Any]) -> None:
    trade(EmbeddedOms(accounts=ACCOUNTS, clock="manual"), sequence)


@settings(max_examples=10)
@given(steps)
def test_the_books_balance_on_disk_too(sequence: list[Any]) -> None:
    with TemporaryDirectory() as folder:
        trade(EmbeddedOms(accounts=ACCOUNTS, clock="manual", db=f"{folder}/oms.sqlite"), sequence)


def trade(oms: EmbeddedOms, sequence: list[Any]) -> None:
    """Perform the steps, and audit after each."""
    world = World()
    with oms:
        for symbol in (SPOT, SWAP):
            perform(oms, ("price", symbol, (100, 1, None)), world)
        for number in (1, 2):  # where a move of the price soon takes all there is
            perform(oms, ("set_leverage", number, 100), world)
        for step in sequence:
            perform(oms, step, world)
            auditor = Auditor(oms, world)
            auditor.check()
            compare_with_naive_netting(auditor)
