"""Decimals and times on the wire: exact both ways, and what is not one is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from ccxt_driver.contract.fields import DecimalText, Id, IdOrZero, PositiveDecimal, TimeText
from ccxt_driver.contract.values import (
    format_date,
    format_decimal,
    format_time,
    format_times,
    parse_date,
    parse_decimal,
    parse_time,
)

pytestmark = pytest.mark.oldest

LAST_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
MONEY = st.decimals(min_value=-(10**30), max_value=10**30, allow_nan=False, places=18)
MILLISECONDS = st.integers(min_value=0, max_value=LAST_MS)


@given(MONEY)
def test_a_decimal_survives_the_wire(value: Decimal) -> None:
    assert parse_decimal(format_decimal(value)) == value


@given(MONEY)
def test_a_written_decimal_has_no_exponent_and_no_idle_zeros(value: Decimal) -> None:
    text = format_decimal(value)

    assert "e" not in text.lower()
    assert text != "-0"
    assert "." not in text or text[-1] not in "0."


@given(st.floats(min_value=1e-9, max_value=1e15))
def test_a_float_is_read_by_its_shortest_text(value: float) -> None:
    assert float(parse_decimal(value)) == value
    assert parse_decimal(value) == Decimal(repr(value))


@pytest.mark.parametrize(
    "value, expected",
    [
        ("0.01", "0.01"),
        ("0.010000000000000000", "0.01"),
        ("0E-18", "0"),
        ("-0.0", "0"),
        ("1e3", "1000"),
        ("25000", "25000"),
        (7, "7"),
        (0.1, "0.1"),
        (Decimal("1E-8"), "0.00000001"),
        ("1e30", "1" + "0" * 30),
    ],
)
def test_decimals_are_read_in_every_spelling(value: Any, expected: str) -> None:
    assert format_decimal(parse_decimal(value)) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "abc",
        "1,5",
        "0x10",
        "NaN",
        "sNaN",
        "Infinity",
        "-inf",
        float("nan"),
        float("inf"),
        None,
        True,
        [],
        {},
        b"1",
        "1e31",
        "1e-31",
        "1E+999999999",
        "0." + "1" * 100,
    ],
)
def test_what_is_no_decimal_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="expected a"):
        parse_decimal(value)


@given(MILLISECONDS)
def test_a_time_survives_the_wire(milliseconds: int) -> None:
    text = format_time(milliseconds)

    assert len(text) == len("2026-11-20T02:05:32.123Z")
    assert parse_time(text) == milliseconds


@given(MILLISECONDS)
def test_a_written_time_is_what_python_writes(milliseconds: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)

    assert format_time(milliseconds) == moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.mark.parametrize(
    "text, offset_ms, expected",
    [
        ("2026-11-20T02:05:32.123Z", 0, "2026-11-20T02:05:32.123Z"),
        ("2026-11-20T02:05:32", 0, "2026-11-20T02:05:32.000Z"),
        ("2026-11-20 02:05:32", 0, "2026-11-20T02:05:32.000Z"),
        ("2026-11-20T04:05:32+02:00", 0, "2026-11-20T02:05:32.000Z"),
        ("2026-11-20T04:05:32", 7_200_000, "2026-11-20T02:05:32.000Z"),
        ("2026-11-20T02:05:32Z", 7_200_000, "2026-11-20T02:05:32.000Z"),
        ("2026-11-20T02:05:32.123456Z", 0, "2026-11-20T02:05:32.123Z"),
    ],
)
def test_times_are_read_in_every_spelling(text: str, offset_ms: int, expected: str) -> None:
    assert format_time(parse_time(text, offset_ms)) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "2026-13-01T00:00:00Z",
        "0000-00-00 00:00:00",
        1763604332123,
        None,
        b"2026-11-20",
        True,
        "0001-01-01T00:00:00+10:00",
        "9999-12-31T23:59:59-10:00",
    ],
)
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="expected an ISO 8601 time"):
        parse_time(value)


@given(st.datetimes(timezones=st.just(timezone(timedelta(hours=5, minutes=30)))))
def test_whatever_time_can_be_read_can_be_written(moment: datetime) -> None:
    """A mapper writes `datetime` of each time it read: a failure there would be a bare exception."""
    try:
        milliseconds = parse_time(moment.isoformat())
    except ValueError:
        return
    assert abs(parse_time(format_time(milliseconds)) - moment.timestamp() * 1000) <= 1


def test_days_are_written_and_read_in_utc() -> None:
    milliseconds = parse_time("2026-11-20T23:59:59.999Z")

    assert format_date(milliseconds) == "2026-11-20"
    assert parse_date("2026-11-20") == parse_time("2026-11-20T00:00:00Z")


@pytest.mark.parametrize("value", ["2026-11-2", "20261120", "2026-11-20T00:00:00Z", "2026-02-30", 20261120])
def test_what_is_no_day_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="YYYY-MM-DD"):
        parse_date(value)


@pytest.mark.parametrize(
    "kind, accepted, refused",
    [
        (DecimalText, ["0", "-1.5", 2, 0.5], ["x", None, True]),
        (PositiveDecimal, ["0.00000001", 3], ["0", "-1", "NaN"]),
        (TimeText, ["2026-11-20T02:05:32Z", 0, LAST_MS], ["soon", True, 1.5, -1, LAST_MS + 1]),
        (Id, [1, 2**63 - 1], [0, -1, 2**63, "1", True, 1.0]),
        (IdOrZero, [0, 1, 2**63 - 1], [-1, 2**63, "0", False]),
    ],
)
def test_field_types_keep_their_bounds(kind: Any, accepted: list[Any], refused: list[Any]) -> None:
    adapter = TypeAdapter(kind)

    for value in accepted:
        adapter.validate_python(value)
    for value in refused:
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


def test_models_write_the_wire_forms() -> None:
    assert TypeAdapter(DecimalText).dump_python(Decimal("1E+2"), mode="json") == "100"
    assert TypeAdapter(TimeText).dump_python(0, mode="json") == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    "text", ["1_0", " 1", "1 ", "\u0661", "1e", "--1", "0x1", "1,5", "Infinity", "nan", "."]
)
def test_a_decimal_is_what_json_could_write(text: str) -> None:
    with pytest.raises(ValueError, match="expected a"):
        parse_decimal(text)


def test_many_times_are_written_as_one() -> None:
    times = [0, 1, 59_999, 60_000, 60_001, 1_709_251_199_999, 1_709_251_200_000, 1_709_251_200_070]
    assert format_times(times) == [format_time(each) for each in times]
