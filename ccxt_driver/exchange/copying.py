"""`copy.deepcopy` and `pickle` of an exchange object, used or not."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any, Final

from .configuration import environment_key
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
        "_loadings",
        "_pool",
        "_stream_desk",
        "_desk_closing",
        # the OMS itself is found again by its URL
        "_embedded_oms",
        "_commands_in_flight",
        "_placings",
        "_unknown_creates",
        "_truth",
        "_sides",
        # what was found out about a gateway just now, and what was sent
        "_circuits",
        "_tickers",
        "_ticker_flights",
        "_kept_request_headers",
        "_kept_response_headers",
        "fetchHistoryCache",
    }
)


_SECRETS: Final = ("apiKey", "secret", "password", "privateKey", "token", "twofa")


class Copying(Host):
    """A copy has the same configuration, markets and caches, and connections of its own.

    No secret is pickled: a pickle is a file. The copy takes the environment's key, under the same
    rule as a new object, or is given one.
    """

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds."""
        state = self._own_state()
        for name in _SECRETS:
            state[name] = None if state.get(name) else state.get(name)  # an empty key means none, still
        if self._live is not None:
            state["_live"] = self._live._replace(api_key=None)
        sandbox = self.options.get("sandbox")
        if isinstance(sandbox, Mapping) and sandbox.get("apiKey"):
            state["options"] = copy.copy(self.options)
            state["options"]["sandbox"] = {**sandbox, "apiKey": None}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A new object that takes over what was held."""
        self._take_over(state)
        if self.apiKey is None:
            self.apiKey = environment_key(self.urls["api"], os.environ)
        if self._live is not None and self._live.api_key is None:
            self._live = self._live._replace(api_key=environment_key(self._live.url, os.environ))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy within the process: keeps the key, and shares an OMS object given as `options.oms`."""
        oms = self.options.get("oms")
        if oms is not None:
            memo[id(oms)] = oms
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin._take_over(copy.deepcopy(self._own_state(), memo))
        return twin

    def __copy__(self) -> Any:
        """As a deep copy, with markets and caches shared."""
        twin = type(self).__new__(type(self))
        own = {
            "urls": copy.copy(self.urls),
            "options": copy.copy(self.options),
        }  # the sandbox mode changes them
        twin._take_over({**self._own_state(), **own})
        return twin

    @staticmethod
    def own_state(config: dict[str, Any]) -> dict[str, Any]:
        """A configuration that is taken over as it is."""
        return config

    def _own_state(self) -> dict[str, Any]:
        """Everything but connections, secrets included."""
        state = {name: value for name, value in self.__dict__.items() if name not in _NOT_COPIED}
        state["lastRequestHeaders"] = state["lastResponseHeaders"] = None
        return state

    def _take_over(self, state: dict[str, Any]) -> None:
        config = self.own_state({"urls": {"api": state["urls"]["api"]}})
        self.__init__(config)  # type: ignore[misc]  # new connections
        self.__dict__.update(state)
