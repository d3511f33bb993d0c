"""Going through time: what prices, expiries and deadlines have done since the last look.

A step is settled at its own time, so that an OMS that is asked rarely gives what one that is asked
all the time would have given.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from decimal import Decimal
from operator import attrgetter
from typing import Final, NamedTuple

from ccxt_driver.contract.commands import Side

from . import funding
from .cancel_commands import set_deadline
from .core import Core
from .entities import ZERO, Order, Position
from .execution import cancel, fill_order
from .liquidation import guard_all, safe_range
from .market.feed import Quote
from .matching.order_types import fires, thresholds, trail
from .placing import arrive, fire
from .position_stops import close_by_stop, stop_reached
from .price_ways import between_stops, next_due, safe_prices, show, ways_of
from .queueing import settle_prints
from .reserving import reserve
from .sessions import change_session, follow_halts, pass_halts, pass_hours
from .state import SymbolState
from .trading_hours import SessionChange
from .transaction import Transaction


class _Move(NamedTuple):
    """The next thing that happens by itself; `symbol` is empty for an expiry, a deadline or funding."""

    at_ms: int
    symbol: str


_NEVER: Final = 2**63
_STEPS: Final = 100
"""So many looks in a moment go from tick to tick where liquidation is near, the next ones twice as far."""
_row_id: Final = attrgetter("id")


def settle(core: Core, now: int) -> None:
    """Do everything that has happened by itself up to a time.

    :param now: not before the last call's
    """
    if now <= core.settled_at:
        return
    live = core.market.is_live
    if live:  # what has come back has moved since: the walk sees it
        follow_halts(core, now, opening=True)
    state = core.state
    timed = bool(state.expiring or state.deadlines or state.sessions or state.arriving)
    timed = timed or min(state.halts.values(), default=_NEVER) <= now
    step = core.market.step_ms
    if timed or now // step != core.settled_at // step:
        watched = [name for name, symbol in state.symbols.items() if symbol.watched]
        if watched or timed:
            _walk(core, core.settled_at, now)
    core.settled_at = now
    if live:
        follow_halts(core, now, opening=False)


def next_move(core: Core, until: int) -> int | None:
    """The first moment after what is settled, up to another, at which something may happen by itself."""
    following = _following(core, {}, core.settled_at, until)
    return None if following is None else following.at_ms


def _walk(core: Core, since: int, now: int) -> None:
    """Take the moves of all symbols in the order of their times: those of one moment together or not at all.

    What has been settled is kept as a time, and half a moment would never be looked at again.
    """
    moves: dict[str, Quote | None] = {}
    cursor = since
    following = _following(core, moves, cursor, now)
    while following is not None:
        with core.transaction(following.at_ms) as tx:
            has_passed = False
            while following is not None and following.at_ms == tx.now:
                if following.symbol and not has_passed:
                    _pass_all(core, tx)
                    has_passed = True
                before, cursor = cursor, tx.now
                moves = _take(core, tx, moves, following.symbol, funded=cursor == before)
                core.settle_effects(core, tx)
                following = _following(core, moves, cursor, now)


def _following(core: Core, moves: dict[str, Quote | None], cursor: int, now: int) -> _Move | None:
    """The next move after all that was taken; looks for those of symbols that are not known."""
    for name, symbol in core.state.symbols.items():
        if not symbol.watched:
            moves.pop(name, None)
        elif name not in moves:
            moves[name] = _next_move(core, symbol, cursor, now)
    return min(_moves(moves, core, cursor, now), default=None)


def _take(
    core: Core, tx: Transaction, moves: dict[str, Quote | None], name: str, *, funded: bool
) -> dict[str, Quote | None]:
    """Settle one move; those that are still known after it."""
    if not name:
        _timed(core, tx, funded=funded)
        return _of_this_moment(moves, tx.now)
    quote = moves.pop(name)
    if quote is not None:
        _settle_at(core, tx, core.state.symbols[name], quote)
    # A trade of one symbol frees funds, not prices: only the symbol itself has to be looked at again.
    # Not so with margin, which all of them share.
    if any(symbol.margined for symbol in core.state.symbols.values()):
        return _of_this_moment(moves, tx.now)
    return moves


def _of_this_moment(moves: dict[str, Quote | None], at: int) -> dict[str, Quote | None]:
    """What is still to be settled of a moment; all that comes later has to be looked for again."""
    return {name: quote for name, quote in moves.items() if quote is not None and quote.time_ms == at}


def _moves(moves: dict[str, Quote | None], core: Core, after: int, now: int) -> Iterator[_Move]:
    for name, quote in moves.items():
        if quote is not None:
            yield _Move(quote.time_ms, name)
    state = core.state
    expiry = min((order.expire_at or _NEVER for order in state.expiring.values()), default=_NEVER)
    deadline = min((at for scopes in state.deadlines.values() for at in scopes.values()), default=_NEVER)
    hours = min((session.changes_at or _NEVER for session in state.sessions.values()), default=_NEVER)
    halt = min(state.halts.values(), default=_NEVER)
    arrival = min(state.arriving.values(), default=_NEVER)
    timed = min(expiry, deadline, hours, halt, arrival, funding.next_charge(core, after) or _NEVER)
    if timed <= now:
        # Sorts before a price of the same moment: an order is not filled at the instant it expires.
        # Of what was due while a live OMS was not running it is the first moment that it knows.
        yield _Move(max(timed, after), "")


def _next_move(core: Core, symbol: SymbolState, after: int, now: int) -> Quote | None:
    name = symbol.market.symbol
    low, high = _bounds(core, symbol, after)
    quote = core.market.first_move(name, after, now, low, high)
    if not symbol.margined or name not in core.market.marked:
        return quote
    until = now if quote is None else quote.time_ms - 1
    at = core.market.first_mark_move(name, after, until, *safe_range(core, symbol, after))
    return quote if at is None else core.market.quote(name, at)._replace(time_ms=at)


def _bounds(core: Core, symbol: SymbolState, at: int) -> tuple[Decimal | None, Decimal | None]:
    """Between which best bid and best ask nothing can happen.

    A resting buy fills when the ask has come to its price; the bid is then at least a tick lower.
    """
    safe = safe_prices(core, symbol, at)
    if not symbol.is_open:
        return safe
    lows: list[Decimal] = []
    highs: list[Decimal] = []
    best_buy, best_sell = (symbol.resting.best_price(side) for side in Side)
    tick = symbol.market.tick_size
    # A model of the queue has to see what is traded at the very price, too.
    through = tick if core.models.queue is None else ZERO
    if best_buy is not None:
        lows.append(best_buy - through)
    if best_sell is not None:
        highs.append(best_sell + through)
    for order in symbol.triggers.values():
        low, high = thresholds(order)
        if order.trail_extreme is not None:
            # A new extreme moves the threshold, and so has to be seen too.
            low = low if low is not None else order.trail_extreme - tick
            high = high if high is not None else order.trail_extreme + tick
        if low is not None:
            lows.append(low)
        if high is not None:
            highs.append(high)
    ranges = [safe, *(between_stops(position) for position in symbol.stops.values())]
    lows += [low for low, _ in ranges if low is not None]
    highs += [high for _, high in ranges if high is not None]
    return max(lows, default=None), min(highs, default=None)


def _pass_all(core: Core, tx: Transaction) -> None:
    """Settle what is due at prices on the way to those of now, all prices moving side by side.

    One that was let run ahead of the others would value an account at a moment that never was. What has just
    begun has seen nothing of the way.
    """
    ways = [*ways_of(core, tx.now)]
    # With the rows themselves, so that no other one gets the id of one that is gone.
    fresh = {id(row): row for way in ways for row in _waiting(way.symbol) if row.updated_at >= tx.now}
    try:
        show(core, ways, tx.now)
        due = next_due(core, ways, tx.now, fresh)
        count = 0
        while due is not None:
            way, price = due
            count += 1
            if count % _STEPS == 0:  # an account near its end may stay there all the way
                for each in ways:
                    each.step *= 2
            way.seen, way.at = price, way.farther(way.at, price)
            for other in ways:
                if other is not way:
                    other.go_to(way.share(way.at))
            show(core, ways, tx.now)
            _settle_at(core, tx, way.symbol, core.quote(way.symbol.market.symbol, tx.now), fresh)
            core.settle_effects(core, tx)
            due = next_due(core, ways, tx.now, fresh)
    finally:
        for way in ways:
            core.have_moved(way.symbol, tx.now)


def _waiting(symbol: SymbolState) -> Iterator[Order | Position]:
    yield from symbol.triggers.values()
    yield from symbol.stops.values()


def _settle_at(
    core: Core,
    tx: Transaction,
    symbol: SymbolState,
    quote: Quote,
    fresh: Container[int] | None = None,
) -> None:
    """Liquidations first, then makers, then triggers and stops by id; what these do is watched, too.

    :param fresh: on the way of a move the triggers and positions that it is not for, else None
    """
    guard_all(core, tx)
    if not symbol.is_open:
        return
    core.show_book(symbol, tx.now)
    _makers(core, tx, symbol, quote)
    if core.models.queue is not None and fresh is None:  # what is printed belongs to the end of a move
        settle_prints(core, tx, core.models.queue, symbol, quote)
    _triggers(core, tx, symbol, quote.last, fresh or ())
    _stops(core, tx, symbol, quote.last, fresh or ())


def _makers(core: Core, tx: Transaction, symbol: SymbolState, quote: Quote) -> None:
    for order in [*symbol.resting.crossed(quote.bid, quote.ask)]:
        if not order.is_open or order.price is None:
            continue  # a fill before it has ended it
        account = core.state.accounts[order.account_id]
        tx.save_liquidity(symbol)
        for level, qty in core.fills.maker(order, symbol.liquidity):
            part = min(qty, core.fillable(order))
            if part <= 0:
                break
            symbol.liquidity.take(level.price, part)
            fill_order(core, tx, account, order, part, order.price, True)
            if order.id not in core.state.orders:
                break


def _triggers(core: Core, tx: Transaction, symbol: SymbolState, last: Decimal, fresh: Container[int]) -> None:
    for order in sorted(symbol.triggers.values(), key=_row_id):
        if order.id not in symbol.triggers or id(order) in fresh:
            continue
        if fires(order, last):
            fire(core, tx, core.state.accounts[order.account_id], order)
        elif order.trail_extreme is not None and _would_trail(order, last):
            tx.touch_order_quietly(order)
            trail(order, last)
            reserve(core.state, tx, core.state.accounts[order.account_id], order)
            if symbol.market.settle is not None:
                tx.swap_changed(order.account_id, order.symbol)


def _would_trail(order: Order, last: Decimal) -> bool:
    extreme = order.trail_extreme
    if extreme is None:
        return False
    return last > extreme if order.side.value == "sell" else last < extreme


def _stops(core: Core, tx: Transaction, symbol: SymbolState, last: Decimal, fresh: Container[int]) -> None:
    # Not in the order in which they were set: a restart would forget that one.
    for position in sorted(symbol.stops.values(), key=_row_id):
        ends = position.is_open and id(position) not in fresh
        reason = stop_reached(position, last) if ends else None
        if reason is not None:
            close_by_stop(core, tx, position, reason)


def _timed(core: Core, tx: Transaction, *, funded: bool) -> None:
    """Funding, expiries, dead man's switches, sessions, and orders that arrive, of one moment.

    :param funded: whether funding of this moment has been charged
    """
    state, now = core.state, tx.now
    if not funded:
        funding.charge(core, tx)
    for order in [order for order in state.expiring.values() if (order.expire_at or _NEVER) <= now]:
        if order.is_open:
            cancel(core, tx, state.accounts[order.account_id], order, "expired")
    for account_id, scopes in [*state.deadlines.items()]:
        for scope in [scope for scope, at in scopes.items() if at <= now]:
            _dead_man(core, tx, account_id, scope)
    opened = pass_hours(core, tx, now) if state.sessions else []
    if state.halts:
        opened += pass_halts(core, tx, now)
    for symbol in opened:
        if symbol.is_open:  # its hours may begin at the moment of a halt
            _reopen(core, tx, symbol)
    for order_id in sorted(state.arriving, key=lambda each: (state.arriving[each], each)):
        if state.arriving.get(order_id, _NEVER) <= now:
            order = state.orders[order_id]
            arrive(core, tx, state.accounts[order.account_id], order)


def _reopen(core: Core, tx: Transaction, symbol: SymbolState) -> None:
    """What has waited for a market to open sees the price it opens at."""
    if symbol.watched:
        _settle_at(core, tx, symbol, core.quote(symbol.market.symbol, tx.now))


def settle_session(core: Core, symbol: str, now: int, change: SessionChange) -> None:
    """Change the session of a market, and settle what that lets happen.

    :raises Refusal: `engine_unavailable`, it could not be written; nothing has changed
    """
    with core.transaction(now) as tx:
        put_session(core, tx, symbol, change)


def put_session(core: Core, tx: Transaction, symbol: str, change: SessionChange) -> None:
    """As `settle_session`, in a transaction."""
    state = core.state.symbols[symbol]
    if change_session(core, tx, state, change.of(state.session, tx.now)):
        _reopen(core, tx, state)


def _dead_man(core: Core, tx: Transaction, account_id: int, scope: str) -> None:
    set_deadline(core, tx, account_id, scope, None)
    strategies = {int(part) for part in scope.split(",") if part}
    account = core.state.accounts[account_id]
    for order in [*account.orders.values()]:
        if order.is_open and order.is_known and (not strategies or order.strategy_id in strategies):
            cancel(core, tx, account, order, "cancel_all_after")


def settle_price(
    core: Core,
    symbol: str,
    now: int,
    bid: Decimal | None,
    ask: Decimal | None,
    last: Decimal | None,
    size: Decimal | None,
) -> None:
    """Set a price by hand and settle what it crosses.

    :raises ValueError: see `MarketData.set_price`
    :raises Refusal: `engine_unavailable`, it could not be written; nothing has changed
    """
    before = core.market.dump() if core.store.durable else None
    liquidity = core.state.symbols[symbol].liquidity
    shown = liquidity.version, liquidity.bids, liquidity.asks, liquidity.taken
    core.market.set_price(symbol, now, bid, ask, last, size)
    core.follow_halt(core.state.symbols[symbol], now)  # a price that is set by hand ends it
    core.forget_quotes()
    # One transaction: a price that is kept without what it crosses would never be looked at again.
    rolled_back = True
    try:
        with core.transaction(now) as tx:
            _cross(core, tx, symbol, now)
            if before is not None:
                tx.changes.settings["prices"] = core.market.dump()
        rolled_back = False
    finally:
        if rolled_back and before is not None:
            core.market.restore(before)
            core.find_halts()
            core.forget_quotes()
            liquidity.version, liquidity.bids, liquidity.asks, liquidity.taken = shown


def _cross(core: Core, tx: Transaction, symbol: str, now: int) -> None:
    state = core.state.symbols[symbol]
    if state.watched:
        _settle_at(core, tx, state, core.quote(symbol, now))
