"""Other clients of an OMS: they place, change and cancel orders, and the market fills them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

SPOT, OTHER, SWAP = "BTC/USDT", "ETH/USDT", "BTC/USDT:USDT"
SYMBOLS: Final = (SPOT, OTHER, SWAP)
PRICES: Final = {SPOT: 100.0, OTHER: 10.0, SWAP: 100.0}
STRATEGIES: Final = (0, 1, 2)
WATCHED, UNWATCHED = 1, 2
BALANCES: Final = {"USDT": "10000000", "BTC": "1000", "ETH": "1000"}
ACCOUNTS: Final = [
    {"account_id": WATCHED, "position_mode": "netting", "balances": BALANCES},
    {"account_id": UNWATCHED, "position_mode": "hedge", "balances": BALANCES},
]


class Traffic:
    """Commands by chance.

    :param chance: decides
    :param ask: runs one command and returns the id of a new order, if it made one
    :param set_price: moves the market
    """

    def __init__(
        self,
        chance: Random,
        ask: Callable[[dict[str, Any]], int | None],
        set_price: Callable[[str, float, float], None],
    ) -> None:
        self._chance = chance
        self._ask = ask
        self._set_price = set_price
        self._orders: dict[int, list[int]] = {WATCHED: [], UNWATCHED: []}
        self._prices = dict(PRICES)

    def step(self) -> None:
        """Something happens: mostly one thing, now and then many at once."""
        for _ in range(self._chance.choice((1, 1, 1, 1, 2, 3, 8))):
            self._one()

    def start(self) -> None:
        """The market opens."""
        for symbol in SYMBOLS:
            self._move(symbol, PRICES[symbol])

    def finish(self) -> None:
        """Something happens to everything of the account that is watched."""
        for symbol in SYMBOLS:
            for strategy_id in STRATEGIES:
                payload = {"symbol": symbol, "side": "buy", "qty": "1", "order_type": "market"}
                self._command(WATCHED, "send_order", **payload, strategy_id=strategy_id)

    def _one(self) -> None:
        acts = (self._place, self._change, self._cancel, self._cancel_all, self._price)
        self._chance.choices(acts, (10, 4, 4, 0.5, 6))[0]()

    def _account(self) -> int:
        return self._chance.choices((WATCHED, UNWATCHED), (5, 1))[0]

    def _command(self, account_id: int, name: str, **payload: Any) -> int | None:
        return self._ask({"account_id": account_id, "command": name, "payload": payload})

    def _place(self) -> None:
        chance, account_id = self._chance, self._account()
        symbol = chance.choice(SYMBOLS)
        payload: dict[str, Any] = {
            "symbol": symbol,
            "side": chance.choice(("buy", "sell")),
            "qty": str(chance.choice((1, 2, 3))),
            "strategy_id": chance.choice(STRATEGIES),
        }
        if chance.random() < 0.6:
            payload |= {"order_type": "limit", "price": self._near(symbol)}
        else:
            payload["order_type"] = "market"
        order_id = self._command(account_id, "send_order", **payload)
        if order_id is not None:
            self._orders[account_id].append(order_id)

    def _near(self, symbol: str) -> str:
        return f"{self._prices[symbol] * self._chance.uniform(0.97, 1.03):.1f}"

    def _known(self, account_id: int) -> int | None:
        orders = self._orders[account_id][-12:]
        return self._chance.choice(orders) if orders else None

    def _change(self) -> None:
        account_id = self._account()
        order_id = self._known(account_id)
        if order_id is not None:
            price = self._near(self._chance.choice((SPOT, SWAP)))
            self._command(account_id, "change_order", order_id=order_id, new_price=price, new_qty="2")

    def _cancel(self) -> None:
        account_id = self._account()
        order_id = self._known(account_id)
        if order_id is not None:
            self._command(account_id, "cancel_order", order_id=order_id)

    def _cancel_all(self) -> None:
        self._command(self._account(), "cancel_all_orders")

    def _price(self) -> None:
        symbol = self._chance.choice(SYMBOLS)
        self._move(symbol, PRICES[symbol] * self._chance.uniform(0.95, 1.05))

    def _move(self, symbol: str, price: float) -> None:
        price = round(price, 1)
        self._prices[symbol] = price
        self._set_price(symbol, price, round(price + 0.1, 1))
