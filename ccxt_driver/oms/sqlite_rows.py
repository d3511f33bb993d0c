"""How the entities go into the tables of the SQLite file, and come out."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any, Final, Generic, TypeVar, cast

from ccxt_driver.contract.commands import Side, TimeInForce
from ccxt_driver.contract.rows import LedgerKind, OrderStatus, PositionMode, PositionState

from .entities import Account, Claim, Deal, External, LedgerEntry, Order, Position, Strategy
from .json_text import dumps, loads
from .reading import list_reader


def json_text(value: Any) -> str:
    """JSON as a column keeps it."""
    return dumps(value).decode()


_params_json: Final = json.JSONEncoder(default=str, ensure_ascii=False).encode


def _params_text(params: dict[str, Any]) -> str:
    """Parameters are the client's own, and in process may be any object; they are kept for the record."""
    return _params_json(params) if params else "{}"


def _ids(text: str) -> tuple[int, ...]:
    return tuple(loads(text))


def _texts(text: str) -> tuple[str, ...]:
    return tuple(loads(text))


def _leverage_text(value: Mapping[str, Decimal]) -> str:
    return json_text({symbol: str(number) for symbol, number in value.items()})


def _leverage(text: str) -> dict[str, Decimal]:
    return {symbol: Decimal(number) for symbol, number in loads(text).items()}


_Codec = tuple[str, Callable[[Any], Any] | None]

_INTO: Final = {"json_text": json_text, "params_text": _params_text, "leverage_text": _leverage_text}
"""What the expressions of `_CODECS` name."""
_CODECS: Final[dict[str, _Codec]] = {
    "int": ("{}", None),
    "str": ("{}", None),
    "bool": ("{}", bool),
    "Decimal": ("str({})", Decimal),
    "Side": ("{}._value_", Side),  # `value` is a property in Python
    "OrderStatus": ("{}._value_", OrderStatus),
    "TimeInForce": ("{}._value_", TimeInForce),
    "PositionState": ("{}._value_", PositionState),
    "PositionMode": ("{}._value_", PositionMode),
    "LedgerKind": ("{}._value_", LedgerKind),
    "External": ("{}._value_", External),
    "dict[str, Decimal]": ("leverage_text({})", _leverage),
    "tuple[int, ...]": ("json_text({})", _ids),
    "tuple[str, ...]": ("json_text({})", _texts),
    "params": ("params_text({})", json.loads),
}
"""How a field of an entity goes into its column and comes out, by its name or its annotation."""


def _codec(field: dataclasses.Field[Any]) -> _Codec:
    kind = str(field.type)
    into, out_of = _CODECS[field.name if field.name in _CODECS else kind.removesuffix(" | None")]
    value = f"row.{field.name}"
    expression = into.format(value)
    if kind.endswith(" | None") and expression != value:
        expression = f"None if {value} is None else {expression}"
    return expression, out_of


_Entity = TypeVar("_Entity")

_AT_ONCE: Final = (64, 8, 1)
"""How many rows a statement has: few different ones, which are kept ready."""


class RowStatement:
    """A statement that writes rows, many of them at once, which is quicker than one by one.

    :param start: what comes before the rows
    :param columns: how many a row has
    :param end: what comes after them
    """

    def __init__(self, start: str, columns: int, end: str = "") -> None:
        self.start = start
        row = f"({', '.join('?' * columns)})"
        self._texts = [(size, f"{start} VALUES {', '.join([row] * size)} {end}") for size in _AT_ONCE]

    def write(self, connection: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows, one after the other.

        :raises sqlite3.Error: one of them cannot be written
        """
        at = 0
        for size, text in self._texts:
            while len(rows) - at >= size:
                connection.execute(text, [*chain.from_iterable(rows[at : at + size])])
                at += size


class RowMapping(Generic[_Entity]):
    """An entity and its table: the columns are the fields.

    :param fixed: fields that a later write of the same row cannot change
    """

    def __init__(self, table: str, entity: type[_Entity], fixed: Sequence[str]) -> None:
        fields = dataclasses.fields(cast("type[Any]", entity))
        codecs = [*map(_codec, fields)]
        names = [field.name for field in fields]
        columns = ", ".join(names)
        self.table = table
        self.columns = {name: index for index, name in enumerate(names)}
        """Where each column is among the values."""
        self._entity = entity
        self.values: Callable[[_Entity], list[Any]] = list_reader((into for into, _ in codecs), _INTO)
        """What goes into the columns, in their order; JSON can say all of it."""
        self._out_of = [(index, out_of) for index, (_, out_of) in enumerate(codecs) if out_of]
        self.select = f"SELECT {columns} FROM {table}"
        self.insert = RowStatement(f"INSERT INTO {table} ({columns})", len(names))
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in fixed)
        self.upsert = RowStatement(self.insert.start, len(names), f"ON CONFLICT (id) DO UPDATE SET {changes}")

    def completed(self, values: list[Any]) -> list[Any]:
        """What an older version wrote down for the columns, with those that came later: they may be empty."""
        return values + [None] * (len(self.columns) - len(values))

    def entity(self, row: Iterable[Any]) -> _Entity:
        """The entity of a row of the table."""
        values = list(row)
        for index, out_of in self._out_of:
            value = values[index]
            if value is not None:
                values[index] = out_of(value)
        return self._entity(*values)


ORDER = RowMapping("orders", Order, ("id", "account_id", "created_at", "client_order_id"))
DEAL = RowMapping("deals", Deal, ("id", "account_id", "executed_at", "order_id"))
POSITION = RowMapping("positions", Position, ("id", "account_id", "opened_at"))
LEDGER = RowMapping("ledger", LedgerEntry, ("id", "account_id", "created_at"))
ACCOUNT = RowMapping("accounts", Account, ("id",))
STRATEGY = RowMapping("strategies", Strategy, ("id",))
CLAIM = RowMapping("claims", Claim, ())
