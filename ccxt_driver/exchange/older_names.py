"""The names that older servers know: `options.contract = "position"`.

`/position/...` for `/oms/...`, `magic_id` for `strategy_id`, `/ccxt/multiple_commands` for
`/ccxt/commands`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import ccxt

from .request_parts import endpoint_of

_OLDER: Final = {"strategy_id": "magic_id", "strategy_ids": "magic_ids", "strategy_ids_csv": "magic_ids_csv"}
_NEWER: Final = {older: newer for newer, older in _OLDER.items()}
_VENUES_OWN: Final = frozenset({"params", "args", "kwargs", "details"})
"""What goes through to the venue, or comes from it, keeps its names."""


def speaks_older_names(options: Mapping[str, Any]) -> bool:
    """Whether the server knows only the older names.

    :raises BadRequest: `options.contract` is neither oms nor position
    """
    contract = options.get("contract") or "oms"
    if contract not in ("oms", "position"):
        raise ccxt.BadRequest(f"contract: expected oms or position, got {contract!r}"[:200])
    return bool(contract == "position")


def older_request(method: str, path: str, params: Any) -> tuple[str, Any]:
    """Path and parameters in the older names."""
    return endpoint_of(method, path).older_path or path, _renamed(params, _OLDER)


def newer_answer(body: Any) -> Any:
    """An answer in the names of the contract."""
    return _renamed(body, _NEWER)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    if not isinstance(value, Mapping):
        return value
    return {
        names.get(key, key): each if key in _VENUES_OWN else _renamed(each, names)
        for key, each in value.items()
    }
