"""Takes from a stage what a report is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ccxt_driver.contract.values import parse_time
from ccxt_driver.oms.market.feed import Marks
from ccxt_driver.oms.market.listing import Market

from .clock import NS_PER_MS
from .run import Run
from .running import Ending
from .stage import Stage


def collect(stage: Stage, ending: Ending) -> Run:
    """The finished run of a stage."""
    settings = stage.settings
    history = stage.oms.history_of(settings.account_id)
    start_ms, end_ms = stage.clock.start_ns // NS_PER_MS, stage.clock.now_ms()
    return Run(
        name=Path(settings.script).name,
        start_ms=start_ms,
        end_ms=end_ms,
        ended=ending.ended,
        error=ending.error,
        currency=settings.equity_currency(),
        seed=settings.seed,
        assumptions=_assumptions(stage),
        markets={market.symbol: market for market in stage.markets},
        account_id=settings.account_id,
        orders=history.orders,
        deals=history.deals,
        positions=history.positions,
        ledger=history.ledger,
        prices={m.symbol: stage.recorded.prices(m.symbol, start_ms, end_ms) for m in stage.markets},
        path_deals=frozenset(deal["id"] for deal in history.deals if _on_path(stage, deal)),
        data=stage.feed.report(),
    )


def _on_path(stage: Stage, deal: dict[str, Any]) -> bool:
    """Whether a deal was made while the price was inside a candle, where nobody knows how it moved."""
    is_inside: bool = stage.recorded.is_inside_candle(deal["symbol"], parse_time(deal["executed_at"]))
    return is_inside


def _assumptions(stage: Stage) -> dict[str, str]:
    settings = stage.settings
    queues = {None: "fill when the price goes through them", "front": "fill first at their price"}
    queue = queues.get(settings.queue, "fill after all that the book showed before them")
    swaps = [market for market in stage.markets if market.settle is not None]
    return _of_swaps(stage, swaps) | {
        "price inside candles": settings.path,
        "quantity": settings.volume,
        "spread": f"{settings.spread_ticks} ticks where the data has no book",
        "resting orders": queue,
        "latency": f"{settings.latency_ms} ms",
        "fees": f"maker {settings.maker or 'of the market'}, taker {settings.taker or 'of the market'}",
        "position mode": settings.position_mode,
    }


def _of_swaps(stage: Stage, swaps: Sequence[Market]) -> dict[str, str]:
    """Where funding rates and mark prices come from; nothing where there are no swaps."""
    if not swaps:
        return {}
    feed = stage.feed
    rates = {
        market.symbol: f"{market.funding_rate:f} every {market.funding_hours} h"
        if feed.fundings(market.symbol) is None
        else "as in the files"
        for market in swaps
    }
    marks = {market.symbol: feed.marks(market.symbol) for market in swaps}
    prices = {symbol: _mark_source(each) for symbol, each in marks.items()}
    return {"funding": _listed(rates), "mark price": _listed(prices)}


def _mark_source(marks: Marks | None) -> str:
    if marks is None:
        return "the last price"
    return "as in the files" if marks.is_fine else "the last price, for funding as in the files"


def _listed(texts: dict[str, str]) -> str:
    """What holds of which symbols."""
    symbols: dict[str, list[str]] = {}
    for symbol, text in texts.items():
        symbols.setdefault(text, []).append(symbol)
    return "; ".join(f"{text}: {', '.join(each)}" for text, each in symbols.items())
