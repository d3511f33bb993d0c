"""Finding out what became of a command whose outcome is unknown.

An order is looked up by its client order id; it is sent again only where the server promises that the id
names one order for ever. Cancelling and changing may be repeated: doing it twice does it once.
"""

from __future__ import annotations

from typing import Any

import ccxt

from ccxt_driver.contract.features import Feature
from ccxt_driver.exchange.base import LOGGER
from ccxt_driver.exchange.deadline import Deadline
from ccxt_driver.exchange.retries import TOO_OFTEN, asked_to_wait_ms
from ccxt_driver.exchange.unknown_creates import Pending, is_unknown

from .truth import Truth

_FIRST_PAUSE_MS = 50
_LONGEST_PAUSE_MS = 1000
_LONGEST_END_MS = 1000
"""A task that has been cancelled needs a turn or two of the loop to end."""


class Settling(Truth):
    """Commands that are not given up before it is known what they did, or `lookup_timeout` is over."""

    async def _place(self, pending: Pending, order_of: Any) -> Any:
        """Send a command that makes an order; the order, found again if its answer was lost.

        :param order_of: gives the order of a command and its result
        :raises RequestTimeout: nobody can say whether it was placed
        """
        is_asked_again = pending.is_unknown
        if not is_asked_again:
            pending.sent_ms = self.milliseconds()
            self._truth.sent.keep(pending.client_order_id, pending.sent_ms)
            try:
                return await order_of(pending.command, await self._command(pending.command))
            except ccxt.BaseError as error:
                pending.error = error
                if not is_unknown(error):
                    raise
        return self.order_or_raise((await self._settled([pending], is_asked_again))[0])

    async def _others_have_ended(self) -> None:
        """Let tasks end that were cancelled while they placed orders: what is unknown then is held."""
        if not self._placings:
            return
        deadline = Deadline(self.milliseconds, _LONGEST_END_MS)
        while any(placing.is_given_up for placing in list(self._placings)):
            if deadline.is_over():
                return
            await self.sleep(1)

    async def _outcome(self, pending: Pending, order_of: Any) -> Any:
        """As `_place`, with the exception of a failure as the result."""
        try:
            return await self._place(pending, order_of)
        except ccxt.BaseError as error:
            return error

    async def _settled(self, pendings: list[Pending], are_asked_again: bool = False) -> list[Any]:
        """What became of commands whose outcome is unknown, all looked for by the same deadline.

        :param are_asked_again: by another call than the one that sent them: without time for look-ups each
            is looked for once all the same, or such calls would wait for ever for what is not looked for
        :returns: for each its order, or an exception: RequestTimeout when it is still unknown,
            InvalidOrder when the venue rejected it
        """
        outcomes: dict[int, Any] = {}
        timeout_ms = self.lookup_timeout_ms()
        once = are_asked_again and not timeout_ms
        deadline = Deadline(self.milliseconds, timeout_ms)
        pause = _FIRST_PAUSE_MS
        asked_ms = 0
        while len(outcomes) < len(pendings) and (once or not deadline.is_over(asked_ms)):
            for index, pending in enumerate(pendings):
                if index in outcomes or (deadline.is_over() and not once):
                    continue
                try:
                    order = await self._look_up(pending)
                except TOO_OFTEN as error:
                    asked_ms = asked_to_wait_ms(error)
                    break
                if order is not None:
                    outcomes[index] = order
            if len(outcomes) < len(pendings) and not deadline.is_over(asked_ms):
                await self.sleep(max(pause, asked_ms))
                pause, asked_ms = min(pause * 2, _LONGEST_PAUSE_MS), 0
            once = False
        for index, order in outcomes.items():
            pendings[index].error = None
            outcomes[index] = self.refusal_of(order) or order
        return [outcomes.get(index) or pending.told() for index, pending in enumerate(pendings)]

    async def _look_up(self, pending: Pending) -> Any:
        """The order that a command has made, or makes now where that is safe; None when it is not known.

        :raises RateLimitExceeded, DDoSProtection: the server wants to be asked less often
        """
        command, since_ms = pending.command, pending.sent_ms
        account_id, client_order_id = command["account_id"], command["payload"]["client_order_id"]
        pending.is_absent = False
        try:
            row = await self._row_by_client_order_id(account_id, client_order_id, None, since_ms)
            pending.absent_since_ms = None
            await self._know_zone(account_id, [row])
            if not self.is_of_command(row, pending) and not await self._promises_to_dedupe():
                return None
            if await self._is_loose_end(account_id, row):
                return None
            return await self._order_after(command, row["id"], {"order": row})
        except ccxt.OrderNotFound:
            pass  # absence is no proof: the command may still be on its way
        except TOO_OFTEN:
            raise
        except ccxt.BaseError as error:
            LOGGER.debug("%s looking for %s: %s", self.id, client_order_id, error)
            return None
        pending.absent_since_ms = pending.absent_since_ms or self.milliseconds()
        if not await self._promises_to_dedupe():
            pending.is_absent = True
            return None
        return await self._sent_again(pending)

    async def _sent_again(self, pending: Pending) -> Any:
        """The order of a command that the server does not have and may be sent twice; None as of `_look_up`.

        :raises RateLimitExceeded, DDoSProtection: as `_look_up`
        """
        absent_since_ms = pending.absent_since_ms
        pending.absent_since_ms = None  # it is on its way once more, also for a caller that gives up now
        try:
            result = await self._command(pending.command)
            result.pop("duplicate", None)  # of the first sending, as far as anybody can tell
            return await self._order_of_result(pending.command, result)
        except ccxt.BaseError as error:  # a refusal is of this sending, and says nothing of the first
            if not is_unknown(error):
                pending.absent_since_ms = absent_since_ms
            if isinstance(error, TOO_OFTEN):
                raise
            LOGGER.debug("%s sending %s again: %s", self.id, pending.client_order_id, error)
            pending.is_absent = vars(error).get("outcome") == "refused"
            return None

    async def _promises_to_dedupe(self) -> bool:
        """Whether the server says so now: it may be another one, or an older, than before."""
        self._server_features = None
        try:
            return Feature.CLIENT_ORDER_ID_DEDUPE in await self._features()
        except ccxt.BaseError as error:
            LOGGER.debug("%s features: %s", self.id, error)
            return False

    async def _repeated(self, command: dict[str, Any]) -> dict[str, Any]:
        """Send a command that may be sent twice, until it is known what it did.

        :raises RequestTimeout: nobody can say, after `lookup_timeout`
        """
        self._commands_in_flight += 1  # between two sendings too: the second has to reach the same server
        try:
            return await self._sent_until_known(command)
        finally:
            self._commands_in_flight -= 1

    async def _sent_until_known(self, command: dict[str, Any]) -> dict[str, Any]:
        deadline = Deadline(self.milliseconds, self.lookup_timeout_ms())
        pause = _FIRST_PAUSE_MS
        unsettled: ccxt.BaseError | None = None
        while True:
            try:
                return await self._command(command)
            except ccxt.BaseError as error:
                first_is_known = unsettled is None and not is_unknown(error)
                refused = vars(error).get("outcome") == "refused" and not isinstance(error, ccxt.NetworkError)
                if first_is_known:
                    raise
                if refused:  # perhaps because the first time did it
                    error.__dict__["unsettled"] = unsettled
                    raise
                unsettled = unsettled or error
                asked_ms = asked_to_wait_ms(error)
            if deadline.is_over(asked_ms):
                raise unsettled
            await self.sleep(max(pause, asked_ms))
            pause = min(pause * 2, _LONGEST_PAUSE_MS)

    async def _placed_batch(self, pendings: list[Pending], order_of: Any) -> list[Any]:
        """Send several commands that make orders by one request; only what is unknown is looked up.

        :param pendings: those that are unknown already are not sent
        :param order_of: gives the order of a command and its result
        :returns: for each, in order, its order or the exception of its failure
        """
        new = [pending for pending in pendings if not pending.is_unknown]
        alone = len(new) == len(pendings)
        sent = dict(zip(map(id, new), await self._sent_batch(new, order_of, alone), strict=True))
        unknown = [pending for pending in pendings if pending.is_unknown]
        sent.update(zip(map(id, unknown), await self._settled(unknown, not alone), strict=True))
        return [sent[id(pending)] for pending in pendings]

    async def _sent_batch(self, pendings: list[Pending], order_of: Any, alone: bool) -> list[Any]:
        """Send commands by one request.

        :param alone: whether the caller asked for nothing else: a failure of the whole is then raised
        :returns: for each, in order, its order or the exception of its failure, also in its `error`
        """
        if not pendings and not alone:
            return []
        commands = [pending.command for pending in pendings]
        now = self.milliseconds()
        for pending in pendings:
            pending.sent_ms = now
            self._truth.sent.keep(pending.client_order_id, now)
        try:
            outcomes = await self._commands(commands)
        except ccxt.BaseError as error:
            results = getattr(error, "results", None)
            if results is None and alone and not is_unknown(error):
                raise
            outcomes = results or [self.unknown_outcome(error, command) for command in commands]
        await self._read_placed(commands, outcomes)
        for index, pending in enumerate(pendings):
            outcome = outcomes[index]
            try:
                if isinstance(outcome, ccxt.BaseError):
                    pending.error = outcome
                else:
                    outcomes[index] = await order_of(pending.command, outcome)
            except ccxt.BaseError as error:  # of this one: the others are what they are
                outcomes[index] = pending.error = error
        return outcomes

    async def _order_of_result(self, command: dict[str, Any], result: dict[str, Any]) -> Any:
        """The order that a command has placed; in `orders.py`."""
        raise NotImplementedError

    async def _order_after(self, command: dict[str, Any], order_id: int, result: dict[str, Any]) -> Any:
        """The order as a command has left it; in `orders.py`."""
        raise NotImplementedError
