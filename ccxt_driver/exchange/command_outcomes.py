"""What became of a command: the policy, in one place.

*Done*: a parsed success. *Refused*: a parsed error whose code denies it. *Not sent*: the failure came
before the first byte was written. *Unknown*: everything else; such a command is never repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Final, NoReturn

import ccxt

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.values import parse_decimal
from ccxt_driver.errors import annotate, error_from_detail, garbage
from ccxt_driver.mappers.values import needed_decimal

from .host import Host
from .request_parts import MAPPINGS
from .unknown_creates import Pending, asked_for

DEFAULT_HOLD_MS: Final = 60_000
_CLOCKS_APART_MS: Final = 60_000
_TOO_LONG_MS: Final = 10**12
_TRUTHS: Final = frozenset({"auto", "oms", "venue"})
_OF_OUTCOMES: Final = ("lookup_timeout", "unknown_hold", "pending_timeout", "truth", "gateway_utc_offset")
"""Options that say what a command's outcome is, and how its order is read."""
_NEVER_SENT: Final = frozenset(
    {"ClientConnectorError", "NewConnectionError", "ConnectTimeoutError", "ConnectTimeout", "gaierror"}
    | {"ConnectionTimeoutError", "ConnectionRefusedError", "NameResolutionError", "ClientConnectorDNSError"}
    | {"SSLCertVerificationError", "ClientConnectorCertificateError", "ClientConnectorSSLError"}
    | {"StoreError", "StoreInUse", "StoreUnusable"}  # of a file behind `embedded:` that could not be opened
)
_ABSENT: Final = dict.fromkeys(("code", "http_status", "details", "retry_after", "client_order_id"))
"""Every exception of a request has these."""


class _BeforeSending:
    """What fails in here failed before the command was sent: the exception says so."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Nothing to prepare: one object serves all threads."""

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is not None and isinstance(error, ccxt.BaseError):
            not_sent(error)


def not_sent(error: ccxt.BaseError) -> None:
    """Let an exception say that the command was not sent, unless it says already what became of it."""
    if getattr(error, "outcome", None) is None:
        error.__dict__.update({**_ABSENT, **vars(error), "outcome": "not_sent"})


def fill_in_absent(error: BaseException) -> None:
    """Let a failed request have every attribute that an answer of the OMS would give it."""
    if isinstance(error, ccxt.BaseError):
        error.__dict__.update({**_ABSENT, **vars(error)})


BEFORE_SENDING: Final = _BeforeSending()


class CommandOutcomes(Host):
    """Reading the answer to a command, or its failure."""

    _checked_options: tuple[Any, ...] = ()

    def _result_of(self, body: Any, command: Mapping[str, Any]) -> dict[str, Any]:
        """The one result of the answer to a single command.

        :raises BaseError: the command was refused, or the answer is not of the contract
        """
        results = body.get("results") if isinstance(body, MAPPINGS) else None
        if not isinstance(results, list) or len(results) != 1 or not isinstance(results[0], dict):
            raise garbage(self.id, f"expected one result, got {str(body)[:200]}", command["command"], body)
        result: dict[str, Any] = results[0]
        if result.get("ok") is True:
            return result
        if result.get("ok") is not False:  # a refusal says so: this may have been carried out
            raise garbage(self.id, f"expected ok, got {result}"[:300], command["command"], body)
        detail = result.get("error")
        detail = detail if isinstance(detail, Mapping) else {"code": "error", "message": str(detail)}
        raise error_from_detail(self.id, detail, command=command["command"])

    def _raise_outcome(self, error: ccxt.BaseError, command: Mapping[str, Any]) -> NoReturn:
        """Raise what a command's failure means: refused, never sent, or unknown.

        An unknown outcome is a RequestTimeout that carries the client order id, so that the order can
        be looked up; it must not be repeated.
        """
        client_order_id = command["payload"].get("client_order_id")
        outcome = getattr(error, "outcome", None)
        if outcome is None:
            # Without a cause it was raised before anything was sent: by a check of ours.
            lost = error.__cause__ is not None and not never_sent(error)
            outcome = "unknown" if lost else "not_sent"
        self._truth.note_outcome(client_order_id, outcome, self.milliseconds())
        if outcome != "unknown":
            known = {**_ABSENT, **vars(error)}
            error.__dict__.update(known, outcome=outcome, client_order_id=client_order_id)
            raise error
        order_id = command["payload"].get("order_id")
        what = command["command"] if order_id is None else f"{command['command']} of order {order_id}"
        hint = f"; look it up by clientOrderId {client_order_id}" if client_order_id else ""
        message = f"{self.id} {what}: the outcome is unknown{hint} ({error})"
        status = getattr(error, "http_status", None) or 0
        answered = 300 <= status < 500 and not isinstance(error, ccxt.OperationFailed)
        kind = type(error) if answered else ccxt.RequestTimeout
        unknown = kind(message)
        known = {**_ABSENT, **vars(error)}
        unknown.__dict__.update(known, outcome=outcome, client_order_id=client_order_id)
        raise unknown from error

    def was_unsure(self, refusal: ccxt.BaseError, command: Mapping[str, Any]) -> bool:
        """Whether a refused command was sent before by somebody who was not told what became of it."""
        return vars(refusal).get("outcome") == "refused" and asked_for(command) in self._truth.unsure

    def unknown_outcome(self, error: ccxt.BaseError, command: Mapping[str, Any]) -> ccxt.BaseError:
        """The failure of a batch as that of one of its commands, with its client order id."""
        own = copy(error)  # several may share it
        own.__cause__ = error.__cause__
        try:
            self._raise_outcome(own, command)
        except ccxt.BaseError as raised:
            return raised

    def lookup_timeout_ms(self) -> int:
        """`options.lookup_timeout`: how long a command's unknown outcome is looked for; 0 for not at all."""
        return self._milliseconds_of("lookup_timeout", 5000)

    def unknown_hold_ms(self) -> int:
        """`options.unknown_hold`: how long a command identical to an unknown one is held back."""
        return self._milliseconds_of("unknown_hold", DEFAULT_HOLD_MS)

    def pending_timeout_ms(self) -> int:
        """`options.pending_timeout`: how long an order may be under way to the venue."""
        return self._milliseconds_of("pending_timeout", 60_000)

    def truth_option(self) -> Any:
        """`options.truth`: whether rows are completed by what the venue says: auto, oms, venue or None."""
        wanted = self.options.get("truth")
        if wanted is not None and (not isinstance(wanted, str) or wanted not in _TRUTHS):
            raise ccxt.BadRequest(f"{self.id} truth: expected auto, oms or venue, got {wanted!r}"[:200])
        return wanted

    def check_options(self) -> None:
        """Refuse options that make no sense before a command is sent: afterwards they would hide its outcome.

        :raises BadRequest: naming the option; nothing is sent
        """
        values = tuple(map(self.options.get, _OF_OUTCOMES))
        if values == self._checked_options:
            return  # as before every command but the first
        try:
            self.lookup_timeout_ms()
            self.unknown_hold_ms()
            self.pending_timeout_ms()
            self.truth_option()
            self._utc_offset_ms()
        except ccxt.BaseError as error:
            not_sent(error)
            raise
        self._checked_options = values

    def _milliseconds_of(self, option: str, default: int) -> int:
        value = self.options.get(option)
        if value is None:
            return default
        if type(value) is int and 0 <= value < _TOO_LONG_MS:
            return value
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _TOO_LONG_MS:
            raise ccxt.BadRequest(f"{self.id} {option}: expected milliseconds from 0, got {value!r}"[:200])
        return int(value)

    def is_of_command(self, row: Mapping[str, Any], pending: Pending) -> bool:
        """Whether a row found by its client order id is the order that a command has made.

        Where the id is not unique an older order may have it too; not an id that we have made up, so
        that the clocks of both sides need not agree on how old its order is.
        """
        payload = pending.command["payload"]
        same = all(row.get(key) == payload[key] for key in ("symbol", "side") if key in payload)
        if not same or (pending.held_back and self.options.get("client_order_id_factory") is None):
            return same
        # By the gateway's clock: where ours is minutes ahead, the order looks older than its command.
        age_ms = self._age_ms(row, "created_at") - self.ahead_of_server_ms()
        return age_ms <= self.milliseconds() - pending.sent_ms + _CLOCKS_APART_MS

    def refusal_of(self, order: Any) -> ccxt.BaseError | None:
        """The refusal that an order which was found is, as if told at once: the venue rejected it."""
        if order["status"] != "rejected":
            return None
        reason = order["info"].get("reject_reason") or "no reason given"
        message = f"{self.id} order {order['id']} was rejected by the venue: {reason}"
        error = annotate(ccxt.InvalidOrder(message), details=order["info"], outcome="refused")
        error.__dict__["client_order_id"] = order["clientOrderId"]
        return error

    def being_closed(self, other: Pending) -> ccxt.BaseError:
        """That a position is not closed again: another call has sent a command that may close it in part."""
        message = (
            f"{self.id} position {other.command['payload']['position_id']} is being closed already, by an "
            f"order with clientOrderId {other.client_order_id}: look that up"
        )
        return annotate(ccxt.OperationRejected(message), outcome="not_sent")

    def closing_in_progress(self, command: Mapping[str, Any]) -> ccxt.BaseError:
        """That a position is not closed again: another call of this object is closing it now."""
        position_id = command["payload"]["position_id"]
        message = f"{self.id} position {position_id} is being closed by another call now"
        return annotate(ccxt.OperationRejected(message), outcome="not_sent")

    @staticmethod
    def is_vague(refusal: ccxt.BaseError, command: Mapping[str, Any]) -> bool:
        """Whether a refusal to cancel may have any reason: older gateways tell an outage of the venue so."""
        cancels = command["command"] == "cancel_order" and isinstance(refusal, ccxt.InvalidOrder)
        return cancels and getattr(refusal, "code", None) == ErrorCode.INTERNAL_ERROR

    def left_open(self, refusal: ccxt.BaseError, command: Mapping[str, Any]) -> ccxt.BaseError:
        """That a cancellation was refused, in words that say nothing, and that orders of it may be open."""
        what = f"an order may be open still ({refusal})"
        return garbage(self.id, what, command["command"], getattr(refusal, "details", None))

    def is_as_asked(self, row: Mapping[str, Any], command: Mapping[str, Any]) -> bool:
        """Whether an order is as a command to cancel or to change it wants it to be."""
        if command["command"] == "cancel_order":
            return bool(row.get("status") == "CANCELED")
        asked = {"price": command["payload"].get("new_price"), "qty": command["payload"].get("new_qty")}
        return all(
            value is None or self._mapped(needed_decimal, row, name) == parse_decimal(value)
            for name, value in asked.items()
        )

    def _results_of(self, body: Any, commands: Sequence[Mapping[str, Any]]) -> list[Any]:
        """For each command its result, or the exception of its refusal."""
        results = body.get("results") if isinstance(body, Mapping) else None
        if not isinstance(results, list) or len(results) != len(commands):
            raise garbage(self.id, f"expected {len(commands)} results, got {str(body)[:200]}", "batch", body)
        outcomes: list[Any] = []
        for result, command in zip(_as_asked(results), commands, strict=True):
            try:
                outcomes.append(self._result_of({"results": [result]}, command))
            except ccxt.BaseError as error:
                client_order_id = command["payload"].get("client_order_id")
                error.__dict__["client_order_id"] = client_order_id
                self._truth.note_outcome(client_order_id, vars(error).get("outcome"), self.milliseconds())
                outcomes.append(error)
        return outcomes

    @staticmethod
    def order_or_raise(outcome: Any) -> Any:
        """What became of one command, when it is an order."""
        if isinstance(outcome, ccxt.BaseError):
            raise outcome
        return outcome

    @staticmethod
    def _unless_all_refused(outcomes: list[Any]) -> list[Any]:
        """What became of each command; when all failed the first is raised, or one that is unknown."""
        if outcomes and all(isinstance(outcome, ccxt.BaseError) for outcome in outcomes):
            CommandOutcomes._raise_failure(outcomes, outcomes)
        return outcomes

    @staticmethod
    def _raise_failure(failures: list[Any], outcomes: list[Any]) -> NoReturn:
        """Raise one of several failures, with all `results`: what is unknown before what was refused."""
        unknown = [each for each in failures if vars(each).get("outcome") == "unknown"]
        failed = (unknown or failures)[0]
        failed.__dict__["results"] = outcomes
        if unknown:
            failed.__dict__["client_order_ids"] = [vars(each).get("client_order_id") for each in unknown]
        raise failed

    def _failed_batch(self, error: ccxt.BaseError, commands: Sequence[Mapping[str, Any]]) -> list[Any]:
        """For each command of a failed request its result, or the exception of its refusal.

        An error may carry what became of each: its status is the first refusal's, and says nothing of the
        others.

        :raises BaseError: all were refused, or as `_raise_outcome`
        """
        results = _results_in(getattr(error, "details", None))
        if results is not None and len(results) == len(commands):
            return self._unless_all_refused(self._results_of({"results": results}, commands))
        payload = {"client_order_id": None}
        try:
            self._raise_outcome(error, {"command": "batch", "payload": payload})
        except ccxt.BaseError as raised:
            ids = [command["payload"].get("client_order_id") for command in commands]
            raised.__dict__["client_order_ids"] = ids
            raise


def _as_asked(results: list[Any]) -> list[Any]:
    """Results in the order of the commands, also where a server gives them as they were done."""
    named = {
        result["index"]: result
        for result in results
        if isinstance(result, Mapping) and type(result.get("index")) is int
    }
    wanted = range(len(results))
    return [named[index] for index in wanted] if named.keys() == {*wanted} else results


def _results_in(body: Any) -> list[Any] | None:
    """`results` of an answer that refused every command: beside code and message, or at the top."""
    for holder in (body, body.get("detail") if isinstance(body, Mapping) else None):
        results = holder.get("results") if isinstance(holder, Mapping) else None
        if isinstance(results, list):
            return results
    return None


def never_sent(error: BaseException | None, depth: int = 8) -> bool:
    """Whether the failure came before the first byte was written: no connection was made."""
    if error is None or depth == 0:
        return False
    if type(error).__name__ in _NEVER_SENT:
        return True
    # Not __context__: that may be an earlier failure, which the caller was handling when it sent this.
    inner = [error.__cause__, getattr(error, "reason", None), *error.args]
    return any(never_sent(each, depth - 1) for each in inner if isinstance(each, BaseException))
