"""What a server is to be, from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ccxt_driver.contract.values import parse_decimal
from ccxt_driver.oms.market.listing import DEFAULT_MARKETS, Market

OPTIONS: Final = (
    *("host", "port", "db", "seed", "tls_cert", "tls_key", "rate_limit", "rate_burst"),
    *("max_body", "max_frame", "metrics", "access_log", "log_format"),
)
"""What may be said on the command line too, with the same words; there it beats the file."""
_EVERY_MARKET: Final = "default"

_Fee = Annotated[Decimal, BeforeValidator(parse_decimal)] | None


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


class Config(_Table):
    """The tables of the file; `options` are those of `OPTIONS` that it gives, as they stand there.

    :param accounts: as of `EmbeddedOms`, which checks them; so are the strategies
    :param fees: by symbol, and under `default` those of all other markets
    """

    options: dict[str, Any] = Field(default_factory=dict)
    accounts: list[dict[str, Any]] | None = None
    strategies: list[int | dict[str, Any]] | None = None
    keys: list[ConfiguredKey] = Field(default_factory=list)
    fees: dict[str, ConfiguredFees] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _labels_are_unique(self) -> Config:
        labels = [key.label for key in self.keys]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"keys: the label {label!r} is given twice")
        return self

    @model_validator(mode="after")
    def _fees_are_of_markets(self) -> Config:
        listed = {market.symbol for market in DEFAULT_MARKETS}
        for symbol in self.fees.keys() - listed - {_EVERY_MARKET}:
            raise ValueError(f"fees.{symbol}: expected {_EVERY_MARKET}, {', '.join(sorted(listed))}")
        return self

    def markets(self) -> list[Market] | None:
        """The default ones with these fees; None when no fees are given.

        :raises ValueError: a fee that makes no sense
        """
        return [self._with_fees(market) for market in DEFAULT_MARKETS] if self.fees else None

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
    try:
        return Config.model_validate(tables | {"options": options})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        text = ": ".join(part for part in (field, first["msg"].removeprefix("Value error, ")) if part)
        raise ValueError(f"{path}: {text}") from error
