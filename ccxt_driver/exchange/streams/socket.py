"""The one WebSocket to a gateway: connected, signed in, alive, and connected again when it was lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Context
from itertools import count
from typing import Any, Final, Protocol

import ccxt

from ccxt_driver.contract.events import Action, EventName, Namespace
from ccxt_driver.errors import annotate, error_from_detail
from ccxt_driver.exchange.stream_settings import StreamSettings

from .client import HandshakeRefused, OmsClient
from .watching import copied

LOG: Final = logging.getLogger("ccxt_driver")

_FIRST: Final = asyncio.FIRST_COMPLETED
_FIRST_SECONDS: Final = 1.0
"""How long what has another way waits for the first connection."""
_LEAST_SECONDS: Final = 1.0
"""Between two attempts, however much they are wanted; a connection that stood so long was one."""
_WHILE_ASKED: Final = 9.5
"""Seconds on a connection on which nothing comes while a question is open."""
_ERROR: Final = EventName.ERROR.value
_CLOSED_TO_US: Final = frozenset({400, 403, 404, 405, 406, 410, 426, 501})
"""Statuses of a handshake after which another attempt would end alike: there is no `/ws` for us."""
_POLICY: Final = 1008
"""Close code of a server that does not accept the key."""

Frame = dict[str, Any]
_LATE: Final[Frame] = {}
"""In the place of an answer that did not come in time."""


class SocketClosed(ccxt.NotSupported):
    """The gateway gives us no WebSocket: what streams show has to be polled."""


class Listener(Protocol):
    """What lives on the socket."""

    async def on_up(self) -> None:
        """Connected and signed in, for the first time or again: subscribe.

        :raises NetworkError: the connection was lost meanwhile
        :raises BaseError: this listener's own failure, of which it has told its callers
        """

    def on_frame(self, frame: Frame) -> None:
        """A frame that answers nothing has come."""

    def on_down(self, error: ccxt.NetworkError) -> None:
        """The connection was lost, or could not be made; another is made by itself."""

    def on_outage(self, error: ccxt.NetworkError) -> None:
        """There has been no connection for `outage` seconds, or for as long again; more attempts follow."""

    def on_failed(self, error: ccxt.BaseError) -> None:
        """No other attempt is made: the key is not accepted, or there is no WebSocket."""


class _Ask:
    """A frame that waits for its answer.

    :param last: events that end an answer of several frames; empty when one frame is the answer
    :param each: called with each frame of it
    """

    __slots__ = ("answer", "each", "last")

    def __init__(
        self, answer: asyncio.Future[Frame], last: frozenset[str], each: Callable[[Frame], None] | None
    ) -> None:
        self.answer = answer
        self.last = last
        self.each = each


class GatewaySocket:
    """One connection to `/ws` at a time, for as long as somebody listens.

    :param exchange: the exchange object: its session, proxies, key, `clients`, verbose
    :param url: of the WebSocket
    :param settings: of heartbeat and reconnecting
    """

    def __init__(self, exchange: Any, url: str, settings: StreamSettings) -> None:
        self._exchange = exchange
        self._settings = settings
        self.url = url
        self._listeners: list[Listener] = []
        self._asks: dict[int, _Ask] = {}
        self._ids = count(1)
        self._client: OmsClient | None = None
        self._task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._up_at: float | None = None
        """When the connection there is, or was, came up."""
        self._tell_at = 0.0
        """When those who wait are told that there is no connection."""
        self._was_up = False
        """Whether there has been one."""
        self._tried = asyncio.Event()
        """Set when an attempt has failed."""
        self._tried_at = 0.0
        """When the last one began."""
        self._hurry = asyncio.Event()
        """Set when the next attempt is wanted now."""
        self._key = ""
        """Signed in with it."""
        self._failure: ccxt.BaseError | None = None

    # -- for those who use it ----------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """Whether it is connected and signed in."""
        return self._up.is_set()

    def add(self, listener: Listener) -> None:
        """Tell somebody of frames and of connections, from the next one on."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Connect, and stay connected; after a failure once more."""
        if self._task is None or self._task.done():
            self._failure = None
            self._task = asyncio.get_running_loop().create_task(
                self._keep_connected(),
                context=Context(),  # who uses it first may be in the middle of a `*_ws` method
            )

    async def ready(self) -> None:
        """Wait until it is up, for as long as `outage` says.

        :raises AuthenticationError: the key is not accepted
        :raises SocketClosed: there is no WebSocket for us
        :raises ExchangeNotAvailable: it cannot be connected in that time; it is still tried
        """
        self.start()
        if self._up.is_set() and self._key != self._own_key():
            self.drop("the key is another now")
        if self._up.is_set():
            return
        assert self._task is not None, "it was started"
        up = asyncio.ensure_future(self._up.wait())
        try:
            await asyncio.wait({up, self._task}, timeout=self._settings.outage, return_when=_FIRST)
        finally:
            up.cancel()
        if self._failure is not None:
            raise copied(self._failure)
        if not self._up.is_set():
            raise ccxt.ExchangeNotAvailable(f"{self._exchange.id} {self.url}: no connection")

    async def is_usable(self) -> bool:
        """Whether something can be sent now; of a first connection it waits a second for that.

        :raises AuthenticationError: the key is not accepted
        :raises SocketClosed: there is no WebSocket for us
        """
        self.start()
        if self._up.is_set() and self._key != self._own_key():
            self.drop("the key is another now")
        if self._up.is_set():
            return True
        if not self._was_up and not self._tried.is_set():
            assert self._task is not None, "it was started"
            ends = {asyncio.ensure_future(each.wait()) for each in (self._up, self._tried)}
            try:
                await asyncio.wait({*ends, self._task}, timeout=_FIRST_SECONDS, return_when=_FIRST)
            finally:
                for each in ends:
                    each.cancel()
        if self._failure is not None:
            raise copied(self._failure)
        self.hurry()
        return self._up.is_set()

    def hurry(self) -> None:
        """Make the next attempt at once: somebody wants it, or knows that the gateway answers again."""
        self._hurry.set()

    async def ask(
        self,
        namespace: str,
        action: str,
        payload: Mapping[str, Any],
        *,
        seconds: float | None = None,
        last: frozenset[str] = frozenset(),
        each: Callable[[Frame], None] | None = None,
    ) -> Frame:
        """Send a frame on the connection there is, once, and wait for its answer.

        :param seconds: how long; the exchange's `timeout` when left out
        :param last: events that end an answer of several frames
        :param each: called with each frame of the answer
        :returns: the answer, or the last frame of it
        :raises NetworkError: there is no connection; nothing was sent (`outcome` is not_sent)
        :raises RequestTimeout: it was sent, and no answer came
        :raises BaseError: the server refused
        """
        client = self._client
        if client is None or not client.isConnected:
            error = ccxt.ExchangeNotAvailable(f"{self._exchange.id} {self.url}: not connected")
            raise annotate(error, outcome="not_sent")
        number, answer = next(self._ids), asyncio.get_running_loop().create_future()
        self._asks[number] = _Ask(answer, last, each)
        seconds = self._exchange.timeout / 1000 if seconds is None else seconds
        question = {"id": number, "namespace": namespace, "action": action, "payload": payload}
        frame: Frame
        try:
            async with asyncio.timeout(seconds):
                await client.send(question)  # waits, too, where the other side reads nothing
                frame = await answer
        except TimeoutError:
            frame = answer.result() if answer.done() and not answer.cancelled() else _LATE
        finally:
            del self._asks[number]
        if frame is _LATE:
            # Nobody waits for its number any more. Whether the connection is dead the heartbeat tells.
            late = ccxt.RequestTimeout(f"{self._exchange.id} /ws {action}: no answer in {seconds} seconds")
            raise annotate(late, outcome="unknown")
        return self._checked(frame, action, payload)

    def nudge(self) -> None:
        """Have the server look for events at once, where it does so after what it does not know only."""
        client = self._client
        if client is not None and client.isConnected:
            frame: Frame = {"id": None, "namespace": Namespace.POSITION, "action": "nudge", "payload": {}}
            task = asyncio.get_running_loop().create_task(client.send(frame))
            task.add_done_callback(_told)

    def drop(self, reason: str) -> None:
        """Give the connection up, because what it brings cannot be right; another is made at once."""
        if self._client is not None:
            self._client.end(ccxt.NetworkError(f"{self._exchange.id} {self.url}: {reason}"))

    async def close(self) -> None:
        """Disconnect for good."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        await self._drop_client()

    # -- the connection ----------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        """Connect again and again, until it is closed, or no other attempt would do better."""
        loop = asyncio.get_running_loop()
        attempt, self._tell_at = 0, loop.time() + self._settings.outage
        while True:
            self._up_at, self._tried_at = None, loop.time()
            self._hurry.clear()
            try:
                reason: ccxt.NetworkError = await self._serve(await self._connect())
            except (ccxt.AuthenticationError, ccxt.ExchangeClosedByUser, SocketClosed) as error:
                await self._fail(error)
                return
            except ccxt.NetworkError as error:
                reason = error
            except Exception as error:
                LOG.exception("%s the connection to %s ends by a fault", self._exchange.id, self.url)
                await self._fail(ccxt.ExchangeError(f"{self._exchange.id} {self.url}: {error!r}"))
                return
            await self._drop_client()
            self._tried.set()
            LOG.debug("%s /ws: %s", self._exchange.id, reason)
            for listener in tuple(self._listeners):
                listener.on_down(reason)
            if self._came_up():
                self._tell_at = loop.time() + self._settings.outage
            if self._has_stood():
                attempt = 0
            await self._rest(self._settings.pause(attempt, reason), reason)
            attempt += 1

    async def _rest(self, seconds: float, reason: ccxt.NetworkError) -> None:
        """Wait for the next attempt. Who waits for news meanwhile is told, each time an outage has passed."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + seconds
        asked_to_wait = isinstance(reason, HandshakeRefused) and reason.retry_after is not None
        while True:
            if loop.time() >= self._tell_at:
                self._tell_at = loop.time() + self._settings.outage
                for listener in tuple(self._listeners):
                    listener.on_outage(reason)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(ends_at, self._tell_at) - loop.time()):
                    await self._hurry.wait()
            if self._hurry.is_set():
                self._hurry.clear()
                if not asked_to_wait:
                    ends_at = min(ends_at, self._tried_at + _LEAST_SECONDS)
            if loop.time() >= ends_at:
                return

    def _came_up(self) -> bool:
        """Whether there was a connection before the loss."""
        return self._up_at is not None

    def _has_stood(self) -> bool:
        """Whether the connection that was lost was one: a server may let us in, and then drop us.

        One second is enough. Where it had to be longer, a server that was started anew some times in a row
        was left alone for the longest pause, however long it was there already.
        """
        if self._up_at is None:
            return False
        return asyncio.get_running_loop().time() - self._up_at >= _LEAST_SECONDS

    @property
    def _patience(self) -> float:
        return self._settings.ping_interval + self._settings.ping_timeout

    async def _serve(self, lost: asyncio.Future[ccxt.NetworkError]) -> ccxt.NetworkError:
        """Let everyone subscribe, then watch the connection; why it has ended."""
        heart = asyncio.get_running_loop().create_task(self._beat())
        try:
            for listener in tuple(self._listeners):
                await listener.on_up()
            self._up.set()
            self._was_up = True
            self._up_at = asyncio.get_running_loop().time()
            return await asyncio.shield(lost)
        finally:
            self._up.clear()
            heart.cancel()
            await asyncio.wait({heart})

    async def _connect(self) -> asyncio.Future[ccxt.NetworkError]:
        """Dial and sign in.

        :returns: done when the connection is lost
        """
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[ccxt.NetworkError] = loop.create_future()

        def on_lost(reason: ccxt.NetworkError) -> None:
            self._break_off(reason)
            if not lost.done():
                lost.set_result(reason)

        client = self._exchange.make_client(self.url, self._on_frame, on_lost)
        self._client = client
        try:
            await client.dial(self._exchange.socket_session())
        except HandshakeRefused as error:
            raise self._refusal(error) from error
        await self._sign_in(lost)
        return lost

    def _refusal(self, error: HandshakeRefused) -> ccxt.BaseError:
        if error.status == 401:
            return ccxt.AuthenticationError(f"{self._exchange.id} {error}")
        # Where there was one it comes back: a proxy answers so while its server is started anew. To poll
        # instead would begin with what there is then, and leave out what has happened since.
        if error.status in _CLOSED_TO_US and not self._was_up:
            return SocketClosed(f"{self._exchange.id} {error}")
        return error

    async def _sign_in(self, lost: asyncio.Future[ccxt.NetworkError]) -> None:
        self._key = self._own_key()
        if not self._key:
            return
        try:
            await self.ask(Namespace.SYSTEM, Action.AUTH, {"api_key": self._key})
        except ccxt.NetworkError as error:
            reason = lost.result() if lost.done() else error
            if reason.__dict__.get("close_code") == _POLICY:
                raise ccxt.AuthenticationError(f"{self._exchange.id} {reason}") from error
            raise

    def _own_key(self) -> str:
        return str(self._exchange.apiKey or "")

    async def _beat(self) -> None:
        """Ping now and then; a connection on which nothing comes after that is dead."""
        interval, loop, client = self._settings.ping_interval, asyncio.get_running_loop(), self._client
        assert client is not None, "it is connected"
        frame = {"id": "ping", "namespace": Namespace.SYSTEM, "action": Action.PING, "payload": {}}
        while True:
            left = client.heard_at + self._patience - loop.time()
            await asyncio.sleep(min(interval, left) if left > 0 else interval)
            silent = loop.time() - client.heard_at
            # Some servers answer nothing else while a venue makes them wait for what they were asked.
            patience = max(self._patience, _WHILE_ASKED) if self._asks else self._patience
            if silent >= patience:
                client.end(ccxt.RequestTimeout(f"{self.url}: nothing came for {silent:.1f} seconds"))
                return
            try:
                async with asyncio.timeout(interval):
                    await client.send(frame)
            except (ccxt.NetworkError, TimeoutError) as error:
                client.end(ccxt.NetworkError(f"{self.url}: a ping could not be sent: {error!r}"))
                return

    async def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        self._exchange.forget_client(self.url, client)
        try:
            await client.close()
        except asyncio.CancelledError:
            self._client = client  # who cancels closes it
            raise

    async def _fail(self, error: ccxt.BaseError) -> None:
        self._failure = error
        await self._drop_client()
        for listener in tuple(self._listeners):
            listener.on_failed(error)

    def _break_off(self, reason: ccxt.NetworkError) -> None:
        """Nobody will answer what was asked on a connection that is over."""
        self._up.clear()
        for ask in self._asks.values():
            if not ask.answer.done():
                ask.answer.set_result({"event": None, "lost": reason})

    # -- frames ------------------------------------------------------------------------------------

    def _on_frame(self, frame: Frame) -> None:
        number = frame.get("id")
        ask = self._asks.get(number) if type(number) is int else None
        if ask is None:
            self._pushed(frame)
            return
        if ask.each is not None:
            ask.each(frame)
        is_last = not ask.last or frame.get("event") in ask.last or frame.get("event") == _ERROR
        if is_last and not ask.answer.done():
            ask.answer.set_result(frame)

    def _pushed(self, frame: Frame) -> None:
        if frame.get("id") is not None:
            return  # a pong, the greeting, an answer nobody waits for any more
        for listener in tuple(self._listeners):
            listener.on_frame(frame)

    def _checked(self, frame: Frame, action: str, payload: Mapping[str, Any]) -> Frame:
        """An answer that is no refusal.

        :raises BaseError: it is one, or the connection was lost before it came
        """
        lost = frame.get("lost")
        if isinstance(lost, ccxt.NetworkError):
            error = ccxt.RequestTimeout(f"{self._exchange.id} /ws {action}: no answer: {lost}")
            raise annotate(error, outcome="unknown") from lost
        if frame.get("event") == _ERROR:
            said = frame.get("payload")
            detail = said if isinstance(said, Mapping) else {"code": "", "message": str(said)}
            raise error_from_detail(self._exchange.id, detail, command=payload.get("command"))
        return frame


def _told(task: asyncio.Task[None]) -> None:
    """A nudge that could not be sent: the connection is over, and that is told to everyone."""
    if not task.cancelled() and task.exception() is not None:
        LOG.debug("a nudge could not be sent: %s", task.exception())
