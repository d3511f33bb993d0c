"""Until when something is tried."""

from __future__ import annotations

from ccxt_driver.exchange.deadline import Deadline


def test_a_deadline_is_over_after_its_time_and_before_a_pause_that_is_longer() -> None:
    now = [1_000_000]
    deadline = Deadline(lambda: now[0], 5_000)
    assert (deadline.is_over(), deadline.is_over(4_999), deadline.is_over(5_000)) == (False, False, True)
    now[0] += 4_999
    assert not deadline.is_over()
    now[0] += 1
    assert deadline.is_over()


def test_a_clock_that_is_set_takes_a_deadline_along_or_ends_it() -> None:
    now = [10_000_000]
    deadline = Deadline(lambda: now[0], 5_000)
    now[0] -= 3_600_000
    assert not deadline.is_over()
    now[0] += 5_000
    assert deadline.is_over()

    deadline = Deadline(lambda: now[0], 5_000)
    now[0] += 3_600_000
    assert deadline.is_over()


def test_no_time_is_over_at_once() -> None:
    assert Deadline(lambda: 7, 0).is_over()
