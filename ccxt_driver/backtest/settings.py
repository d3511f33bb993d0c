"""What a run is made with."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

PATHS: Final = ("open-high-low-close", "open-low-high-close", "near-extreme-first", "worst-first", "worst-first-short")
"""How the price moves inside a candle; see `docs/recorded-markets.md`."""


class Settings(BaseModel):
    """The same settings, script and data give the same run.

    :param script: path of the script
    :param arguments: what the script finds in `sys.argv`
    :param data: files and folders of market data
    :param start_ms: where virtual time begins, milliseconds since the Unix epoch; None: with the data
    :param end_ms: where it ends, None: with the data
    :param balances: what the account has, by currency, exact
    :param account_id: its number in the OMS
    :param position_mode: netting, hedge or strategy_netting
    :param strategies: numbers of the strategies that the script may name
    :param maker: fee of resting orders as a fraction, exact; None: that of each market
    :param taker: fee of others
    :param seed: of all chance: of the models, and of Python's `random` and hashes in the script
    :param path: how candles move inside, one of `PATHS`
    :param volume_share: how much of what traded may be had at a time; None: any quantity
    :param spread_ticks: between bid and ask where the data has no book
    :param latency_ms: how long an order is on its way
    :param queue: whether resting orders fill when the price only touches them (`front`), after what rested before
        them has traded (`behind`), or when it goes through them (None)
    :param currency: what equity is counted in; None: the first of the balances
    :param out: the folder of the report
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    script: str
    arguments: tuple[str, ...] = ()
    data: tuple[str, ...] = Field(min_length=1)
    start_ms: int | None = Field(None, ge=0)
    end_ms: int | None = Field(None, ge=0)
    balances: dict[str, Decimal] = Field(default={"USDT": Decimal(10_000)}, min_length=1)
    account_id: int = Field(1, gt=0)
    position_mode: str = "netting"
    strategies: tuple[int, ...] = (1, 2, 3)
    maker: Decimal | None = Field(None, gt=-1, lt=1)
    taker: Decimal | None = Field(None, gt=-1, lt=1)
    seed: int = 0
    path: str = PATHS[0]
    volume_share: Decimal | None = Field(None, gt=0, le=1)
    spread_ticks: int = Field(1, ge=1)
    latency_ms: int = Field(0, ge=0)
    queue: str | None = None
    currency: str | None = None
    out: str

    @field_validator("path")
    @classmethod
    def _known_path(cls, value: str) -> str:
        return _one_of("path", value, PATHS)

    @field_validator("position_mode")
    @classmethod
    def _known_mode(cls, value: str) -> str:
        return _one_of("position_mode", value, ("netting", "hedge", "strategy_netting"))

    @field_validator("queue")
    @classmethod
    def _known_queue(cls, value: str | None) -> str | None:
        return value if value is None else _one_of("queue", value, ("front", "behind"))

    def equity_currency(self) -> str:
        """What equity is counted in."""
        return self.currency or next(iter(self.balances))


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
    return str(value)
