"""`copy.deepcopy` and `pickle` of an exchange object, used or not."""

from __future__ import annotations

import copy
from typing import Any, Final

from .host import Host

_NOT_COPIED: Final = frozenset(
    {
        # connections, and what belongs to one event loop
        "session",
        "asyncio_loop",
        "tcp_connector",
        "aiohttp_socks_connector",
        "socks_proxy_sessions",
        "ssl_context",
        "throttler",
        "clients",
        "markets_loading",
        "closed_by_user",
        "logger",
        "_pool",
        # the OMS itself is found again by its URL
        "_embedded_oms",
        "_commands_in_flight",
    }
)


class Copying(Host):
    """A copy has the same configuration, markets and caches, and connections of its own.

    The API key is not pickled: a pickle is a file. The copy takes the environment's key, under the
    same rule as a new object, or is given one.
    """

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds."""
        state = {name: value for name, value in self.__dict__.items() if name not in _NOT_COPIED}
        state["apiKey"] = None
        state["last_request_headers"] = state["lastRequestHeaders"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A new object that takes over what was held."""
        urls = {"api": state["urls"]["api"]}
        self.__init__({"urls": urls})  # type: ignore[misc]  # connections are made anew
        key = self.apiKey
        self.__dict__.update(state)
        self.apiKey = key

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy within the process: keeps the key, and shares an OMS object given as `options.oms`."""
        oms = self.options.get("oms")
        if oms is not None:
            memo[id(oms)] = oms
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        twin.apiKey = self.apiKey
        return twin
