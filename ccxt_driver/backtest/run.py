"""What a run leaves behind: all that a report is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ccxt_driver.oms.entities import LedgerEntry
from ccxt_driver.oms.market.listing import Market
from ccxt_driver.oms.market.tape import FileReport


class Prices(NamedTuple):
    """Prices of one symbol, ascending in time; floats, as they are for charts and equity only."""

    times: Sequence[int]
    """Milliseconds since the Unix epoch."""
    values: Sequence[float]
    """In quote units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One finished run; the same script, data and seed give the same.

    :param name: of the script's file
    :param start_ms: the first moment of virtual time, milliseconds since the Unix epoch
    :param end_ms: the last one
    :param ended: why it ended: `data` (the data did), `script` (it came to its end) or `error`
    :param error: the traceback of an error; None when there was none
    :param currency: what equity is counted in
    :param seed: of all chance
    :param assumptions: name to text: how candles move inside, what fills assume, fees, latency
    :param markets: by symbol
    :param account_id: whose money
    :param orders: contract rows, ascending by id
    :param deals: contract rows, ascending by id and in time
    :param positions: contract rows, closed ones too, ascending by id
    :param ledger: every change of a balance, ascending as the deals; the first are the deposits
    :param prices: last ones by symbol, of those that matter: all that candles pass; else see `thinned`
    :param position_prices: by symbol, what positions were valued at where that was not the last price alone
    :param path_deals: ids of the deals whose price or time depended on how a candle was assumed to move
    :param gap_deals: by id: `inside` of deals that were made in a gap of the data, at the price before it,
        `after` of those of orders from before whose price the market jumped to over a gap
    :param data: what was found in each file, as far as it was read
    """

    name: str
    start_ms: int
    end_ms: int
    ended: str
    error: str | None
    currency: str
    seed: int
    assumptions: Mapping[str, str]
    markets: Mapping[str, Market]
    account_id: int
    orders: Sequence[Mapping[str, Any]]
    deals: Sequence[Mapping[str, Any]]
    positions: Sequence[Mapping[str, Any]]
    ledger: Sequence[LedgerEntry]
    prices: Mapping[str, Prices]
    position_prices: Mapping[str, Prices]
    path_deals: frozenset[int]
    gap_deals: Mapping[int, str]
    data: Sequence[FileReport]
