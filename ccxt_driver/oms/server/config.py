"""What a server is to be, from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ccxt_driver.contract.values import LAST_MS, format_time, parse_decimal
from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.oms.market.listing import Market
from ccxt_driver.oms.market.weather import Synthetic
from ccxt_driver.oms.refusals import one_of

from .configured_models import ConfiguredModels, ConfiguredPath, ConfiguredSize

OPTIONS: Final[Mapping[str, type]] = {
    **dict.fromkeys(("host", "db", "tls_cert", "tls_key", "log_format"), str),
    **dict.fromkeys(("port", "seed", "rate_burst", "max_body", "max_frame"), int),
    **dict.fromkeys(("metrics", "access_log"), bool),
    "rate_limit": float,
}
"""What may be said on the command line too, with the same words; there it beats the file."""
_WORDS: Final = {str: "a text", int: "a whole number", bool: "true or false", float: "a number"}
_KINDS: Final = {
    "model_type": "a table",
    "dict_type": "a table",
    "list_type": "a list",
    "string_type": "a text",
    "int_type": "a whole number",
}
"""What pydantic says in words of Python, by the type of the error."""
_EVERY_MARKET: Final = "default"


def _fraction(value: object) -> Decimal:
    fee = parse_decimal(value)
    if not -1 < fee < 1:
        raise ValueError(f"expected a fraction, 0.001 for 0.1 %, got {fee}")
    return fee


_Fee = Annotated[Decimal, BeforeValidator(_fraction)] | None


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConfiguredKey(_Table):
    """A key that is made at the first start; its label tells it from others.

    :param accounts: all when it is left out
    :param strategies: all when it is left out
    """

    label: Annotated[str, Field(min_length=1, max_length=100)]
    role: Literal["trader", "readonly", "risk"] = "trader"
    accounts: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] | None = None
    strategies: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] | None = None


class ConfiguredFees(_Table):
    """Fees as fractions: 0.001 is 0.1 %."""

    maker: _Fee = None
    taker: _Fee = None


_Path = Annotated[str, Field(min_length=1)]
_A_MOMENT: Final = "expected a time with its offset, such as 2026-01-31T08:00:00Z"


def _moment(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a time, or milliseconds")
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(_A_MOMENT)
        return int(value.timestamp() * 1000)
    if isinstance(value, date):
        raise ValueError(_A_MOMENT)
    if isinstance(value, str):
        raise ValueError(f"{_A_MOMENT} without quotes, got {value!r}")
    return value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


class ConfiguredFeed(_Table):
    """Where prices come from, when they are not synthetic: files, or a live exchange.

    :param files: a folder, or files; see `FileFeed`, as for `path`, `spread_ticks` and `size`
    :param speed: how much faster than the wall's the time of the files goes
    :param start: the moment of the files to begin at, milliseconds or a time; their first one by default
    :param live: the id of a ccxt exchange whose public data are followed
    :param symbols: what is followed of it
    """

    files: Annotated[list[_Path] | None, Field(min_length=1), BeforeValidator(_listed)] = None
    path: ConfiguredPath | None = None
    spread_ticks: Annotated[int, Field(strict=True, ge=1)] = 1
    size: ConfiguredSize | None = None
    speed: Annotated[float, Field(gt=0)] = 1.0
    start: Annotated[int | None, BeforeValidator(_moment), Field(ge=0, le=LAST_MS)] = None
    live: _Path | None = None
    symbols: Annotated[list[_Path], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_one_of_two(self) -> ConfiguredFeed:
        if (self.files is None) == (self.live is None):
            raise ValueError("feed: expected either files or live")
        other, goes_with = (_OF_FILES, "files") if self.live is not None else (_OF_LIVE, "live")
        for name in sorted(self.model_fields_set & other):
            raise ValueError(f"feed.{name}: goes with {goes_with}")
        if self.live is not None and self.symbols is None:
            raise ValueError("feed.symbols: expected the symbols to follow")
        return self

    def recording(self) -> FileFeed | None:
        """The feed of the files; None of a live one.

        :raises ValueError: a file or a parameter that cannot be used, or a start not within the files
        """
        if self.files is None:
            return None
        feed = FileFeed(
            self.files,
            path=None if self.path is None else self.path.make(),
            spread_ticks=self.spread_ticks,
            size=None if self.size is None else self.size.make(),
        )
        if self.start is not None:
            self._check_start(self.start, feed)
        return feed

    def _check_start(self, start: int, feed: FileFeed) -> None:
        """Before the files there is no price; behind them it stands still, and orders would fill at it."""
        first, last = min(feed.begins_ms.values()), feed.end_ms
        if not first <= start <= last:
            span = f"{format_time(first)} to {format_time(last)}"
            raise ValueError(f"feed.start: expected a time of the files, {span}, got {format_time(start)}")


_OF_FILES: Final = frozenset({"files", "path", "spread_ticks", "size", "speed", "start"})
_OF_LIVE: Final = frozenset({"live", "symbols"})


class ConfiguredSynthetic(_Table):
    """Regimes, gaps and halts of synthetic prices; see `Synthetic`, which checks them."""

    regimes: Any = False
    gaps_per_month: Any = 0
    halt_minutes: Any = 0

    @model_validator(mode="after")
    def _makes_sense(self) -> ConfiguredSynthetic:
        self.make()
        return self

    def make(self) -> Synthetic:
        """What is chosen."""
        return Synthetic(**self.model_dump())


class Config(_Table):
    """The tables of the file; `options` are those of `OPTIONS` that it gives, as they stand there.

    :param accounts: as of `EmbeddedOms`, which checks them; so are the strategies
    :param fees: by symbol, and under `default` those of all other markets
    :param limits: as of `EmbeddedOms.configure`, which checks them; so are the sessions
    """

    options: dict[str, Any] = Field(default_factory=dict)
    accounts: list[dict[str, Any]] | None = None
    strategies: list[int | dict[str, Any]] | None = None
    keys: list[ConfiguredKey] = Field(default_factory=list)
    fees: dict[str, ConfiguredFees] = Field(default_factory=dict)
    feed: ConfiguredFeed | None = None
    synthetic: ConfiguredSynthetic | None = None
    models: ConfiguredModels = Field(default_factory=ConfiguredModels)
    limits: list[dict[str, Any]] = Field(default_factory=list)
    sessions: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _labels_are_unique(self) -> Config:
        labels = [key.label for key in self.keys]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"keys: the label {label!r} is given twice")
        return self

    def markets(self, listed: Sequence[Market]) -> list[Market]:
        """Markets with these fees.

        :param listed: the markets
        :raises ValueError: fees of another one
        """
        symbols = {market.symbol for market in listed}
        for symbol in sorted(self.fees.keys() - symbols - {_EVERY_MARKET}):
            raise ValueError(f"fees.{symbol}: {one_of({_EVERY_MARKET, *symbols}, symbol)}")
        return [self._with_fees(market) for market in listed]

    def _with_fees(self, market: Market) -> Market:
        given: dict[str, Decimal] = {}
        for name in (_EVERY_MARKET, market.symbol):
            fees = self.fees.get(name)
            if fees is not None:
                given |= {kind: fee for kind, fee in fees if fee is not None}
        return replace(market, **given)  # type: ignore[arg-type]  # maker and taker


def read(path: Path) -> Config:
    """Read a file.

    :raises ValueError: it is no TOML, or says what makes no sense, naming the field
    """
    try:
        given: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    options = {name: value for name, value in given.items() if name in OPTIONS}
    tables = {name: value for name, value in given.items() if name not in OPTIONS}
    if "options" in tables:
        raise ValueError(f"{path}: options: unknown; options stand at the top of the file")
    for name, value in options.items():
        if not _fits(OPTIONS[name], value):
            raise ValueError(f"{path}: {name}: expected {_WORDS[OPTIONS[name]]}, got {value!r}")
    try:
        return Config.model_validate(tables | {"options": options})
    except ValidationError as error:
        raise ValueError(f"{path}: {_in_words(error)}") from error


def _in_words(error: ValidationError) -> str:
    """The first thing that is wrong, with its field, in words of this file."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"] if not _names_a_class(part))
    text = first["msg"].removeprefix("Value error, ")
    kind, context = first["type"], first.get("ctx", {})
    if kind == "extra_forbidden":
        text = "unknown"
        if len(first["loc"]) == 1:
            text += f"; expected one of {', '.join(sorted({*OPTIONS, *Config.model_fields} - {'options'}))}"
    elif kind == "missing":
        text = "is missing"
    elif kind == "union_tag_invalid":
        text = f"expected one of {context['expected_tags']}, got {context['tag']!r}"
    elif kind == "union_tag_not_found":
        field, text = f"{field}.model", "is missing"
    elif kind in ("literal_error", "enum"):
        text = f"expected {context['expected']}, got {first['input']!r}"
    elif kind in _KINDS:
        text = f"expected {_KINDS[kind]}, got {first['input']!r}"
    return text if not field or text.startswith((f"{field}:", f"{field}.")) else f"{field}: {text}"


def _fits(kind: type, value: object) -> bool:
    """Whether the command can read an option: a text is read as if it stood on the command line."""
    return type(value) in (kind, str) or (kind is float and type(value) is int)


def _names_a_class(part: int | str) -> bool:
    """Whether a part of a path is pydantic's own: the tag of a model, or the type of one of two forms."""
    return isinstance(part, str) and ((part[:1].isupper() and "/" not in part) or "[" in part)
