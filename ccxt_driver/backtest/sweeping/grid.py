"""The points of a sweep: every combination of the values of some parameters, or a sample of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import prod
from random import Random
from typing import Final

from ccxt_driver.contract.values import format_decimal, parse_decimal

MOST_RUNS: Final = 10_000
"""More are taken for a mistake until somebody says that they are none."""
_MOST_VALUES: Final = 1_000_000
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_NUMBER: Final = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_RANGE: Final = re.compile(f"({_NUMBER}):({_NUMBER}):({_NUMBER})", re.ASCII)
_NO_RANGE: Final = re.compile(f"{_NUMBER}(?::{_NUMBER})+", re.ASCII)
_EXPECTED: Final = "expected NAME=FIRST:LAST:STEP or NAME=VALUE,VALUE, such as fast=5:50:5"

Values = str | int | float | Decimal | Iterable[str | int | float | Decimal]
"""Of one parameter: a text as of the command line, one value, or several."""
Point = dict[str, str]
"""One value of each parameter, as the script gets them."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination of values, in order: those of the last parameter change first.

    :param parameters: by name, texts as the script gets them
    """

    parameters: Mapping[str, tuple[str, ...]]

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return prod(map(len, self.parameters.values()))

    def point(self, index: int) -> Point:
        """One of the combinations, counted from 0."""
        found: Point = {}
        for name, values in reversed([*self.parameters.items()]):
            index, which = divmod(index, len(values))
            found[name] = values[which]
        return {name: found[name] for name in self.parameters}

    def points(self, sample: int | None = None, seed: int = 0, most: int | None = MOST_RUNS) -> list[Point]:
        """The combinations to run, in order.

        :param sample: so many of them, drawn by chance; all where there are no more
        :param seed: of that chance
        :param most: more are refused; None: whatever fits
        :raises ValueError: too many, or a sample of none
        """
        if sample is not None and sample < 1:
            raise ValueError(f"random: expected a number above 0, got {sample}")
        size = self.size
        count = size if sample is None else min(sample, size)
        if (most is not None and count > most) or size > sys.maxsize:
            raise ValueError(
                f"param: {size:,} combinations, of which {count:,} are to run, are more than "
                f"{MOST_RUNS if most is None else most:,}: use fewer values, a sample of them, "
                "or say that they are meant (--yes, most=None)"
            )
        chosen = range(size) if count == size else sorted(Random(seed).sample(range(size), count))
        return [self.point(index) for index in chosen]


def grid_of(parameters: Mapping[str, Values]) -> Grid:
    """The grid of some parameters.

    :param parameters: by name: several values, one, or a text such as `"5:50:5"` or `"20,50,100"`
    :raises ValueError: a name or values that make no sense, or none at all
    """
    if not parameters:
        raise ValueError(f"param: {_EXPECTED}")
    for name in parameters:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"param: expected a name of letters, digits, - and _, as of an option, got {name!r}"
            )
    return Grid({name: _values(name, values) for name, values in parameters.items()})


def parameters_of(texts: Iterable[str]) -> dict[str, Values]:
    """Parameters from texts such as `fast=5:50:5`.

    :raises ValueError: a text that is none, or a parameter that is there twice
    """
    found: dict[str, Values] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip()
        if not equals:
            raise ValueError(f"param: {_EXPECTED}, got {text!r}")
        if name in found:
            raise ValueError(f"param: {name} is given twice")
        found[name] = values
    return found


def _values(name: str, values: Values) -> tuple[str, ...]:
    if isinstance(values, str):
        match = _RANGE.fullmatch(values.strip())
        texts = _range(name, *map(parse_decimal, match.groups())) if match else _listed(name, values.strip())
    elif isinstance(values, Iterable):
        texts = [_text(name, value) for value in values]
    else:
        texts = [_text(name, values)]
    if not texts:
        raise ValueError(f"{name}: expected at least one value")
    if len(set(texts)) < len(texts):
        twice = next(text for index, text in enumerate(texts) if text in texts[:index])
        raise ValueError(f"{name}: the value {twice!r} is there twice")
    return tuple(texts)


def _listed(name: str, text: str) -> list[str]:
    """Texts between commas; one in double quotes as it is."""
    if text[:1] == text[-1:] == '"' and len(text) > 1:
        return [text[1:-1]]
    if _NO_RANGE.fullmatch(text):
        raise ValueError(
            f"{name}: expected FIRST:LAST:STEP, such as 5:50:5, got {text!r}; a text with colons goes in "
            f'double quotes: {name}="{text}" (on a command line \'{name}="{text}"\')'
        )
    texts = [part.strip() for part in text.split(",")]
    if not all(texts):
        raise ValueError(f"{name}: {_EXPECTED}, got {text!r}")
    return texts


def _range(name: str, first: Decimal, last: Decimal, step: Decimal) -> list[str]:
    """From one number to another, which is among them when the steps reach it."""
    if not step or (last - first) / step < 0:
        raise ValueError(f"{name}: expected a step that leads from {first} to {last}, got {step}")
    count = int((last - first) // step) + 1
    if count > _MOST_VALUES:
        raise ValueError(f"{name}: expected at most {_MOST_VALUES:,} values, got {count:,}")
    return [format_decimal(first + index * step) for index in range(count)]


def _text(name: str, value: object) -> str:
    """A value as a script gets it; a float by its shortest representation."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(f"{name}: expected numbers or texts, got {value!r}")
    try:
        return format_decimal(parse_decimal(value))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
