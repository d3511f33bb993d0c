"""What those hear who follow market data: which symbols to look at again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from ccxt_driver.contract.events import EventName

from .entities import Event

_NOBODY: Final[frozenset[str]] = frozenset()
_MOVES_A_BOOK: Final = frozenset(
    {EventName.ORDER_UPDATED.value, EventName.DEAL_CREATED.value, EventName.POSITION_UPDATED.value}
)
"""A position too: how much of an order shows that only reduces one depends on it."""


class MarketNews(NamedTuple):
    """Symbols whose market data may have changed. Not what has changed: that is read anew.

    :param prices: all of their market data
    :param books: the order book alone: an order rests, goes or fills
    """

    prices: frozenset[str] = _NOBODY
    books: frozenset[str] = _NOBODY


def of_prices(symbols: Iterable[str]) -> MarketNews:
    """Prices of some symbols may be others now."""
    return MarketNews(prices=frozenset(symbols))


def of_events(events: Iterable[Event]) -> MarketNews:
    """What committed events do to order books."""
    return MarketNews(
        books=frozenset(event.payload["symbol"] for event in events if event.name in _MOVES_A_BOOK)
    )
