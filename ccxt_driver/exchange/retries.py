"""Which requests are sent again after a failure, and after what pause.

A read is; whatever may place, change or move something is sent once. tenacity is imported at the first
failure, because most programs never see one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import ccxt

from ccxt_driver.contract.endpoints import BY_NAME

from .circuit import was_sent
from .request_parts import MAPPINGS
from .venue_guard import is_read as is_venue_read

if TYPE_CHECKING:
    from tenacity import RetryCallState

LOGGER: Final = logging.getLogger("ccxt_driver")

_FIRST_PAUSE_SECONDS: Final = 0.1
_JITTER_SECONDS: Final = 0.1
_LONGEST_SECONDS: Final = 1e6
TOO_OFTEN: Final = (ccxt.RateLimitExceeded, ccxt.DDoSProtection)
"""What a server says that wants to be asked less often."""
_POSTS_THAT_READ: Final = frozenset({BY_NAME["reconcile"].path, BY_NAME["cache_clear"].path})
"""Doing these twice does them once."""
_CCXTS_RETRIES: Final = "maxRetriesOnFailure"
CCXTS_PARAMS: Final = frozenset({_CCXTS_RETRIES, "maxRetriesOnFailureDelay"})
"""ccxt's own, by which an object sends a request again. That of a gateway would do so with an order, too."""


def is_read(method: str, path: str, params: Any) -> bool:
    """Whether a request may be sent again without any effect.

    :param path: as in the contract
    :param params: of the request; of calls to the venue each `func` is looked at
    """
    if method == "GET" or path in _POSTS_THAT_READ:
        return True
    if not path.startswith("ccxt/"):
        return False
    calls = params if isinstance(params, list) else [params]
    return bool(calls) and all(
        isinstance(call, Mapping) and is_venue_read(call.get("func")) for call in calls
    )


def may_pass(error: BaseException) -> bool:
    """Whether the same read may be answered when it is sent again."""
    if isinstance(error, ccxt.BadResponse):
        return getattr(error, "code", None) is None  # with a code it is what the venue answered
    return isinstance(error, ccxt.NetworkError) and was_sent(error)


def asked_to_wait_ms(error: BaseException) -> int:
    """For how long a server that was asked too often wants to be left alone; 0 where it does not say."""
    seconds = getattr(error, "retry_after", None) if isinstance(error, TOO_OFTEN) else None
    return int(min(seconds or 0.0, _LONGEST_SECONDS) * 1000)


def taken_from(params: Any) -> tuple[Any, Any]:
    """Parameters without ccxt's own retries, which a gateway does not know and its venue would obey.

    :param params: of a GET, of a call to the venue, or of several
    :returns: what to send, and `maxRetriesOnFailure` or None
    """
    if isinstance(params, list):
        return [taken_from(call)[0] for call in params], None
    if not params or not isinstance(params, MAPPINGS):
        return params, None
    params, retries = _split(params)
    for name, given in (("args", params.get("args")), ("kwargs", params.get("kwargs"))):
        kept, own = _split_inside(given)
        if kept is not given:
            params, retries = {**params, name: kept}, own
    return params, retries


def _split_inside(given: Any) -> tuple[Any, Any]:
    """As `_split`, of the `params` among the arguments of a call."""
    if not given or not isinstance(given, (list, *MAPPINGS)):
        return given, None
    inside = dict(enumerate(given)) if isinstance(given, list) else given
    for place, each in inside.items():
        kept, own = _split(each) if isinstance(each, MAPPINGS) else (each, None)
        if kept is not each:
            changed = {**inside, place: kept}
            return (list(changed.values()) if isinstance(given, list) else changed), own
    return given, None


def _split(params: Mapping[str, Any]) -> tuple[Mapping[str, Any], Any]:
    if CCXTS_PARAMS.isdisjoint(params):
        return params, None
    kept = {name: value for name, value in params.items() if name not in CCXTS_PARAMS}
    return kept, params.get(_CCXTS_RETRIES)


class Patience:
    """How often a read is sent again, and when.

    :param retries: further attempts after the first
    :param longest_ms: of our own pauses; one that the server asks for may be longer
    :param deadline_ms: no attempt begins then or later
    :param clock: gives milliseconds
    """

    def __init__(self, retries: int, longest_ms: int, deadline_ms: int, clock: Callable[[], int]) -> None:
        from tenacity import wait_exponential, wait_random

        self._retries = retries
        self._deadline_ms = deadline_ms
        self._clock = clock
        self._longest_seconds = longest_ms / 1000
        self._own = wait_exponential(multiplier=_FIRST_PAUSE_SECONDS) + wait_random(max=_JITTER_SECONDS)
        self._pauses: dict[int, float] = {}

    def is_worth_it(self, state: RetryCallState) -> bool:
        """Whether the failure may pass."""
        error = state.outcome.exception() if state.outcome else None
        return error is not None and may_pass(error)

    def pause(self, state: RetryCallState) -> float:
        """Seconds until the next attempt: our own pause, or the `Retry-After` when that is longer."""
        attempt = state.attempt_number
        if attempt not in self._pauses:  # drawn once: stopping depends on it, too
            error = state.outcome.exception() if state.outcome else None
            asked = getattr(error, "retry_after", None) or 0.0
            self._pauses[attempt] = max(min(self._own(state), self._longest_seconds), asked)
        return self._pauses[attempt]

    def tell(self, state: RetryCallState) -> None:
        """Log that a read is sent again."""
        error = state.outcome.exception() if state.outcome else None
        LOGGER.debug("asking again in %.3f s, after %s", self.pause(state), error)

    def is_over(self, state: RetryCallState) -> bool:
        """Whether there is no further attempt."""
        if state.attempt_number > self._retries:
            return True
        return self._clock() + self.pause(state) * 1000 >= self._deadline_ms
