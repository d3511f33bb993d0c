"""`options.streams`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import ccxt
import pytest

from ccxt_driver.errors import annotate
from ccxt_driver.exchange.stream_settings import STREAMS, StreamSettings, stream_settings
from ccxt_driver.exchange.streams.client import HandshakeRefused
from ccxt_driver.pro import OmsCcxtExchange

pytestmark = pytest.mark.oldest


@pytest.mark.parametrize("options", [{}, {"streams": None}, {"streams": {}}, {"streams": STREAMS}])
def test_the_defaults(options: dict[str, Any]) -> None:
    assert stream_settings(options) == StreamSettings()
    assert asdict(StreamSettings()) == STREAMS


def test_what_is_given_takes_the_place_of_a_default() -> None:
    found = stream_settings({"streams": {"buffer": 7, "outage": 2}})
    assert found == StreamSettings(buffer=7, outage=2)


@pytest.mark.parametrize(
    "given, says",
    [
        (5, "streams: expected a dict of ping_interval, "),
        ({"bufer": 5}, "streams.bufer: expected one of "),
        ({"buffer": 5.5}, "streams.buffer: expected a whole number above 0, got 5.5"),
        ({"buffer": 0}, "streams.buffer: expected a whole number above 0, got 0"),
        ({"buffer": True}, "streams.buffer: expected a whole number above 0, got True"),
        ({"outage": "10"}, "streams.outage: expected a number above 0, got '10'"),
        ({"outage": -1}, "streams.outage: expected a number above 0, got -1"),
        ({"ping_interval": None}, "streams.ping_interval: expected a number above 0, got None"),
        ({"ping_timeout": float("nan")}, "streams.ping_timeout: expected a number above 0, got nan"),
        ({"backoff_most": float("inf")}, "streams.backoff_most: expected a number above 0, got inf"),
    ],
)
def test_what_makes_no_sense_is_named(given: Any, says: str) -> None:
    with pytest.raises(ccxt.BadRequest) as info:
        stream_settings({"streams": given})
    assert str(info.value).startswith(says)
    with pytest.raises(ccxt.BadRequest):
        OmsCcxtExchange({"options": {"base_url": "embedded:", "streams": given}})


@pytest.mark.parametrize(
    "failures, error, longest",
    [
        (0, ccxt.ExchangeNotAvailable("down"), 0.1),
        (3, ccxt.ExchangeNotAvailable("down"), 0.8),
        (50, ccxt.ExchangeNotAvailable("down"), 5),
        (3, ccxt.RateLimitExceeded("slowly"), 0.8),
        (50, ccxt.RateLimitExceeded("slowly"), 30),
        (50, ccxt.DDoSProtection("banned"), 30),
        (50, HandshakeRefused("HTTP 429", 429), 30),
        (50, HandshakeRefused("HTTP 503", 503), 5),
    ],
)
def test_pauses_grow_and_are_longer_where_too_much_was_asked(
    failures: int, error: Exception, longest: float
) -> None:
    found = [StreamSettings().pause(failures, error) for _ in range(20)]
    assert all(longest / 2 <= each <= longest for each in found)
    assert len(set(found)) > 1


@pytest.mark.parametrize("wanted, pause", [(0.0, 5), (33.0, 33), (1e6, 300)])
def test_a_server_that_says_for_how_long_is_heard(wanted: float, pause: float) -> None:
    error = annotate(ccxt.ExchangeNotAvailable("down"), retry_after=wanted)
    assert pause / 2 <= StreamSettings().pause(50, error) <= pause
    assert not wanted or StreamSettings().pause(50, error) == pause
