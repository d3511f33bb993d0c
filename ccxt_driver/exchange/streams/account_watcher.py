"""A watcher of an account's changes."""

from __future__ import annotations

from typing import Any

import ccxt

from ccxt_driver.errors import annotate

from .changes import Change, Kind
from .watching import Watcher


class AccountWatcher(Watcher[Change]):
    """Takes the changes of one kind, of some symbols, of one strategy.

    :param name: in messages
    :param most: how many undelivered changes are kept
    :param kind: of what
    :param symbols: None for all
    :param strategy_id: None for all
    :param after_seq: the last change that it need not be given; None for those from now on
    """

    def __init__(
        self,
        name: str,
        most: int,
        kind: Kind,
        symbols: frozenset[str] | None,
        strategy_id: int | None,
        after_seq: int | None,
    ) -> None:
        super().__init__(name, most)
        self.kind = kind
        self.seq = after_seq
        """The last change that it was offered, or need not be; None before its stream has begun."""
        self.balance: dict[str, dict[str, Any]] | None = None
        """The account's money as of the last delivered change, where that is watched."""
        self.was_given_a_snapshot = False
        self.resume_after: int | None = None
        """After which event the next one of this name goes on, when this was too slow."""
        self._symbols = symbols
        self._strategy_id = strategy_id

    def take(self, change: Change) -> None:
        """Keep a change, if it is one of those that are watched."""
        if change.kind is not self.kind:
            return
        if self._symbols is not None and change.symbol not in self._symbols:
            return
        if self._strategy_id is None:
            if change.leaves:
                return  # the next change says whose it is now
        elif change.strategy_id not in (None, self._strategy_id):
            return
        self.offer(change)

    def lose_track(self, error: BaseException) -> None:
        """Nobody can tell any more what comes next: a call is told so, and the one after it begins anew."""
        if self.resume_after is None:
            self.fail(error, end=True)
        else:  # it was too slow: the next one of its name would go on in another history
            self.resume_after = None
            self._failure = self._end = error

    def too_slow(self, first: Change) -> BaseException:
        """Where the stream can be resumed, if the server numbers its events."""
        if first.seq is None:
            return super().too_slow(first)
        self.resume_after = after = first.seq - 1
        message = (
            f"{self.name}: more than {self._most} changes were not asked for in time, those after them are "
            f"not kept here; the next call goes on after event {after}, nothing is lost"
        )
        error = annotate(ccxt.ExchangeError(message), code="slow_consumer")
        error.__dict__["after_seq"] = after
        return error
