# Generated from `_async/settling.py` by `_generate.py`: change that file, not this one.
"""Finding out what became of a command whose outcome is unknown.

An order is looked up by its client order id; it is sent again only where the server promises that the id
names one order for ever. Cancelling and changing may be repeated: doing it twice does it once.
"""

from __future__ import annotations

from typing import Any

import ccxt

from ccxt_driver.contract.features import Feature
from ccxt_driver.exchange.base import LOGGER
from ccxt_driver.exchange.unknown_creates import Pending

from .truth import Truth

_FIRST_PAUSE_MS = 50
_LONGEST_PAUSE_MS = 1000


class Settling(Truth):
    """Commands that are not given up before it is known what they did, or `lookup_timeout` is over."""

    def _place(self, command: dict[str, Any], made_up_id: bool, order_of: Any) -> Any:
        """Send a command that makes an order; the order, found again if its answer was lost.

        :param order_of: gives the order of a command and its result
        :param made_up_id: whether its client order id is the driver's: then an identical command is
            held back while the outcome of this one is unknown
        :raises RequestTimeout: nobody can say whether it was placed
        """
        pending = self.unknown_creates.pending(command, self.milliseconds()) if made_up_id else None
        if pending is not None:
            return self._settled(pending, hold=True)
        sent_ms = self.milliseconds()
        try:
            result = self._command(command)
        except ccxt.BaseError as error:
            if not _unknown(error):
                raise
            return self._settled(Pending(command, sent_ms, error), hold=made_up_id)
        return order_of(command, result)

    def _settled(self, pending: Pending, hold: bool) -> Any:
        """The order of a command whose outcome is unknown.

        :raises InvalidOrder: it was placed and the venue rejected it
        :raises RequestTimeout: it still is; with `hold` an identical command is held back from now on
        """
        deadline = self.milliseconds() + self.lookup_timeout_ms()
        pause = _FIRST_PAUSE_MS
        while self.milliseconds() < deadline:
            order = self._look_up(pending)
            if order is not None:
                self.unknown_creates.forget(pending.command)
                return self.unless_rejected(order)
            self.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_MS)
        if hold and self.options.get("guard_unknown", True):
            self.unknown_creates.hold(pending, self.milliseconds() + self.unknown_hold_ms())
        raise pending.error

    def _look_up(self, pending: Pending) -> Any:
        """The order that a command has made, or makes now where that is safe; None when it is not known."""
        command, since_ms = pending.command, pending.sent_ms
        account_id, client_order_id = command["account_id"], command["payload"]["client_order_id"]
        try:
            row = self._row_by_client_order_id(account_id, client_order_id, None, since_ms)
            if not self.is_of_command(row, command, since_ms) and not self._promises_to_dedupe():
                return None
            if self._is_loose_end(account_id, row):
                return None
            return self._order_after(command, row["id"], {"order": row})
        except ccxt.OrderNotFound:
            pass  # absence is no proof: the command may still be on its way
        except ccxt.BaseError as error:
            LOGGER.debug("%s looking for %s: %s", self.id, client_order_id, error)
            return None
        if not self._promises_to_dedupe():
            return None
        try:
            return self._order_of_result(command, self._command(command))
        except ccxt.BaseError as error:  # a refusal is of this sending, and says nothing of the first
            LOGGER.debug("%s sending %s again: %s", self.id, client_order_id, error)
            return None

    def _promises_to_dedupe(self) -> bool:
        """Whether the server says so now: it may be another one, or an older, than before."""
        self._server_features = None
        try:
            return Feature.CLIENT_ORDER_ID_DEDUPE in self._features()
        except ccxt.BaseError as error:
            LOGGER.debug("%s features: %s", self.id, error)
            return False

    def _repeated(self, command: dict[str, Any]) -> dict[str, Any]:
        """Send a command that may be sent twice, until it is known what it did.

        :raises RequestTimeout: nobody can say, after `lookup_timeout`
        """
        deadline = self.milliseconds() + self.lookup_timeout_ms()
        pause = _FIRST_PAUSE_MS
        unsettled: ccxt.BaseError | None = None
        while True:
            try:
                return self._command(command)
            except ccxt.BaseError as error:
                first_is_known = unsettled is None and not _unknown(error)
                refused = vars(error).get("outcome") == "refused" and not isinstance(error, ccxt.NetworkError)
                if first_is_known:
                    raise
                if refused:  # perhaps because the first time did it
                    error.__dict__["unsettled"] = unsettled
                    raise
                unsettled = unsettled or error
            if self.milliseconds() >= deadline:
                raise unsettled
            self.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_MS)

    def _placed_batch(self, commands: list[dict[str, Any]], order_of: Any) -> list[Any]:
        """Send several commands that make orders by one request; only what is unknown is looked up.

        :param order_of: gives the order of a command and its result
        :returns: for each, in order, its order or the exception of its failure
        """
        sent_ms = self.milliseconds()
        try:
            outcomes = self._commands(commands)
        except ccxt.BaseError as error:
            results = getattr(error, "results", None)
            if results is None and not _unknown(error):
                raise
            outcomes = results or [self.unknown_outcome(error, command) for command in commands]
        for index, command in enumerate(commands):
            outcome = outcomes[index]
            try:
                if not isinstance(outcome, ccxt.BaseError):
                    outcomes[index] = order_of(command, outcome)
                elif _unknown(outcome):
                    outcomes[index] = self._settled(Pending(command, sent_ms, outcome), hold=False)
            except ccxt.BaseError as error:  # of this one: the others are what they are
                outcomes[index] = error
        return self._unless_all_refused(outcomes)

    def _order_of_result(self, command: dict[str, Any], result: dict[str, Any]) -> Any:
        """The order that a command has placed; in `orders.py`."""
        raise NotImplementedError

    def _order_after(self, command: dict[str, Any], order_id: int, result: dict[str, Any]) -> Any:
        """The order as a command has left it; in `orders.py`."""
        raise NotImplementedError


def _unknown(error: ccxt.BaseError) -> bool:
    return bool(getattr(error, "outcome", None) == "unknown")
