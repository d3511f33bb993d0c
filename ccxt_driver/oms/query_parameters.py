"""Reading query parameters: strings over HTTP, real values in process; anything else is refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ccxt_driver.contract.values import parse_date

from .refusals import invalid

Query = Mapping[str, Any]
_DAY_MS: Final = 86_400_000
_OLD_NAMES: Final = {"magic_id": "strategy_id"}


class Parameters:
    """The parameters of one query.

    :param query: as it came
    :param known: names that it may have
    :raises Refusal: `validation_error`, a name that is not known
    """

    __slots__ = ("_values",)

    def __init__(self, query: Query, known: Iterable[str]) -> None:
        given = {name: value for name, value in query.items() if value is not None and value != ""}
        for old, name in _OLD_NAMES.items():
            if old in given and name in given:
                raise invalid(old, f"is {name}, which is given too")
        values = {_OLD_NAMES.get(name, name): value for name, value in given.items()}
        allowed = {*known}
        for name in values:
            if name not in allowed:
                raise invalid(name, f"unknown parameter; expected one of {', '.join(sorted(allowed))}")
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def integer(self, name: str, least: int = 0, most: int = 2**63 - 1) -> int | None:
        """A whole number, None when it is not given.

        :raises Refusal: `validation_error`
        """
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            text = value.strip()
            digits = text[1:] if text[:1] == "-" else text
            if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
                raise invalid(name, f"expected a whole number, got {value[:40]!r}")
            value = int(text)
        if not isinstance(value, int) or isinstance(value, bool):
            raise invalid(name, f"expected a whole number, got {type(value).__name__}")
        if not least <= value <= most:
            raise invalid(name, f"expected a whole number from {least} to {most}, got {value}")
        return value

    def ids(self, name: str) -> list[int]:
        """Ids separated by commas, in process also one id or a list.

        :raises Refusal: `validation_error`
        """
        value = self._values.get(name)
        if value is None:
            raise invalid(name, "is required: ids separated by commas")
        return read_ids(name, value)

    def text(self, name: str, choices: Iterable[str] = ()) -> str | None:
        """A text, None when it is not given.

        :param choices: what it may be; empty for anything
        :raises Refusal: `validation_error`
        """
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise invalid(name, f"expected a text, got {type(value).__name__}")
        allowed = [*choices]
        if allowed and value not in allowed:
            raise invalid(name, f"expected one of {', '.join(allowed)}, got {value[:40]!r}")
        return value

    def flag(self, name: str) -> bool | None:
        """True or false, None when it is not given.

        :raises Refusal: `validation_error`
        """
        value = self._values.get(name)
        if value is None or isinstance(value, bool):
            return value
        known = {"true": True, "1": True, "false": False, "0": False}
        if isinstance(value, str) and value.lower() in known:
            return known[value.lower()]
        raise invalid(name, f"expected true or false, got {str(value)[:40]!r}")

    def number(self, name: str) -> float | None:
        """A positive number, None when it is not given.

        :raises Refusal: `validation_error`
        """
        value = self._values.get(name)
        if value is None:
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = 0.0
        if isinstance(value, bool) or not 0 < number < 1e9:
            raise invalid(name, f"expected a number above 0, got {str(value)[:40]!r}")
        return number

    def date(self, name: str) -> int | None:
        """The first millisecond of a day, None when it is not given.

        :raises Refusal: `validation_error`
        """
        value = self._values.get(name)
        if value is None:
            return None
        try:
            return parse_date(value)
        except ValueError as error:
            raise invalid(name, str(error)) from None

    def last_moment(self, name: str) -> int | None:
        """The last millisecond of a day, None when it is not given.

        :raises Refusal: `validation_error`
        """
        start = self.date(name)
        return None if start is None else start + _DAY_MS - 1


def read_ids(name: str, value: object) -> list[int]:
    """Ids separated by commas, one id, or a list of them; each once, in the order given.

    :raises Refusal: `validation_error`
    """
    if isinstance(value, str):
        parts: list[object] = [part.strip() for part in value.split(",")]
    elif isinstance(value, list | tuple):
        parts = [*value]
    else:
        parts = [value]
    ids = [_one_id(name, part) for part in parts if part != ""]
    if not ids:
        raise invalid(name, "expected at least one id")
    return [*dict.fromkeys(ids)]


def _one_id(name: str, part: object) -> int:
    if isinstance(part, str) and part.isascii() and part.isdigit() and len(part) < 20:
        part = int(part)
    if isinstance(part, int) and not isinstance(part, bool) and 0 < part < 2**63:
        return part
    raise invalid(name, f"expected ids separated by commas, got {str(part)[:40]!r}")
