"""From deals to round trips: from nothing held to nothing held again.

A round trip of a swap is a position of the OMS. Coins are nobody's position on a venue, so a round trip of
a spot market is what one strategy holds of one symbol, at its average price: it may be below zero, of coins
that were there before and were sold first. It ends when less is left than the smallest order of the market;
what is left goes on into the next one at its cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from ccxt_driver.contract.rows import LedgerKind
from ccxt_driver.oms.entities import LedgerEntry

from .equity import Change
from .records import BESIDE, ZERO, Deal, Records
from .valuation import Valuation


@dataclass(slots=True)
class RoundTrip:
    """What one holding made, in the currency of the run; each amount valued at its own moment.

    :param qty: base units that are still open, below 0 of a short one
    :param entry_value: what they cost, in quote units, below 0 of a short one
    :param gross: profit of what was closed, before fees and funding
    :param fees: what was paid
    :param funding: what was received, below 0 what was paid
    :param insurance: what the venue took over of a liquidation's loss
    """

    symbol: str
    strategy_id: int
    opened_ms: int
    closed_ms: int | None = None
    qty: Decimal = ZERO
    entry_value: Decimal = ZERO
    gross: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    insurance: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        """What it made after everything."""
        return self.gross - self.fees + self.funding + self.insurance

    @property
    def held(self) -> Decimal:
        """What counts as a position, in base units: nothing of what is left by one that has ended."""
        return ZERO if self.closed_ms is not None else self.qty


class Booked(NamedTuple):
    """What one row did to one symbol of one strategy; values are in the currency of the run.

    :param deal: the row, None of funding and the like
    :param cost_value: quantity times price
    """

    symbol: str
    strategy_id: int
    change: Change
    deal: Deal | None = None
    fee_value: Decimal = ZERO
    cost_value: Decimal = ZERO
    funding: Decimal = ZERO


class Holdings:
    """Follows the deals and the ledger of a run; in the context `EXACT`.

    :param seen: is told of each row of a deal
    """

    def __init__(
        self,
        records: Records,
        valuation: Valuation,
        seen: Callable[[Mapping[str, Any], Deal], None] | None = None,
    ) -> None:
        self._records = records
        self._valuation = valuation
        self._seen = seen
        self.round_trips: list[RoundTrip] = []
        """All up to now, open ones too, by when they began."""
        self._swaps: dict[int, RoundTrip] = {}
        self._coins: dict[tuple[str, int], RoundTrip] = {}

    def follow(self, entries: Iterable[LedgerEntry]) -> Iterator[Booked | LedgerEntry]:
        """What each row did, ascending in time; entries are given on.

        :param entries: of the ledger, ascending in time
        """
        waiting = iter(entries)
        entry = next(waiting, None)
        for deal in self._records.deals(self._seen):
            while entry is not None and entry.created_at < deal.time_ms:
                yield from self._given(entry)
                entry = next(waiting, None)
            yield self._swap(deal) if deal.market.settle else self._spot(deal)
        while entry is not None:
            yield from self._given(entry)
            entry = next(waiting, None)

    def _given(self, entry: LedgerEntry) -> Iterator[Booked | LedgerEntry]:
        yield entry
        if entry.kind in BESIDE:
            position_id = entry.reference_id or 0
            if entry.kind is LedgerKind.LIQUIDATION:
                position_id = self._records.position_of.get(position_id, 0)
            booked = self._beside(entry, position_id)
            if booked is not None:
                yield booked

    def _begin(self, deal: Deal, strategy_id: int) -> RoundTrip:
        trip = RoundTrip(deal.market.symbol, strategy_id, deal.time_ms)
        self.round_trips.append(trip)
        return trip

    def _in_currency(self, amount: Decimal, deal: Deal) -> Decimal:
        """An amount in what a deal was quoted in, in the currency of the run."""
        return self._valuation.value(amount, deal.market.settle or deal.market.quote, deal.time_ms)

    def _fee_value(self, deal: Deal) -> Decimal:
        if deal.fee_currency == deal.market.base:  # at the deal's own price
            return self._in_currency(deal.fee * deal.price, deal)
        return self._valuation.value(deal.fee, deal.fee_currency, deal.time_ms)

    def _swap(self, deal: Deal) -> Booked:
        trip = self._swaps.get(deal.position_id)
        if trip is None:
            position = self._records.positions.get(deal.position_id)
            owner = deal.strategy_id if position is None else position.strategy_id
            trip = self._swaps[deal.position_id] = self._begin(deal, owner)
        before = trip.held
        entry_value = deal.qty * deal.price + deal.pnl  # of what is closed, its cost with the sign turned
        trip.qty += deal.qty
        trip.entry_value += entry_value
        trip.gross += self._in_currency(deal.pnl, deal)
        trip.fees += (fee := self._fee_value(deal))
        trip.closed_ms = None if trip.qty else deal.time_ms
        settle = deal.market.settle or deal.market.quote
        return self._book(
            deal,
            trip.strategy_id,
            fee,
            Change(
                deal.time_ms,
                ((settle, deal.pnl), (deal.fee_currency, -deal.fee)),
                (deal.market.symbol, deal.qty, entry_value),
                _held(deal.market.symbol, before, trip.held),
                (deal.market.symbol, deal.price),
            ),
        )

    def _spot(self, deal: Deal) -> Booked:
        key = deal.market.symbol, deal.strategy_id
        fee = self._fee_value(deal)
        # A fee in the coin itself is paid out of what was bought, and never becomes a part of it.
        qty = deal.qty - (deal.fee if deal.fee_currency == deal.market.base else ZERO)
        trip = self._coins.get(key)
        before = ZERO if trip is None else trip.held
        if trip is not None and before * qty < 0:
            part = qty if abs(qty) < abs(before) else -before
            share = fee if part == qty else fee * part / qty
            self._close_part(trip, deal, part)
            trip.fees += share
            qty -= part
            fee_left = fee - share
        else:
            fee_left = fee
        if trip is None or qty:
            trip = self._coins[key] = self._grow(trip, deal, qty)
            trip.fees += fee_left
        cost = deal.qty * deal.price
        return self._book(
            deal,
            deal.strategy_id,
            fee,
            Change(
                deal.time_ms,
                ((deal.market.base, deal.qty), (deal.market.quote, -cost), (deal.fee_currency, -deal.fee)),
                None,
                _held(deal.market.symbol, before, trip.held),
                (deal.market.symbol, deal.price),
            ),
        )

    def _close_part(self, trip: RoundTrip, deal: Deal, part: Decimal) -> None:
        """Take the opposite of what a round trip holds off it.

        :param part: base units with the sign of the deal
        """
        cost = trip.entry_value if part == -trip.qty else trip.entry_value * -part / trip.qty
        trip.gross += self._in_currency(-part * deal.price - cost, deal)
        trip.qty += part
        trip.entry_value -= cost
        if abs(trip.qty) < deal.market.min_qty:
            trip.closed_ms = deal.time_ms

    def _grow(self, trip: RoundTrip | None, deal: Deal, qty: Decimal) -> RoundTrip:
        if trip is None or trip.closed_ms is not None:
            rest = trip
            trip = self._begin(deal, deal.strategy_id)
            if rest is not None:
                trip.qty, trip.entry_value = rest.qty, rest.entry_value
                rest.qty = rest.entry_value = ZERO
        trip.qty += qty
        trip.entry_value += qty * deal.price
        return trip

    def _book(self, deal: Deal, strategy_id: int, fee: Decimal, change: Change) -> Booked:
        cost = self._in_currency(abs(deal.qty * deal.price), deal)
        return Booked(deal.market.symbol, strategy_id, change, deal, fee, cost)

    def _beside(self, entry: LedgerEntry, position_id: int) -> Booked | None:
        """What a position paid or received beside its deals."""
        trip = self._swaps.get(self._records.heirs.get(position_id, position_id))
        owner = trip or self._records.positions.get(position_id)
        if owner is None:
            return None
        value = self._valuation.value(entry.amount, entry.currency, entry.created_at)
        funding = value if entry.kind is LedgerKind.FUNDING else ZERO
        if trip is not None:
            trip.funding += funding
            trip.insurance += value - funding
        change = Change(entry.created_at, ((entry.currency, entry.amount),), None, None)
        return Booked(owner.symbol, owner.strategy_id, change, funding=funding)


def _held(symbol: str, before: Decimal, after: Decimal) -> tuple[str, Decimal, Decimal]:
    return symbol, after - before, abs(after) - abs(before)
