"""What a report needs of the rows of a run, with their types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from ccxt_driver.backtest.run import Run
from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.rows import LedgerKind, PositionState
from ccxt_driver.contract.values import parse_decimal, parse_time
from ccxt_driver.oms.market.listing import Market

ZERO = Decimal(0)


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


class Entry(NamedTuple):
    """One change of a balance.

    :param amount: signed, in units of `currency`
    """

    time_ms: int
    currency: str
    amount: Decimal
    kind: LedgerKind
    reference_id: int


class Position(NamedTuple):
    """Whose a position is, and whether another one took it over."""

    symbol: str
    strategy_id: int
    merged: bool


@dataclass(frozen=True, slots=True)
class Records:
    """The rows of a run.

    :param deals: ascending in time
    :param entries: ascending in time
    :param positions: by id
    :param heirs: by the id of a position that was merged, the one that has its deals now
    """

    deals: list[Deal]
    entries: list[Entry]
    positions: dict[int, Position]
    heirs: dict[int, int]


def read_records(run: Run) -> Records:
    """Read the rows of a run.

    :raises ValueError: a row that is not one of the contract's, or of a symbol that is not in the markets
    """
    positions = dict(map(_position, run.positions))
    return Records(
        sorted((_deal(row, run.markets) for row in run.deals), key=lambda deal: (deal.time_ms, deal.id)),
        sorted(map(_entry, run.ledger), key=lambda entry: entry.time_ms),
        positions,
        _heirs(run.deals, positions),
    )


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


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(
        parse_time(row["created_at"]),
        row["currency"],
        parse_decimal(row["amount"]),
        LedgerKind(row["kind"]),
        row.get("reference_id") or 0,
    )


def _position(row: Mapping[str, Any]) -> tuple[int, Position]:
    merged = row["state"] == PositionState.MERGED
    return row["id"], Position(row["symbol"], row.get("strategy_id") or 0, merged)


def _heirs(deals: Iterable[Mapping[str, Any]], positions: Mapping[int, Position]) -> dict[int, int]:
    """Which position took over one that was merged, as its deals tell; they know the last two only."""
    found = {}
    for row in deals:
        before, now = row.get("previous_position_id") or 0, row.get("position_id") or 0
        if now != before and before in positions and positions[before].merged:
            found[before] = now
    return found
