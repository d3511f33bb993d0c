"""Candles of the time before a price begins, from files of longer candles."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from ccxt_driver.oms.market.feed import TIMEFRAMES, candle_open, next_open
from ccxt_driver.oms.market.prints import ZERO, Summary
from ccxt_driver.oms.market.tape import PrintPages, stretch

_DAY_MS: Final = TIMEFRAMES["1d"]


class History:
    """One file of candles, of which those count that close before the price begins.

    :param timeframe: of the candles
    :param pages: of the file
    """

    def __init__(self, timeframe: str, pages: PrintPages) -> None:
        self.timeframe = timeframe
        self.pages = pages

    def makes(self, timeframe: str) -> bool:
        """Whether candles of a timeframe are made of whole candles of this one."""
        length = TIMEFRAMES[self.timeframe]
        if timeframe in ("1w", "1M"):
            return timeframe == self.timeframe or _DAY_MS % length == 0
        return self.timeframe not in ("1w", "1M") and TIMEFRAMES[timeframe] % length == 0

    def made(self, open_ms: int, end_ms: int) -> Summary | None:
        """What the candles come to that open at one moment or later and close by another; None of none."""
        end_ms = candle_open(self.timeframe, end_ms)
        if end_ms <= open_ms:
            return None
        self.pages.reach(end_ms - 1)
        return stretch(self.pages, open_ms, end_ms)


class Histories:
    """The files of one symbol that have candles of the time before its price begins.

    :param files: the shortest candles first
    :param begins_ms: when the price begins
    """

    def __init__(self, files: Sequence[History], begins_ms: int) -> None:
        self._begins_ms = begins_ms
        self._files = [
            (first_ms, each)
            for each in files
            for first_ms in [each.pages.first_ms()]
            if first_ms is not None and next_open(each.timeframe, first_ms) <= begins_ms
        ]

    def first_ms(self, timeframe: str) -> int | None:
        """The opening of the first whole candle of a timeframe; None when there is none."""
        firsts = [first_ms for first_ms, each in self._files if each.makes(timeframe)]
        if not firsts:
            return None
        open_ms = candle_open(timeframe, min(firsts))
        return open_ms if open_ms == min(firsts) else next_open(timeframe, open_ms)

    def made(self, timeframe: str, open_ms: int, end_ms: int) -> Summary | None:
        """What a candle comes to before the price begins: of the shortest candles that go back as far.

        Where nothing is recorded the price stands still, in a candle that closes before the price begins.

        :param end_ms: as far as anything is known
        """
        for first_ms, each in self._files:
            if first_ms <= open_ms and each.makes(timeframe):
                made = each.made(open_ms, min(end_ms, self._begins_ms))
                return made if made is not None or end_ms > self._begins_ms else _flat(each, open_ms)
        return None

    def use_of(self, history: History) -> str:
        """What a file is good for."""
        if any(each is history for _, each in self._files):
            return f"candles before {iso_text(self._begins_ms)}"
        return f"nothing: no candle of it closes before {iso_text(self._begins_ms)}"


def iso_text(time_ms: int) -> str:
    """A time in UTC, for people."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _flat(history: History, open_ms: int) -> Summary | None:
    found = history.pages.last_by(open_ms - 1)
    if found is None:
        return None
    price = found[1].price(found[2])
    return Summary(price, price, price, price, ZERO)
