"""The ledger in memory, in columns: it has several rows a deal, is seldom read, and never changes."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from ccxt_driver.contract.rows import LedgerKind

from .entities import LedgerEntry

_KINDS: Final = tuple(LedgerKind)
_KIND_AT: Final = {kind: place for place, kind in enumerate(_KINDS)}
_NO_REFERENCE: Final = -(2**63)
_FUNDING: Final = _KIND_AT[LedgerKind.FUNDING]
_Times = tuple[int | None, int | None]
Owners = tuple[frozenset[int], frozenset[int]]
"""Ids of deals, and of positions: what a row names is a position when it is funding, otherwise a deal."""


class LedgerTable:
    """Rows of all accounts."""

    def __init__(self) -> None:
        self._by_account: dict[int, _Columns] = {}

    def put(self, entry: LedgerEntry) -> None:
        """Add or replace a row."""
        columns = self._by_account.get(entry.account_id)
        if columns is None:
            columns = self._by_account[entry.account_id] = _Columns(entry.account_id)
        columns.put(entry)

    def ids(self, account_id: int) -> array[int]:
        """Ids of the rows of an account, ascending."""
        columns = self._by_account.get(account_id)
        return array("q", () if columns is None else sorted(columns.ids))

    def by_id(self, ids: Sequence[int]) -> list[LedgerEntry]:
        """Those that exist, in the order asked."""
        found: dict[int, LedgerEntry] = {}
        for columns in self._by_account.values():
            found |= columns.by_id(ids)
        return [found[entry_id] for entry_id in ids if entry_id in found]

    def places(
        self,
        account_ids: Iterable[int],
        times: _Times,
        currency: str | None,
        kind: str | None,
        owners: Owners | None = None,
    ) -> list[tuple[int, int]]:
        """Where the wanted rows are, ascending by (time, id), for `at`.

        :param times: the first and the last, None for all
        :param owners: whose rows are wanted, None for all
        """
        found = []
        wanted = [account_id for account_id in dict.fromkeys(account_ids) if account_id in self._by_account]
        for account_id in wanted:
            columns = self._by_account[account_id]
            found += [(account_id, place) for place in columns.places(times, currency, kind, owners)]
        if len(wanted) > 1:
            found.sort(key=lambda where: self._by_account[where[0]].key(where[1]))
        return found

    def at(self, places: Iterable[tuple[int, int]]) -> list[LedgerEntry]:
        """The rows of some places."""
        return [self._by_account[account_id].entry(place) for account_id, place in places]


class _Columns:
    """The rows of an account, by (time, id). Decimals are texts: of any length, and exactly as they were."""

    __slots__ = (
        *("_account_id", "_currencies", "_currency_at", "_in_order", "_kinds", "_names"),
        *("_references", "_starts", "_texts", "_times", "ids"),
    )

    def __init__(self, account_id: int) -> None:
        self._account_id = account_id
        self._in_order = True
        """Whether ids ascend with time, as they do unless somebody has set the clock back."""
        self.ids = array("q")
        self._times = array("q")
        self._names: list[str] = []
        """Of the currencies."""
        self._currency_at: dict[str, int] = {}
        self._currencies = array("H")
        self._kinds = array("B")
        self._references = array("q")
        self._starts = array("q")
        """Where the texts of each row begin."""
        self._texts = bytearray()
        """Of each row the amount, a blank, the balance after it, and the end of a line."""

    def put(self, entry: LedgerEntry) -> None:
        """Add or replace a row."""
        currency = self._currency_at.get(entry.currency)
        if currency is None:
            currency = self._currency_at[entry.currency] = len(self._names)
            self._names.append(entry.currency)
        reference = _NO_REFERENCE if entry.reference_id is None else entry.reference_id
        kind, start = _KIND_AT[entry.kind], len(self._texts)
        self._texts += f"{entry.amount} {entry.balance_after}\n".encode()
        place = self._place(entry.created_at, entry.id)
        if place < len(self.ids) and self.ids[place] == entry.id:
            self._currencies[place], self._kinds[place] = currency, kind
            self._references[place], self._starts[place] = reference, start
            return
        self.ids.insert(place, entry.id)
        self._times.insert(place, entry.created_at)
        self._currencies.insert(place, currency)
        self._kinds.insert(place, kind)
        self._references.insert(place, reference)
        self._starts.insert(place, start)
        if place < len(self.ids) - 1 or (place and self.ids[place - 1] > entry.id):
            self._in_order = False

    def _place(self, time_ms: int, entry_id: int) -> int:
        """Where a row is, or is to go."""
        times, ids = self._times, self.ids
        # Rows come in the order of their ids, so that it is nearly always the end.
        if not ids or (time_ms >= times[-1] and entry_id > ids[-1]):
            return len(ids)
        first, last = bisect_left(times, time_ms), bisect_right(times, time_ms)
        return bisect_left(ids, entry_id, first, last)

    def key(self, place: int) -> tuple[int, int]:
        """What rows are sorted by."""
        return self._times[place], self.ids[place]

    def places(
        self, times: _Times, currency: str | None, kind: str | None, owners: Owners | None
    ) -> Iterable[int]:
        """Where the wanted rows are."""
        since_ms, until_ms = times
        first = 0 if since_ms is None else bisect_left(self._times, since_ms)
        last = len(self.ids) if until_ms is None else bisect_right(self._times, until_ms)
        found: Iterable[int] = range(first, last)
        for column, code in (
            (self._currencies, None if currency is None else self._currency_at.get(currency, -1)),
            (self._kinds, None if kind is None else _code_of(kind)),
        ):
            if code is not None:
                found = [place for place in found if column[place] == code]
        if owners is not None:
            deals, positions = owners
            kinds, references = self._kinds, self._references
            found = [
                place
                for place in found
                if references[place] in (positions if kinds[place] == _FUNDING else deals)
            ]
        return found

    def by_id(self, ids: Iterable[int]) -> dict[int, LedgerEntry]:
        """Those of some ids that are here."""
        if not self._in_order:
            place_of = {entry_id: place for place, entry_id in enumerate(self.ids)}
            return {entry_id: self.entry(place_of[entry_id]) for entry_id in ids if entry_id in place_of}
        found = {}
        for entry_id in ids:
            place = bisect_left(self.ids, entry_id)
            if place < len(self.ids) and self.ids[place] == entry_id:
                found[entry_id] = self.entry(place)
        return found

    def entry(self, place: int) -> LedgerEntry:
        """The row of a place."""
        start = self._starts[place]
        amount, balance = self._texts[start : self._texts.index(b"\n", start)].decode().split()
        reference = self._references[place]
        return LedgerEntry(
            self.ids[place],
            self._account_id,
            self._names[self._currencies[place]],
            Decimal(amount),
            Decimal(balance),
            _KINDS[self._kinds[place]],
            self._times[place],
            None if reference == _NO_REFERENCE else reference,
        )


def _code_of(kind: Any) -> int:
    """The number of a kind, -1 of a word that is none."""
    return _KIND_AT.get(kind, -1)
