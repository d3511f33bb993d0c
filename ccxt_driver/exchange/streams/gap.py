"""What a stream of numbered events has handed on: what the server keeps no events of is found by that."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ccxt_driver.mappers.values import BadRow

from .account_reader import AccountReader
from .changes import Change, Kind
from .differences import Fresh, KnownState, differences, newest_time

if TYPE_CHECKING:
    from ccxt_driver.exchange._async.exchange import OmsCcxtExchange

LOG: Final = logging.getLogger("ccxt_driver")
_MOST_KEPT: Final = 10_000
_READ_AS: Final = {Kind.ORDER: "orders", Kind.POSITION: "positions", Kind.BALANCE: "balances"}
_STAMPED_BEFORE_MS: Final = 5_000
"""A row that is newer than all that were handed on may say so much too early when it was made."""
NEEDS: Final = {
    Kind.ORDER: frozenset({Kind.ORDER, Kind.TRADE}),
    Kind.TRADE: frozenset({Kind.TRADE}),
    Kind.POSITION: frozenset({Kind.POSITION, Kind.TRADE}),
    Kind.BALANCE: frozenset({Kind.BALANCE}),
}
"""What is read with a kind: deals tell of fills that orders and positions are read too early for."""


class HandedOn:
    """The rows that events have told, and up to where. What is forgotten of them is judged by its time.

    :param exchange: what reads
    :param account_id: whose
    """

    def __init__(self, exchange: OmsCcxtExchange, account_id: int) -> None:
        self._exchange = exchange
        self._account_id = account_id
        self._reader = AccountReader(exchange, account_id)
        self._latest: OrderedDict[tuple[Kind, int | str], Change] = OrderedDict()
        """The last change of each row, in the order in which they came."""
        self._known = KnownState(account_id)
        """The same while what was missed is read."""
        self.seq: int | None = None
        """The last event that was handed on; None where what came before the next one cannot be found."""
        self.reached_ms: int | None = None
        """When that was committed, milliseconds since the Unix epoch by the server's clock."""

    def begin(self, seq: int | None) -> None:
        """Events go on after this one; what was handed on beyond it is of another history."""
        if self.seq is not None and seq is not None and seq < self.seq:
            self.forget()

    def forget(self) -> None:
        """What comes next does not go on from there."""
        self._latest.clear()
        self.seq = self.reached_ms = None

    def note(self, seq: int, ts_ms: object, change: Change | None) -> None:
        """An event is handed on; one that was before is given once more to a watcher that is behind.

        :param ts_ms: when it was committed, milliseconds since the Unix epoch by the server's clock
        """
        if self.seq is not None and seq <= self.seq:
            return
        if type(ts_ms) is not int:
            self.seq = None  # from when on there may be news nobody can tell
            return
        self.seq, self.reached_ms = seq, ts_ms
        if change is not None:
            self._keep(change)

    def _keep(self, change: Change) -> None:
        if change.leaves:
            return  # it goes on: the next change says so
        row_id = change.row.get("currency" if change.kind is Kind.BALANCE else "id")
        if not isinstance(row_id, int | str):
            return  # it is no row: who watches is told of it
        latest, key = self._latest, (change.kind, row_id)
        latest[key] = change
        latest.move_to_end(key)
        if len(latest) > _MOST_KEPT:
            latest.popitem(last=False)

    def _take(self, change: Change) -> None:
        try:
            self._known.take((change,))
        except (BadRow, KeyError, TypeError) as error:  # it is no row
            LOG.debug("%s %s: %r", self._exchange.id, change.kind, error)

    async def look(self, kinds: Iterable[Kind]) -> Fresh:
        """Read what may have changed since the last event.

        :param kinds: of which
        :raises BaseError: it could not be read
        """
        self._known = KnownState(self._account_id, since_ms=self.reached_ms)
        for change in self._latest.values():
            self._take(change)
        wanted: frozenset[Kind] = frozenset().union(*(NEEDS[kind] for kind in kinds))
        return await self._reader.read(wanted, self._known)

    def news(self, fresh: Fresh) -> list[Change]:
        """What has changed, which is handed on now.

        :raises BadResponse: a row is not of the contract
        """
        changes: list[Change] = self._exchange._mapped(self._differences, fresh)
        new = [change for change in changes if self._is_new(change)]
        for change in changes:
            self._take(change)
            self._keep(change)
        self._known.catch_up()
        return new

    def tells_news(self, change: Change) -> bool:
        """Whether an event says more than what was read before it came."""
        row = change.row
        try:
            if change.leaves:
                return self._is_of(change)
            if change.kind is Kind.TRADE:
                is_news = not self._known.knows(Kind.TRADE, row["id"])
            else:
                is_news = bool(self._differences(Fresh(**{_READ_AS[change.kind]: (row,)})))
        except (BadRow, KeyError, TypeError):  # it is no row: who watches is told of it
            return True
        if is_news:
            self._take(change)
        return is_news

    def _is_of(self, leaving: Change) -> bool:
        """Whether a row that leaves a strategy is still known as that strategy's, and open."""
        known = self._known.open_orders if leaving.kind is Kind.ORDER else self._known.positions
        row = known.get(leaving.row["id"])
        return row is not None and (row.get("strategy_id") or 0) == leaving.strategy_id

    def _differences(self, fresh: Fresh) -> list[Change]:
        return [*differences(self._known, fresh, self._exchange._utc_offset_ms())]

    def _is_new(self, change: Change) -> bool:
        """Whether it came after the last event: a row may be stamped some moments before it is committed."""
        if change.kind is Kind.BALANCE or change.ts_ms is None:
            return change.kind is Kind.BALANCE
        moved_ms = change.ts_ms
        if change.kind is Kind.TRADE:  # a venue's own time of a trade may be much earlier
            times = ("executed_at", "created_at")
            moved_ms = newest_time(change.row, times, self._exchange._utc_offset_ms()) or moved_ms
        highest = self._known.highest(change.kind)
        if highest and change.row["id"] > highest:
            moved_ms += _STAMPED_BEFORE_MS
        return not self._known.is_old(change._replace(ts_ms=moved_ms))
