"""What all streams of an exchange object stand on: its desk, its client, its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import ccxt

from ccxt_driver.errors import annotate
from ccxt_driver.exchange._async.exchange import OmsCcxtExchange as AsyncExchange
from ccxt_driver.exchange._twins_async import LAZILY
from ccxt_driver.exchange.spelling import in_own_spelling

from .client import OmsClient
from .desk import StreamDesk

_LONGEST_WAIT: Final = 1.0
"""Seconds that commands wait for a stream that is about to begin, from then on."""


class Streaming(AsyncExchange):
    """The async exchange with a place for streams."""

    if TYPE_CHECKING:  # ccxt's have no annotations
        clients: Any
        streaming: Any
        markets_loading: Any
        newUpdates: Any  # noqa: N815
        balance: Any
        asyncio_loop: Any
        throttler: Any

    _stream_desk: StreamDesk | None = None
    _news_seconds: float = 0.0
    """How long changes of accounts of an OMS in this process are on their way, where that is modelled."""
    _loadings: dict[bool, _Loading] | None = None

    async def load_markets(self, reload: bool = False, params: dict[str, Any] = {}) -> Any:
        """ccxt's; who is cancelled while markets load leaves the others waiting for them.

        :param reload: ask again
        :returns: a dict of ccxt market structures
        :raises OperationRejected: `set_sandbox_mode` was called meanwhile
        """
        known, side = self.markets_loading, self._live
        if not reload and known is not None and known.done():
            return await super().load_markets(reload, params)
        if self._loadings is None:
            self._loadings = {}
        loading = self._loadings.get(reload)
        if loading is not None and loading.task.get_loop() is not asyncio.get_running_loop():
            loading = None
        if loading is not None and loading.task.cancelling():
            await asyncio.wait({loading.task})
        if loading is None or loading.task.done():
            task = asyncio.ensure_future(super().load_markets(reload, params))
            loading = self._loadings[reload] = _Loading(task)
        markets = await loading.join()
        if self._live is not side:  # since they were loaded: who goes on would do so on the other side
            raise ccxt.OperationRejected(f"{self.id} set_sandbox_mode() was called while markets loaded")
        return markets

    async def _give_way_when_closed(self) -> None:
        """Let other tasks run: one that calls again and again would hold up who is about to end it."""
        if self.closed_by_user:
            await asyncio.sleep(0)

    def _desk(self) -> StreamDesk:
        """The streams of this object in the loop that runs now.

        :raises OperationRejected: they are in another one: who waited for them here would wait for ever
        """
        if self.closed_by_user:
            raise ccxt.ExchangeClosedByUser(f"{self.id} instance was closed by the user")
        desk = self._stream_desk
        is_elsewhere = desk is not None and desk.loop is not asyncio.get_running_loop()
        if desk is not None and is_elsewhere and not desk.loop.is_closed():
            text = f"{self.id} streams run in another event loop; give each loop an object of its own"
            raise annotate(ccxt.OperationRejected(text), outcome="not_sent")
        if desk is None or is_elsewhere:
            desk = self._stream_desk = StreamDesk(self)
            self.leave_closed_loop()
            if self.session is None:
                # As opening a session does; ccxt's `spawn` takes it.
                self.asyncio_loop = self.throttler.loop = desk.loop
        return desk

    @contextmanager
    def _beginning(self, desk: StreamDesk) -> Iterator[None]:
        """While a stream begins, commands of this object wait a little: their events are to be seen."""
        if not desk.beginning:
            desk.waited_for_until = desk.loop.time() + _LONGEST_WAIT
        desk.beginning += 1
        desk.begun.clear()
        try:
            yield
        finally:
            desk.beginning -= 1
            if not desk.beginning:
                desk.begun.set()

    async def _streams_have_begun(self) -> None:
        desk = self._stream_desk
        if desk is None or not desk.beginning:
            return
        try:
            async with asyncio.timeout_at(desk.waited_for_until):
                await desk.begun.wait()
        except TimeoutError:
            return  # orders are not held up, one by one, by a server that gives no stream

    async def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        await self._streams_have_begun()
        try:
            return await super()._command(command)
        finally:
            self._told_of(command)

    async def _commands(self, commands: list[dict[str, Any]]) -> list[Any]:
        await self._streams_have_begun()
        try:
            return await super()._commands(commands)
        finally:
            for command in commands[:1]:
                self._told_of(command)

    def _told_of(self, command: dict[str, Any]) -> None:
        if self._stream_desk is not None:
            self._stream_desk.hint(command["account_id"])

    def _own_params(self, params: dict[str, Any]) -> dict[str, Any]:
        """Parameters for a read, without those of streams."""
        return self.omit(in_own_spelling(params), ["watcher", "after_seq"])

    def _watcher_name(self, params: Mapping[str, Any]) -> str | int | None:
        name = params.get("watcher")
        if not isinstance(name, str | int | None):
            raise ccxt.BadRequest(f"{self.id} watcher: expected a name, got {name!r}"[:200])
        return name

    # -- the socket --------------------------------------------------------------------------------------

    def make_client(self, url: str, handle: Callable[[Any], None], lost: Callable[[Any], None]) -> OmsClient:
        """A client for one connection, in ccxt's `clients`."""
        self.open(*LAZILY)
        ws_options = self.safe_value(self.options, "ws", {})
        settings = self.extend(
            self.streaming,
            {"log": self._log_frame, "verbose": self.verbose, "asyncio_loop": self.asyncio_loop},
            ws_options,
        )
        client = OmsClient(url, handle, lost, settings)
        http_proxy, https_proxy, _ = self.check_ws_proxy_settings()
        client.proxy = http_proxy or https_proxy
        if not self.clients:
            self.clients = {}  # ccxt's is of the class: all objects of the process would close each other's
        self.clients[url] = client
        return client

    def _log_frame(self, *said: Any) -> None:
        """What `verbose` shows of a frame; the first one has the key in it."""
        self.log(*map(self.masked, said))

    def forget_client(self, url: str, client: OmsClient) -> None:
        """Take a client out of ccxt's `clients` that is not used any more."""
        if self.clients and self.clients.get(url) is client:
            del self.clients[url]

    def socket_session(self) -> Any:
        """The aiohttp session that a socket is dialled with."""
        _, _, socks_proxy = self.check_ws_proxy_settings()
        return self.get_socks_proxy_session(socks_proxy) if socks_proxy else self.session

    # -- the end -----------------------------------------------------------------------------------------

    async def close(self, clean_instance_data: bool = False) -> Any:
        """Close all connections. Calls of `watch_*` get ExchangeClosedByUser, those that come later too.

        `open()`, or `async with`, makes the object one that can be watched again.
        """
        self.closed_by_user = True  # first: who is about to call `watch_*` again is not to begin anew
        desk, self._stream_desk = self._stream_desk, None
        if desk is not None and not desk.loop.is_closed():  # else nothing of it runs any more
            desk.end(ccxt.ExchangeClosedByUser(f"{self.id} closed by the user"))
            await desk.close()
        return await (super().close(True) if clean_instance_data else super().close())

    def forget_side(self) -> None:
        """Drop everything that was read from the gateway, and end what watches it."""
        desk, self._stream_desk = self._stream_desk, None
        if desk is not None and not desk.loop.is_closed():
            error = ccxt.OperationRejected(f"{self.id} set_sandbox_mode() was called; watch again")
            desk.end(error)
            self._desk_closing = desk.loop.create_task(desk.close())
        super().forget_side()


class _Loading:
    """What several calls wait for: it is given up when all of them are.

    :param task: is it
    """

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self._callers = 0

    async def join(self) -> Any:
        """Wait for it."""
        self._callers += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self._callers -= 1
            if not self._callers and not self.task.done():
                self.task.cancel()
                await asyncio.wait({self.task})
