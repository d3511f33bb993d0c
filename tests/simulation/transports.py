"""Both classes of the driver on a faulty gateway, and how a program calls them; the time is virtual."""

from __future__ import annotations

import asyncio
from io import BytesIO
from types import SimpleNamespace
from typing import Any, Final, Self

import aiohttp
import urllib3

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange

from .bookkeeper import Violation
from .faulty_gateway import (
    ACCOUNT_ID,
    Broken,
    ConnectionRefused,
    FaultyGateway,
    Interrupted,
    NoAnswer,
    Reply,
    Reset,
    TimedOut,
)


class ControlC(KeyboardInterrupt):
    """Not that of who runs the simulation."""


class Simulated:
    """What both classes have in common."""

    gateway: FaultyGateway

    def milliseconds(self) -> int:
        """The virtual time."""
        return self.gateway.now_ms() if "gateway" in self.__dict__ else 0


class BlockingExchange(Simulated, OmsCcxtExchange):
    """The blocking class."""

    def _connections(self) -> Any:
        return _Pool(self.gateway)

    def sleep(self, milliseconds: Any) -> None:
        """Let virtual time pass."""
        self.gateway.advance(milliseconds)
        if self.gateway.interrupts_a_pause():
            raise ControlC


class CoroutineExchange(Simulated, AsyncOmsCcxtExchange):
    """The class with coroutines."""

    timeout_on_exit = 0

    def open(self, *_: Any) -> None:
        """No connector, no TLS."""
        if self.session is None:
            self.session = _Session(self.gateway)

    async def sleep(self, milliseconds: Any) -> None:
        """Let virtual time pass; others may run."""
        self.gateway.advance(milliseconds)
        if self.gateway.caller is not None and self.gateway.interrupts_a_pause():
            self.gateway.caller.cancel()
        await asyncio.sleep(0)


class _Pool:
    """In place of urllib3's, which the blocking class sends by."""

    def __init__(self, gateway: FaultyGateway) -> None:
        self._gateway = gateway

    def request(self, method: str, url: str, body: Any, headers: Any, timeout: Any, **_: Any) -> Any:
        """Send a request as `urllib3.PoolManager.request` does."""
        text = None if body is None else body.decode()
        wait_ms = int(timeout.read_timeout * 1000)
        try:
            status, answer, more = self._gateway.take(method, url, headers, text, wait_ms)
        except NoAnswer as failure:
            raise _of_urllib3(failure) from None
        body = BytesIO(answer.encode())
        return urllib3.HTTPResponse(body, headers=more, status=status, reason="", preload_content=True)

    def clear(self) -> None:
        """There are no connections to close."""


def _of_urllib3(failure: NoAnswer) -> BaseException:
    no_pool: Any = None
    match failure:
        case ConnectionRefused():
            return urllib3.exceptions.NewConnectionError(no_pool, "Connection refused")
        case TimedOut():
            return urllib3.exceptions.ReadTimeoutError(no_pool, "/", "Read timed out.")
        case Broken():
            return urllib3.exceptions.ProtocolError("Connection broken: IncompleteRead(17 bytes read)")
        case Interrupted():
            return ControlC()
    reset = ConnectionResetError(104, "Connection reset by peer")
    return urllib3.exceptions.ProtocolError("Connection aborted.", reset)


class _Session:
    """In place of aiohttp's, which the class with coroutines sends by."""

    def __init__(self, gateway: FaultyGateway) -> None:
        self.gateway = gateway
        self.headers: dict[str, str] = {}
        self.requests = 0
        """How many are under way."""

    def request(self, method: str, url: Any, data: Any, headers: Any, timeout: Any, **_: Any) -> _Request:
        """Send a request as `aiohttp.ClientSession.request` does."""
        text = None if data is None else data.decode()
        return _Request(self, (method, str(url), headers, text, int(timeout.total * 1000)))

    async def close(self) -> None:
        """There are no connections to close."""


class _Request:
    """A request, and its response."""

    reason = ""

    def __init__(self, session: _Session, asked: Any) -> None:
        self._session = session
        self._asked = asked
        self._text: str | None = None
        self.status = 0
        self.headers: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        session = self._session
        session.requests += 1
        try:
            await asyncio.sleep(0)  # as on a network, others run meanwhile
            self.status, self._text, self.headers = await self._answer()
        except BaseException:
            session.requests -= 1
            raise
        return self

    async def _answer(self) -> Reply:
        gateway = self._session.gateway
        try:
            return gateway.take(*self._asked)
        except Interrupted:
            caller = gateway.caller
            assert caller is not None
            caller.cancel()
            await asyncio.sleep(0)
            raise AssertionError("a cancelled task went on") from None
        except Broken:
            return 200, None, {}  # type: ignore[return-value]  # it breaks while the text is read
        except NoAnswer as failure:
            raise _of_aiohttp(failure) from None

    async def text(self, encoding: str | None = None, errors: str = "strict") -> str:
        """Read the answer to its end."""
        if self._text is None:
            raise aiohttp.ClientPayloadError("Response payload is not completed")
        return self._text

    async def __aexit__(self, *_: object) -> None:
        self._session.requests -= 1


_PEER: Final[Any] = SimpleNamespace(host="oms.test", port=80, ssl=True, is_ssl=False)


def _of_aiohttp(failure: NoAnswer) -> BaseException:
    match failure:
        case ConnectionRefused():
            return aiohttp.ClientConnectorError(_PEER, ConnectionRefusedError(111, "Connection refused"))
        case TimedOut():
            return TimeoutError()
        case Reset():
            return aiohttp.ClientOSError(104, "Connection reset by peer")
    raise AssertionError(f"unexpected {failure!r}")


class Blocking:
    """A program that calls and waits.

    :param options: beside those that say which gateway and account it is
    """

    interruptions = (ControlC,)

    def __init__(self, gateway: FaultyGateway, options: dict[str, Any]) -> None:
        self.exchange = _made(BlockingExchange, gateway, options)

    def call(self, name: str, *args: Any) -> Any:
        """Call a method to its end.

        :raises BaseError, KeyboardInterrupt: as the method
        """
        return getattr(self.exchange, name)(*args)

    def close(self) -> None:
        """Nothing is open."""


class Coroutines:
    """A program that awaits; arguments as of `Blocking`."""

    interruptions = (asyncio.CancelledError,)

    def __init__(self, gateway: FaultyGateway, options: dict[str, Any]) -> None:
        self._gateway = gateway
        self._loop = asyncio.new_event_loop()
        self.exchange = self._loop.run_until_complete(self._make(options))

    async def _make(self, options: dict[str, Any]) -> Any:
        return _made(CoroutineExchange, self._gateway, options)

    def call(self, name: str, *args: Any) -> Any:
        """Call a method to its end in a task of its own.

        :raises BaseError, CancelledError: as the method
        :raises Violation: a task or a connection is left
        """

        async def called() -> Any:
            return await getattr(self.exchange, name)(*args)

        self._gateway.caller = task = self._loop.create_task(called())
        try:
            return self._loop.run_until_complete(task)
        finally:
            left = asyncio.all_tasks(self._loop)
            session = self.exchange.session
            if left or (session is not None and session.requests):
                raise Violation(
                    f"{name} has left behind: tasks {left}, {session and session.requests} requests"
                )

    def close(self) -> None:
        """Close the exchange and the loop."""
        self._loop.run_until_complete(self.exchange.close())
        self._loop.close()


COLOURS: Final[dict[str, type[Blocking] | type[Coroutines]]] = {"sync": Blocking, "async": Coroutines}


def _made(kind: Any, gateway: FaultyGateway, options: dict[str, Any]) -> Any:
    given = {"base_url": "http://oms.test", "account_id": ACCOUNT_ID, "share_markets": False, **options}
    exchange = kind({"apiKey": gateway.secret, "options": given})
    exchange.gateway = gateway
    return exchange
