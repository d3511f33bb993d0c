"""What must always be true of an OMS's books: every sum made anew from the whole store and the live state."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ccxt_driver.contract.rows import OPEN_STATUSES
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.reserving import opening_qty, price_estimate
from ccxt_driver.oms.state import AccountState, State
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
_EVENTS = 10_000


def follows_the_price(account: AccountState) -> bool:
    """Whether an order trails the price of a swap: at a higher one it may need more than there is."""
    return any(order.trail_extreme is not None for order in account.orders_on.get(SWAP, {}).values())


def signed(row: Any) -> Decimal:
    return row.qty if row.side == "buy" else -row.qty


@dataclass
class World:
    """What has happened outside the books: prices and funding rates of the swap, by time."""

    marks: list[tuple[int, Decimal]] = field(default_factory=list)
    rates: list[tuple[int, Decimal]] = field(default_factory=lambda: [(0, Decimal("0.0001"))])
    transfers: list[tuple[int, str, Decimal]] = field(default_factory=list)
    """Money that came from outside, or went there: account, currency, signed amount."""
    isolated_once: set[int] = field(default_factory=set)
    """Accounts that have had isolated margin."""

    def mark(self) -> Fraction:
        return Fraction(self.marks[-1][1])


def before(history: list[tuple[int, Decimal]], at: int) -> Decimal:
    """The last value before a moment: what is set at that very moment comes after it."""
    return [value for time, value in history if time < at][-1]


class Auditor:
    """Reads the whole store and the live state, and checks every sum anew.

    :param start: the balances that each account began with, when nothing was deposited or withdrawn
        since; None takes what was, as the ledger has it
    :param world: what has happened outside; without it nothing is checked that depends on prices and rates
    """

    def __init__(
        self, oms: EmbeddedOms, start: dict[str, Decimal] | None = START, world: World | None = None
    ) -> None:
        self.start = start
        self.core = oms._core
        self.world = world
        self.now = oms.now_ms()
        self.state = self.core.state
        self.refresh()

    def refresh(self) -> None:
        everything = RowFilter((1, 2, 3), known=None)
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
        if self.world is not None:
            self.deals_make_funding(self.world)
            self.nobody_is_left_to_be_liquidated(self.world)
            self.insurance_pays_what_is_missing(self.world)
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
            # A row has one currency of fees, that of the first; each deal has its own.
            assert order.fee == sum(deal.fee for deal in deals if deal.fee_currency == order.fee_currency)
            assert order.filled_qty <= order.qty
            assert (order.status == "FILLED") == (order.filled_qty == order.qty)
            if order.time_in_force == "FOK":
                assert order.filled_qty in (0, order.qty)
            assert (order.closed_at is None) == (order.status in OPEN_STATUSES)

    def deals_make_positions(self) -> None:
        reducing = {order.id for order in self.orders if order.reduce_only}
        closing = {order.position_id for order in self.state.orders.values() if order.closes_position}
        by_position = defaultdict(list)
        for deal in self.deals:
            by_position[deal.position_id].append(deal)
        for position in self.positions:
            deals = by_position[position.id]
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
            assert (position.state == "close_requested") == (position.id in closing)

    def transfers_are_what_was_asked_for(self, account_id: int, entries: list[Any]) -> None:
        expected: dict[str, Decimal] = defaultdict(Decimal)
        for number, currency, amount in self.world.transfers if self.world is not None else ():
            if number == account_id:
                expected[currency] += amount
        for entry in entries:
            if entry.kind in ("deposit", "withdraw"):
                expected[entry.currency] -= entry.amount
        assert not any(expected.values()), expected

    def deals_and_fees_make_balances(self) -> None:
        for number, account in self.state.accounts.items():
            own = [entry for entry in self.ledger if entry.account_id == number]
            start = self.start or {}
            assert {entry.currency: entry.amount for entry in own[: len(start)]} == start
            if self.world is not None:
                self.transfers_are_what_was_asked_for(number, own[len(start) :])
            expected: dict[str, Decimal] = defaultdict(Decimal)
            for entry in own:
                if entry.kind not in ("deal", "fee"):  # transfers, funding, and what the insurance paid
                    expected[entry.currency] += entry.amount
            for deal in self.deals:
                if deal.account_id != number:
                    continue
                if deal.symbol == SWAP:
                    expected["USDT"] += deal.pnl
                else:
                    expected[deal.symbol.partition("/")[0]] += signed(deal)
                    expected["USDT"] -= signed(deal) * deal.price
                if deal.fee:
                    expected[deal.fee_currency] -= deal.fee
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
                    if price_estimate(order) is None:  # at the market, and on its way
                        assert (order.id in self.state.arriving, order.reserved) == (True, 0)
                    elif order.symbol == SPOT and order.side == "sell":
                        assert (order.reserved_currency, order.reserved) == ("BTC", order.remaining)
                    elif order.symbol == SPOT and order.price is not None:
                        assert order.reserved == order.remaining * order.price * Decimal("1.001")
                else:
                    assert not order.reserved or order.account_id != number
            assert {name: value for name, value in account.reserved.items() if value} == {
                name: value for name, value in held.items() if value
            }
            assert account.totals["BTC"] - account.reserved.get("BTC", 0) >= 0
            # What is lost on a swap may leave less.
            traded = any(deal.symbol == SWAP and deal.account_id == number for deal in self.deals)
            if not traded and not follows_the_price(account):
                assert account.totals["USDT"] - account.reserved.get("USDT", 0) >= 0

    def swap_orders_hold_what_they_would_open(self) -> None:
        for account in self.state.accounts.values():
            assert account.reducing_on.get(SWAP, {}).keys() <= account.orders_on.get(SWAP, {}).keys()
            for order in account.orders_on.get(SWAP, {}).values():
                price = price_estimate(order)
                if price is None:  # at the market, and on its way
                    assert (order.id in self.state.arriving, order.reserved) == (True, 0)
                    continue
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

    def deals_make_funding(self, world: World) -> None:
        paid: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
        for entry in self.ledger:
            if entry.kind == "funding":
                assert entry.currency == "USDT"
                paid[entry.account_id, entry.created_at] += entry.amount
        expected: dict[tuple[int, int], Decimal] = {}
        first = world.marks[0][0]
        for at in range((first // FUNDING + 1) * FUNDING, self.now + 1, FUNDING):
            each = before(world.marks, at) * before(world.rates, at)
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

    def nobody_is_left_to_be_liquidated(self, world: World) -> None:
        if not self.state.symbols[SWAP].is_open:
            return  # it waits for that
        mark = world.mark()
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
            assert money > 0 if crossed else money >= 0 or follows_the_price(account)

    def insurance_pays_what_is_missing(self, world: World) -> None:
        """To the unit, and never more: without isolated margin the balance is zero after it."""
        for entry in self.ledger:
            if entry.kind == "liquidation":
                assert (entry.currency, entry.amount > 0) == ("USDT", True)
                if entry.account_id not in world.isolated_once:
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
        for name in ("funding_rates", "funding_changes", "limits", "arriving", "queues", "ranks"):
            assert getattr(loaded, name) == getattr(self.state, name), name
        mine, others = (
            {name: session.dump() for name, session in state.sessions.items()}
            for state in (self.state, loaded)
        )
        assert mine == others
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
            seqs: list[int] = []
            while len(seqs) < account.seq:
                events = self.core.store.events(number, len(seqs), _EVENTS)
                assert events
                seqs += [event.seq for event in events]
            assert seqs == list(range(1, account.seq + 1))
