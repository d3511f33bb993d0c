"""Commands that make an order and whose outcome is unknown: identical ones are held back.

A program answers a RequestTimeout by calling again. Until it is known what became of the first order, or
the hold is over, the same call asks for the first again and places no second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import ccxt

from .request_parts import text_of

_MOST_CLOSINGS: Final = 10_000


@dataclass(slots=True, eq=False)
class Pending:
    """A command that makes an order, from before it is sent until its caller knows what became of it.

    :param held_back: whether identical ones wait for it, whatever their client order id: where that is the
        caller's, who tells orders apart by it, only those with the same one do
    :param call: the call that it is a part of, where its payload does not tell: closing a position
    :param sent_ms: when it was sent, milliseconds since the Unix epoch
    :param error: of its failure
    :param absent_since_ms: when the server first said that it has no such order, since it was sent last
    :param is_absent: whether it said so when it was asked last, and where it was sent again, refused it
    """

    command: dict[str, Any]
    held_back: bool
    call: str | None = None
    sent_ms: int = 0
    error: ccxt.BaseError | None = None
    absent_since_ms: int | None = None
    is_absent: bool = False

    @property
    def is_unknown(self) -> bool:
        """Whether it was sent and nobody can say what became of it."""
        return self.error is not None and is_unknown(self.error)

    @property
    def client_order_id(self) -> str:
        """Of the order that it makes."""
        return str(self.command["payload"]["client_order_id"])

    @property
    def key(self) -> str:
        """What identical ones have in common with it."""
        asked = asked_for(self.command)
        return self.call or (asked if self.held_back else f"{asked} {self.client_order_id}")

    def told(self) -> ccxt.BaseError | None:
        """The error for one more caller: what is added to it for a batch is of that batch alone."""
        if self.error is None:
            return None
        own = copy(self.error)
        own.__cause__ = self.error.__cause__
        for name in ("results", "client_order_ids"):
            own.__dict__.pop(name, None)
        return own


class UnknownCreates:
    """By what a command asks for, whatever its client order id: the oldest first.

    Who takes one gives it back as long as its outcome is unknown. Safe to use from any thread.
    """

    __slots__ = ("_closings", "_count", "_held", "_lock")

    def __init__(self) -> None:
        self._held: dict[str, list[tuple[Pending, int]]] = {}
        self._closings: dict[tuple[Any, Any], float] = {}
        self._count = 0
        self._lock = Lock()

    @property
    def holds_any(self) -> bool:
        """Whether anything has to be asked for: mostly not."""
        return bool(self._held)

    def hold(self, pending: Pending, now_ms: int, hold_ms: int) -> None:
        """Hold identical commands back.

        What the server does not have is not held longer by each call that asks for it: a program that asks
        again and again would never trade.

        :param now_ms: milliseconds since the Unix epoch
        :param hold_ms: for so long, in milliseconds
        """
        key = pending.key
        since_ms = now_ms
        if pending.is_absent and pending.absent_since_ms:  # a clock that was set back would prolong it
            since_ms = pending.absent_since_ms = min(pending.absent_since_ms, now_ms)
        with self._lock:
            for each in list(self._held):  # most are never asked for again
                self._still_held(each, now_ms)
            others = [each for each in self._held.get(key, ()) if each[0] is not pending]
            self._held[key] = [*others, (pending, since_ms + hold_ms)]

    def take(self, new: Pending, now_ms: int) -> Pending | None:
        """The command that an identical one has to wait for, if there is one; the next waits for another."""
        key = new.key
        with self._lock:
            held = self._still_held(key, now_ms)
            return self._taken(key, held, held[:1])[0] if held else None

    def take_call(self, call: str, now_ms: int) -> list[Pending]:
        """What is not done of an identical call of several commands, if the outcome of any is unknown."""
        if not self._held:
            return []
        with self._lock:
            held = self._still_held(call, now_ms)
            taken = self._taken(call, held, held)
        return taken if any(pending.is_unknown for pending in taken) else []

    def take_closing(self, command: Mapping[str, Any], now_ms: int) -> Pending | None:
        """A command of whatever call that may be closing the same position."""
        if not self._held:
            return None
        with self._lock:
            for key in list(self._held):
                held = self._still_held(key, now_ms)
                closing = [each for each in held if each[0].is_unknown and _closes_the_same(each[0], command)]
                if closing:
                    return self._taken(key, held, closing[:1])[0]
        return None

    def count(self) -> int:
        """A number that is higher each time, to tell what came first."""
        with self._lock:
            self._count += 1
            return self._count

    def begin_closing(self, command: Mapping[str, Any], read_at: int) -> bool:
        """Take a position that a gateway locks for nobody; whether no other call has it, or had it meanwhile.

        :param read_at: `count` before it was read that the position is open
        """
        position = _position_of(command)
        with self._lock:
            if self._closings.get(position, 0) > read_at:
                return False
            self._closings[position] = math.inf
            return True

    def end_closing(self, command: Mapping[str, Any]) -> None:
        """Let others close a position that they read from now on."""
        ended_at = self.count()
        with self._lock:
            self._closings[_position_of(command)] = ended_at
            if len(self._closings) > _MOST_CLOSINGS:
                self._closings = {each: end for each, end in self._closings.items() if end == math.inf}

    def _still_held(self, key: str, now_ms: int) -> list[tuple[Pending, int]]:
        """What is held under a key; what is over is dropped."""
        held = [each for each in self._held.pop(key, ()) if now_ms < each[1]]
        if held:
            self._held[key] = held
        return held

    def _taken(
        self, key: str, held: list[tuple[Pending, int]], taken: list[tuple[Pending, int]]
    ) -> list[Pending]:
        left = [each for each in held if each not in taken]
        if left:
            self._held[key] = left
        else:
            self._held.pop(key, None)
        return [pending for pending, _ in taken]


def is_unknown(error: BaseException) -> bool:
    """Whether an exception says that nobody knows what became of its command."""
    return bool(getattr(error, "outcome", None) == "unknown")


def _position_of(command: Mapping[str, Any]) -> tuple[Any, Any]:
    return command["account_id"], command["payload"]["position_id"]


def _closes_the_same(pending: Pending, command: Mapping[str, Any]) -> bool:
    return pending.call is not None and _position_of(pending.command) == _position_of(command)


def asked_for(command: Mapping[str, Any]) -> str:
    """What a command is remembered by: what it asks for, whatever its client order id."""
    payload = {key: value for key, value in command["payload"].items() if key != "client_order_id"}
    return text_of([command["account_id"], command["command"], payload])
