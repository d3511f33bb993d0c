"""Following one market of a venue: by its streams, or by asking again and again where it has none."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from ccxt_driver.oms.market.listing import Market

from .reading import Print, Reader, UnusableBook
from .tape import LiveTape

LOG: Final = logging.getLogger("ccxt_driver.venues")
FIRST_DELAY_S: Final = 1.0
LONGEST_DELAY_S: Final = 60.0
_KNOWN_TRADES: Final = 10_000

Ask = Callable[[], Awaitable[Any]]


class Source(Protocol):
    """Where news of one kind come from."""

    async def next(self) -> Any:
        """The next news. Raises what the venue raises."""
        ...

    def close(self) -> None:
        """Wait for nothing any more."""
        ...


class Stream:
    """A stream of the venue. Where it is silent for a while, the venue is asked whether it still holds.

    :param watch: waits for the next news
    :param confirm: asks; None where nobody can be asked
    :param quiet_s: silence that is believed
    """

    def __init__(self, watch: Ask, confirm: Ask | None, quiet_s: float) -> None:
        self._watch, self._confirm, self._quiet_s = watch, confirm, quiet_s
        self._waiting: asyncio.Future[Any] | None = None

    async def next(self) -> Any:
        """What the stream sends, or what the venue answers meanwhile."""
        while True:
            if self._waiting is None:
                self._waiting = asyncio.ensure_future(self._watch())
            done, _ = await asyncio.wait({self._waiting}, timeout=self._quiet_s)
            if done:
                news, self._waiting = self._waiting, None
                if news.cancelled():  # by the exchange: it is not us who are to end
                    raise ConnectionError("the stream was cancelled")
                return news.result()
            if self._confirm is not None:
                return await self._confirm()

    def close(self) -> None:
        """Give the wait up."""
        if self._waiting is not None:
            self._waiting.cancel()


class Poll:
    """What is asked for again and again.

    :param ask: asks
    :param every_s: the pause between two questions
    """

    def __init__(self, ask: Ask, every_s: float) -> None:
        self._ask, self._every_s = ask, every_s
        self._begun = False

    async def next(self) -> Any:
        """The next answer."""
        if self._begun:
            await asyncio.sleep(self._every_s)
        self._begun = True
        return await self._ask()

    def close(self) -> None:
        """There is nothing to give up."""


class Follower:
    """Keeps the tape of one market up to date.

    :param now: the time of an arrival
    :param tell: called after each arrival
    """

    def __init__(
        self, market: Market, reader: Reader, tape: LiveTape, now: Callable[[], int], tell: Callable[[], None]
    ) -> None:
        self._symbol = market.symbol
        self._reader, self._tape, self._now, self._tell = reader, tape, now, tell
        self._known: deque[object] = deque(maxlen=_KNOWN_TRADES)
        self._known_set: set[object] = set()

    async def books(self, source: Source) -> None:
        """Follow its order book for ever. While that fails nobody may trade on it."""

        def take(book: Any) -> None:
            try:
                bids, asks = self._reader.book(book)
            except UnusableBook as error:
                self._tape.put_trouble(self._now(), str(error))
            else:
                self._tape.put_book(self._now(), bids, asks)

        def lost() -> None:
            self._tape.put_trouble(self._now(), "disconnected")

        await self._follow("order book", source, take, lost)

    async def trades(self, source: Source, *, named: bool) -> None:
        """Follow its public trades for ever.

        What comes first after each connection may be old, and only says the last price.

        :param named: False where the same trades come again and again, so that one without an id is known
            by what it is
        """
        connected = False

        def take(rows: Any) -> None:
            nonlocal connected
            fresh = [trade for trade in self._reader.trades(rows) if self._is_new(trade, named)]
            self._tape.put_trades(self._now(), fresh, new=connected)
            connected = True

        def lost() -> None:
            nonlocal connected
            connected = False

        await self._follow("trades", source, take, lost)

    async def _follow(
        self, what: str, source: Source, take: Callable[[Any], None], lost: Callable[[], None]
    ) -> None:
        delay = 0.0
        try:
            while True:
                try:
                    take(await source.next())
                    if delay:
                        LOG.info("%s of %s: there again", what, self._symbol)
                    delay = 0.0
                except Exception as error:  # noqa: BLE001  # whatever it is, prices may no longer be trusted
                    lost()
                    if not delay:  # once, not at every attempt
                        LOG.warning("%s of %s: lost: %s: %s", what, self._symbol, type(error).__name__, error)
                    delay = min(LONGEST_DELAY_S, delay * 2 or FIRST_DELAY_S)
                self._tell()
                if delay:
                    await asyncio.sleep(delay)
        finally:
            source.close()

    def _is_new(self, trade: Print, named: bool) -> bool:
        if trade.id is None and named:
            return True
        key: object = trade if trade.id is None else trade.id
        if key in self._known_set:
            return False
        if len(self._known) == _KNOWN_TRADES:
            self._known_set.discard(self._known[0])
        self._known.append(key)
        self._known_set.add(key)
        return True
