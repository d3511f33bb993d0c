"""Takes from a stage what a report is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from ccxt_driver.contract.values import format_decimal, format_time, parse_time
from ccxt_driver.oms.service import History

from .clock import NS_PER_MS
from .position_prices import position_prices
from .report.valuation import chains_to
from .run import Prices, Run
from .running import Ending
from .settings import Settings
from .stage import Stage
from .swap_assumptions import swap_assumptions
from .thinning import cuts_at


def collect(stage: Stage, ending: Ending) -> Run:
    """The finished run of a stage."""
    settings = stage.settings
    history = stage.oms.history_of(stage.names.account_id)
    start_ms, end_ms = stage.clock.start_ns // NS_PER_MS, stage.clock.now_ms()
    bad = stage.feed.reach(end_ms)
    moments = _moments(history)
    cuts = cuts_at(moments)
    prices = {
        symbol: stage.recorded.prices(symbol, start_ms, end_ms, cuts) for symbol in _telling(stage, history)
    }
    return Run(
        name=Path(settings.script).name,
        start_ms=start_ms,
        end_ms=end_ms,
        ended=ending.ended,
        error=ending.error,
        currency=settings.equity_currency(),
        seed=settings.seed,
        assumptions=swap_assumptions(stage.feed, stage.markets, start_ms, end_ms)
        | _assumptions(stage)
        | _after_the_end(history, stage.replay.end_ms)
        | _bad(bad),
        markets={market.symbol: market for market in stage.markets},
        account_id=stage.names.account_id,
        orders=history.orders,
        deals=history.deals,
        positions=history.positions,
        ledger=history.ledger,
        prices=prices,
        position_prices=_position_prices(stage, history, prices, moments, (start_ms, end_ms)),
        path_deals=_path_deals(stage, history.deals),
        gap_deals=_gap_deals(stage, history, start_ms),
        data=stage.feed.report(),
    )


def _moments(history: History) -> list[int]:
    """When the account has changed, ascending."""
    found = {parse_time(deal["executed_at"]) for deal in history.deals}
    return sorted(found.union(entry.created_at for entry in history.ledger))


def _telling(stage: Stage, history: History) -> list[str]:
    """The symbols whose prices a report needs: there were orders on them, or money is valued by them."""
    now_ms, begins_ms = stage.clock.now_ms(), stage.feed.begins_ms
    priced = [market for market in stage.markets if begins_ms[market.symbol] <= now_ms]
    chains = chains_to(stage.settings.equity_currency(), priced)
    found = {order["symbol"] for order in history.orders}
    codes = {entry.currency for entry in history.ledger}
    for market in priced:
        if market.symbol in found:
            codes |= {market.base, market.quote, market.settle or market.quote}
    return sorted(found.union(link.symbol for code in codes for link in chains.get(code, ())))


def _position_prices(
    stage: Stage,
    history: History,
    prices: Mapping[str, Prices],
    moments: Sequence[int],
    span: tuple[int, int],
) -> dict[str, Prices]:
    """What positions were valued at, of the swaps that were traded and have mark prices; see `Run`."""
    traded = {deal["symbol"] for deal in history.deals}
    found = {
        market.symbol: position_prices(stage.feed, market, prices[market.symbol], moments, span)
        for market in stage.markets
        if market.symbol in traded and stage.feed.marks(market.symbol) is not None
    }
    return {symbol: each for symbol, each in found.items() if each is not None}


def _path_deals(stage: Stage, deals: Iterable[Mapping[str, Any]]) -> frozenset[int]:
    """Deals that were made while the price was inside a candle, where nobody knows how it moved."""
    recorded = stage.recorded
    if not any(recorded.has_candles(market.symbol) for market in stage.markets):
        return frozenset()
    return frozenset(
        deal["id"]
        for deal in deals
        if recorded.is_inside_candle(deal["symbol"], parse_time(deal["executed_at"]))
    )


def _gap_deals(stage: Stage, history: History, start_ms: int) -> dict[int, str]:
    """The deals that hang on a gap of the data; see `Run`."""
    recorded, end_ms = stage.recorded, stage.clock.now_ms()
    symbols = {market.symbol for market in stage.markets if recorded.has_gaps(market.symbol, end_ms)}
    if not symbols:
        return {}
    found: dict[int, str] = {}
    jumped: list[tuple[int, int, int]] = []
    for deal in history.deals:
        symbol = deal["symbol"]
        if symbol not in symbols:
            continue
        at_ms = parse_time(deal["executed_at"])
        if recorded.is_in_gap(symbol, at_ms):
            found[deal["id"]] = "inside"
        elif at_ms > start_ms and recorded.is_in_gap(symbol, at_ms - 1):
            jumped.append((deal["id"], deal["order_id"], at_ms))
    if jumped:  # those of orders that were there before, not of those that were sent at that moment
        sent_ms = {order["id"]: parse_time(order["created_at"]) for order in history.orders}
        found |= {deal: "after" for deal, order, at_ms in jumped if sent_ms[order] < at_ms}
    return found


def _after_the_end(history: History, end_ms: int) -> dict[str, str]:
    """What a script has ordered when the data had ended: it closes its positions, or goes on regardless."""
    sent = sum(parse_time(order["created_at"]) >= end_ms for order in history.orders)
    return {"orders after the end": f"{sent}, at the last prices of the data"} if sent else {}


def _bad(paths: Iterable[str]) -> dict[str, str]:
    said = "up to one that makes no sense; none after it was looked at"
    return {f"rows of {Path(path).name}": said for path in paths}


def _latency(settings: Settings) -> str:
    said = f"{settings.latency_ms} ms"
    if settings.acknowledge_ms:
        said += f", {settings.acknowledge_ms} ms back"
    if settings.fill_ms:
        said += f", {settings.fill_ms} ms until streams are told"
    return said


def _fee(rate: Decimal | None) -> str:
    return "of the market" if rate is None else format_decimal(rate)


def _assumptions(stage: Stage) -> dict[str, str]:
    settings = stage.settings
    queues = {None: "fill when the price goes through them", "front": "fill first at their price"}
    queue = queues.get(settings.queue, "fill after all that the book showed before them")
    return {
        "price inside candles": settings.path,
        "quantity": settings.volume,
        "spread": f"{settings.spread_ticks} ticks where the data has no book",
        "resting orders": queue,
        "latency": _latency(settings),
        "fees": f"maker {_fee(settings.maker)}, taker {_fee(settings.taker)}",
        "position mode": settings.position_mode,
        **({"requests": f"{settings.request_ms} ms each"} if settings.request_ms else {}),
        **_late_symbols(stage),
        **stage.replay.finer.assumptions(),
        **{word: text for word, (_, text) in stage.moved.items()},
    }


def _late_symbols(stage: Stage) -> dict[str, str]:
    """Which symbols have no price as the run begins, and from when on they have one."""
    start_ms, end_ms = stage.clock.start_ns // NS_PER_MS, stage.clock.now_ms()
    return {
        f"begins {symbol}": (
            f"at {format_time(begins_ms)}; what was held of it before is valued at its first price"
            if begins_ms <= end_ms
            else "after the run: it had no price"
        )
        for symbol, begins_ms in stage.feed.begins_ms.items()
        if begins_ms > start_ms
    }
