"""`set_sandbox_mode`: to another gateway, account and key, and exactly back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import ccxt

from ccxt_driver.errors import annotate

from .configuration import sandbox_url
from .host import Host
from .request_parts import Secret
from .retries import is_read
from .server_truth import ServerTruth
from .ticker_cache import TickerCache
from .unknown_creates import UnknownCreates


class LiveSide(NamedTuple):
    """What the sandbox covers, and what comes back."""

    url: Any
    api_key: Any
    account_id: Any
    name: Any


class Sandbox(Host):
    """Keeps what belongs to the live side while the sandbox is on."""

    def set_sandbox_mode(self, enabled: bool) -> None:
        """Switch to what `options.sandbox` configures, and exactly back.

        :param enabled: True for the sandbox; without one configured nothing changes on `embedded:`,
            which is paper trading already
        :raises NotSupported: no sandbox is configured and the gateway may be live
        :raises BadRequest: what is configured is no sandbox
        """
        sandbox = self.options.get("sandbox")
        if not isinstance(sandbox, Mapping) or not sandbox:
            if enabled and not self._is_embedded:
                raise self.no_sandbox()
            self.isSandboxModeEnabled = enabled
            return
        if enabled == (self._live is not None):
            return
        if self._commands_in_flight:
            raise ccxt.OperationRejected(f"{self.id} set_sandbox_mode(): a command is in flight")
        self._switch_to(sandbox if enabled else None)
        self.isSandboxModeEnabled = enabled

    def no_sandbox(self) -> ccxt.NotSupported:
        """The exception for a program that wants a sandbox where none is configured."""
        return ccxt.NotSupported(
            f'{self.id} has no sandbox: set options["sandbox"] to base_url, account_id and apiKey'
        )

    def enable_demo_trading(self, enable: bool) -> None:
        """As `set_sandbox_mode`: some exchanges of ccxt call their paper trading so."""
        self.set_sandbox_mode(enable)

    def use_url(self, url: Any) -> None:
        """Send requests to another OMS from now on."""
        self.urls["api"] = url

    def use_key(self, key: Any) -> None:
        """Send another key from now on."""
        self.apiKey = key

    def sandbox_key(self, sandbox: Mapping[str, Any]) -> Any:
        """The key that `options.sandbox` gives."""
        return sandbox.get("apiKey")

    def _switch_to(self, sandbox: Mapping[str, Any] | None) -> None:
        """To the sandbox, or with None back to what was before; nothing of one side is kept for the other.

        What is held back, and what was learned of the server's rows, waits for its side to come back.
        """
        self._sides[str(self.urls["api"])] = (self._unknown_creates, self._truth)
        if sandbox is not None:
            kept = LiveSide(self.urls["api"], self.apiKey, self.options.get("account_id"), self.name)
            # Not urls["test"]: options.sandbox may be set after that was filled in, with the live one.
            self.use_url(sandbox_url(self.options))
            self.name = self.paper_name if self._is_embedded else self.name
            self.use_key(Secret(self.sandbox_key(sandbox) or ""))
            self.options["account_id"] = sandbox.get("account_id") or (1 if self._is_embedded else None)
            self._live = kept
        else:
            self.use_url(self._live.url)
            self.use_key(self._live.api_key)
            self.options["account_id"], self.name = self._live.account_id, self._live.name
            self._live = None
        new = (UnknownCreates(), ServerTruth())
        self._unknown_creates, self._truth = self._sides.pop(str(self.urls["api"]), new)
        self.forget_side()

    def check_side(self, side: LiveSide | None, method: str, path: str, params: Any) -> None:
        """Give no answer of one side to a call that goes on with the other.

        :param side: `_live` when it was asked
        :raises OperationRejected: `set_sandbox_mode` was called since, and it was a read
        """
        if self._live is not side and is_read(method, path, params):
            raise ccxt.OperationRejected(
                f"{self.id} set_sandbox_mode() was called while {method} {path} was on its way"
            )

    def need_side(self, side: LiveSide | None, method: str, path: str) -> None:
        """Send nothing to one side that was meant for the other.

        :param side: `_live` when it was asked for
        :raises OperationRejected: `set_sandbox_mode` was called since; nothing was sent
        """
        if self._live is not side:
            error = ccxt.OperationRejected(
                f"{self.id} set_sandbox_mode() was called before {method} {path} was sent"
            )
            raise annotate(error, outcome="not_sent")

    def forget_side(self) -> None:
        """Drop everything that was read from the gateway."""
        self._server_features = None
        self._account_rows = None
        self._embedded_oms = None
        self._terms = {}
        self._known_orders.clear()
        self._missing_routes = set()
        self._circuits = {}
        self._tickers = TickerCache()
        for name in ("markets", "markets_by_id", "symbols", "ids", "currencies_by_id", "markets_loading"):
            setattr(self, name, None)
        for name in (
            "orders",
            "myTrades",
            "positions",
            "tickers",
            "orderbooks",
            "ohlcvs",
            "trades",
            "balance",
            "currencies",  # ccxt would add the other side's to them
        ):
            setattr(self, name, {} if isinstance(getattr(self, name, None), dict) else None)
