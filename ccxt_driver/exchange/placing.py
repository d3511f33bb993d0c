"""Making orders, from before they are sent until the caller knows what became of them."""

from __future__ import annotations

import logging
from typing import Any, Final

import ccxt

from ccxt_driver.errors import annotate

from .command_outcomes import DEFAULT_HOLD_MS
from .unknown_creates import Pending, asked_for, is_unknown

_LOGGER: Final = logging.getLogger("ccxt_driver")


class Placing:
    """For a `with` block: whatever ends it, what is unknown then is held.

    A task that is cancelled, Ctrl-C, a fault of our own: the caller is told of no order, and any of
    the block may have been placed. The exception passes on; it only learns the client order ids.
    """

    # No generator of contextlib: every order comes by here.
    __slots__ = ("_cancellations", "_closings", "_creates", "_exchange", "_others", "_own", "_task")

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self._own: list[Pending] = []
        self._others: tuple[Pending, ...] = ()
        self._creates = exchange._unknown_creates  # of the side that the block begins on
        self._closings: tuple[dict[str, Any], ...] = ()
        self._task: Any = exchange.current_task()
        self._cancellations = 0 if self._task is None else self._task.cancelling()

    def __enter__(self) -> Placing:
        self._exchange._commands_in_flight += 1
        if self._task is not None:
            self._exchange._placings.add(self)
        return self

    @property
    def is_given_up(self) -> bool:
        """Whether its task has been cancelled and has not run since, so that nothing is held yet."""
        return self._task is not None and self._task.cancelling() > self._cancellations

    def new(self, command: dict[str, Any], held_back: bool, call: str | None = None) -> Pending:
        """A command that is going to be sent; arguments as of `Pending`."""
        pending = Pending(command, held_back, call)
        self._own.append(pending)
        return pending

    def order(self, command: dict[str, Any], held_back: bool) -> Pending:
        """A new order, or the one that is unknown and that an identical command waits for."""
        exchange = self._exchange
        pending = Pending(command, held_back)
        if exchange._unknown_creates.holds_any:
            pending = exchange._unknown_creates.take(pending, exchange.milliseconds()) or pending
        self._own.append(pending)
        return pending

    def call(self, call: str) -> list[Pending]:
        """What is not done of an identical call whose outcome is unknown.

        What was refused of it has a new client order id, so that it can be sent again.
        """
        exchange = self._exchange
        undone: list[Pending] = exchange._unknown_creates.take_call(call, exchange.milliseconds())
        self._own += undone
        for pending in undone:
            if not pending.is_unknown:
                pending.command["payload"]["client_order_id"] = exchange._client_order_id({})
                pending.error = None
        return undone

    def closing(self, command: dict[str, Any]) -> Pending | None:
        """The command of another call that may have closed the position of this one."""
        exchange = self._exchange
        other: Pending | None = exchange._unknown_creates.take_closing(command, exchange.milliseconds())
        if other is not None:
            self._others = (*self._others, other)
        return other

    def may_close(self, command: dict[str, Any], read_at: int) -> bool:
        """Whether no other call is closing the position of a command, or has since the position was read.

        The OMS sees to it, but for orders that stand for its own command.

        :param read_at: `count` of what is held, before
        """
        if command["command"] == "send_order":
            if not self._creates.begin_closing(command, read_at):
                return False
            self._closings = (*self._closings, command)
        return True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        exchange = self._exchange
        exchange._commands_in_flight -= 1
        for command in self._closings:
            self._creates.end_closing(command)
        exchange._placings.discard(self)
        if error is not None and not isinstance(error, ccxt.BaseError):
            self._interrupted(error)
        if self._others:
            self._hold()
            return
        for pending in self._own:
            if pending.error is not None:
                self._hold()
                return

    def _hold(self) -> None:
        """Hold what is unknown, and what else is not done of the same call."""
        exchange = self._exchange
        unknown = [pending for pending in (*self._own, *self._others) if pending.is_unknown]
        if not unknown or exchange.options.get("guard_unknown") is False:
            return
        try:
            hold_ms = exchange.unknown_hold_ms()
        except ccxt.BadRequest:  # changed meanwhile: what the caller is told now matters more
            hold_ms = DEFAULT_HOLD_MS
        now = exchange.milliseconds()
        calls = {pending.call for pending in unknown} - {None}
        failed = [each for each in self._own if each.error is not None and each.call in calls]
        for pending in dict.fromkeys((*unknown, *failed)):
            exchange._unknown_creates.hold(pending, now, hold_ms)

    def _interrupted(self, error: BaseException) -> None:
        """Nobody was told anything: what was sent and not refused may be there."""
        exchange = self._exchange
        sent = [each for each in self._own if each.sent_ms and (each.error is None or each.is_unknown)]
        if not sent:
            return
        ids = [pending.client_order_id for pending in sent]
        for pending in sent:
            if pending.error is None:
                lost = ccxt.RequestTimeout(f"interrupted: {type(error).__name__}")
                pending.error = exchange.unknown_outcome(annotate(lost, outcome="unknown"), pending.command)
        _LOGGER.warning(
            "%s %s came while orders were being placed, which may be at the OMS now: look them up by "
            "clientOrderId %s",
            exchange.id,
            type(error).__name__,
            ", ".join(ids),
        )
        # For who catches it, or the TimeoutError that asyncio makes of it (there it is the cause).
        one = ids[0] if len(ids) == 1 else None
        error.__dict__.update(outcome="unknown", client_order_id=one, client_order_ids=ids)


class Changing:
    """For a `with` block around a command on what is there already, from before it is sent.

    Whoever was not told what became of it may ask again: that it is done by then is what was wanted.
    """

    __slots__ = ("_command", "_exchange")

    def __init__(self, exchange: Any, command: dict[str, Any]) -> None:
        self._exchange = exchange
        self._command = command

    def __enter__(self) -> Changing:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        exchange, payload = self._exchange, self._command["payload"]
        unsure = exchange._truth.unsure
        if error is None:
            if unsure:
                unsure.pop(asked_for(self._command), None)
            return
        if isinstance(error, ccxt.BaseError) and not is_unknown(error):
            return
        unsure.keep(asked_for(self._command))
        if isinstance(error, ccxt.BaseError):
            return
        _LOGGER.warning(
            "%s %s came while %s of %s was being carried out, which may be done now",
            exchange.id,
            type(error).__name__,
            self._command["command"],
            payload,
        )
        error.__dict__.update(outcome="unknown", client_order_id=None, client_order_ids=[])
