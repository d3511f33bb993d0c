"""A paper venue as simple as it can be said: what `docs/embedded-oms.md` and `docs/models.md` promise.

It is slow on purpose. Whatever an order may trade with is sorted anew before each single fill, what orders
hold back is summed up anew whenever it is asked for, and an order that has to be known beforehand (what will
it cost, will it fill whole?) is tried on a copy of the whole venue. It shares no code with the OMS.

Left out are liquidation, funding, sessions, limits, latency and queues: they have tests of their own.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

ZERO = Decimal(0)
UNIT = Decimal("0.00000001")
SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
MAKER = {SPOT: Decimal("0.001"), SWAP: Decimal("0.0002")}
TAKER = {SPOT: Decimal("0.001"), SWAP: Decimal("0.0005")}
TICK = {SPOT: Decimal("0.01"), SWAP: Decimal("0.1")}
LOT = {SPOT: Decimal("0.00001"), SWAP: Decimal("0.001")}
MOST = {SPOT: Decimal(9000), SWAP: Decimal(1000)}
LEAST_COST = 5
PRICES = (
    "price",
    "trigger_price",
    "stop_price",
    "take_profit_price",
    "trailing_amount",
    "oms_stop_loss",
    "oms_stop_gain",
)
MAINTENANCE = Decimal("0.004")
"""Of the swap's first tier: nobody here gets beyond it."""


class Refused(Exception):
    """The venue says no and nothing is done.

    :param code: of the contract
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class OutOfScope(Exception):
    """A liquidation is due, which this venue knows nothing of."""


@dataclass
class Order:
    """`since` is the time priority: when it began to rest, or lost its place."""

    id: int
    account: int
    symbol: str
    side: str
    qty: Decimal
    price: Decimal | None
    given: dict[str, Any]
    strategy: int = 0
    position_id: int = 0
    previous_position_id: int = 0
    reduce_only: bool = False
    closes: bool = False
    waiting: bool = False
    since: int = 0
    fires_above: Decimal | None = None
    fires_below: Decimal | None = None
    extreme: Decimal | None = None
    status: str = "SUBMITTED"
    reason: str | None = None
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    fee: Decimal = ZERO
    fee_currency: str | None = None

    @property
    def open(self) -> bool:
        return self.status in ("SUBMITTED", "PARTIALLY_FILLED")

    @property
    def remaining(self) -> Decimal:
        return self.qty - self.filled

    @property
    def buys(self) -> bool:
        return self.side == "buy"


@dataclass
class Position:
    id: int
    account: int
    symbol: str
    side: str
    strategy: int
    qty: Decimal = ZERO
    cost: Decimal = ZERO
    average: Decimal | None = None
    realized: Decimal = ZERO
    state: str = "open"
    stop_loss: Decimal | None = None
    stop_gain: Decimal | None = None

    @property
    def open(self) -> bool:
        return self.qty > 0

    def profit(self, price: Decimal) -> Decimal:
        value = self.qty * price - self.cost
        return value if self.side == "buy" else -value


@dataclass
class Book:
    """The feed's levels, best first, of which what is taken is gone until the next book."""

    bids: list[list[Decimal]]
    asks: list[list[Decimal]]
    last: Decimal


@dataclass
class Offer:
    """Something to trade with: a level of the feed, or a resting order."""

    price: Decimal
    qty: Decimal
    level: list[Decimal] | None
    maker: Order | None


def divided(cost: Decimal, qty: Decimal) -> Decimal:
    """A quotient, rounded to 18 decimals as `entities.average` says."""
    return (cost / qty).quantize(Decimal("1E-18"))


def other_side(side: str) -> str:
    return "sell" if side == "buy" else "buy"


@dataclass
class NaiveVenue:
    """The whole venue.

    :param modes: position mode by account
    :param start: what each account begins with
    :param self_trade: cancel_taker, cancel_maker or cancel_both
    :param fees: usual, discounted (a quarter off), received or third (in BNB at `coin_price`)
    """

    modes: dict[int, str]
    start: dict[str, Decimal]
    self_trade: str = "cancel_taker"
    fees: str = "usual"
    coin_price: Decimal = Decimal(500)
    now: int = 0
    isolated: set[int] = field(default_factory=set)
    leverage: dict[int, Decimal] = field(default_factory=dict)
    books: dict[str, Book] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    deals: list[tuple[Any, ...]] = field(default_factory=list)
    totals: dict[tuple[int, str], Decimal] = field(default_factory=dict)
    turn: int = 0
    stopped: set[int] = field(default_factory=set)
    """Positions on which trades have put stops that were not looked at yet."""

    def __post_init__(self) -> None:
        if not self.totals:
            self.totals = {(number, code): self.start[code] for number in self.modes for code in self.start}

    def copy(self) -> NaiveVenue:
        """Another venue in the same state, without the history that no trade looks at."""
        slim = replace(self, orders=self.open_orders(), deals=[], totals=self.totals)
        venue: NaiveVenue = pickle.loads(pickle.dumps(slim))  # our own, made here
        return venue

    # ------------------------------------------------------------------ who has what

    def open_orders(self, account: int | None = None, symbol: str | None = None) -> list[Order]:
        return [
            order
            for order in self.orders
            if order.open
            and (account is None or order.account == account)
            and (symbol is None or order.symbol == symbol)
        ]

    def open_positions(self, account: int, symbol: str | None = None) -> list[Position]:
        return [
            position
            for position in self.positions
            if position.open and position.account == account and symbol in (None, position.symbol)
        ]

    def position(self, account: int, position_id: int) -> Position | None:
        found = [row for row in self.open_positions(account) if row.id == position_id]
        return found[0] if found else None

    def netted(self, account: int, symbol: str, strategy: int) -> Position | None:
        """Of a netting account: one position, or one for each strategy."""
        for position in self.open_positions(account, symbol):
            if self.modes[account] == "netting" or position.strategy == strategy:
                return position
        return None

    def reduces(self, order: Order) -> list[Position]:
        """What trades of an order would reduce, the first ahead.

        Netting: the one position. Hedge: the position that the order names; without a name only a
        reduce_only order reduces, the oldest position of its strategy first.
        """
        if self.modes[order.account] != "hedge":
            one = self.netted(order.account, order.symbol, order.strategy)
            return [one] if one is not None and one.side != order.side else []
        found = []
        for position in self.open_positions(order.account, order.symbol):
            if position.side != order.side:
                named = position.id == order.position_id
                unnamed = not order.position_id and order.reduce_only and position.strategy == order.strategy
                if named or unnamed:
                    found.append(position)
        return found

    def reducible(self, order: Order) -> Decimal:
        return sum((position.qty for position in self.reduces(order)), ZERO)

    def fillable(self, order: Order) -> Decimal:
        return min(order.remaining, self.reducible(order)) if order.reduce_only else order.remaining

    def grows(self, order: Order) -> Position | None:
        if self.modes[order.account] != "hedge":
            return self.netted(order.account, order.symbol, order.strategy)
        named = self.position(order.account, order.position_id)
        return named if named is not None and named.side == order.side else None

    # ------------------------------------------------------------------ money

    def opening(self, order: Order) -> Decimal:
        """What of an order would open: older open orders of its side come first for what can be reduced."""
        if order.reduce_only:
            return ZERO
        left = self.reducible(order)
        if left:
            for other in self.open_orders(order.account, order.symbol):
                if other.id < order.id and other.side == order.side and self.same_target(order, other):
                    left -= other.remaining
        return order.remaining - min(order.remaining, max(ZERO, left))

    def same_target(self, order: Order, other: Order) -> bool:
        mode = self.modes[order.account]
        if mode == "hedge":
            named = order.position_id == other.position_id
            return named and (order.position_id != 0 or order.reduce_only == other.reduce_only)
        return mode == "netting" or order.strategy == other.strategy

    def expected_price(self, order: Order) -> Decimal:
        given = order.given
        return (
            order.price
            or given.get("trigger_price")
            or given.get("stop_price")
            or given.get("take_profit_price")
            or order.extreme
            or ZERO
        )

    def margin(self, account: int, notional: Decimal) -> Decimal:
        return (notional / self.leverage.get(account, Decimal(10))).quantize(UNIT, ROUND_UP)

    def rest_needs(self, order: Order, price: Decimal) -> tuple[str, Decimal]:
        """What the rest of an order holds back at a price: the coins, or the cost, or margin; and the fee."""
        if order.symbol == SPOT:
            if not order.buys:
                return "BTC", order.remaining
            return "USDT", order.remaining * price * (1 + TAKER[SPOT])
        notional = self.opening(order) * price
        return "USDT", self.margin(order.account, notional) + notional * TAKER[SWAP]

    def reserved(self, order: Order) -> tuple[str, Decimal]:
        return self.rest_needs(order, self.expected_price(order))

    def held(self, account: int, code: str) -> Decimal:
        needs = [self.reserved(order) for order in self.open_orders(account)]
        return sum((amount for currency, amount in needs if currency == code), ZERO)

    def position_margin(self, position: Position) -> Decimal:
        return self.margin(position.account, position.cost)

    def free(self, account: int, code: str) -> Decimal:
        free = self.totals[account, code] - self.held(account, code)
        if code == "USDT":
            swaps = self.open_positions(account, SWAP)
            free -= sum(map(self.position_margin, swaps), ZERO)
            if account not in self.isolated:
                free += min(ZERO, sum((each.profit(self.books[SWAP].last) for each in swaps), ZERO))
        return free

    def liquidation_is_due(self, account: int) -> bool:
        swaps = self.open_positions(account, SWAP)
        mark = self.books[SWAP].last if swaps else ZERO
        needs = [each.profit(mark) - each.qty * mark * MAINTENANCE for each in swaps]
        if account in self.isolated:
            return any(
                self.position_margin(each) + need <= 0 for each, need in zip(swaps, needs, strict=True)
            )
        beside = self.totals[account, "USDT"] - self.held(account, "USDT")
        return bool(swaps) and beside + sum(needs, ZERO) <= 0

    # ------------------------------------------------------------------ matching

    def offers(self, side: str, symbol: str, limit: Decimal | None) -> list[Offer]:
        """All that an order of a side may trade with: by price, the feed's first, then by time."""
        book = self.books[symbol]
        found: list[tuple[Decimal, int, Offer]] = []
        sign = 1 if side == "buy" else -1
        levels = [level for level in (book.asks if side == "buy" else book.bids) if level[1] > 0]
        found += [(sign * level[0], -1, Offer(level[0], level[1], level, None)) for level in levels]
        for order in self.open_orders(symbol=symbol):
            if order.side != side and not order.waiting and order.price is not None and order.since:
                qty = self.fillable(order)
                if qty > 0:
                    found.append((sign * order.price, order.since, Offer(order.price, qty, None, order)))
        found.sort(key=lambda each: each[:2])
        return [offer for _, _, offer in found if limit is None or (sign * offer.price <= sign * limit)]

    def trade(self, order: Order, past_own: bool) -> str | None:
        """Trade until there is nothing to trade with.

        :returns: why it stopped, if not for want of offers: an order of its own account
        """
        past_own = past_own and self.self_trade != "cancel_maker"
        asleep = [each.id for each in self.open_orders(order.account)] if past_own else []
        while order.open and self.fillable(order) > 0:
            offers = self.offers(order.side, order.symbol, order.price)
            offers = [each for each in offers if each.maker is None or each.maker.id not in asleep]
            if not offers:
                return None
            offer = offers[0]
            maker = offer.maker
            if maker is not None and maker.account == order.account:
                if self.self_trade != "cancel_taker":
                    self.end(maker, "CANCELED", "self_trade_prevention")
                if self.self_trade != "cancel_maker":
                    return "self_trade_prevention"
                continue
            qty = min(offer.qty, self.fillable(order))
            if offer.level is not None:
                offer.level[1] -= qty
            if maker is not None:
                self.fill(maker, qty, offer.price, maker=True)
            self.fill(order, qty, offer.price, maker=False)
        return None

    def tried(self, order: Order) -> tuple[Order, list[tuple[Any, ...]], str | None]:
        """What an order would come to right now, on a copy."""
        trial, twin = self.copy(), replace(order, since=0)
        trial.orders = [*(each for each in trial.orders if each.id != order.id), twin]
        stopped = trial.trade(twin, past_own=False)
        return twin, [deal for deal in trial.deals if deal[1] == order.id], stopped

    def activate(self, order: Order, past_own: bool = False) -> None:
        """Trade, then rest or end."""
        order.since = 0  # while it trades it is in no book
        order.waiting = False
        in_force = order.given.get("time_in_force", "GTC")
        if in_force == "FOK" and self.tried(order)[0].status != "FILLED":
            self.end(order, "CANCELED", "fill_or_kill")
            return
        stopped = self.trade(order, past_own)
        if not order.open:
            return
        if stopped:
            self.end(order, "CANCELED", stopped)
        elif order.price is None:
            self.end(order, "CANCELED", "no_liquidity")
        elif in_force == "IOC":
            self.end(order, "CANCELED", "immediate_or_cancel")
        else:
            self.turn += 1
            order.since = self.turn

    # ------------------------------------------------------------------ fills

    def fill(self, order: Order, qty: Decimal, price: Decimal, maker: bool) -> None:
        """One fill: it reduces what there is to reduce, and opens with the rest."""
        order.filled += qty
        order.cost += qty * price
        left, reduced = qty, None
        for position in self.reduces(order):
            part = min(left, position.qty)
            if part:
                reduced = position
                self.reduce(order, position, part, price, maker)
                left -= part
        if left:
            self.increase(order, left, price, maker)
        if order.filled == order.qty:
            if reduced is not None and not order.position_id:
                order.position_id = reduced.id
            self.end(order, "FILLED")
            return
        order.status = "PARTIALLY_FILLED"
        if order.reduce_only and not self.reducible(order):
            self.end(order, "CANCELED", "nothing_to_reduce")

    def increase(self, order: Order, qty: Decimal, price: Decimal, maker: bool) -> None:
        position = self.grows(order)
        if position is None:
            position = Position(
                len(self.positions) + 1, order.account, order.symbol, order.side, order.strategy
            )
            self.positions.append(position)
        position.qty += qty
        position.cost += qty * price
        position.average = divided(position.cost, position.qty)
        if order.position_id != position.id or order.filled == qty:
            position.stop_loss = order.given.get("oms_stop_loss") or position.stop_loss
            position.stop_gain = order.given.get("oms_stop_gain") or position.stop_gain
        if "oms_stop_loss" in order.given or "oms_stop_gain" in order.given:
            self.stopped.add(position.id)
        if order.position_id != position.id:
            order.previous_position_id, order.position_id = order.position_id, position.id
        self.book_deal(order, position, qty, price, ZERO, maker)

    def reduce(self, order: Order, position: Position, qty: Decimal, price: Decimal, maker: bool) -> None:
        if not order.position_id and self.modes[order.account] != "hedge":
            order.position_id = position.id
        whole = qty == position.qty
        cost = position.cost if whole else divided(position.cost * qty, position.qty)
        pnl = (qty * price - cost) * (1 if position.side == "buy" else -1)
        position.qty -= qty
        position.cost -= cost
        position.realized += pnl
        self.book_deal(order, position, qty, price, pnl, maker)
        if whole:
            position.state = "closed"
            for waiting in self.open_orders(order.account, order.symbol):
                named = waiting.position_id == position.id
                to_close = named and waiting.side != position.side and self.modes[order.account] == "hedge"
                idle = waiting.reduce_only and not self.reducible(waiting)
                if waiting is not order and (to_close or idle):
                    self.end(waiting, "CANCELED", "position_closed" if named else "nothing_to_reduce")

    def fee(self, order: Order, qty: Decimal, price: Decimal, maker: bool) -> tuple[Decimal, str]:
        rate = (MAKER if maker else TAKER)[order.symbol]
        usual = (qty * price * rate).quantize(UNIT, ROUND_DOWN)
        if self.fees == "discounted":
            return (usual * 3 / 4).quantize(UNIT, ROUND_DOWN), "USDT"
        if self.fees == "received" and order.symbol == SPOT and order.buys:
            return (qty * rate).quantize(UNIT, ROUND_DOWN), "BTC"
        if self.fees == "third":
            coins = (usual / self.coin_price).quantize(UNIT, ROUND_DOWN)
            if coins <= self.free(order.account, "BNB"):
                return coins, "BNB"
        return usual, "USDT"

    def book_deal(
        self, order: Order, position: Position, qty: Decimal, price: Decimal, pnl: Decimal, maker: bool
    ) -> None:
        fee, code = self.fee(order, qty, price, maker)
        if order.fee_currency in (None, code):
            order.fee += fee
            order.fee_currency = code
        number = len(self.deals) + 1
        self.deals.append(
            (
                number,
                order.id,
                position.id,
                order.account,
                order.symbol,
                order.side,
                qty,
                price,
                fee,
                code,
                pnl,
                maker,
                order.strategy,
            )
        )
        if order.symbol == SPOT:
            sign = 1 if order.buys else -1
            self.totals[order.account, "BTC"] += sign * qty
            self.totals[order.account, "USDT"] -= sign * qty * price
        else:
            self.totals[order.account, "USDT"] += pnl
        self.totals[order.account, code] -= fee

    def end(self, order: Order, status: str, reason: str | None = None) -> None:
        order.status, order.reason = status, reason
        order.waiting, order.since = False, 0
        if order.closes:
            position = self.position(order.account, order.position_id)
            if position is not None and position.state == "close_requested":
                position.state = "open"

    # ------------------------------------------------------------------ commands

    def send_order(self, account: int, given: dict[str, Any]) -> None:
        symbol, side = given["symbol"], given["side"]
        self.check_options(symbol, given)
        strategy = given.get("strategy_id", 0)
        named = given.get("position_id", 0)
        if named:
            position = self.position(account, named)
            if position is None or position.symbol != symbol:
                raise Refused("invalid_position_id")
            strategy = strategy or position.strategy
            if self.modes[account] == "hedge":
                if position.strategy != strategy:
                    raise Refused("invalid_position_id")
            elif self.netted(account, symbol, strategy) is not position:
                raise Refused("invalid_position_id")
        qty = given["qty"] if "qty" in given else self.qty_of_cost(account, given)
        self.check_qty(symbol, qty)
        if not given.get("reduce_only"):
            price = (
                given.get("price")
                or given.get("trigger_price")
                or given.get("stop_price")
                or self.books[symbol].last
            )
            if qty * price < LEAST_COST:
                raise Refused("validation_error")
        if "display_qty" in given:
            self.check_qty(symbol, given["display_qty"])
        self.place(
            Order(
                len(self.orders) + 1,
                account,
                symbol,
                side,
                qty,
                given.get("price"),
                given,
                strategy,
                named,
                reduce_only=given.get("reduce_only", False),
            )
        )

    def find_position(self, account: int, position_id: int) -> Position:
        position = self.position(account, position_id)
        if position is None:
            known = any(row.id == position_id and row.account == account for row in self.positions)
            raise Refused("conflict" if known else "position_not_found")
        return position

    def position_change(self, account: int, given: dict[str, Any]) -> None:
        position = self.find_position(account, given["position_id"])
        if not stops_are_beyond(position.side, given, self.books[position.symbol].last):
            raise Refused("validation_error")
        position.stop_loss = given.get("oms_stop_loss", position.stop_loss)
        position.stop_gain = given.get("oms_stop_gain", position.stop_gain)

    def close_position(self, account: int, given: dict[str, Any]) -> None:
        position = self.find_position(account, given["position_id"])
        if position.state == "close_requested":
            raise Refused("position_close_in_progress")
        self.check_options(position.symbol, given)
        qty = given.get("qty", position.qty)
        if qty > position.qty:
            raise Refused("validation_error")
        if qty != position.qty:
            self.check_qty(position.symbol, qty)
        order = Order(
            len(self.orders) + 1,
            account,
            position.symbol,
            other_side(position.side),
            qty,
            given.get("price"),
            given,
            position.strategy,
            position.id,
            reduce_only=True,
            closes=True,
        )
        self.place(order, position)

    def check_options(self, symbol: str, given: dict[str, Any]) -> None:
        """What does not go together, and prices off the tick."""
        market = given["order_type"] == "market"
        triggers = [
            "trigger_price" in given,
            "stop_price" in given or "take_profit_price" in given,
            "trailing_amount" in given,
            "trailing_percent" in given,
        ]
        in_force = given.get("time_in_force", "GTC")
        names = ("price", "trigger_price", "stop_price", "take_profit_price", "trailing_amount")
        off_tick = [
            given[name] % TICK[symbol] for name in (*names, "oms_stop_loss", "oms_stop_gain") if name in given
        ]
        if (
            (market and (given.get("post_only") or "display_qty" in given))
            or (market and in_force == "GTD" and not any(triggers))
            or (given.get("post_only") and in_force in ("IOC", "FOK"))
            or sum(triggers) > 1
            or any(off_tick)
            or ("expire_at" in given and given["expire_at"] <= self.now)
        ):
            raise Refused("validation_error")

    def check_qty(self, symbol: str, qty: Decimal) -> None:
        if not LOT[symbol] <= qty <= MOST[symbol] or qty % LOT[symbol]:
            raise Refused("validation_error")

    def qty_of_cost(self, account: int, given: dict[str, Any]) -> Decimal:
        """How much may be had for an amount, in whole lots: at the order's price, or walking the book."""
        symbol, cost, total = given["symbol"], given["cost"], ZERO
        price = (
            given.get("price")
            or given.get("trigger_price")
            or given.get("stop_price")
            or given.get("take_profit_price")
        )
        if price is not None:
            return cost / price // LOT[symbol] * LOT[symbol]
        # A stranger of any means tries it, who meets all orders; unless those of the account give way.
        trial, who = self.copy(), account if self.self_trade == "cancel_maker" else 0
        trial.modes, much = self.modes | {0: "hedge"}, Decimal(10) ** 15
        trial.totals |= {(who, code): much for code in self.start}
        trial.trade(Order(0, who, symbol, given["side"], much, None, {}), past_own=False)
        for deal in [deal for deal in trial.deals if deal[1] == 0]:
            part = min(deal[6], cost / deal[7])
            total += part
            cost -= part * deal[7]
        return total // LOT[symbol] * LOT[symbol]

    def place(self, order: Order, closing: Position | None = None) -> None:
        """Refuse it, reject it, let it wait for its trigger, or let it trade."""
        given, last = order.given, self.books[order.symbol].last
        self.arm(order, last)
        most, rejection = self.reducible(order), None
        if order.reduce_only and most:
            order.qty = min(order.qty, most)
        elif order.reduce_only:
            rejection = "nothing_to_reduce"
        _, deals, stopped = (order, [], None) if order.waiting else self.tried(order)
        reference = last if deals else self.expected_price(order) or last
        if not stops_are_beyond(order.side, given, reference):
            raise Refused("validation_error")
        if given.get("post_only") and rejection is None and not order.waiting and (deals or stopped):
            rejection = "would_fill_immediately"
        if rejection is None:
            code, required = self.needed(order, None if order.waiting else deals)
            if required > self.free(order.account, code) + self.freed(order):
                raise Refused("insufficient_funds")
        self.orders.append(order)
        if rejection is not None:
            self.end(order, "REJECTED", rejection)
            raise Refused("exchange_error")
        if closing is not None:
            closing.state = "close_requested"
        if not order.waiting:
            self.activate(order)
            self.look_at_new_stops()

    def arm(self, order: Order, last: Decimal) -> None:
        """Point the trigger: it fires when the last price gets there from where it is now."""
        given = order.given
        if "trigger_price" in given:
            price = given["trigger_price"]
            if price > last:
                order.fires_above = price
            else:
                order.fires_below = price
        elif "stop_price" in given or "take_profit_price" in given:
            stop, gain = given.get("stop_price"), given.get("take_profit_price")
            order.fires_above, order.fires_below = (stop, gain) if order.buys else (gain, stop)
        elif "trailing_amount" in given or "trailing_percent" in given:
            order.extreme = last
            self.trail(order)
        else:
            return
        order.waiting = not self.fires(order, last)

    @staticmethod
    def trail(order: Order) -> None:
        assert order.extreme is not None
        away = order.given.get("trailing_amount")
        if away is None:
            away = order.extreme * order.given["trailing_percent"] / 100
        if order.buys:
            order.fires_above = order.extreme + away
        else:
            order.fires_below = order.extreme - away

    @staticmethod
    def fires(order: Order, last: Decimal) -> bool:
        above, below = order.fires_above, order.fires_below
        return (above is not None and last >= above) or (below is not None and last <= below)

    def needed(self, order: Order, deals: list[tuple[Any, ...]] | None) -> tuple[str, Decimal]:
        """What has to be free for an order that gets these deals at once; None while it waits.

        Of a market order exactly what its walk through the book costs. A limit order is reckoned at its
        limit; only one that sells at once above it makes a larger short position.
        """
        cost = sum((deal[6] * deal[7] for deal in deals or ()), ZERO)
        qty = sum((deal[6] for deal in deals or ()), ZERO)
        if order.price is None and deals is not None:
            if order.symbol == SPOT:
                return ("USDT", cost * (1 + TAKER[SPOT])) if order.buys else ("BTC", order.remaining)
            notional = min(self.opening(order), qty) * (cost / qty if qty else ZERO)
            return "USDT", self.margin(order.account, notional) + notional * TAKER[SWAP]
        price = self.expected_price(order)
        if deals and not order.buys:
            price = max(price, (cost + (order.remaining - qty) * price) / order.remaining)
        return self.rest_needs(order, price)

    def freed(self, order: Order) -> Decimal:
        """The margin of what a market order closes first, which it may use."""
        if order.price is not None or order.symbol == SPOT:
            return ZERO
        freed, left = ZERO, order.remaining
        for position in self.reduces(order):
            margin = self.position_margin(position)
            if order.account in self.isolated:
                margin += min(ZERO, position.profit(self.books[SWAP].last))
            part = min(left, position.qty)
            freed += margin * part / position.qty
            left -= part
        return freed

    def find_open(self, account: int, order_id: int) -> Order:
        found = [order for order in self.orders if order.id == order_id and order.account == account]
        if not found:
            raise Refused("order_not_found")
        if not found[0].open:
            raise Refused("invalid_order_state")
        return found[0]

    def cancel_order(self, account: int, given: dict[str, Any]) -> None:
        try:
            order = self.find_open(account, given["order_id"])
        except Refused:
            known = [(each.id, each.status, each.reason) for each in self.orders if each.account == account]
            gone = [(given["order_id"], "CANCELED", why) for why in ("nothing_to_reduce", "position_closed")]
            if not {*gone} & {*known}:
                raise
        else:
            self.end(order, "CANCELED")

    def cancel_all_orders(self, account: int, given: dict[str, Any]) -> None:
        for order in self.open_orders(account):
            self.end(order, "CANCELED")

    def change_order(self, account: int, given: dict[str, Any]) -> None:
        """It keeps its place only when nothing but its quantity changes, and that does not grow."""
        order = self.find_open(account, given["order_id"])
        price, qty = given.get("new_price", order.price), given.get("new_qty", order.qty)
        if "new_price" in given and (order.price is None or price % TICK[order.symbol]):
            raise Refused("validation_error")
        if "new_qty" in given:
            self.check_qty(order.symbol, qty)
            if qty <= order.filled:
                raise Refused("validation_error")
        if price is not None and not order.reduce_only and qty * price < LEAST_COST:
            raise Refused("validation_error")
        before, (code, held) = (order.price, order.qty), self.reserved(order)
        free = self.free(account, code) + held
        order.price, order.qty = price, qty
        _, deals, stopped = (order, None, None) if order.waiting else self.tried(order)
        _, required = self.needed(order, deals)
        refusal = None
        if order.given.get("post_only") and (deals or stopped):
            refusal = "exchange_error"
        elif price != before[0] and not stops_are_beyond(
            order.side, order.given, self.books[order.symbol].last if deals else self.expected_price(order)
        ):
            refusal = "validation_error"
        elif required > free + self.freed(order) and required > held:
            refusal = "insufficient_funds"
        if refusal is not None:
            order.price, order.qty = before
            raise Refused(refusal)
        if not order.waiting and (price != before[0] or qty > before[1]):
            self.activate(order)
            self.look_at_new_stops()

    def deposit(self, account: int, given: dict[str, Any]) -> None:
        self.totals[account, given["currency"]] += given["amount"]

    def withdraw(self, account: int, given: dict[str, Any]) -> None:
        if given["amount"] > self.free(account, given["currency"]):
            raise Refused("insufficient_funds")
        self.totals[account, given["currency"]] -= given["amount"]

    # ------------------------------------------------------------------ time and prices

    def show(self, symbol: str, bids: list[Any], asks: list[Any], last: Decimal) -> None:
        """The feed's next book. Nothing happens by it before `settle`."""
        self.books[symbol] = Book([[*each] for each in bids], [[*each] for each in asks], last)

    def expire(self, now: int) -> None:
        self.now = now
        for order in self.open_orders():
            if "expire_at" in order.given and order.given["expire_at"] <= now:
                self.end(order, "CANCELED", "expired")

    def settle(self, symbol: str) -> None:
        """What a new book does: resting orders that it crosses, then triggers, then stops, each by id."""
        self.cross(symbol)
        for order in self.open_orders(symbol=symbol):
            if order.open and order.waiting:
                self.look_at_trigger(order)
        for position in [each for each in self.positions if each.symbol == symbol]:
            if position.open:
                self.look_at_stops(position)
        self.look_at_new_stops()

    def cross(self, symbol: str) -> None:
        """Makers fill at their own price, by no more than the feed's other side has within it."""
        book = self.books[symbol]
        for side, sign, levels in (("buy", 1, book.asks), ("sell", -1, book.bids)):
            resting = [
                order for order in self.open_orders(symbol=symbol) if order.side == side and order.since
            ]
            resting.sort(key=lambda order: (-sign * order.price, order.since))
            for order in resting:
                for level in levels:
                    assert order.price is not None
                    qty = min(level[1], self.fillable(order)) if order.open else ZERO
                    if qty > 0 and sign * level[0] <= sign * order.price:
                        level[1] -= qty
                        self.fill(order, qty, order.price, maker=True)

    def look_at_trigger(self, order: Order) -> None:
        last = self.books[order.symbol].last
        if not self.fires(order, last):
            if order.extreme is not None:
                order.extreme = (min if order.buys else max)(order.extreme, last)
                self.trail(order)
            return
        if order.reduce_only and not self.reducible(order):
            self.end(order, "CANCELED", "nothing_to_reduce")
            return
        if order.reduce_only and order.given.get("time_in_force") == "FOK":
            order.qty = self.fillable(order)  # all of what there is to reduce, or nothing
        _, held = self.reserved(order)
        _, deals, stopped = self.tried(order)
        if order.given.get("post_only") and (deals or stopped):
            self.end(order, "REJECTED", "would_fill_immediately")
            return
        code, required = self.needed(order, deals)
        if required > self.free(order.account, code) + self.freed(order) + held:
            self.end(order, "REJECTED", "insufficient_funds")
            return
        self.activate(order)

    def look_at_new_stops(self) -> None:
        """A position may have been opened beyond its stop: that is seen at once."""
        while self.stopped:
            found, self.stopped = self.stopped, set()
            for position in [self.positions[number - 1] for number in sorted(found)]:
                if position.open:
                    self.look_at_stops(position)

    def look_at_stops(self, position: Position) -> None:
        """Closed by a market order of the OMS, which no order of its own account holds up."""
        last, sign = self.books[position.symbol].last, 1 if position.side == "buy" else -1
        loss, gain = position.stop_loss, position.stop_gain
        if loss is not None and sign * last <= sign * loss:
            reason = "stop_loss"
        elif gain is not None and sign * last >= sign * gain:
            reason = "stop_gain"
        else:
            return
        for order in self.open_orders(position.account, position.symbol):
            if order.closes and order.position_id == position.id:
                self.end(order, "CANCELED", reason)
        side = other_side(position.side)
        offers = self.offers(side, position.symbol, None)
        if all(each.maker is not None and each.maker.account == position.account for each in offers):
            return
        order = Order(
            len(self.orders) + 1,
            position.account,
            position.symbol,
            side,
            position.qty,
            None,
            {},
            position.strategy,
            position.id,
            reduce_only=True,
            closes=True,
        )
        self.orders.append(order)
        position.state = "close_requested"
        self.activate(order, past_own=True)

    # ------------------------------------------------------------------ what anybody sees

    def public_book(self, symbol: str) -> list[list[tuple[Decimal, Decimal]]]:
        """The feed's levels that are left and the resting orders; of an iceberg its slice only."""
        sides = []
        for side, levels in (("buy", self.books[symbol].bids), ("sell", self.books[symbol].asks)):
            found: dict[Decimal, Decimal] = {price: qty for price, qty in levels if qty > 0}
            for order in self.open_orders(symbol=symbol):
                if order.side == side and order.since and order.price is not None:
                    qty = min(self.fillable(order), order.given.get("display_qty", order.qty))
                    if qty > 0:
                        found[order.price] = found.get(order.price, ZERO) + qty
            sides.append(sorted(found.items(), reverse=side == "buy"))
        return sides


def stops_are_beyond(side: str, given: dict[str, Any], price: Decimal) -> bool:
    """Whether no stop of the position to be opened would fire at once."""
    sign = 1 if side == "buy" else -1
    loss, gain = given.get("oms_stop_loss"), given.get("oms_stop_gain")
    return (loss is None or sign * loss < sign * price) and (gain is None or sign * gain > sign * price)
