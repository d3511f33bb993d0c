"""The venue behind the gateway: for each account an object of ccxt's, with ids of the venue's own.

It is an embedded OMS behind the driver, which is as good a ccxt object as any. Its orders are called
`x1`, its trades `t1` and its positions `p1`, so that nobody takes them for ids of the gateway.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import ccxt
import ccxt.async_support

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.contract.endpoints import snake_case
from ccxt_driver.oms import EmbeddedOms

BASIC: Final = frozenset(
    {"create_order", "cancel_order", "fetch_order", "fetch_open_orders", "fetch_my_trades"}
    | {"fetch_balance", "load_markets", "fetch_markets", "fetch_ticker"}
    | {"fetch_order_book", "fetch_trades", "fetch_ohlcv"}
)
"""What every venue has."""

_ONE_ORDER: Final = frozenset({"fetch_order", "fetch_open_order", "fetch_closed_order", "fetch_order_trades"})
_BY_ID: Final = _ONE_ORDER | {"cancel_order", "edit_order"}
_TRADES: Final = frozenset({"fetch_my_trades", "fetch_order_trades"})
_ORDERS: Final = frozenset(
    {"create_order", "cancel_order", "cancel_orders", "cancel_all_orders", "edit_order", "fetch_orders"}
    | {"fetch_order", "fetch_open_order", "fetch_closed_order", "fetch_open_orders"}
    | {"fetch_closed_orders", "fetch_canceled_orders", "fetch_canceled_and_closed_orders"}
)
_OTHERS: Final = frozenset({"load_markets", "set_leverage", "set_margin_mode", "set_position_mode"})
_NOT_THE_VENUES: Final = frozenset({"fetch_accounts", "fetch_ledger", "fetch_ledger_entry"})
"""What the driver answers of its own gateway."""
_CHANGING: Final = ("create_", "cancel_", "edit_", "private_post", "private_put", "private_delete")

_WORDS: Final[Mapping[type[Exception], str]] = {
    ccxt.InsufficientFunds: "Account has insufficient balance for requested action.",
    ccxt.OrderNotFound: "Order does not exist.",
    ccxt.OrderImmediatelyFillable: "Order would immediately match and take.",
}
"""How venues say what the driver has its own words for."""


def changes_something(function: str) -> bool:
    """Whether a call needs the permission to trade: told by the beginning of its name, and wrongly
    of names in camelCase and of `set_leverage`, `withdraw` and the like."""
    return function.startswith(_CHANGING)


class Venue:
    """The venue's objects, one an account.

    :param oms: the venue
    :param exchange_id: what it is called in ccxt
    :param functions: what it has beside `BASIC`; None for all that the driver has
    :param trades_in_order: whether an order that is asked for comes with its trades
    :param symbol_required: functions that want a symbol
    """

    def __init__(
        self,
        oms: EmbeddedOms,
        exchange_id: str,
        functions: Iterable[str] | None,
        trades_in_order: bool,
        symbol_required: Iterable[str],
    ) -> None:
        self.oms = oms
        self.down: Exception | None = None
        """Raised by every call until it is taken away."""
        self.changed: Callable[[str, Any], Any] | None = None
        """Gives, or raises, what the venue answers, of a function's name and what it would have answered."""
        self.loses_next_answer = False
        """The next call that changes something is carried out, and its answer never arrives."""
        self._name = exchange_id.rpartition(".")[2]
        self._functions = None if functions is None else BASIC | frozenset(functions)
        self._trades_in_order = trades_in_order
        self._symbol_required = frozenset(symbol_required)
        self._objects: dict[int, OmsCcxtExchange] = {}

    def has(self, function: str) -> bool:
        """Whether it has a function.

        :param function: in snake_case
        """
        if self._functions is not None and function not in self._functions:
            return False
        known = function in _ORDERS | _TRADES | _OTHERS or function.startswith("fetch_")
        return known and function not in _NOT_THE_VENUES and _is_coroutine(function)

    def call(self, account_id: int, func: str, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
        """Call a function of an account's object and wait for it, as the gateway does.

        :param func: in snake_case or camelCase
        :returns: plain values, ready for JSON
        :raises Exception: whatever went wrong; the caller keeps its text only
        """
        name = snake_case(func)
        if self.down is not None:
            raise self.down
        if not self.has(name):
            if _exists(name) and not _is_coroutine(name):
                raise TypeError("object dict can't be used in 'await' expression")
            raise ccxt.NotSupported(f"unsupported ccxt method: {func}")
        if name in self._symbol_required and not _symbol_in(name, args, kwargs):
            raise ccxt.ArgumentsRequired(f"{self._name} {func}() requires a symbol argument")
        args, given = self._with_own_ids(name, args, kwargs)
        if name == "create_order":
            # A venue keeps no claims: the same client order id makes another order.
            self.oms._core.store._claims.clear()  # type: ignore[attr-defined]
        function: Callable[..., Any] = getattr(self._object(account_id), name)
        try:
            result = function(*args, **given)
        except ccxt.BaseError as error:
            raise self._in_venues_words(error) from error
        if self.loses_next_answer and changes_something(name):
            self.loses_next_answer = False
            raise ccxt.RequestTimeout(f"{self._name} POST https://api.venue.test/order request timed out")
        answer = self._outwards(name, result)
        return answer if self.changed is None else self.changed(name, answer)

    def _object(self, account_id: int) -> OmsCcxtExchange:
        if account_id not in self._objects:
            options = {"base_url": "embedded:", "oms": self.oms, "account_id": account_id}
            self._objects[account_id] = OmsCcxtExchange({"options": options})
        return self._objects[account_id]

    def _in_venues_words(self, error: ccxt.BaseError) -> ccxt.BaseError:
        """The same exception, without anything that only an OMS would say."""
        words = next((text for kind, text in _WORDS.items() if isinstance(error, kind)), None)
        if words is None:
            details = getattr(error, "details", None)
            detail = details.get("detail") if isinstance(details, dict) else None
            said = detail["message"] if isinstance(detail, dict) else str(error).removeprefix("oms ")
            words = re.sub(r"\border (\d+)", r"order x\1", said)
            words = re.sub(r"^payload\.(?:new_)?(\w+):", r"Invalid \1:", words)
        return type(error)(f"{self._name} {words}")

    # -- ids

    def _with_own_ids(self, name: str, args: list[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], Any]:
        """The arguments with the venue's ids as its inside knows them."""
        args, given = list(args), dict(kwargs)
        if name in _BY_ID:
            if args:
                args[0] = self._inside(args[0])
            else:
                given["id"] = self._inside(given.get("id"))
        elif name == "cancel_orders":
            if args:
                args[0] = [self._inside(each) for each in args[0]]
            else:
                given["ids"] = [self._inside(each) for each in given["ids"]]
        return args, given

    def _inside(self, order_id: Any) -> Any:
        if not order_id:
            return None  # it is named by its client order id
        if re.fullmatch(r"x\d+", str(order_id)) is None:
            raise ccxt.OrderNotFound(f"{self._name} {_WORDS[ccxt.OrderNotFound]}")
        return order_id[1:]

    def _outwards(self, name: str, result: Any) -> Any:
        if name in _ORDERS:
            return _each(result, lambda order: self._order(order, with_trades=name in _ONE_ORDER))
        if name in _TRADES:
            return _each(result, _trade)
        if name == "fetch_position" or name.startswith("fetch_positions"):
            return _each(result, _position)
        return _plain(result)

    def _order(self, order: dict[str, Any], with_trades: bool) -> dict[str, Any]:
        own = {**_plain(order), "id": f"x{order['id']}"}
        own["info"] = {"orderId": own["id"], "clientOrderId": order["clientOrderId"]}
        if with_trades and self._trades_in_order:
            return {**own, "trades": [_trade(trade) for trade in order["trades"]]}
        return {**own, "trades": [], "fee": None, "fees": []}


def _trade(trade: dict[str, Any]) -> dict[str, Any]:
    own = {**_plain(trade), "id": f"t{trade['id']}", "order": f"x{trade['order']}"}
    return {**own, "info": {"id": own["id"], "orderId": own["order"]}}


def _position(position: dict[str, Any]) -> dict[str, Any]:
    return {**_plain(position), "id": f"p{position['id']}" if position.get("id") else None}


def _each(result: Any, change: Callable[[dict[str, Any]], Any]) -> Any:
    return [change(each) for each in result] if isinstance(result, list) else change(result)


def _plain(value: Any) -> Any:
    """Values that JSON has, and nothing of what they were made of."""
    if isinstance(value, dict):
        return {str(key): {} if key == "info" else _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _symbol_in(name: str, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
    place = 1 if name in _BY_ID else 0
    return kwargs.get("symbol") or (len(args) > place and args[place])


def _exists(name: str) -> bool:
    return hasattr(ccxt.async_support.Exchange, name)


def _is_coroutine(name: str) -> bool:
    return inspect.iscoroutinefunction(getattr(ccxt.async_support.Exchange, name, None))
