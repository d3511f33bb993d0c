"""How much rests at the best prices where nothing recorded says it: models named by what they assume."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Protocol

from ccxt_driver.oms.market.feed import EXACT, UNLIMITED

_USUAL_SHARE: Final = "0.1"


class BookSize(Protocol):
    """How much rests at the best prices where files have no book."""

    def qty(self, printed: Decimal, lot: Decimal) -> Decimal:
        """The quantity of each side after a print, in base currency.

        :param printed: quantity of the print
        :param lot: quantities are multiples of it
        """
        ...


class Unlimited:
    """Any order finds what it wants at the best price: right for orders that are small for the market."""

    def qty(self, printed: Decimal, lot: Decimal) -> Decimal:
        """More than any order."""
        return UNLIMITED


class ShareOfPrint:
    """At each print rests a share of what it traded; what is taken is back at the next print.

    :param share: above 0, to 1
    :raises ValueError: outside of that
    """

    def __init__(self, share: Decimal | str) -> None:
        self._share = Decimal(share)
        if not 0 < self._share <= 1:
            raise ValueError(f"share: expected above 0, to 1, got {share}")

    def qty(self, printed: Decimal, lot: Decimal) -> Decimal:
        """The share, rounded down to whole lots."""
        share = EXACT.multiply(printed, self._share)
        return EXACT.subtract(share, EXACT.remainder(share, lot))


BOOK_SIZES: Final = ("unlimited", "share-of-volume")
"""The models by the names that command lines and reports have for them."""


def book_size(text: str) -> BookSize:
    """The model of a name; `share-of-volume:0.2` is a fifth of what a print traded, without a number a tenth.

    With candles each of the points of a path has an equal part of the volume, so that no more of a
    candle's volume is ever taken than that share.

    :raises ValueError: another name, or a share that is not above 0, to 1
    """
    name, colon, share = text.partition(":")
    if text == "unlimited":
        return Unlimited()
    if name != "share-of-volume" or (colon and not share):
        expected = "unlimited, share-of-volume or share-of-volume:SHARE such as share-of-volume:0.2"
        raise ValueError(f"volume: expected {expected}, got {text!r}")
    try:
        return ShareOfPrint(share or _USUAL_SHARE)
    except ArithmeticError:
        raise ValueError(f"share: expected above 0, to 1, got {share!r}") from None
