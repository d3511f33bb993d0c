"""Commands that make an order and whose outcome is unknown: identical ones are held back.

A program answers a RequestTimeout by calling again. Until it is known what became of the first order, or
the hold is over, the same call asks for the first again and places no second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import ccxt

from .request_parts import json_text


class Pending(NamedTuple):
    """A command that may have been carried out, when it was sent, and what its caller was told."""

    command: dict[str, Any]
    sent_ms: int
    error: ccxt.BaseError


class UnknownCreates:
    """By what a command asks for, whatever its client order id."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[str, tuple[Pending, int]] = {}

    def hold(self, pending: Pending, until_ms: int) -> None:
        """Hold identical commands back.

        :param until_ms: milliseconds since the Unix epoch
        """
        self._held[_asked_for(pending.command)] = (pending, until_ms)

    def pending(self, command: Mapping[str, Any], now_ms: int) -> Pending | None:
        """The command that an identical one has to wait for, if there is one."""
        if not self._held:
            return None
        key = _asked_for(command)
        pending, until_ms = self._held.get(key, (None, 0))
        if pending is not None and now_ms >= until_ms:
            self._held.pop(key, None)
            return None
        return pending

    def forget(self, command: Mapping[str, Any]) -> None:
        """It is known what became of a command."""
        if self._held:
            self._held.pop(_asked_for(command), None)


def _asked_for(command: Mapping[str, Any]) -> str:
    payload = {key: value for key, value in command["payload"].items() if key != "client_order_id"}
    return json_text([command["account_id"], command["command"], sorted(payload.items())])
