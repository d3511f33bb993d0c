"""Markets read once for all objects of this process on the same gateway and account."""

from __future__ import annotations

import copy
from typing import Any, Final
from weakref import WeakValueDictionary

from .host import Host

_SHARED: Final[WeakValueDictionary[Any, Any]] = WeakValueDictionary()
_LEARNED: Final = (
    *("has", "features", "timeframes", "precisionMode", "fees", "limits"),
    *("_server_features", "_features_asked_ms"),
)


class SharedMarkets(Host):
    """As long as one of the objects lives, the next has its markets at once."""

    def _market_source(self) -> Any:
        """What makes two objects see the same markets."""
        oms = self.options.get("oms")
        gateway = id(oms) if oms is not None else str(self.urls["api"])
        kind = type(self)
        return (
            # What a user's subclass makes of the markets is its own.
            None if kind.__module__.startswith("ccxt_driver.") else kind,
            self.id,
            gateway,
            self.options.get("account_id"),
            self.options.get("allow_money_movement") is True,
            self.options.get("unenforced_stops"),
        )

    def share_markets(self) -> None:
        """Let later objects take this one's markets."""
        _SHARED[self._market_source()] = self

    def take_shared_markets(self) -> bool:
        """Take the markets of another object, if there is one with the same source.

        :returns: whether there was
        """
        if self.options.get("share_markets") is False:
            return False
        source = _SHARED.get(self._market_source())
        if source is None or source is self or not source.markets:
            return False
        self.set_markets_from_exchange(source)
        for name in _LEARNED:
            value = getattr(source, name)
            setattr(self, name, copy.deepcopy(value))
        return True
