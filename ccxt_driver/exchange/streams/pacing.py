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
        self._put_off = 0.0
        """Seconds, of all turns so far."""

    async def turn(self) -> None:
        """Wait for one."""
        loop = asyncio.get_running_loop()
        self._free_at = max(self._free_at, loop.time() - _BURST_SECONDS) + self._step
        own = self._free_at - self._put_off
        seconds = own + self._put_off - loop.time()
        while seconds > 0:
            await asyncio.sleep(seconds)
            seconds = own + self._put_off - loop.time()

    def hold(self, seconds: float) -> None:
        """Put off all turns, those of the line too, by some seconds."""
        self._free_at = max(self._free_at, asyncio.get_running_loop().time()) + seconds
        self._put_off += seconds
