"""The models that paper fills stand on, each named by what it assumes: see `EmbeddedOms(models=...)`."""

from __future__ import annotations

from dataclasses import dataclass, field

from .matching.fees import (
    DiscountedFee,
    Fee,
    FeeModel,
    MakerTakerQuoteFee,
    ReceivedCurrencyFee,
    ThirdCurrencyFee,
    Traded,
)
from .matching.latency import FixedLatency, LatencyModel, RandomLatency
from .matching.queues import BehindVolume, FrontOfQueue, QueueModel, RandomPlace, Share
from .matching.self_trade import SelfTrade

__all__ = [
    "BehindVolume",
    "DiscountedFee",
    "Fee",
    "FeeModel",
    "FixedLatency",
    "FrontOfQueue",
    "LatencyModel",
    "MakerTakerQuoteFee",
    "Models",
    "QueueModel",
    "RandomLatency",
    "RandomPlace",
    "ReceivedCurrencyFee",
    "SelfTrade",
    "Share",
    "ThirdCurrencyFee",
    "Traded",
]


@dataclass(frozen=True, slots=True)
class Models:
    """What the paper venue assumes.

    :param fees: what a fill costs
    :param self_trade: what happens when an order meets another one of its account
    :param queue: where a resting order stands at its price; None fills it only when the market goes through
    :param latency: how long an order is on its way; None for no time
    """

    fees: FeeModel = field(default_factory=MakerTakerQuoteFee)
    self_trade: SelfTrade = SelfTrade.CANCEL_TAKER
    queue: QueueModel | None = None
    latency: LatencyModel | None = None
