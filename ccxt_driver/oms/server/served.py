"""What the server asks of an OMS, and the way it says no."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.oms.entities import Event, Principal
from ccxt_driver.oms.keys import KeyRing
from ccxt_driver.oms.market_news import MarketNews
from ccxt_driver.oms.service import CommandRequest


class Reply(Protocol):
    """An answer of the OMS; `body` is JSON-ready and the caller's own."""

    @property
    def status(self) -> int:
        """As of HTTP."""
        ...

    @property
    def body(self) -> Any:
        """The answer, or `{"detail": ...}`."""
        ...


class ServedOms(Protocol):
    """The embedded OMS, as the server sees it."""

    @property
    def keys(self) -> KeyRing:
        """Who may come in."""
        ...

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held while several reads have to belong together; re-entrant."""
        ...

    def handle(
        self,
        endpoint: str,
        path: Mapping[str, Any],
        query: Mapping[str, Any],
        body: Any,
        principal: Principal = ...,
        request_id: str | None = ...,
    ) -> Reply:
        """Answer one request of the contract."""
        ...

    @property
    def durable(self) -> bool:
        """Whether it is kept on disk, so that commands are better written together."""
        ...

    def run_together(self, requests: Sequence[CommandRequest]) -> Sequence[Reply]:
        """Answer several requests to `commands` with one write to the disk."""
        ...

    def subscribe(self, callback: Callable[[list[Event]], None]) -> Callable[[], None]:
        """Call back after every commit, in order, from the thread that made it."""
        ...

    def subscribe_prices(self, callback: Callable[[MarketNews], None]) -> Callable[[], None]:
        """Call back when market data may have changed, from the thread that did it."""
        ...

    @property
    def history(self) -> str:
        """Whose events these are: cursors of another history mean nothing here."""
        ...

    def last_seq(self, account_id: int) -> int:
        """Of the last event of an account, 0 before the first."""
        ...

    def events(self, account_id: int, after_seq: int, limit: int) -> list[Event] | None:
        """Events after a cursor, ascending; None when it cannot be continued."""
        ...

    def tick(self) -> None:
        """Bring everything up to the present."""
        ...


def error_body(
    code: ErrorCode | str, message: str, request_id: str | None = None, **details: Any
) -> dict[str, Any]:
    """The contract's shape of an error."""
    return {"detail": {"code": str(code), "message": message, "details": details, "request_id": request_id}}


MISSING_KEY: Final = "the x-api-key header is missing"
TOO_OFTEN: Final = "too many requests; wait as long as Retry-After says"
INVALID_KEY: Final = "the API key is unknown or disabled"
