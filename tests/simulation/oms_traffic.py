"""What clients and the operator of an embedded OMS ask for, by chance."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import permutations
from typing import Any

from ccxt_driver.contract.values import format_time
from ccxt_driver.oms import OWNER, EmbeddedOms, Principal, Reply
from ccxt_driver.oms.market.listing import DEFAULT_MARKETS
from tests.helpers.auditor import FUNDING, HOUR, SPOT, SWAP

MOVING = ("ETH/USDT", "SOL/USDT")
"""Spot markets whose prices move by themselves; those of the others are set by hand."""
SYMBOLS = (SPOT, SWAP, *MOVING)
MARKETS = [market for market in DEFAULT_MARKETS if market.symbol in SYMBOLS]
START = {name: Decimal(amount) for name, amount in (("USDT", 5000), ("BTC", 5), ("ETH", 3), ("SOL", 20))}
ACCOUNTS = [
    # Not in the order of their ids: nothing may depend on it.
    {"account_id": number, "position_mode": mode, "balances": START}
    for number, mode in ((2, "hedge"), (1, "netting"), (3, "strategy_netting"))
]
CLIENTS = (1, 2, 2, 3)
"""The account of each: most can happen where positions are hedged."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One request of a client.

    :param number: of all, in the order in which they were made
    :param tag: what the order that it makes is known by, if it makes one
    :param key: the API key it comes with; None for the process that owns the OMS
    """

    number: int
    client: int
    endpoint: str
    body: Any
    path: Row = field(default_factory=dict)
    query: Row = field(default_factory=dict)
    tag: str | None = None
    key: str | None = None

    def perform(self, oms: EmbeddedOms, principal: Principal = OWNER) -> Reply:
        """Ask an OMS."""
        return oms.handle(
            self.endpoint, self.path, self.query, self.body, principal, request_id=f"r{self.number}"
        )

    @property
    def commands(self) -> list[Row]:
        """The commands in it, none of a request of another kind."""
        if self.endpoint != "commands":
            return []
        return self.body if isinstance(self.body, list) else [self.body]

    def only(self, indexes: list[int]) -> Request:
        """The same with some of its commands."""
        return replace(self, body=[self.commands[index] for index in indexes])

    def __str__(self) -> str:
        key = "" if self.key is None else f" with {self.key}"
        return f"#{self.number} of client {self.client}{key}: {self.endpoint} {self.path or ''}{self.body}"


@dataclass(frozen=True)
class Act:
    """What the operator does in the process itself: a method of the OMS."""

    name: str
    given: tuple[Any, ...] = ()
    more: Row = field(default_factory=dict)

    def perform(self, oms: EmbeddedOms) -> None:
        """Do it."""
        getattr(oms, self.name)(*self.given, **self.more)

    def __str__(self) -> str:
        return f"operator: {self.name} {self.given} {self.more or ''}"


class Traffic:
    """Makes requests and acts that fit what is open.

    :param known: an OMS that knows what is open
    """

    def __init__(self, chance: random.Random, known: EmbeddedOms) -> None:
        self._chance = chance
        self._known = known
        self._made = 0
        self._requests: list[tuple[Callable[[int, int], Request], int]] = [
            (self._order, 26),
            (self._several, 5),
            (self._change, 7),
            (self._cancel, 4),
            (self._cancel_all, 1),
            (self._dead_man, 2),
            (self._close, 7),
            (self._close_by, 9),
            (self._merge, 6),
            (self._stops, 4),
            (self._check, 1),
            (self._funds, 2),
            (self._margin, 2),
            (self._reassign, 2),
            (self._risk, 1),
            (self._strategy, 1),
            (self._reconcile, 1),
            (self._read, 3),
            (self._nonsense, 1),
        ]
        self._acts: list[tuple[Callable[[], Act], int]] = [
            (self._price, 16),
            (self._rate, 2),
            (self._session, 2),
            (self._hours, 1),
            (self._limits, 2),
            (self._kill_switch, 1),
            (lambda: Act("tick"), 1),
        ]

    def request(self, client: int, key: str | None) -> Request:
        """The next request of a client."""
        makers, weights = zip(*self._requests, strict=True)
        made = self._chance.choices(makers, weights)[0](client, CLIENTS[client])
        return replace(made, key=key)

    def act(self) -> Act:
        """Something that the operator does."""
        makers, weights = zip(*self._acts, strict=True)
        return self._chance.choices(makers, weights)[0]()

    def leverage(self, account: int, leverage: int) -> Request:
        """A leverage of the swap."""
        path = {"account_id": str(account), "func": "set_leverage"}
        body = {"args": [leverage, SWAP], "kwargs": {}}
        return Request(self._number(), CLIENTS.index(account), "ccxt_call", body, path)

    def again(self, request: Request) -> Request:
        """The same request, sent once more."""
        return replace(request, number=self._number())

    def price(self, symbol: str) -> Act:
        """A price of a market that is set by hand."""
        bid, spread = self._chance.randint(86, 114), self._chance.randint(1, 3)
        size = self._chance.choice([None, None, "1", "3"])
        return Act("set_price", (symbol,), {"bid": bid, "ask": bid + spread, "last": bid, "size": size})

    # pieces

    def _number(self) -> int:
        self._made += 1
        return self._made

    def _maybe(self, probability: float) -> bool:
        return self._chance.random() < probability

    def _one_of(self, rows: dict[int, Any], otherwise: int = 12) -> int:
        """The id of something that is open, or a guess."""
        if rows and self._maybe(0.93):
            return self._chance.choice([*rows])
        return self._chance.randint(1, otherwise)

    def _near(self, symbol: str, most: int = 10) -> Decimal:
        """A price around that of a market."""
        if symbol not in MOVING:
            return Decimal(100 + self._chance.randint(-most, most))
        oms = self._known
        last = oms._core.market.quote(symbol, oms.now_ms()).last
        return (last * (1 + Decimal(self._chance.randint(-12, 12)) / 10_000)).quantize(Decimal("0.01"))

    def _qty(self, symbol: str) -> str:
        if symbol in MOVING:
            return self._chance.choice(["0.05", "0.1", "0.3"])
        sizes = ["0.5", "1", "1.5", "2", "7"]
        return self._chance.choice(sizes if symbol == SPOT else [*sizes, "40", "40", "400", "400", "900"])

    def _command(
        self, client: int, account: int, name: str, tag: str | None = None, **payload: Any
    ) -> Request:
        body = {"account_id": account, "command": name, "payload": payload}
        return Request(self._number(), client, "commands", body, tag=tag)

    # orders

    def _order(self, client: int, account: int) -> Request:
        tag = f"t{self._made + 1}"
        payload = self._payload(account) | {"comment": tag}
        if self._maybe(0.9):
            payload["client_order_id"] = tag
        return self._command(client, account, "send_order", tag, **payload)

    def _payload(self, account: int) -> Row:
        symbol = self._chance.choices(SYMBOLS, [4, 6, 3, 2])[0]
        side = self._chance.choice(["buy", "sell"])
        payload = {"symbol": symbol, "side": side, "order_type": "market"}
        if self._maybe(0.05):
            payload["cost"] = self._chance.choice(["50", "120", "700"])
        else:
            payload["qty"] = self._qty(symbol)
        if self._maybe(0.55):
            payload |= {"order_type": "limit", "price": str(self._near(symbol))}
        payload["strategy_id"] = self._chance.choice([0, 0, 1, 2])
        return payload | (self._options(account, symbol) if self._maybe(0.4) else {})

    def _options(self, account: int, symbol: str) -> Row:
        price = lambda: str(self._near(symbol))  # noqa: E731
        gone = format_time(self._known.now_ms() + self._chance.choice([1, 900, 30_000, HOUR]))
        positions = self._known._core.state.accounts[account].positions
        every: list[Row] = [
            {"reduce_only": True},
            {"reduce_only": True, "position_id": self._one_of(positions)},
            {"position_id": self._one_of(positions)},
            {"post_only": True},
            {"time_in_force": self._chance.choice(["IOC", "FOK"])},
            {"time_in_force": "GTD", "expire_at": gone},
            {"trigger_price": price()},
            {"stop_price": price()},
            {"take_profit_price": price()},
            {"trailing_amount": self._chance.choice(["1", "3"])},
            {"trailing_percent": "0.1"},
            {"oms_stop_loss": price()},
            {"oms_stop_gain": price()},
            {"display_qty": "0.05"},
            {"params": {"from": "here"}},
        ]
        found: Row = {}
        for one in self._chance.sample(every, self._chance.choice([1, 1, 2])):
            found |= one
        return found

    def _several(self, client: int, account: int) -> Request:
        """A list of commands in one request."""
        makers = [self._order, self._order, self._order, self._cancel, self._change, self._close]
        made = [self._chance.choice(makers)(client, account) for _ in range(self._chance.randint(2, 4))]
        return Request(self._number(), client, "commands", [each.body for each in made])

    def _check(self, client: int, account: int) -> Request:
        return self._command(client, account, "check_order", **self._payload(account))

    def _change(self, client: int, account: int) -> Request:
        orders = self._known._core.state.accounts[account].orders
        if not orders and self._maybe(0.9):
            return self._order(client, account)
        order_id = self._one_of({number: order for number, order in orders.items() if order.price})
        symbol = orders[order_id].symbol if order_id in orders else SPOT
        wanted: Row = {}
        if self._maybe(0.7):
            wanted["new_price"] = str(self._near(symbol))
        if not wanted or self._maybe(0.4):
            wanted["new_qty"] = self._qty(symbol)
        return self._command(client, account, "change_order", order_id=order_id, **wanted)

    def _cancel(self, client: int, account: int) -> Request:
        orders = self._known._core.state.accounts[account].orders
        if not orders and self._maybe(0.9):
            return self._order(client, account)
        if self._maybe(0.7):
            return self._command(client, account, "cancel_order", order_id=self._one_of(orders))
        ids = [self._one_of(orders) for _ in range(3)]
        return self._command(client, account, "cancel_order", order_ids=ids)

    def _cancel_all(self, client: int, account: int) -> Request:
        given = self._chance.choice([{}, {"symbol": SPOT}, {"strategy_ids": [1]}])
        return self._command(client, account, "cancel_all_orders", **given)

    def _dead_man(self, client: int, account: int) -> Request:
        timeout_ms = self._chance.choice([0, 500, 5_000, HOUR])
        strategies = self._chance.choice([[], [1], [1, 2]])
        return self._command(
            client, account, "cancel_all_after", timeout_ms=timeout_ms, strategy_ids=strategies
        )

    # positions

    def _close(self, client: int, account: int) -> Request:
        positions = self._known._core.state.accounts[account].positions
        if not positions and self._maybe(0.9):
            return self._order(client, account)
        tag = f"t{self._made + 1}"
        position_id = self._one_of(positions)
        symbol = positions[position_id].symbol if position_id in positions else SPOT
        payload: Row = {"position_id": position_id, "comment": tag, "client_order_id": tag}
        if self._maybe(0.4):
            payload |= {"order_type": "limit", "price": str(self._near(symbol))}
        if self._maybe(0.2):
            payload["qty"] = self._qty(symbol)
        return self._command(client, account, "close_position", tag, **payload)

    def _close_by(self, client: int, account: int) -> Request:
        found = self._pair(account, alike=False)
        if found is None:
            return self._order(client, account)
        return self._command(client, account, "close_by", position_id_a=found[0], position_id_b=found[1])

    def _pair(self, account: int, *, alike: bool) -> tuple[int, int] | None:
        """Two positions of one symbol, of the same side or not; now and then two that do not fit."""
        positions = [*self._known._core.state.accounts[account].positions.values()]
        fitting = [
            (first.id, second.id)
            for first, second in permutations(positions, 2)
            if first.symbol == second.symbol and (first.side is second.side) == alike
        ]
        if fitting:
            return self._chance.choice(fitting)
        if positions and self._maybe(0.1):
            return positions[0].id, positions[-1].id
        return None

    def _merge(self, client: int, account: int) -> Request:
        found = self._pair(account, alike=True)
        if found is None:
            return self._order(client, account)
        return self._command(
            client, account, "merge_positions", source_position_id=found[0], target_position_id=found[1]
        )

    def _stops(self, client: int, account: int) -> Request:
        positions = self._known._core.state.accounts[account].positions
        if not positions and self._maybe(0.9):
            return self._order(client, account)
        position_id = self._one_of(positions)
        symbol = positions[position_id].symbol if position_id in positions else SPOT
        name = self._chance.choice(["oms_stop_loss", "oms_stop_gain"])
        value = self._chance.choice([None, *[str(self._near(symbol)) for _ in range(4)]])
        return self._command(client, account, "position_change", position_id=position_id, **{name: value})

    # the rest

    def _on(self, client: int, endpoint: str, account: int, body: Any) -> Request:
        return Request(self._number(), client, endpoint, body, {"account_id": str(account)})

    def _funds(self, client: int, account: int) -> Request:
        currency = self._chance.choice(["USDT", "USDT", "BTC"])
        body = {"currency": currency, "amount": self._chance.choice(["1", "250.5", "4000"])}
        return self._on(client, self._chance.choice(["deposit", "withdraw"]), account, body)

    def _margin(self, client: int, account: int) -> Request:
        if self._maybe(0.7):
            return self.leverage(account, self._chance.choice([1, 5, 20, 50, 100, 125]))
        func, args = "set_margin_mode", [self._chance.choice(["cross", "isolated"]), SWAP]
        if self._maybe(0.5):
            func = self._chance.choice(["add_margin", "reduce_margin", "set_margin"])
            args = [
                SWAP,
                self._chance.choice(["1", "40.5"]),
                {"side": self._chance.choice(["long", "short"])},
            ]
        path, body = {"account_id": str(account), "func": func}, {"args": args, "kwargs": {}}
        return Request(self._number(), client, "ccxt_call", body, path)

    def _reassign(self, client: int, account: int) -> Request:
        known = self._known._core.store
        last = self._known._core.state.counters["order"]
        ids = [self._chance.randint(1, max(1, last)) for _ in range(2)]
        # Of one account: each account would be a transaction of its own.
        mine = [order.id for order in known.orders_by_id(ids) if order.account_id == account]
        body = {
            "order_ids": [*dict.fromkeys(mine)] or [ids[0]],
            "strategy_id": self._chance.choice([0, 1, 2]),
        }
        return Request(self._number(), client, "reassign", body)

    def _risk(self, client: int, account: int) -> Request:
        allowed = {"allow_new_positions": self._maybe(0.6), "comment": "by chance"}
        kind = self._chance.randrange(3)
        if kind == 0:
            status = self._chance.choice(["active", "active", "blocked"])
            return self._on(client, "risk_status", account, {"status": status, "comment": "by chance"})
        if kind == 1:
            return self._on(client, "risk_allow_new_positions", account, allowed)
        return self._on(client, "risk_strategy_allow_new_positions", account, allowed | {"strategy_id": 1})

    def _strategy(self, client: int, account: int) -> Request:
        number = self._number()
        body = {"name": f"s{number}", "client_strategy_id": f"s{number % 3}", "account_ids": [account]}
        return Request(number, client, "create_strategy", body)

    def _reconcile(self, client: int, account: int) -> Request:
        return Request(self._number(), client, "reconcile", {"account_ids": [account]})

    def _read(self, client: int, account: int) -> Request:
        endpoint = self._chance.choice(["orders_open", "positions_open", "deals", "ledger", "orders_history"])
        query: Row = {"account_ids": str(account)}
        if endpoint not in ("orders_open", "positions_open"):
            query["since_ms"] = "0"
        return Request(self._number(), client, endpoint, None, query=query)

    def _nonsense(self, client: int, account: int) -> Request:
        made = self._command(client, account, "send_order", symbol=SPOT, side="up", order_type="market")
        return self._chance.choice(
            [made, replace(made, body={"account_id": account}), replace(made, body=[])]
        )

    # acts

    def _price(self) -> Act:
        return self.price(self._chance.choice([SPOT, SWAP, SWAP]))

    def _rate(self) -> Act:
        return Act("set_funding_rate", (SWAP, self._chance.choice(["0.0001", "-0.002", "0.01", "0"])))

    def _session(self) -> Act:
        session = self._chance.choice(["open", "open", "closed", "halted"])
        resting = self._chance.choice([None, "keep", "cancel"])
        return Act("set_session", (self._chance.choice(SYMBOLS), session, resting))

    def _hours(self) -> Act:
        hours = self._chance.choice([None, ["mon-sun 01:00-23:00"], ["mon-fri 06:00-18:30"]])
        return Act("set_hours", (self._chance.choice((SPOT, *MOVING)), hours))

    def _limits(self) -> Act:
        limits = self._chance.choice(
            [
                None,
                {"max_order_qty": 40},
                {"max_open_orders": 3, "max_orders_per_minute": 5},
                {"max_position_notional": 5_000},
                {"max_daily_loss": 500, "max_drawdown": 900},
                {"price_band": "0.05"},
            ]
        )
        scope = {"strategy_id": self._chance.choice([None, 1]), "symbol": self._chance.choice([None, SWAP])}
        return Act("set_limits", (self._chance.choice([1, 2, 3]), limits), scope)

    def _kill_switch(self) -> Act:
        return Act("kill_switch", (self._chance.choice([1, 2, 3]), self._maybe(0.5)), {"strategy_id": 1})


def pause(chance: random.Random) -> int:
    """How many milliseconds pass."""
    kind = chance.random()
    if kind < 0.35:
        return 0
    if kind < 0.75:
        return chance.choice([1, 40, 350, 1_000, 4_321])
    if kind < 0.93:
        return chance.choice([60_000, HOUR])
    return chance.choice([FUNDING, 3 * FUNDING + 5])
