"""How requests are sent, as far as it does not wait: options, circuits, what a failure leads to."""

from __future__ import annotations

import logging
from email.utils import parsedate_to_datetime
from typing import Any, Final

import ccxt

from ccxt_driver.errors import annotate

from .circuit import Circuit, means_down, was_sent
from .configuration import TRANSPORT, whole_number
from .host import Host
from .retries import Patience, is_read, may_pass

LOGGER: Final = logging.getLogger("ccxt_driver")

_WHOLE_SECOND_MS: Final = 1000
"""A `Date` tells no part of a second."""


class Transport(Host):
    """The settings of the transport, and its state for each gateway."""

    def setting(self, name: str) -> int:
        """A number of the options.

        :param name: such as `retries`
        :raises BadRequest: it is no whole number from 0
        """
        return whole_number(name, self.options.get(name), TRANSPORT[name])

    def idle_seconds(self) -> float:
        """How long a connection may be idle and still be used again."""
        return self.setting("keep_alive") / 1000

    def ahead_of_server_ms(self) -> int:
        """By how much our clock is ahead of the server's, as its last answer tells; 0 where it does not."""
        headers = self.last_response_headers
        try:
            told = parsedate_to_datetime(str((headers or {}).get("Date"))).timestamp()
        except (AttributeError, TypeError, ValueError):
            return 0
        return max(0, self.milliseconds() - int(told * 1000) - _WHOLE_SECOND_MS)

    # -- sending again -------------------------------------------------------------------------

    def patience_with(
        self, error: ccxt.BaseError, began_ms: int, method: str, path: str, params: Any, retries: Any
    ) -> Patience | None:
        """How long a failed request is sent again; None when it is not.

        :param began_ms: when the first attempt began
        :param retries: `maxRetriesOnFailure` of its parameters, None without
        """
        if not may_pass(error) or not is_read(method, path, params):
            return None
        if retries is None:
            # ccxt's own setting stands for ours, for one endpoint or for all.
            retries, _ = self.handle_option_and_params({}, path, "maxRetriesOnFailure")
        further = self.setting("retries") if retries is None else whole_number("maxRetriesOnFailure", retries)
        longest_ms = self.setting("retry_max_delay")
        if not further:
            return None
        return Patience(further, longest_ms, began_ms + int(self.timeout), self.milliseconds)

    # -- failing fast --------------------------------------------------------------------------

    def circuit_of(self, api: str) -> Circuit | None:
        """The circuit of the gateway that a request goes to; None when there is to be none.

        :raises BadRequest: an option is wrong; nothing is sent then
        """
        longest_ms, limit = self.options.get("circuit_max_delay"), self.options.get("circuit_failures")
        if type(longest_ms) is not int or type(limit) is not int or longest_ms < 0 or limit <= 0:
            longest_ms, limit = self.setting("circuit_max_delay"), self.setting("circuit_failures")
            if limit == 0:
                return None
        base = self.urls["api"]
        url = base if isinstance(base, str) else str(base.get(api))
        circuit = self._circuits.get(url)
        if circuit is None:
            circuit = self._circuits.setdefault(url, Circuit(limit, longest_ms))
        circuit.limit, circuit.longest_ms = limit, longest_ms
        return circuit

    def admitted(self, circuit: Circuit) -> bool:
        """Let a request through.

        :returns: whether it is the probe
        :raises ExchangeNotAvailable: the gateway is down; nothing is sent, `retry_after` says for how long
        """
        wait_ms, is_probe = circuit.admit(self.milliseconds())
        if wait_ms:
            seconds = wait_ms / 1000
            message = f"{self.id} the gateway is down; nothing is sent for {seconds} seconds"
            raise annotate(ccxt.ExchangeNotAvailable(message), retry_after=seconds)
        return is_probe

    def note_failure(self, circuit: Circuit, is_probe: bool, error: BaseException) -> None:
        """Tell the circuit how a request failed."""
        if means_down(error):
            pause_ms = circuit.failed(is_probe, self.milliseconds())
            if pause_ms:
                LOGGER.warning(
                    "%s the gateway is down, nothing is sent for %d ms: %s", self.id, pause_ms, error
                )
        elif was_sent(error):
            self.note_answer(circuit)
        else:
            circuit.abandoned(is_probe)

    def note_answer(self, circuit: Circuit) -> None:
        """Tell the circuit that the gateway is there."""
        if circuit.answered():
            LOGGER.warning("%s the gateway is back", self.id)
