"""JSON by the fastest reader and writer that is installed. Both write the same compact text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

dumps: Callable[[Any], bytes]
"""Write JSON as UTF-8; TypeError for what JSON cannot say."""
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

    dumps, loads = _dumps, _loads
else:
    dumps, loads = orjson.dumps, orjson.loads
