"""How often the server is asked."""

from __future__ import annotations

import asyncio
from typing import Final

_BURST_SECONDS: Final = 1.0


class Pace:
    """At most so many turns a second, those of one second at once; who comes later waits in line.

    :param rate: turns a second
    """

    def __init__(self, rate: float) -> None:
        self._step = 1 / rate
        self._free_at = 0.0
        """When the next turn would be, if there were no bursts."""

    async def turn(self) -> None:
        """Wait for one."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now - _BURST_SECONDS) + self._step
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)
