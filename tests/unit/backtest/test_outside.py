"""For how long an event loop waits for what is outside of a run."""

from __future__ import annotations

import pytest

from ccxt_driver.backtest import outside
from ccxt_driver.backtest.outside import Outside


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The real time, to be changed."""
    found = [100.0]
    monkeypatch.setattr(outside, "_REAL_SECONDS", lambda: found[0])
    return found


def test_an_answer_is_waited_for_a_while_and_its_rest_for_less(now: list[float]) -> None:
    made = Outside({7, 8})
    made.heard(7)  # nobody has asked
    assert (made.is_awaited, made.seconds()) == (False, 0)
    made.asked(7)
    now[0] += 0.5
    assert made.seconds() == 1.5
    made.heard(7)
    assert made.seconds() == pytest.approx(0.05)
    made.asked(8, is_encrypted=True)
    made.heard(8)
    assert made.seconds() == 0.5
    now[0] += 0.5
    assert not made.is_awaited


def test_a_connection_that_is_closed_is_not_waited_for(now: list[float]) -> None:
    registered = {7}
    made = Outside(registered)
    made.asked(7)
    registered.clear()
    assert not made.is_awaited


def test_who_never_answers_is_waited_for_less_each_time(now: list[float]) -> None:
    made = Outside({7})
    waited = []
    for _ in range(5):
        made.asked(7)
        waited.append(made.seconds())
        now[0] += waited[-1]
        made.gave_up()
    assert waited == [2.0, 1.0, 0.5, 0.25, 0.25]


def test_who_answers_each_time_is_waited_for_as_long_each_time(now: list[float]) -> None:
    """Of an answer that has come the rest is waited for, which mostly does not come."""
    made = Outside({7})
    for _ in range(5):
        made.asked(7)
        assert made.seconds() == 2.0
        made.heard(7)
        now[0] += made.seconds()
        made.gave_up()
    made.asked(7)
    now[0] += 2
    made.gave_up()
    made.asked(7)
    assert made.seconds() == 1.0


def test_an_answer_is_waited_for_from_when_all_is_sent(now: list[float]) -> None:
    made = Outside({7})
    made.asked(7, is_encrypted=True)
    for _ in range(3):
        now[0] += 1.5
        made.sent(7)
        assert made.seconds() == 2.0
    made.heard(7)
    assert made.seconds() == 0.5
    made.sent(8)  # nobody has asked
    assert made.seconds() == 0.5
