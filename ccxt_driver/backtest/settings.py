"""What a run is made with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from ccxt_driver.contract.rows import PositionMode
from ccxt_driver.exchange.served_id import says_secret
from ccxt_driver.oms.market.bar_paths import BAR_PATHS, bar_path
from ccxt_driver.oms.market.book_sizes import BOOK_SIZES, book_size

COMMANDS: Final = "commands.jsonl"
SETTINGS: Final = "settings.json"
"""Files of a run's folder beside its report: what the script commanded, and what the run was made with."""
FAILED: Final = 1
UNUSABLE: Final = 2
INTERRUPTED: Final = 130
"""Exit codes of a run: the script has failed; it could not begin; somebody has pressed Ctrl-C."""
_MODES: Final = tuple(mode.value for mode in PositionMode)
_HIDDEN: Final = "***"
_QUEUES: Final = ("front", "behind")
_LATER: Final = ("acknowledge_ms", "fill_ms")
_BEGINNINGS: Final = ("first", "all")


class Settings(BaseModel):
    """The same settings, script and data give the same run.

    :param script: path of the script
    :param arguments: what the script finds in `sys.argv`
    :param environment: what the script finds in `os.environ`, beside what is there
    :param data: files and folders of market data
    :param start_ms: where virtual time begins, milliseconds since the Unix epoch; None: with the data
    :param end_ms: where it ends, None: with the data
    :param begin: when the data begins: with the `first` symbol that has a price, or when `all` have one
    :param balances: what the account has, by currency, exact
    :param account_id: its number in the OMS; None: the one that the script names, or else 1
    :param position_mode: netting, hedge or strategy_netting
    :param strategies: numbers of the strategies that the script may name; None: any, beside 1 to 3
    :param maker: fee of resting orders as a fraction, exact; None: that of each market
    :param taker: fee of others
    :param seed: of all chance: of the models, and of Python's `random` and hashes in the script
    :param path: how candles move inside, one of `BAR_PATHS`
    :param volume: how much can be had at a time, one of `BOOK_SIZES`, such as `share-of-volume:0.1`
    :param spread_ticks: between bid and ask where the data has no book
    :param latency_ms: how long an order is on its way
    :param acknowledge_ms: how long the answer to an order, a change or a cancel is on its way back from the
        market, after `latency_ms` there; 0: it comes at once
    :param fill_ms: after how long those who watch hear of what has happened on the account
    :param request_ms: what each request takes; with 0 a thousand at a moment take nothing, others 50
    :param queue: whether what rests fills when trades touch its price (`front`), when they are through with
        what rested there before (`behind`), or when the price goes through them (None)
    :param currency: what equity is counted in; None: the first of the balances
    :param out: the folder of the report
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    script: str
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    data: tuple[str, ...] = Field(min_length=1)
    start_ms: int | None = Field(None, ge=0)
    end_ms: int | None = Field(None, ge=0)
    begin: str = _BEGINNINGS[0]
    balances: dict[str, Decimal] = Field({"USDT": Decimal(10_000)}, min_length=1)
    account_id: int | None = Field(None, gt=0)
    position_mode: str = "netting"
    strategies: tuple[int, ...] | None = None
    maker: Decimal | None = Field(None, gt=-1, lt=1)
    taker: Decimal | None = Field(None, gt=-1, lt=1)
    seed: int = 0
    path: str = next(iter(BAR_PATHS))
    volume: str = BOOK_SIZES[0]
    spread_ticks: int = Field(1, ge=1)
    latency_ms: int = Field(0, ge=0)
    acknowledge_ms: int = Field(0, ge=0)
    fill_ms: int = Field(0, ge=0)
    request_ms: int = Field(0, ge=0)
    queue: str | None = None
    currency: str | None = None
    out: str

    @field_validator("path")
    @classmethod
    def _known_path(cls, value: str) -> str:
        bar_path(value)
        return value

    @field_validator("volume")
    @classmethod
    def _known_volume(cls, value: str) -> str:
        book_size(value)
        return value

    @field_validator("position_mode")
    @classmethod
    def _known_mode(cls, value: str) -> str:
        return _one_of("position_mode", value, _MODES)

    @field_validator("begin")
    @classmethod
    def _known_beginning(cls, value: str) -> str:
        return _one_of("begin", value, _BEGINNINGS)

    @field_validator("queue")
    @classmethod
    def _known_queue(cls, value: str | None) -> str | None:
        return value if value is None else _one_of("queue", value, _QUEUES)

    @model_serializer(mode="wrap")
    def _without_later_ones(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A run without them is written down as before there were these: it is the same run."""
        written: dict[str, Any] = write(self)
        return {name: value for name, value in written.items() if value or name not in _LATER}

    def without_secrets(self) -> Settings:
        """The same without the values of arguments and variables whose names say that they are secret."""
        return self.model_copy(
            update={
                "arguments": (*_hidden_arguments(self.arguments),),
                "environment": {
                    name: _HIDDEN if says_secret(name) else value for name, value in self.environment.items()
                },
            }
        )

    def equity_currency(self) -> str:
        """What equity is counted in."""
        return self.currency or next(iter(self.balances))


def _hidden_arguments(arguments: Iterable[str]) -> Iterator[str]:
    """Arguments as `--api-key VALUE` and `--api-key=VALUE` without these values."""
    is_value = False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        says = argument.startswith("-") and says_secret(name.lstrip("-"))
        if is_value and not argument.startswith("-"):
            yield _HIDDEN
        else:
            yield f"{name}={_HIDDEN}" if says and equals else argument
        is_value = says and not equals


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
    return str(value)
