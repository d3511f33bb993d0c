"""The embedded OMS against a naive venue: the same commands, and no difference after any of them.

CI tries a few hundred sequences; `docs/contributing.md` says how to try many more.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, localcontext
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ccxt_driver.contract.values import format_time
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.market.feed import Candle, Level, Quote, Trade
from ccxt_driver.oms.market.listing import DEFAULT_MARKETS
from ccxt_driver.oms.models import (
    DiscountedFee,
    FeeModel,
    MakerTakerQuoteFee,
    Models,
    ReceivedCurrencyFee,
    SelfTrade,
    ThirdCurrencyFee,
)
from ccxt_driver.oms.store import RowFilter
from tests.helpers.auditor import Auditor
from tests.helpers.examples import examples
from tests.helpers.naive_venue import SPOT, SWAP, NaiveVenue, OutOfScope, Refused

COIN = "BNB/USDT"
START_MS = 1_767_225_600_000
MODES = {1: "netting", 2: "hedge", 3: "strategy_netting"}
START = {"USDT": Decimal(3000), "BTC": Decimal(8), "BNB": Decimal("0.002")}
FEES: dict[str, FeeModel] = {
    "usual": MakerTakerQuoteFee(),
    "discounted": DiscountedFee("0.25"),
    "received": ReceivedCurrencyFee(),
    "third": ThirdCurrencyFee("BNB"),
}
ROWS = RowFilter(tuple(MODES))

# ------------------------------------------------------------------ what is drawn

prices = st.integers(97, 103).map(Decimal)
quantities = st.sampled_from(["0.5", "1", "1", "1.5", "2", "2", "3", "5", "40"]).map(Decimal)
accounts = st.sampled_from([1, 2, 2, 3])
symbols = st.sampled_from([SPOT, SWAP, SWAP])
row_ids = st.integers(0, 99)


def rarely(times: int) -> st.SearchStrategy[bool]:
    """True once in so many times."""
    return st.sampled_from([False] * (times - 1) + [True])


TRIGGERS = (
    {"trigger_price": prices},
    {"stop_price": prices},
    {"stop_price": prices, "take_profit_price": prices},
    {"trailing_amount": st.sampled_from(["1", "2"]).map(Decimal)},
    {"trailing_percent": st.sampled_from(["1", "2.5"]).map(Decimal)},
)


@st.composite
def options(draw: st.DrawFn) -> dict[str, Any]:
    """What makes an order another one than most; nearly all that is drawn may stand together."""
    found: dict[str, Any] = {}
    if draw(rarely(3)):
        found["time_in_force"] = draw(st.sampled_from(["IOC", "FOK", "GTD"]))
        if found["time_in_force"] == "GTD":
            found["expire_at"] = draw(st.integers(1, 6))
    if draw(rarely(4)):
        found |= {name: draw(value) for name, value in draw(st.sampled_from(TRIGGERS)).items()}
    return found


@st.composite
def orders(draw: st.DrawFn) -> Any:
    payload: dict[str, Any] = {"symbol": draw(symbols), "side": draw(st.sampled_from(["buy", "sell"]))}
    payload["strategy_id"] = draw(st.sampled_from([0, 0, 1]))
    payload["order_type"] = draw(st.sampled_from(["limit", "limit", "limit", "market"]))
    if payload["order_type"] == "limit":
        payload["price"] = draw(prices)
    if draw(rarely(6)):
        payload["cost"] = draw(st.integers(40, 700).map(Decimal))
    else:
        payload["qty"] = draw(quantities)
    if draw(rarely(2)):
        payload |= draw(options())
    if draw(st.booleans()):
        payload["reduce_only"] = True
    if draw(st.booleans()):
        payload["position_id"] = draw(row_ids)
    if draw(rarely(10)):
        payload["post_only"] = True
    if draw(rarely(10)):
        payload["display_qty"] = Decimal("0.5")
    if payload["symbol"] == SWAP and draw(rarely(8)):
        payload[draw(st.sampled_from(["oms_stop_loss", "oms_stop_gain"]))] = draw(prices)
    return "send_order", draw(accounts), payload


@st.composite
def closings(draw: st.DrawFn) -> Any:
    payload = {"position_id": draw(row_ids), "order_type": "market"}
    if draw(st.booleans()):
        payload |= {"order_type": "limit", "price": draw(prices)}
    if draw(rarely(2)):
        payload |= draw(options())
    if draw(st.booleans()):
        payload["qty"] = draw(quantities)
    return "close_position", draw(accounts), payload


@st.composite
def changes(draw: st.DrawFn) -> Any:
    payload = {"order_id": draw(row_ids)}
    which = draw(st.integers(1, 3))
    if which & 1:
        payload["new_price"] = draw(prices)
    if which & 2:
        payload["new_qty"] = draw(quantities)
    return "change_order", draw(accounts), payload


@st.composite
def stops(draw: st.DrawFn) -> Any:
    name = draw(st.sampled_from(["oms_stop_loss", "oms_stop_gain"]))
    return "position_change", draw(accounts), {"position_id": draw(row_ids), name: draw(st.none() | prices)}


@st.composite
def transfers(draw: st.DrawFn) -> Any:
    payload = {
        "currency": draw(st.sampled_from([*START])),
        "amount": Decimal(draw(st.integers(1, 500))) / 100,
    }
    return draw(st.sampled_from(["deposit", "withdraw"])), draw(accounts), payload


cancels = st.tuples(st.just("cancel_order"), accounts, st.fixed_dictionaries({"order_id": row_ids}))
all_cancels = st.tuples(st.just("cancel_all_orders"), accounts, st.just({}))


@st.composite
def hand_prices(draw: st.DrawFn) -> Any:
    bid = draw(st.integers(97, 102))
    ask = bid + draw(st.integers(1, 3))
    last = draw(st.integers(bid, ask))
    size = draw(st.sampled_from(["1", "2", "3", "10", None]))
    return "price", draw(symbols), (Decimal(bid), Decimal(ask), Decimal(last), size and Decimal(size))


waits = st.tuples(st.just("advance"), st.none(), st.integers(1, 3))


@st.composite
def weighted_steps(draw: st.DrawFn, moves: st.SearchStrategy[Any]) -> Any:
    """Mostly orders: without them there is nothing to command."""
    usual = [*["order"] * 12, *["move"] * 4, *["change"] * 2, *["close"] * 2]
    kind = draw(st.sampled_from([*usual, "cancel", "wait", "stop", "all", "money"]))
    kinds = {"order": orders(), "move": moves, "change": changes(), "close": closings(), "cancel": cancels}
    rare = {"wait": waits, "stop": stops(), "all": all_cancels, "money": transfers()}
    return draw((kinds | rare)[kind])


def steps(moves: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(weighted_steps(moves), min_size=20, max_size=60)


@st.composite
def recordings(draw: st.DrawFn) -> dict[str, list[Any]]:
    """Books of both symbols, up to three levels deep, from the first moment on."""
    found: dict[str, list[Any]] = {}
    sizes = st.sampled_from(["0.5", "1", "2", "4"]).map(Decimal)
    for symbol in (SPOT, SWAP):
        books = found[symbol] = []
        at = START_MS
        for _ in range(draw(st.integers(1, 8))):
            bid = draw(st.integers(97, 101))
            ask = bid + draw(st.integers(1, 2))
            bids = [Level(Decimal(bid - deep), draw(sizes)) for deep in range(draw(st.integers(1, 3)))]
            asks = [Level(Decimal(ask + deep), draw(sizes)) for deep in range(draw(st.integers(1, 3)))]
            books.append((at, bids, asks, Decimal(draw(st.sampled_from([bid, ask])))))
            at += draw(st.integers(1, 4))
    return found


worlds = st.fixed_dictionaries(
    {
        "self_trade": st.sampled_from(["cancel_taker", "cancel_maker", "cancel_both"]),
        "fees": st.sampled_from([*FEES]),
        "isolated": st.sets(st.sampled_from([2, 3])),
    }
)


class DrawnFeed:
    """A recording of order books that Hypothesis has made."""

    def __init__(self, books: dict[str, list[Any]]) -> None:
        coin = (START_MS, [Level(Decimal(499), Decimal(1))], [Level(Decimal(501), Decimal(1))], Decimal(500))
        self._books = books | {COIN: [coin]}
        self.markets = tuple(market for market in DEFAULT_MARKETS if market.symbol in self._books)
        self.start_ms = START_MS
        self.step_ms = 1

    def _index(self, symbol: str, at_ms: int) -> int:
        return sum(book[0] <= at_ms for book in self._books[symbol]) - 1

    def _quote(self, symbol: str, index: int) -> Quote:
        time_ms, bids, asks, last = self._books[symbol][index]
        return Quote(time_ms, bids[0].price, asks[0].price, last)

    def quote(self, symbol: str, at_ms: int) -> Quote:
        return self._quote(symbol, self._index(symbol, at_ms))

    def book(self, symbol: str, at_ms: int) -> tuple[Sequence[Level], Sequence[Level]]:
        _, bids, asks, _ = self._books[symbol][self._index(symbol, at_ms)]
        return bids, asks

    def book_version(self, symbol: str, at_ms: int) -> int:
        return self._index(symbol, at_ms)

    def first_move(
        self, symbol: str, after_ms: int, until_ms: int, low: Decimal | None, high: Decimal | None
    ) -> Quote | None:
        for index in range(len(self._books[symbol])):
            quote = self._quote(symbol, index)
            reached = (low is not None and quote.bid <= low) or (high is not None and quote.ask >= high)
            if after_ms < quote.time_ms <= until_ms and reached:
                return quote
        return None

    def candles(
        self, symbol: str, timeframe: str, since_ms: int | None, until_ms: int, limit: int
    ) -> list[Candle]:
        return []

    def trades(self, symbol: str, since_ms: int | None, until_ms: int, limit: int) -> list[Trade]:
        return []


# ------------------------------------------------------------------ the two side by side


class Pair:
    """One OMS and one naive venue that get the same commands and prices."""

    def __init__(self, world: dict[str, Any], books: dict[str, list[Any]] | None) -> None:
        given = [
            {"account_id": number, "position_mode": mode, "balances": START} for number, mode in MODES.items()
        ]
        models = Models(fees=FEES[world["fees"]], self_trade=SelfTrade(world["self_trade"]))
        self.books = books
        feed = None if books is None else DrawnFeed(books)
        self.oms = EmbeddedOms(accounts=given, clock="manual", start_ms=START_MS, feed=feed, models=models)
        self.naive = NaiveVenue(
            MODES, START, self_trade=world["self_trade"], fees=world["fees"], now=START_MS
        )
        for account in world["isolated"]:
            self.naive.isolated.add(account)
            path, body = {"account_id": str(account), "func": "set_margin_mode"}, {"args": ["isolated", SWAP]}
            assert self.oms.handle("ccxt_call", path, {}, body | {"kwargs": {}}).status == 200
        if books is None:
            self.oms.set_price(COIN, bid=499, ask=501, last=500)
            for symbol in (SPOT, SWAP):
                self.price(symbol, (Decimal(99), Decimal(101), Decimal(100), Decimal(3)))
        else:
            self.show(START_MS)

    def price(self, symbol: str, price: Any) -> None:
        bid, ask, last, size = price
        self.oms.set_price(symbol, bid=bid, ask=ask, last=last, size=size)
        much = Decimal(10) ** 12 if size is None else size
        self.naive.show(symbol, [(bid, much)], [(ask, much)], last)
        self.naive.settle(symbol)

    def show(self, at: int) -> None:
        """The recorded books of one moment: all of them are there before any of them is settled."""
        due = {
            symbol: book for symbol, books in (self.books or {}).items() for book in books if book[0] == at
        }
        for symbol, (_, bids, asks, last) in due.items():
            self.naive.show(symbol, bids, asks, last)
        for symbol in sorted(due):
            self.naive.settle(symbol)

    def advance(self, milliseconds: int) -> None:
        self.oms.advance(milliseconds)
        for _ in range(milliseconds):
            self.naive.expire(self.naive.now + 1)
            self.show(self.naive.now)
            self.within_scope()

    def command(self, name: str, account: int, payload: dict[str, Any]) -> None:
        payload = self.meant(account, payload)
        sent = {key: str(value) if isinstance(value, Decimal) else value for key, value in payload.items()}
        if "expire_at" in payload:
            payload["expire_at"] += self.naive.now
            sent["expire_at"] = format_time(payload["expire_at"])
        expected = "ok"
        try:
            getattr(self.naive, name)(account, payload)
        except Refused as refused:
            expected = refused.code
        if name in ("deposit", "withdraw"):
            reply = self.oms.handle(name, {"account_id": str(account)}, {}, sent)
        else:
            body = {"account_id": account, "command": name, "payload": sent}
            reply = self.oms.handle("commands", {}, {}, body)
        self.within_scope()
        found = "ok" if reply.status == 200 else reply.body["detail"]["code"]
        assert found == expected, reply.body

    def meant(self, account: int, payload: dict[str, Any]) -> dict[str, Any]:
        """The payload with an id of a row that is open, if there is one: a guess would rarely hit it.

        Once in eight times it is any id. A new order names, and reduces, a position only where one is open.
        """
        found = dict(payload)
        # Stops of spot positions are bound to the coins that are free: they have tests of their own.
        symbol = SWAP if {"oms_stop_loss", "oms_stop_gain"} & payload.keys() else payload.get("symbol")
        positions = self.naive.open_positions(account, symbol)
        rows: dict[str, list[Any]] = {"order_id": self.naive.open_orders(account), "position_id": positions}
        for name in payload.keys() & rows.keys():
            number = payload[name]
            if number % 8 == 7 or not rows[name]:
                found[name] = number // 8 + 1 if "symbol" in payload or symbol is None else 99
            else:
                found[name] = rows[name][number // 8 % len(rows[name])].id
        if "symbol" in payload and not positions and payload.get("position_id", 0) % 8 != 7:
            found.pop("position_id", None)
            found.pop("reduce_only", None)
        return found

    def within_scope(self) -> None:
        if any(self.naive.liquidation_is_due(account) for account in MODES):
            raise OutOfScope

    # what is compared

    def compare(self) -> None:
        core = self.oms._core
        orders, deals, positions = (
            sorted(rows, key=lambda row: row.id)
            for rows in (core.store.orders(ROWS)[0], core.store.deals(ROWS)[0], core.store.positions(ROWS)[0])
        )
        assert [order_of(row) for row in orders] == [self.expected_order(row) for row in self.naive.orders]
        assert [deal_of(row) for row in deals] == self.naive.deals
        assert [position_of(row) for row in positions] == [*map(expected_position, self.naive.positions)]
        self.compare_money()
        for symbol in (SPOT, SWAP):
            seen = [[tuple(level) for level in side] for side in core.book(symbol, self.oms.now_ms())]
            assert seen == self.naive.public_book(symbol)

    def compare_money(self) -> None:
        """What each account has and may spend; and that deals, fees and transfers say how it came to that."""
        core, now = self.oms._core, self.oms.now_ms()
        for number, account in core.state.accounts.items():
            free = {code: core.free(account, code, now) for code in START}
            assert account.totals == {code: self.naive.totals[number, code] for code in START}
            assert free == {code: self.naive.free(number, code) for code in START}
            assert min(free["BTC"], free["BNB"]) >= 0
        auditor = Auditor(self.oms, START)
        auditor.deals_make_orders()
        auditor.deals_make_positions()
        auditor.deals_and_fees_make_balances()

    def expected_order(self, order: Any) -> dict[str, Any]:
        reserved = self.naive.reserved(order)[1] if order.open else Decimal(0)
        return {
            "id": order.id,
            "account": order.account,
            "side": order.side,
            "qty": order.qty,
            "price": order.price,
            "strategy": order.strategy,
            "position": (order.position_id, order.previous_position_id),
            "status": order.status,
            "reason": order.reason,
            "filled": (order.filled, order.cost),
            "fee": (order.fee, order.fee_currency),
            "reserved": reserved,
        }


def order_of(order: Any) -> dict[str, Any]:
    return {
        "id": order.id,
        "account": order.account_id,
        "side": order.side.value,
        "qty": order.qty,
        "price": order.price,
        "strategy": order.strategy_id,
        "position": (order.position_id, order.previous_position_id),
        "status": order.status.value,
        "reason": order.reject_reason,
        "filled": (order.filled_qty, order.filled_cost),
        "fee": (order.fee, order.fee_currency),
        "reserved": order.reserved,
    }


def deal_of(deal: Any) -> tuple[Any, ...]:
    return (
        deal.id,
        deal.order_id,
        deal.position_id,
        deal.account_id,
        deal.symbol,
        deal.side.value,
        deal.qty,
        deal.price,
        deal.fee,
        deal.fee_currency,
        deal.pnl,
        deal.maker,
        deal.strategy_id,
    )


def position_of(row: Any) -> tuple[Any, ...]:
    ids = row.id, row.account_id, row.symbol, row.side.value, row.strategy_id
    return *ids, row.qty, row.avg_price, row.realized_pnl, row.state.value, row.stop_loss, row.stop_gain


def expected_position(row: Any) -> tuple[Any, ...]:
    ids = row.id, row.account, row.symbol, row.side, row.strategy
    return *ids, row.qty, row.average, row.realized, row.state, row.stop_loss, row.stop_gain


def trade(pair: Pair, sequence: list[Any]) -> None:
    """Perform the steps on both, and compare and audit after each."""
    with pair.oms, localcontext(Context(prec=60)):
        for name, target, payload in sequence:
            try:
                if name == "price":
                    pair.price(target, payload)
                    pair.within_scope()
                elif name == "advance":
                    pair.advance(payload)
                else:
                    pair.command(name, target, payload)
            except OutOfScope:
                return  # a liquidation, which has models of its own
            pair.compare()


@examples(250)
@given(worlds, steps(hand_prices()))
def test_prices_set_by_hand(world: dict[str, Any], sequence: list[Any]) -> None:
    trade(Pair(world, None), sequence)


@examples(250)
@given(worlds, recordings(), steps(waits))
def test_a_recorded_book_with_depth(
    world: dict[str, Any], books: dict[str, list[Any]], sequence: list[Any]
) -> None:
    trade(Pair(world, books), sequence)
