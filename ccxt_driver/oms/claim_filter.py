"""Which client order ids may be claimed: new ones are known to be nobody's without a look at the file."""

from __future__ import annotations

from typing import Final

_BITS: Final = 25
"""Of the number of bits: they take 4 MiB, and serve for two million ids."""
_MASK: Final = (1 << _BITS) - 1
_SHIFTS: Final = (0, 20, 39)
"""Of a hash of 64 bits, where the places of an id begin."""

Owner = tuple[int, str]
"""An account and a client order id."""


class ClaimFilter:
    """A Bloom filter (B. H. Bloom, Space/Time Trade-offs in Hash Coding with Allowable Errors, 1970).

    When an id is in, each of its three bits is set; with two million ids, so they are for one in 200 others.
    With more of them that is so for more, which costs a look at the file.
    """

    def __init__(self) -> None:
        self._bytes = bytearray(1 << _BITS - 3)

    def add(self, owner: Owner) -> None:
        """Take an id in, for ever."""
        mixed = hash(owner)
        for shift in _SHIFTS:
            place = mixed >> shift & _MASK
            self._bytes[place >> 3] |= 1 << (place & 7)

    def may_have(self, owner: Owner) -> bool:
        """Whether an id may be in; False only for those that are not."""
        mixed = hash(owner)
        for shift in _SHIFTS:
            place = mixed >> shift & _MASK
            if not self._bytes[place >> 3] >> (place & 7) & 1:
                return False
        return True
