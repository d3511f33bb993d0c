"""One who watches market data, whatever task calls."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Any

from .latest import Latest
from .watching import Watcher


class MarketWatch:
    """A watcher on one or more topics.

    :param key: who it is
    :param family: what it watches: ends together with others of it
    :param name: in messages
    :param topics: where its items come from
    :param what: symbols, or pairs of symbol and timeframe; empty for all
    :param symbols: of its topics; None for all
    :param most: how many undelivered items are kept
    """

    def __init__(
        self,
        key: Hashable,
        family: str,
        name: str,
        topics: list[Any],
        what: frozenset[Any],
        symbols: frozenset[str] | None,
        most: int,
    ) -> None:
        self.key = key
        self.family = family
        self.topics = topics
        self._what = what
        self.symbols = symbols
        self.watcher: Watcher[Any] = Watcher(name, most)
        self.latest = Latest(self.watcher)
        self.starting: asyncio.Task[None] | None = None
        self.is_started = False

    def wants(self, symbol: str) -> bool:
        """Whether it watches a symbol."""
        return self.symbols is None or symbol in self.symbols

    def concerns(self, named: frozenset[Any] | None) -> bool:
        """Whether it watches one of these; None means all."""
        return named is None or not self._what or not named.isdisjoint(self._what)
