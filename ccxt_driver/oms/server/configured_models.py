"""The models that paper fills assume, by their names in a configuration file.

A name alone will do where a model has no parameters that it needs: `queue = "BehindVolume"`, or
`latency = { model = "FixedLatency", send_ms = 50 }`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ccxt_driver.contract.values import parse_decimal
from ccxt_driver.oms import models
from ccxt_driver.oms.market import bar_paths, book_sizes


def _named(value: object) -> object:
    return {"model": value} if isinstance(value, str) else value


_Number = Annotated[Decimal, BeforeValidator(parse_decimal)]
_Whole = Annotated[int, Field(strict=True)]
_Choice = (Field(discriminator="model"), BeforeValidator(_named))


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


# ------------------------------------------------------------------ fees


class _MakerTaker(_Model):
    model: Literal["MakerTakerQuoteFee"]

    def make(self) -> models.FeeModel:
        return models.MakerTakerQuoteFee()


class _Received(_Model):
    model: Literal["ReceivedCurrencyFee"]

    def make(self) -> models.FeeModel:
        return models.ReceivedCurrencyFee()


class _Discounted(_Model):
    model: Literal["DiscountedFee"]
    share: _Number
    of: _Fees | None = None

    def make(self) -> models.FeeModel:
        return models.DiscountedFee(self.share, None if self.of is None else self.of.make())


class _Third(_Model):
    model: Literal["ThirdCurrencyFee"]
    code: str
    of: _Fees | None = None

    def make(self) -> models.FeeModel:
        return models.ThirdCurrencyFee(self.code, None if self.of is None else self.of.make())


_Fees = Annotated[_MakerTaker | _Received | _Discounted | _Third, *_Choice]

# ------------------------------------------------------------------ queue and latency


class _Front(_Model):
    model: Literal["FrontOfQueue"]

    def make(self) -> models.QueueModel:
        return models.FrontOfQueue()


class _Behind(_Model):
    model: Literal["BehindVolume"]

    def make(self) -> models.QueueModel:
        return models.BehindVolume()


class _RandomPlace(_Model):
    model: Literal["RandomPlace"]
    seed: _Whole

    def make(self) -> models.QueueModel:
        return models.RandomPlace(self.seed)


class _FixedLatency(_Model):
    model: Literal["FixedLatency"]
    send_ms: _Whole

    def make(self) -> models.LatencyModel:
        return models.FixedLatency(self.send_ms)


class _RandomLatency(_Model):
    model: Literal["RandomLatency"]
    least_ms: _Whole
    most_ms: _Whole
    seed: _Whole

    def make(self) -> models.LatencyModel:
        return models.RandomLatency(self.least_ms, self.most_ms, self.seed)


class ConfiguredModels(_Model):
    """The table `[models]`: see `Models`."""

    fees: _Fees = _MakerTaker(model="MakerTakerQuoteFee")
    queue: Annotated[_Front | _Behind | _RandomPlace, *_Choice] | None = None
    latency: Annotated[_FixedLatency | _RandomLatency, *_Choice] | None = None
    self_trade: models.SelfTrade = models.SelfTrade.CANCEL_TAKER

    def make(self) -> models.Models:
        """The models.

        :raises ValueError: a parameter that makes no sense
        """
        made: dict[str, Any] = {}
        for name in ("fees", "queue", "latency"):
            wanted = getattr(self, name)
            try:
                made[name] = wanted and wanted.make()
            except ValueError as error:
                raise ValueError(f"models.{name}.{error}") from error
        return models.Models(self_trade=self.self_trade, **made)


# ------------------------------------------------------------------ what files do not say


class _HighFirst(_Model):
    model: Literal["OpenHighLowClose"]

    def make(self) -> bar_paths.BarPath:
        return bar_paths.OpenHighLowClose()


class _LowFirst(_Model):
    model: Literal["OpenLowHighClose"]

    def make(self) -> bar_paths.BarPath:
        return bar_paths.OpenLowHighClose()


class _NearFirst(_Model):
    model: Literal["NearExtremeFirst"]

    def make(self) -> bar_paths.BarPath:
        return bar_paths.NearExtremeFirst()


class _WorstFirst(_Model):
    model: Literal["WorstFirst"]
    holding: Literal["long", "short"]

    def make(self) -> bar_paths.BarPath:
        return bar_paths.WorstFirst(self.holding)


class _Unlimited(_Model):
    model: Literal["Unlimited"]

    def make(self) -> book_sizes.BookSize:
        return book_sizes.Unlimited()


class _ShareOfPrint(_Model):
    model: Literal["ShareOfPrint"]
    share: _Number

    def make(self) -> book_sizes.BookSize:
        return book_sizes.ShareOfPrint(self.share)


ConfiguredPath = Annotated[_HighFirst | _LowFirst | _NearFirst | _WorstFirst, *_Choice]
"""The way of the price inside a candle: see `bar_paths`."""

ConfiguredSize = Annotated[_Unlimited | _ShareOfPrint, *_Choice]
"""How much rests where files have no book: see `FileFeed`."""
