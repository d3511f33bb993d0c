"""Contract cases as numbered cards: a function, its number, and one line that says what it proves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .contract_desk import Desk


@dataclass(frozen=True)
class Card:
    """One case.

    :param number: its group's letter and a number, unique
    :param proves: the first line of its docstring
    """

    number: str
    name: str
    proves: str
    run: Callable[[Desk], None]

    @property
    def group(self) -> str:
        """The letter."""
        return self.number[0]


CARDS: Final[dict[str, Card]] = {}
"""Every card, by number."""


def card(function: Callable[[Desk], None]) -> Callable[[Desk], None]:
    """Make a card of a function named like `o07_post_only_rests`."""
    prefix, _, name = function.__name__.partition("_")
    number = prefix.upper()
    if number in CARDS or not function.__doc__:
        raise ValueError(f"{function.__name__}: expected a number of its own and a docstring")
    CARDS[number] = Card(number, name, function.__doc__.splitlines()[0], function)
    return function
