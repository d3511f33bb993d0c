"""When a market is open: weekly hours in UTC, and what somebody has set by hand."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000
_WEEK_MS: Final = 7 * _DAY_MS
_MONDAY_MS: Final = 4 * _DAY_MS  # the epoch was a Thursday
_WINDOW: Final = re.compile(r"([a-z]{3})(?:-([a-z]{3}))? (\d\d):(\d\d)-(\d\d):(\d\d)")


class Session(StrEnum):
    """What may be done on a market."""

    OPEN = "open"
    CLOSED = "closed"
    HALTED = "halted"
    DELISTED = "delisted"


class WeeklyHours:
    """Hours in UTC that come again every week.

    :param windows: such as "mon-fri 14:30-21:00" or "sun 22:00-24:00"; those that touch are one
    :raises ValueError: a window that makes no sense, or none at all
    """

    def __init__(self, windows: Iterable[str]) -> None:
        self.windows = tuple(windows)
        spans = sorted(span for window in self.windows for span in _spans(window))
        if not spans:
            raise ValueError("hours: expected at least one window such as 'mon-fri 14:30-21:00'")
        merged = [spans[0]]
        for start, end in spans[1:]:
            if start <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(end, merged[-1][1])
            else:
                merged.append((start, end))
        self._edges = [edge for span in merged for edge in span]
        if merged[0][0] == 0 and merged[-1][1] == _WEEK_MS:
            self._edges = self._edges[1:-1]  # it goes on over the end of the week
            self._open_first = True
        else:
            self._open_first = False

    def is_open(self, at_ms: int) -> bool:
        """Whether a moment is within the hours; the end of a window is not."""
        passed = bisect_right(self._edges, (at_ms - _MONDAY_MS) % _WEEK_MS)
        return (passed % 2 == 0) == self._open_first

    def next_change(self, after_ms: int) -> int | None:
        """When it opens or closes next, after a moment; None of a market that never closes."""
        if not self._edges:
            return None
        within = (after_ms - _MONDAY_MS) % _WEEK_MS
        passed = bisect_right(self._edges, within)
        if passed < len(self._edges):
            return after_ms - within + self._edges[passed]
        return after_ms - within + _WEEK_MS + self._edges[0]


def _spans(window: str) -> list[tuple[int, int]]:
    match = _WINDOW.fullmatch(str(window).lower())
    if match is None:
        raise ValueError(f"hours: expected windows such as 'mon-fri 14:30-21:00', got {window!r}")
    first, last = match[1], match[2] or match[1]
    if first not in _DAYS or last not in _DAYS:
        raise ValueError(f"hours: expected days of {', '.join(_DAYS)}, got {window!r}")
    start, end = ((int(match[i]) * 60 + int(match[i + 1])) * _MINUTE_MS for i in (3, 5))
    if not 0 <= start < end <= _DAY_MS or int(match[4]) > 59 or int(match[6]) > 59:
        raise ValueError(f"hours: expected a beginning before an end, at most 24:00, got {window!r}")
    number, count = _DAYS.index(first), (_DAYS.index(last) - _DAYS.index(first)) % 7 + 1
    days = [(number + index) % 7 * _DAY_MS for index in range(count)]
    return [(day + start, day + end) for day in days]


@dataclass(slots=True)
class MarketSession:
    """The session of one market, as it is kept.

    :param by_hand: what somebody has set; open leaves it to the hours
    :param cancels: whether what rests and waits is cancelled when it closes or is halted
    :param within_hours: whether the hours have it open now
    :param changes_at: when the hours change that next
    """

    by_hand: Session = Session.OPEN
    cancels: bool = False
    hours: WeeklyHours | None = None
    within_hours: bool = True
    changes_at: int | None = None

    @property
    def now(self) -> Session:
        """What counts."""
        if self.by_hand is Session.OPEN and not self.within_hours:
            return Session.CLOSED
        return self.by_hand

    def pass_time(self, now: int) -> None:
        """Bring the hours up to a moment."""
        self.within_hours = self.hours is None or self.hours.is_open(now)
        self.changes_at = None if self.hours is None else self.hours.next_change(now)

    def opens_after(self, at_ms: int) -> int | None:
        """When the hours have it open, from a moment on."""
        if self.hours is None or self.hours.is_open(at_ms):
            return at_ms
        return self.hours.next_change(at_ms)

    def dump(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "by_hand": self.by_hand.value,
            "cancels": self.cancels,
            "hours": None if self.hours is None else [*self.hours.windows],
            "within_hours": self.within_hours,
            "changes_at": self.changes_at,
        }

    @classmethod
    def load(cls, row: Mapping[str, Any]) -> MarketSession:
        """What `dump` gave."""
        hours = None if row["hours"] is None else WeeklyHours(row["hours"])
        return cls(Session(row["by_hand"]), row["cancels"], hours, row["within_hours"], row["changes_at"])


_CHANGES: Final = ("session", "hours", "resting")


@dataclass(frozen=True, slots=True)
class SessionChange:
    """What somebody wants of a session; what is None stays as it is.

    :param sets_hours: whether the hours are to be what `hours` says, also none
    """

    by_hand: Session | None = None
    cancels: bool | None = None
    sets_hours: bool = False
    hours: WeeklyHours | None = None

    def of(self, known: MarketSession, now: int) -> MarketSession:
        """A session after the change."""
        after = replace(known)
        if self.by_hand is not None:
            after.by_hand = self.by_hand
        if self.cancels is not None:
            after.cancels = self.cancels
        if self.sets_hours:
            after.hours = self.hours
        after.pass_time(now)
        return after


def read_session(given: Mapping[str, Any], where: str = "") -> SessionChange:
    """Check what somebody gave for a session.

    :param given: any of `session` (a `Session`), `hours` (windows, None for always) and `resting` (keep
        or cancel)
    :param where: the path of the mapping with its dot, for the message
    :raises ValueError: naming the field and what was expected
    """
    for name in given:
        if name not in _CHANGES:
            raise ValueError(f"{where}{name}: unknown; expected one of {', '.join(_CHANGES)}")
    session, hours, resting = (given.get(name) for name in _CHANGES)
    if session is not None and session not in (*Session,):
        raise ValueError(f"{where}session: expected one of {', '.join(Session)}, got {session!r}")
    if resting not in (None, "keep", "cancel"):
        raise ValueError(f"{where}resting: expected keep or cancel, got {resting!r}")
    if hours is not None and (isinstance(hours, str) or not isinstance(hours, Iterable)):
        raise ValueError(f"{where}hours: expected a list of windows such as 'mon-fri 14:30-21:00'")
    try:
        weekly = None if hours is None else WeeklyHours(hours)
    except ValueError as error:
        raise ValueError(f"{where}{error}") from None
    return SessionChange(
        None if session is None else Session(session),
        None if resting is None else resting == "cancel",
        "hours" in given,
        weekly,
    )
