"""Reading many fields of an object at once, by a function that is made for them.

`operator.attrgetter` takes several times as long: it looks every name up anew, Python's own code does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def reader(
    expressions: Iterable[str], names: Mapping[str, Any] | None = None
) -> Callable[[Any], tuple[Any, ...]]:
    """What makes a tuple of an object.

    :param expressions: of our own, on what is named `row`: "row.id"
    :param names: what else they may name
    """
    made: Callable[[Any], tuple[Any, ...]]
    made = eval(f"lambda row: ({_listed(expressions)})", {**(names or {})})  # no text of anybody else's
    return made


def list_reader(
    expressions: Iterable[str], names: Mapping[str, Any] | None = None
) -> Callable[[Any], list[Any]]:
    """As `reader`, what makes a list."""
    made: Callable[[Any], list[Any]]
    made = eval(f"lambda row: [{_listed(expressions)}]", {**(names or {})})
    return made


def _listed(expressions: Iterable[str]) -> str:
    return "".join(f"{expression}, " for expression in expressions)
