"""JSON by the fastest reader and writer that is installed. Both write the same compact text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Final

_DEEPEST: Final = 64
"""More levels than any question has. What can be read can be written then: writers give up sooner."""
_TOO_LARGE: Final = 2**63

dumps: Callable[[Any], bytes]
"""Write JSON as UTF-8; TypeError for what JSON cannot say."""
dumps_whole: Callable[[Any], bytes]
"""As `dumps`, of lists; TypeError also for an integer from 2^63 on, which no column of a table can have."""
loads: Callable[[bytes | str], Any]
"""Read JSON; ValueError when it is none."""

try:
    import orjson
except ModuleNotFoundError:

    def _dumps(value: Any) -> bytes:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()

    def _refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not JSON")

    def _finite(text: str) -> float:
        number = float(text)
        return number if math.isfinite(number) else _refuse(text)

    def _loads(text: bytes | str) -> Any:
        if isinstance(text, bytes):
            text = text.decode()  # JSON is UTF-8; the module would guess others, and let half characters pass
        try:
            value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
            if "\\u" in text:
                _dumps(value)  # UnicodeEncodeError, a ValueError, for half a character
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        return value

    def _dumps_whole(value: Any) -> bytes:
        _refuse_large(value)
        return _dumps(value)

    dumps, dumps_whole, loads = _dumps, _dumps_whole, _loads
else:

    def _dumps_whole(value: Any) -> bytes:
        try:
            return orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER)
        except TypeError:  # one from 2^53 on, perhaps: ids of some accounts are such
            _refuse_large(value)
            return orjson.dumps(value)

    dumps, dumps_whole, loads = orjson.dumps, _dumps_whole, orjson.loads


def _refuse_large(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _refuse_large(item)
    elif isinstance(value, int) and not -_TOO_LARGE <= value < _TOO_LARGE:
        raise TypeError("Integer exceeds 64-bit range")


def loads_question(text: bytes | str) -> Any:
    """Read JSON that somebody sent, of which parts may go into the answer.

    :raises ValueError: it is none, or nested too deeply
    """
    value = loads(text)
    if _opened(text) > _DEEPEST and _is_deep(value):
        raise ValueError("it is nested too deeply")
    return value


def _opened(text: bytes | str) -> int:
    """How many brackets and braces: quick to count, and enough to know of nearly all there is."""
    if isinstance(text, str):
        return text.count("[") + text.count("{")
    return text.count(b"[") + text.count(b"{")


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST + 1):
        inner: list[Any] = []
        for part in level:
            if isinstance(part, dict):
                inner += part.values()
            elif isinstance(part, list):
                inner += part
        if not inner:
            return False
        level = inner
    return True
