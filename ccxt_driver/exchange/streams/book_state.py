"""The order book of one symbol as frames and reads tell of it. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ccxt.async_support.base.ws.order_book import OrderBook

_SIDES: Final = ("bids", "asks")


class OutOfStep(Exception):
    """An update belongs to another state of the book than the one that is known."""


class BookState:
    """An order book, whole or brought up by updates whose numbers follow each other.

    :param symbol: whose
    """

    def __init__(self, symbol: str) -> None:
        self.book = OrderBook({"symbol": symbol})
        """ccxt's, with floats whatever `exchange.number` is: levels are found by their price."""

    def replace(self, book: Mapping[str, Any]) -> bool:
        """Take over a whole book. One without a number that is the same as the known one is that very one.

        :returns: whether the levels are others
        """
        sides = {side: [[float(price), float(amount)] for price, amount in book[side]] for side in _SIDES}
        changed = any(self.book[side] != sides[side] for side in _SIDES)
        known = {key: book.get(key) for key in ("timestamp", "nonce")}
        if not changed and known["nonce"] is None:
            known["nonce"] = self.book["nonce"]  # updates go on from there
        self.book.reset({**sides, **known, "symbol": self.book["symbol"]})
        return changed

    def update(self, update: Mapping[str, Any]) -> None:
        """Apply what has changed since the book with `prev_nonce`.

        :raises OutOfStep: that is not the book that is known
        """
        nonce = self.book["nonce"]
        if nonce is None or update.get("prev_nonce") != nonce:
            raise OutOfStep(f"book {update.get('prev_nonce')} is expected, known is {nonce}")
        for side in _SIDES:
            levels = self.book[side]
            for price, amount in update[side]:
                levels.storeArray([float(price), float(amount)])
        self.book["nonce"] = update["nonce"]
        moment = update.get("timestamp")
        self.book["timestamp"] = moment
        self.book["datetime"] = OrderBook({"timestamp": moment})["datetime"]

    def copy(self) -> dict[str, Any]:
        """A plain copy that never changes."""
        book = dict(self.book)
        for side in _SIDES:
            book[side] = [list(level) for level in self.book[side]]
        return book
