"""Rows of the memory store as plain tuples: smaller than entities, and no work for Python's collector.

A tuple that holds nothing but texts and numbers is not looked at by the collector any more, however many
there are. Enums would be: they are kept by their values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, Generic, TypeVar, cast

from ccxt_driver.contract.commands import Side, TimeInForce
from ccxt_driver.contract.rows import OrderStatus, PositionState

from .entities import Deal, Order, Position
from .reading import reader

Packed = tuple[Any, ...]
_Entity = TypeVar("_Entity")
_ENUMS: Final[dict[str, type[Enum]]] = {
    kind.__name__: kind for kind in (Side, OrderStatus, TimeInForce, PositionState)
}


class Packing(Generic[_Entity]):
    """One kind of entity and its tuples.

    :param seldom: fields that nearly all leave at their default: they take one place together
    """

    def __init__(self, kind: type[_Entity], seldom: Iterable[str] = ()) -> None:
        fields = {field.name: field for field in dataclasses.fields(cast("type[Any]", kind))}
        self._kind: Callable[..., _Entity] = kind
        self._seldom = tuple(seldom)
        self._names = tuple(name for name in fields if name not in self._seldom)
        self._enums = [
            (place, _ENUMS[str(fields[name].type)])
            for place, name in enumerate(self._names)
            if fields[name].type in _ENUMS
        ]
        by_value = {self._names[place] for place, _ in self._enums}
        read = [f"row.{name}{'._value_' if name in by_value else ''}" for name in self._names]
        # A default is one object: who has set a field to an equal one pays for it with some memory.
        defaults = {name: field.default for name, field in fields.items()}
        at_default = " and ".join(
            f"row.{name} is {name}" if defaults[name] is not dataclasses.MISSING else f"not row.{name}"
            for name in self._seldom
        )
        seldom = "".join(f"row.{name}, " for name in self._seldom)
        read.append(f"None if {at_default} else ({seldom})" if self._seldom else "None")
        self.pack: Callable[[_Entity], Packed] = reader(read, defaults)
        """The tuple of an entity as it is now."""
        self._usual = self._unpacker(fields, usual=True)
        self._whole = self._unpacker(fields, usual=False)

    def at(self, name: str) -> int:
        """Where a field is in a tuple; an enum is there by its value."""
        return self._names.index(name)

    def unpack(self, packed: Packed) -> _Entity:
        """A new object of the entity."""
        return self._kind(*(self._usual if packed[-1] is None else self._whole)(packed))

    def _unpacker(
        self, fields: Mapping[str, dataclasses.Field[Any]], *, usual: bool
    ) -> Callable[[Packed], Packed]:
        """What gives the fields of an entity, in their order.

        :param usual: of a tuple whose seldom fields are all at their defaults
        """
        kinds = dict(self._enums)
        read, known = [], dict[str, Any]()
        for name, field in fields.items():
            if name in self._seldom and not usual:
                read.append(f"row[-1][{self._seldom.index(name)}]")
            elif name in self._seldom and field.default is dataclasses.MISSING:
                read.append(f"{name}()")
                known[name] = field.default_factory
            elif name in self._seldom:
                read.append(name)
                known[name] = field.default
            elif (kind := kinds.get(place := self._names.index(name))) is not None:
                # To look a member up in a dict takes a third of what it takes to call its enum.
                read.append(f"{kind.__name__}[row[{place}]]")
                known[kind.__name__] = {member.value: member for member in kind}
            else:
                read.append(f"row[{place}]")
        return reader(read, known)


ORDERS: Final = Packing(
    Order,
    (
        *("previous_position_id", "reason", "comment", "stop_loss", "stop_gain"),
        *("edit_replace_state", "edit_replace_at"),
        *("edit_replace_orphan_order_id", "edit_replace_origin_order_id"),
        *("time_in_force", "post_only", "reduce_only", "trigger_price", "stop_price", "take_profit_price"),
        *("trailing_amount", "trailing_percent", "reject_reason", "expire_at", "display_qty"),
        *("trigger_above", "trail_extreme", "triggered_at", "closes_position", "params", "external"),
    ),
)
DEALS: Final = Packing(Deal, ("previous_position_id", "reason", "comment", "reconciled", "external"))
POSITIONS: Final = Packing(
    Position, ("stop_loss", "stop_gain", "reason", "comment", "margin_added", "external")
)
