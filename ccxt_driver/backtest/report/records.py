"""What a report needs of the rows of a run, with their types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, NamedTuple

from ccxt_driver.backtest.run import Run
from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.rows import LedgerKind, PositionState
from ccxt_driver.contract.values import parse_decimal, parse_time
from ccxt_driver.oms.entities import LedgerEntry
from ccxt_driver.oms.market.listing import Market

ZERO = Decimal(0)
BESIDE: Final = (LedgerKind.FUNDING, LedgerKind.LIQUIDATION)
"""What a position pays or receives beside its deals."""


class Deal(NamedTuple):
    """One fill.

    :param qty: base units, below 0 of a sale
    :param price: quote units
    :param fee: in units of `fee_currency`
    :param pnl: realised by the fill, gross of fees, in quote units
    """

    id: int
    time_ms: int
    market: Market
    position_id: int
    strategy_id: int
    qty: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    pnl: Decimal
    maker: bool


class Position(NamedTuple):
    """Whose a position is, and whether another one took it over."""

    symbol: str
    strategy_id: int
    merged: bool


class Records:
    """The rows of a run, read one after another: there may be very many.

    :param run: its deals and its ledger ascend in time
    :raises ValueError: a position that is not one of the contract's
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        shared: dict[Position, Position] = {}
        self.positions: dict[int, Position] = {}
        """By id; equal ones are one object."""
        for row in run.positions:
            position = _position(row)
            self.positions[row["id"]] = shared.setdefault(position, position)

    def deals(self, seen: Callable[[Mapping[str, Any], Deal], None] | None = None) -> Iterator[Deal]:
        """The deals, ascending in time.

        :param seen: is told of each, with its row
        :raises ValueError: a row that is not one of the contract's, of a symbol that is not in the markets,
            or of a time before the one before
        """
        before = 0
        for row in self._run.deals:
            deal = _deal(row, self._run.markets)
            if deal.time_ms < before:
                raise ValueError(f"deals: deal {deal.id} is of a time before the one before it")
            before = deal.time_ms
            if seen is not None:
                seen(row, deal)
            yield deal

    def entries(self) -> Iterator[LedgerEntry]:
        """The changes of balances, ascending in time.

        :raises ValueError: one is of a time before the one before
        """
        before = 0
        for entry in self._run.ledger:
            if entry.created_at < before:
                raise ValueError(f"ledger: row {entry.id} is of a time before the one before it")
            before = entry.created_at
            yield entry

    @cached_property
    def heirs(self) -> dict[int, int]:
        """By the id of a position that was merged, the one that has its deals now."""
        if not any(position.merged for position in self.positions.values()):
            return {}
        return _heirs(self._run.deals, self.positions)

    @cached_property
    def position_of(self) -> dict[int, int]:
        """By the id of a deal, its position."""
        return {row["id"]: row.get("position_id") or 0 for row in self._run.deals}

    def last_ms(self) -> int:
        """The last time of a deal, or of what a position paid or received; 0 of none."""
        found = parse_time(self._run.deals[-1]["executed_at"]) if self._run.deals else 0
        for entry in reversed(self._run.ledger):
            if entry.created_at <= max(found, self._run.end_ms):
                break
            if entry.kind in BESIDE:
                return entry.created_at
        return found


def _deal(row: Mapping[str, Any], markets: Mapping[str, Market]) -> Deal:
    market = markets.get(row["symbol"])
    if market is None:
        raise ValueError(f"deals: deal {row['id']} is of {row['symbol']!r}, which is not in the markets")
    qty = parse_decimal(row["qty"])
    return Deal(
        row["id"],
        parse_time(row["executed_at"]),
        market,
        row.get("position_id") or 0,
        row.get("strategy_id") or 0,
        qty if row["side"] == Side.BUY else -qty,
        parse_decimal(row["price"]),
        parse_decimal(row.get("fee") or 0),
        row.get("fee_currency") or market.settle or market.quote,
        parse_decimal(row.get("pnl") or 0),
        bool(row.get("maker")),
    )


def _position(row: Mapping[str, Any]) -> Position:
    merged = row["state"] == PositionState.MERGED
    return Position(row["symbol"], row.get("strategy_id") or 0, merged)


def _heirs(deals: Iterable[Mapping[str, Any]], positions: Mapping[int, Position]) -> dict[int, int]:
    """Which position took over one that was merged, as its deals tell; they know the last two only."""
    found = {}
    for row in deals:
        before, now = row.get("previous_position_id") or 0, row.get("position_id") or 0
        if now != before and before in positions and positions[before].merged:
            found[before] = now
    return found
