"""Hypothesis strategies of rows, read off the contract's models: what a server may send."""

from __future__ import annotations

from enum import Enum
from typing import Any, get_args, get_type_hints

from hypothesis import strategies as st
from pydantic import BaseModel

from ccxt_driver.contract.fields import DecimalText, Id, IdOrZero, TimeText
from ccxt_driver.contract.rows import Flag
from ccxt_driver.contract.values import format_decimal, format_time

LAST_MS = 253_402_300_799_999

EXACT = st.decimals(min_value=0, max_value=10**12, places=18, allow_nan=False)
DECIMALS = st.one_of(
    EXACT.map(format_decimal),
    EXACT.map("{:.18f}".format),
    EXACT.map("{:E}".format),
    st.just("0E-18"),
    st.integers(0, 10**9),
    st.floats(0, 1e9).filter(lambda value: value == 0 or value > 1e-9),
    st.decimals(-(10**30), 10**30, places=30, allow_nan=False).filter(lambda x: len(str(x)) <= 64).map(str),
    st.sampled_from(["1E+30", "1E-30", "-1E-30"]),
)
MILLISECONDS = st.integers(0, LAST_MS)
TIMES = st.one_of(
    MILLISECONDS.map(format_time),
    MILLISECONDS.map(lambda ms: format_time(ms)[:19]),
    MILLISECONDS.map(lambda ms: format_time(ms)[:19].replace("T", " ")),
    MILLISECONDS,
)
OF_TYPE: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (DecimalText, DECIMALS),
    (TimeText, TIMES),
    (Id, st.integers(1, 2**63 - 1)),
    (IdOrZero, st.integers(0, 2**63 - 1)),
    (Flag, st.booleans()),
    (str, st.text(max_size=20)),
    (bool, st.booleans()),
    (type(None), st.none()),
]


def _of(hint: Any) -> st.SearchStrategy[Any]:
    for known, strategy in OF_TYPE:
        if hint == known:
            return strategy
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from([member.value for member in hint])
    return st.one_of(*(_of(part) for part in get_args(hint)))


def rows(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    """Make rows of a model: needed columns always, the others perhaps, and one that nobody knows."""
    hints = get_type_hints(model, include_extras=True)
    fields = model.model_fields
    needed = {name: _of(hints[name]) for name in fields if fields[name].is_required()}
    others = {name: _of(hints[name]) for name in fields if not fields[name].is_required()}
    return st.fixed_dictionaries(needed, optional={**others, "brand_new": st.none()})
