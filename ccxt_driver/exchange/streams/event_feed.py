"""The subscription to the events of accounts on a socket: one for all, made again after each connection."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Protocol

import ccxt

from ccxt_driver.contract.events import Action, EventName, Namespace

from .socket import Frame, GatewaySocket

_LAST: Final = frozenset({EventName.SNAPSHOT_DONE.value})
_SUBSCRIBE_SECONDS: Final = 30.0
"""A snapshot of thousands of rows may take a server that long."""


class Subscriber(Protocol):
    """The stream of one account, as the feed sees it."""

    account_id: int
    wants_snapshot: bool
    """Whether it has use for what is open. Some servers send that as events, which answer nothing."""

    def resume_after(self) -> int | None:
        """After which event the server is to go on; None for what comes from now on."""

    def on_subscribing(self, after_seq: int | None, history: Any) -> None:
        """From here on frames are those of a new subscription.

        :param history: whose events they are, where the server says so
        """

    def on_snapshot(self, frame: Frame) -> None:
        """A frame of the answer: what is open now, or that the cursor has expired."""

    def on_subscribed(self) -> bool:
        """Everything that is committed from now on comes as events.

        :returns: whether to subscribe once more
        """

    def on_event(self, frame: Frame) -> None:
        """An event of the account."""

    def on_down(self, error: ccxt.NetworkError) -> None:
        """No events come; they do again after the next `on_subscribed`."""

    def on_outage(self, error: ccxt.NetworkError) -> None:
        """It has been so for long."""

    def on_failed(self, error: ccxt.BaseError) -> None:
        """No events will come."""


class EventFeed:
    """All accounts that are followed on one socket.

    :param exchange_id: in messages
    :param socket: listened to
    """

    def __init__(self, exchange_id: str, socket: GatewaySocket) -> None:
        self._id = exchange_id
        self._socket = socket
        self._subscribers: dict[int, Subscriber] = {}
        self._turn = asyncio.Lock()
        socket.add(self)

    def add(self, subscriber: Subscriber) -> None:
        """Follow an account, from the next subscription on."""
        self._subscribers[subscriber.account_id] = subscriber

    def remove(self, subscriber: Subscriber) -> None:
        """Follow it no more; the server goes on sending until the next subscription."""
        if self._subscribers.get(subscriber.account_id) is subscriber:
            del self._subscribers[subscriber.account_id]

    async def subscribe(self) -> None:
        """Subscribe to all accounts, each from where it stands.

        :raises AuthenticationError: no account may be followed with this key
        :raises NetworkError: the connection was lost; the next one subscribes by itself
        """
        async with self._turn:
            if self._subscribers:
                await self._subscribe()

    async def _subscribe(self) -> None:
        subscribers = dict(self._subscribers)
        after = {number: each.resume_after() for number, each in subscribers.items()}
        with_snapshot = any(each.wants_snapshot for each in subscribers.values())
        request = {
            "account_ids": list(subscribers),
            "namespaces": [Namespace.POSITION.value],
            "with_snapshot": with_snapshot,
        }
        cursors = {str(number): seq for number, seq in after.items() if seq is not None}
        if cursors:
            request["after_seq"] = cursors

        begun = False

        def each_frame(frame: Frame) -> None:
            nonlocal begun
            if frame.get("event") == EventName.SUBSCRIBED.value:
                if not begun:  # sent twice it would begin after the snapshot, and know nothing of it
                    self._begin(frame, subscribers, after)
                begun = True
            else:
                self._show(frame, subscribers)

        try:
            await self._socket.ask(
                Namespace.POSITION,
                Action.SUBSCRIBE,
                request,
                seconds=_SUBSCRIBE_SECONDS,
                last=_LAST if with_snapshot else frozenset(),
                each=each_frame,
            )
        except ccxt.NetworkError as error:
            # Whether the server has begun it nobody knows: the next connection begins it for sure.
            self._socket.drop(f"a subscription was not answered: {error}")
            raise
        except ccxt.BaseError as error:
            await self._refused(subscribers, error)
            return
        again = False
        for subscriber in list(subscribers.values()):
            if self._subscribers.get(subscriber.account_id) is subscriber:
                again |= subscriber.on_subscribed()
        if again:
            await self._subscribe()

    def _begin(
        self, frame: Frame, subscribers: Mapping[int, Subscriber], after: Mapping[int, int | None]
    ) -> None:
        """The former subscription is over. Some servers leave accounts out instead of refusing."""
        payload = frame.get("payload", {})
        allowed = payload.get("account_ids", list(subscribers))
        for account_id, subscriber in subscribers.items():
            if account_id in allowed:
                subscriber.on_subscribing(after[account_id], payload.get("history"))
            else:
                text = f"{self._id} permission_denied: the key may not follow account {account_id}"
                self._fail(subscriber, ccxt.PermissionDenied(text))

    @staticmethod
    def _show(frame: Frame, subscribers: Mapping[int, Subscriber]) -> None:
        subscriber = subscribers.get(_account_of(frame))
        if subscriber is not None:
            subscriber.on_snapshot(frame)

    async def _refused(self, subscribers: Mapping[int, Subscriber], error: ccxt.BaseError) -> None:
        """One account was refused, or all: it goes, else the newest, and the others try without it."""
        detail = vars(error).get("details")
        inner = detail.get("details") if isinstance(detail, Mapping) else None
        named: Any = inner.get("account_id") if isinstance(inner, Mapping) else None
        self._fail(subscribers.get(named) or list(subscribers.values())[-1], error)
        if self._subscribers:
            await self._subscribe()

    def _fail(self, subscriber: Subscriber, error: ccxt.BaseError) -> None:
        self.remove(subscriber)
        subscriber.on_failed(error)

    # -- as a listener of the socket -----------------------------------------------------------------

    async def on_up(self) -> None:
        """Subscribe again."""
        await self.subscribe()

    def on_frame(self, frame: Frame) -> None:
        """Give an event to the account that it is of."""
        if frame.get("namespace") == Namespace.CCXT.value:
            return
        subscriber = self._subscribers.get(_account_of(frame))
        if subscriber is not None:
            subscriber.on_event(frame)

    def on_down(self, error: ccxt.NetworkError) -> None:
        """Tell all."""
        for subscriber in list(self._subscribers.values()):
            subscriber.on_down(error)

    def on_outage(self, error: ccxt.NetworkError) -> None:
        """Tell all."""
        for subscriber in list(self._subscribers.values()):
            subscriber.on_outage(error)

    def on_failed(self, error: ccxt.BaseError) -> None:
        """Tell all, and forget them: who wants to go on subscribes anew."""
        subscribers, self._subscribers = self._subscribers, {}
        for subscriber in subscribers.values():
            subscriber.on_failed(error)


def _account_of(frame: Frame) -> Any:
    payload = frame.get("payload")
    account_id = payload.get("account_id") if isinstance(payload, dict) else None
    return account_id if type(account_id) is int else -1
