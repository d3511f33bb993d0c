"""The class with coroutines and streams."""

from __future__ import annotations

from typing import Any

from .capabilities import STREAMED
from .streams.account_streams import AccountStreams
from .streams.market_streams import MarketStreams
from .streams.socket_requests import SocketRequests


class OmsCcxtExchange(AccountStreams, MarketStreams, SocketRequests):
    """A ccxt.pro exchange whose orders, trades and positions are those of an Order Management System.

    `watch_*` hand out every change once, in the OMS's order; `*_ws` send over the same socket.
    """

    def describe(self) -> Any:
        """ccxt's description of the class; no I/O."""
        streamed = {"pro": True, "has": {"ws": True, **dict.fromkeys(STREAMED, True)}}
        return self.deep_extend(super().describe(), streamed)
