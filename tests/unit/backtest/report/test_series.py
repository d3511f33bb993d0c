"""Long series reduced to what can be seen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ccxt_driver.backtest.report.series import picked, thin

series = st.lists(st.tuples(st.integers(0, 1_000), st.floats(-100, 100)), min_size=1, max_size=300).map(
    sorted
)


def test_a_short_series_stays_as_it_is() -> None:
    assert thin([1, 2, 2], [5.0, 4.0, 6.0]) == ([1, 2, 2], [5.0, 4.0, 6.0])
    assert picked([1, 2, 2], [5.0, 4.0, 6.0]) == [0, 1, 2]
    assert thin([], []) == ([], [])


@given(points=series, most=st.integers(4, 50))
def test_extremes_and_ends_are_never_lost(points: list[tuple[int, float]], most: int) -> None:
    times, values = [time for time, _ in points], [value for _, value in points]

    thin_times, thin_values = thin(times, values, most=most)

    assert len(thin_times) <= max(most, len(times) if len(times) <= most else 0)
    assert (min(thin_values), max(thin_values)) == (min(values), max(values))
    assert (thin_times[0], thin_times[-1]) == (times[0], times[-1])
    assert thin_times == sorted(thin_times)
    assert set(zip(thin_times, thin_values, strict=True)) <= set(points)
    chosen = picked(times, values, most)
    assert {min(values), max(values)} <= {values[index] for index in chosen}
    assert len(chosen) <= max(most, 0)


def test_what_a_sample_stands_for_is_drawn() -> None:
    times = [*range(100)]

    _, values = thin(times, [5.0] * 100, [5.0] * 50 + [1.0] + [5.0] * 49, [5.0] * 20 + [9.0] + [5.0] * 79, 10)

    assert (min(values), max(values)) == (1, 9)
    assert thin([1, 2, 3], [5.0, 5.0, 5.0], [5.0, 1.0, 5.0], [5.0, 9.0, 5.0])[1] == [5, 5, 1, 9, 5, 5]
