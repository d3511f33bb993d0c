"""JSON by the fastest reader and writer that is installed. Both write the same compact text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

dumps: Callable[[Any], bytes]
"""Write JSON as UTF-8; TypeError for what JSON cannot say."""
dumps_whole: Callable[[Any], bytes]
"""As `dumps`; TypeError also for an integer from 2^53 on, which not every reader gives back as it was."""
loads: Callable[[bytes | str], Any]
"""Read JSON; ValueError when it is none."""

try:
    import orjson
except ModuleNotFoundError:

    def _dumps(value: Any) -> bytes:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()

    def _refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not JSON")

    def _loads(text: bytes | str) -> Any:
        try:
            return json.loads(text, parse_constant=_refuse)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None

    def _dumps_whole(value: Any) -> bytes:
        return json.dumps(_small(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()

    def _small(value: Any) -> Any:
        if isinstance(value, list):
            return [_small(item) for item in value]
        if isinstance(value, int) and abs(value) >= 2**53:
            raise TypeError("Integer exceeds 53-bit range")
        return value

    dumps, dumps_whole, loads = _dumps, _dumps_whole, _loads
else:

    def _dumps_whole(value: Any) -> bytes:
        return orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER)

    dumps, dumps_whole, loads = orjson.dumps, _dumps_whole, orjson.loads
