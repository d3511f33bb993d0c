"""Sets up the OMS that replays, and has everything in this process that knows ccxt stand on it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from ccxt_driver.contract.values import format_time
from ccxt_driver.oms.market.bar_paths import bar_path
from ccxt_driver.oms.market.book_sizes import book_size
from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.oms.market.listing import Market
from ccxt_driver.oms.models import BehindVolume, FixedLatency, FrontOfQueue, Models, QueueModel
from ccxt_driver.oms.service import EmbeddedOms

from .clock import VirtualClock
from .finer_candles import FinerCandles
from .market import RecordedMarket
from .own_names import USUAL_ACCOUNT, USUAL_STRATEGIES, OwnNames
from .replay import Replay
from .report.valuation import chains_to
from .settings import Settings
from .trips import Trips

_ENVIRONMENT: Final = "CCXT_OMS_"


class Stage:
    """One run's feed, OMS and clock.

    :param settings: of the run
    :raises BadFile: a file that cannot be used
    :raises ValueError: settings that contradict each other or the data
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.feed = FileFeed(
            settings.data,
            path=bar_path(settings.path),
            spread_ticks=settings.spread_ticks,
            size=book_size(settings.volume),
        )
        self.recorded = RecordedMarket(self.feed)
        self.moved: dict[str, tuple[int, str]] = {}
        """Of `begins` and `ends` those that are not as the settings say: when it is instead, and why."""
        start_ms, end_ms = self._span()
        self.clock = VirtualClock(start_ms, end_ms)
        self.markets = _markets(self.feed.markets, settings.maker, settings.taker)
        _check_currency(self.markets, settings)
        account = {
            "account_id": settings.account_id or USUAL_ACCOUNT,
            "position_mode": settings.position_mode,
            "balances": {**dict.fromkeys(_currencies(self.markets), Decimal(0)), **settings.balances},
        }
        self.oms = EmbeddedOms(
            accounts=[account],
            seed=settings.seed,
            clock=self.clock,
            markets=self.markets,
            strategies=USUAL_STRATEGIES if settings.strategies is None else settings.strategies,
            feed=self.feed,
            models=Models(queue=_queue(settings.queue), latency=_latency(settings.latency_ms)),
        )
        self.oms.stand_still_from(end_ms)
        self.names = OwnNames(self.oms, settings, account)
        finer = FinerCandles(self.feed)
        self.replay = Replay(self.oms, self.clock, self.recorded, settings.seed, finer, settings.request_ms)

    def _span(self) -> tuple[int, int]:
        """When the run begins and ends: not before nor after the data."""
        begins_ms = self.feed.begins_ms.values()
        first_ms = max(begins_ms) if self.settings.begin == "all" else min(begins_ms)
        last_ms = self.feed.end_ms
        wanted_ms, until_ms = self.settings.start_ms, self.settings.end_ms
        start_ms = first_ms if wanted_ms is None else max(wanted_ms, first_ms)
        end_ms = last_ms if until_ms is None else min(until_ms, last_ms)
        if not start_ms < end_ms:
            raise ValueError(
                f"start_ms, end_ms: expected times within the data, {format_time(first_ms)} to "
                f"{format_time(last_ms)}, the start before the end, got "
                f"{format_time(start_ms if wanted_ms is None else wanted_ms)} to "
                f"{format_time(end_ms if until_ms is None else until_ms)}"
            )
        if wanted_ms is not None and wanted_ms < first_ms:
            self.moved["begins"] = (first_ms, f"with the data, not at {format_time(wanted_ms)}")
        # The last millisecond before a whole day is what is meant by that day.
        if until_ms is not None and until_ms > last_ms + 1:
            self.moved["ends"] = (last_ms, f"with the data, not at {format_time(until_ms)}")
        return start_ms, end_ms

    def serve_ccxt(self) -> None:
        """Have every exchange id and every class of the driver be this OMS, in this process, from now on."""
        import ccxt

        import ccxt_driver
        from ccxt_driver import async_support, pro, registering
        from ccxt_driver.embedded import stand_on

        from .exchange import ReplayExchange, ReplayProExchange, refuse_venues, take_part

        refuse_venues()
        settings = self.settings
        trips = Trips(settings.latency_ms, settings.acknowledge_ms, settings.fill_ms)
        take_part(self.replay, self.recorded, self.names, trips)
        stand_on(self.oms)
        for name in [name for name in os.environ if name.startswith(_ENVIRONMENT)]:
            if name != "CCXT_OMS_STRATEGY_ID":
                del os.environ[name]
        os.environ["CCXT_OMS_BASE_URL"] = "embedded:"
        os.environ["CCXT_OMS_ACCOUNT_ID"] = str(self.names.account_id)
        registering.serve_with(ReplayExchange, ReplayProExchange)
        others = [name for name in ccxt.exchanges if name != "oms"]
        registering.at_import("oms", others)
        registering.put_into_loaded()
        modules: list[Any] = [(ccxt_driver, "OmsCcxtExchange", ReplayExchange)]
        modules += [(ccxt_driver, "OmsCcxtProExchange", ReplayProExchange)]
        modules += [(module, "OmsCcxtExchange", ReplayProExchange) for module in (async_support, pro)]
        for module, name, kind in modules:
            setattr(module, name, kind)


def _currencies(markets: Sequence[Market]) -> list[str]:
    """What an account may come to have: scripts look up coins that they do not have yet."""
    found = {code for market in markets for code in (market.base, market.quote) if market.settle is None}
    return sorted(found | {market.settle for market in markets if market.settle is not None})


def _check_currency(markets: Sequence[Market], settings: Settings) -> None:
    """Refuse to count equity in what nothing of the account can be valued in."""
    currency = settings.equity_currency()
    held = [code for code, amount in settings.balances.items() if amount] or [*settings.balances]
    if not any(code in chains_to(currency, markets) for code in held):
        known = sorted({code for each in held for code in chains_to(each, markets)})
        raise ValueError(
            f"currency: expected one that prices lead to from {', '.join(held)}: {', '.join(known)}; "
            f"got {currency!r}"
        )


def _queue(name: str | None) -> QueueModel | None:
    if name is None:
        return None
    return FrontOfQueue() if name == "front" else BehindVolume()


def _latency(milliseconds: int) -> FixedLatency | None:
    return FixedLatency(milliseconds) if milliseconds else None


def _markets(markets: Sequence[Market], maker: Decimal | None, taker: Decimal | None) -> list[Market]:
    """The markets of the data, with the fees of the run."""
    return [
        replace(
            market,
            maker=market.maker if maker is None else maker,
            taker=market.taker if taker is None else taker,
        )
        for market in markets
    ]
