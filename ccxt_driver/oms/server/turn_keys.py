"""Whose an API key is, looked up once for all requests of one turn of the event loop."""

from __future__ import annotations

import asyncio

from ccxt_driver.oms.entities import Principal
from ccxt_driver.oms.keys import KeyRing


class TurnKeys:
    """Keys that were asked for in this turn.

    :param keys: all of them
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._known: dict[str, Principal] = {}

    def authenticate(self, secret: str) -> Principal | None:
        """As of the OMS's keys."""
        principal = self._known.get(secret) or self._keys.authenticate(secret)
        if principal is not None:
            if not self._known:
                asyncio.get_running_loop().call_soon(self._known.clear)
            self._known[secret] = principal
        return principal
