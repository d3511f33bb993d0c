"""What a stream hands on: one committed change of an account."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, NamedTuple

from ccxt_driver.contract.events import REASSIGNED_TO, EventName


class Kind(StrEnum):
    """Of what a change is."""

    ORDER = "order"
    TRADE = "trade"
    POSITION = "position"
    BALANCE = "balance"


class Change(NamedTuple):
    """One change, as the OMS committed it.

    :param kind: of what
    :param account_id: whose
    :param strategy_id: whose of them; None concerns the account
    :param symbol: of an order, a deal or a position
    :param seq: the OMS's number of it, by account; None where the server gives none
    :param ts_ms: when it was committed, where the server says so
    :param row: of the contract, as it stands after the change; shared, never to be changed
    :param deals: of an order, all of them where they are known
    """

    kind: Kind
    account_id: int
    strategy_id: int | None
    symbol: str | None
    seq: int | None
    ts_ms: int | None
    row: dict[str, Any]
    deals: tuple[dict[str, Any], ...] | None = None

    @property
    def leaves(self) -> bool:
        """Whether it tells a strategy that another one gets the row, which to all others goes on."""
        return self.row.get(REASSIGNED_TO) is not None


_KINDS: Final = {
    EventName.ORDER_UPDATED.value: Kind.ORDER,
    EventName.DEAL_CREATED.value: Kind.TRADE,
    EventName.POSITION_UPDATED.value: Kind.POSITION,
    EventName.BALANCE_UPDATED.value: Kind.BALANCE,
}
"""Events that carry whole rows; the others name what these show."""


def change_of(
    account_id: int, event: str, seq: int | None, ts_ms: int | None, row: dict[str, Any]
) -> Change | None:
    """The change that an event with a whole row tells of; None for every other event."""
    kind = _KINDS.get(event)
    if kind is None:
        return None
    if kind is Kind.BALANCE:
        return Change(kind, account_id, None, None, seq, ts_ms, row)
    symbol = row.get("symbol")
    named = symbol if isinstance(symbol, str) else None  # a row that is none: who is given it is told
    return Change(kind, account_id, row.get("strategy_id") or 0, named, seq, ts_ms, row)
