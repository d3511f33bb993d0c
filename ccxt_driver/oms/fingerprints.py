"""What a payload asked for, as one text: to know it again when its client order id comes a second time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from ccxt_driver.contract.commands import ClosePosition, SendOrder, TimeInForce
from ccxt_driver.contract.values import format_decimal

from .reading import reader

Payload = SendOrder | ClosePosition
"""Of the commands that make an order."""
Given = Sequence[Any]
"""The kind of a payload, the fields that it gave, and their values: nearly always texts and numbers.

Of a fingerprint that is written already it is that alone.
"""

_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    kind.__name__: {
        name: field.get_default(call_default_factory=True) for name, field in kind.model_fields.items()
    }
    for kind in (SendOrder, ClosePosition)
}
"""Of each payload, in the order of its fields."""


@lru_cache(maxsize=1024)
def _reader(kind: str, names: frozenset[str]) -> tuple[tuple[str, ...], Callable[[Any], Any]]:
    """Fields in the order of the class, whatever the order they came in, and what reads them.

    Programs use few combinations.
    """
    ordered = tuple(name for name in _DEFAULTS[kind] if name in names)
    return ordered, reader(f"row[{name!r}]{'._value_' if name == 'side' else ''}" for name in ordered)


def given(payload: Payload) -> Given:
    """What a payload without parameters says, for `written` to make the fingerprint of when it is needed."""
    kind = type(payload).__name__
    names, read = _reader(kind, frozenset(payload.model_fields_set))  # what was not given is the default
    return kind, names, *read(payload.__dict__)


def written(source: Given) -> str:
    """The fingerprint of what was given."""
    if len(source) == 1:
        return str(source[0])
    return "".join(_writer(source[0], source[1], tuple(map(type, source)))(source))


@lru_cache(maxsize=1024)
def _writer(kind: str, names: tuple[str, ...], types: tuple[type, ...]) -> Callable[[Any], tuple[str, ...]]:
    """What makes the texts of what has these types: every durable order comes by here, and most are alike."""
    defaults = _DEFAULTS[kind]
    texts = ["row[0]"]
    for place, name in enumerate(names, 2):
        given_type = types[place]
        value, default = f"row[{place}]", defaults[name]
        if given_type is Decimal and default is None:
            texts.append(f"f'\\n{name}={{decimal({value})}}'")
        elif given_type is str and type(default) is not str and name != "side":
            texts.append(f"f'\\n{name}={{{value}!r}}'")
        else:
            texts.append(f"text({name!r}, {value}, defaults[{name!r}])")
    return reader(texts, {"decimal": format_decimal, "text": _text, "defaults": defaults})


def _text(name: str, value: Any, default: Any) -> str:
    """A field as it is in a fingerprint."""
    if value == default or value is TimeInForce.GTC:
        return ""  # GTC is what an order has that says nothing
    if isinstance(value, Decimal):
        value = format_decimal(value)
    elif isinstance(value, dict):
        value = json.dumps(value, sort_keys=True, default=repr)
    elif type(value) is str and name != "side":
        value = repr(value)  # a new line in it does not pass for another field
    return f"\n{name}={value}"


def fingerprint(payload: Payload) -> str:
    """The payload as one text: equal for payloads that mean the same.

    Fields with their default do not show, decimals count by value, and order does not matter.
    """
    return written(given(payload))
