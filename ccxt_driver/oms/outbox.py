"""Events that are written down when they are read: what a memory store keeps is seldom asked for.

What an event tells is kept as a `Source`: a tuple of what it was at its time, which nothing can change. It is
flat: Python's collector lets go of one level of tuples in tuples each time that it looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from ccxt_driver.contract.events import EventName

from .entities import Deal, Event, Order, Position, PositionValues, balance_row
from .packing import DEALS, ORDERS, POSITIONS, Packed

Source = Sequence[Any]
"""First the kind, then what the writer of that kind takes."""

_ORDER, _DEAL, _POSITION, _BALANCE, _NOTE = range(5)
_ORDER_UPDATED: Final = EventName.ORDER_UPDATED.value
_DEAL_CREATED: Final = EventName.DEAL_CREATED.value
_POSITION_UPDATED: Final = EventName.POSITION_UPDATED.value
_BALANCE_UPDATED: Final = EventName.BALANCE_UPDATED.value


class LazyEvent(Event):
    """An event whose payload is written when it is read for the first time.

    :param symbol: of the row it tells of; None of an event without one
    """

    __slots__ = ("_payload", "_symbol", "source")

    def __init__(
        self,
        account_id: int,
        ts_ms: int,
        name: str,
        strategy_id: int | None,
        symbol: str | None,
        source: Source,
    ) -> None:
        self.account_id = account_id
        self.seq = 0
        self.ts_ms = ts_ms
        self.name = name
        self.strategy_id = strategy_id
        self.source = source
        self._symbol = symbol
        self._payload: dict[str, Any] | None = None

    @property
    def symbol(self) -> str | None:
        """The market that it is of."""
        return self._symbol

    @property
    def payload(self) -> dict[str, Any]:  # type: ignore[override]  # read like the field
        """The wire form."""
        if self._payload is None:
            self._payload = written(self.source)
        return self._payload


def order_updated(order: Order, packed: Packed, now: int) -> LazyEvent:
    """An order as it is now.

    :param packed: the same
    """
    source = _ORDER, packed
    return LazyEvent(order.account_id, now, _ORDER_UPDATED, order.strategy_id, order.symbol, source)


def deal_created(deal: Deal, packed: Packed, now: int) -> LazyEvent:
    """A deal as it is now.

    :param packed: the same
    """
    source = _DEAL, packed
    return LazyEvent(deal.account_id, now, _DEAL_CREATED, deal.strategy_id, deal.symbol, source)


def position_updated(position: Position, packed: Packed, values: PositionValues, now: int) -> LazyEvent:
    """A position as it is now.

    :param packed: the same
    :param values: of now
    """
    source = _POSITION, packed, tuple(values)
    account_id, strategy_id = position.account_id, position.strategy_id
    return LazyEvent(account_id, now, _POSITION_UPDATED, strategy_id, position.symbol, source)


def balance_updated(account_id: int, currency: str, free: Decimal, total: Decimal, now: int) -> LazyEvent:
    """What an account has of a currency."""
    source = _BALANCE, account_id, currency, free, total
    return LazyEvent(account_id, now, _BALANCE_UPDATED, None, None, source)


def source_of(event: Event) -> Source:
    """What an event can be written from again."""
    if isinstance(event, LazyEvent):
        return event.source
    payload = event.payload
    return _NOTE, *payload, *payload.values()


def written(source: Source) -> dict[str, Any]:
    """The wire form of what an event tells, anew each time."""
    kind, *parts = source
    return _WRITERS[kind](*parts)


_WRITERS: Final[dict[int, Callable[..., dict[str, Any]]]] = {
    _ORDER: lambda packed: ORDERS.unpack(packed).row(),
    _DEAL: lambda packed: DEALS.unpack(packed).row(),
    _POSITION: lambda packed, values: POSITIONS.unpack(packed).row(PositionValues(*values)),
    _BALANCE: balance_row,
    _NOTE: lambda *both: dict(zip(both[: len(both) // 2], both[len(both) // 2 :], strict=True)),
}
