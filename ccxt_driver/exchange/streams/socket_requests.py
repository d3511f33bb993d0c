"""`create_order_ws` and its kin: the ordinary methods, with their requests sent over the socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final, TypeVar, cast

import ccxt

from ccxt_driver.contract.endpoints import BY_NAME, Access
from ccxt_driver.contract.events import Action, EventName, Namespace
from ccxt_driver.contract.features import Feature
from ccxt_driver.exchange._async.exchange import OmsCcxtExchange as Plain
from ccxt_driver.exchange.capabilities import STREAMED
from ccxt_driver.exchange.older_names import newer_answer, older_request, speaks_older_names

from .socket import GatewaySocket, SocketClosed
from .streaming import Streaming

M = TypeVar("M", bound=Callable[..., Any])

_OVER_SOCKET: Final[ContextVar[bool]] = ContextVar("over_socket", default=False)
_COMMANDS: Final = BY_NAME["commands"].path
_CALL: Final = BY_NAME["ccxt_call"].path
_CORE: Final = BY_NAME["ccxt_core"].path
_POSTED: Final = frozenset({_COMMANDS, _CALL, _CORE})
_QUERIES: Final = {
    endpoint.path: endpoint.name
    for endpoint in BY_NAME.values()
    if endpoint.method == "GET" and endpoint.access is Access.KEY
}


def over_socket(method: M) -> M:
    """The same method, with whatever it asks the gateway sent over the socket.

    :param method: of the plain class; what a subclass makes of it is called
    """
    name = method.__name__

    @wraps(method)
    async def ws(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = _OVER_SOCKET.set(True)
        try:
            return await getattr(self, name)(*args, **kwargs)
        finally:
            _OVER_SOCKET.reset(before)

    ws.__name__ = f"{name}_ws"
    ws.__qualname__ = f"SocketRequests.{name}_ws"
    return cast("M", ws)


class SocketRequests(Streaming):
    """Requests over the socket. Everything else of a method is as without it: checks, ids, lookups."""

    create_order_ws = over_socket(Plain.create_order)
    create_orders_ws = over_socket(Plain.create_orders)
    edit_order_ws = over_socket(Plain.edit_order)
    cancel_order_ws = over_socket(Plain.cancel_order)
    cancel_orders_ws = over_socket(Plain.cancel_orders)
    cancel_all_orders_ws = over_socket(Plain.cancel_all_orders)
    create_market_order_with_cost_ws = over_socket(Plain.create_market_order_with_cost)
    create_market_buy_order_with_cost_ws = over_socket(Plain.create_market_buy_order_with_cost)
    create_market_sell_order_with_cost_ws = over_socket(Plain.create_market_sell_order_with_cost)
    create_trailing_amount_order_ws = over_socket(Plain.create_trailing_amount_order)
    create_trailing_percent_order_ws = over_socket(Plain.create_trailing_percent_order)
    fetch_order_ws = over_socket(Plain.fetch_order)
    fetch_orders_ws = over_socket(Plain.fetch_orders)
    fetch_open_orders_ws = over_socket(Plain.fetch_open_orders)
    fetch_closed_orders_ws = over_socket(Plain.fetch_closed_orders)
    fetch_my_trades_ws = over_socket(Plain.fetch_my_trades)
    fetch_position_ws = over_socket(Plain.fetch_position)
    fetch_positions_ws = over_socket(Plain.fetch_positions)
    fetch_positions_for_symbol_ws = over_socket(Plain.fetch_positions_for_symbol)
    fetch_balance_ws = over_socket(Plain.fetch_balance)
    fetch_trading_fees_ws = over_socket(Plain.fetch_trading_fees)
    fetch_ticker_ws = over_socket(Plain.fetch_ticker)
    fetch_tickers_ws = over_socket(Plain.fetch_tickers)
    fetch_order_book_ws = over_socket(Plain.fetch_order_book)
    fetch_trades_ws = over_socket(Plain.fetch_trades)
    fetch_ohlcv_ws = over_socket(Plain.fetch_ohlcv)
    fetch_deposits_ws = over_socket(Plain.fetch_deposits)
    fetch_withdrawals_ws = over_socket(Plain.fetch_withdrawals)
    fetch_markets_ws = over_socket(Plain.fetch_markets)
    fetch_currencies_ws = over_socket(Plain.fetch_currencies)

    def apply_description(self, description: Any, features: frozenset[str]) -> None:
        """What the plain method can do, its `Ws` twin can."""
        super().apply_description(description, features)
        for key in STREAMED:
            plain = self.has.get(key.removesuffix("Ws"))
            if key.endswith("Ws") and plain is not None:
                self.has[key] = plain

    async def request(  # type: ignore[override]  # as of the plain class
        self,
        path: str,
        api: Any = "public",
        method: str = "GET",
        params: Any = {},
        headers: Any = None,
        body: Any = None,
        config: Any = {},
    ) -> Any:
        """Send a request, over the socket inside of a `*_ws` method where the socket can carry it."""
        if _OVER_SOCKET.get() and not self._is_embedded:
            self.need_own_target()
            side = self._live
            socket = await self._socket_for(path, method, params)
            self.need_side(side, method, path)
            if socket is not None:
                return await self._asked_over(socket, path, params)
        return await super().request(path, api, method, params, headers, body, config)

    async def _socket_for(self, path: str, method: str, params: Any) -> GatewaySocket | None:
        """The socket, if it can carry a request now; None for one that goes by HTTP.

        While there is no connection an order is not held back until there is: it would come late.

        :raises AuthenticationError: the key is not accepted, and nothing was sent
        """
        if path not in _POSTED and (method != "GET" or path not in _QUERIES):
            return None
        if path in _QUERIES and Feature.WS_QUERIES not in await self._features():
            return None
        await self._give_way_when_closed()
        socket = self._desk().socket()
        try:
            if not await socket.is_usable():
                return None
        except SocketClosed:
            return None
        except ccxt.BaseError as error:
            error.__dict__["outcome"] = "not_sent"
            raise
        return socket

    async def _asked_over(self, socket: GatewaySocket, path: str, params: Any) -> Any:
        if path != _COMMANDS:
            way = self._call_over if path in (_CALL, _CORE) else self._query_over
            return await way(socket, path, params)
        older = speaks_older_names(self.options)
        if older:
            params = older_request("POST", path, params)[1]
        commands = params if isinstance(params, list) else [params]
        answer = {"results": await self._results_over(socket, commands)}
        return newer_answer(answer) if older else answer

    async def _results_over(self, socket: GatewaySocket, commands: list[dict[str, Any]]) -> list[Any]:
        """What became of commands, which are sent one after the other and run in that order."""
        if len(commands) == 1:
            return [await self._result_over(socket, commands[0])]
        asked = [self._result_over(socket, command) for command in commands]
        results: list[Any] = []
        for result in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(result, BaseException):
                if vars(result).get("outcome") != "refused":
                    raise result
                result = {"ok": False, "error": vars(result).get("details")}
            results.append(result)
        return results

    @staticmethod
    async def _result_over(socket: GatewaySocket, command: dict[str, Any]) -> Any:
        frame = await socket.ask(Namespace.POSITION, Action.COMMAND, command)
        return frame.get("payload")

    @staticmethod
    async def _query_over(socket: GatewaySocket, path: str, params: Any) -> Any:
        payload = {"endpoint": _QUERIES[path], "parameters": dict(params)}
        frame = await socket.ask(Namespace.POSITION, Action.QUERY, payload)
        return frame.get("payload")

    async def _call_over(self, socket: GatewaySocket, path: str, params: Any) -> Any:
        call = {key: params[key] for key in ("account_id", "func") if key in params}
        kwargs = params.get("kwargs")
        if path == _CORE:
            kwargs = {key: value for key, value in params.items() if key not in call}
        self.guard_venue_request(path, params)
        payload = {**call, "args": params.get("args") or [], "kwargs": kwargs or {}}
        frame = await socket.ask(Namespace.CCXT, Action.CALL, payload)
        answer = frame.get("payload")
        result = answer.get("result") if isinstance(answer, Mapping) else None
        return {"ok": frame.get("event") == EventName.CCXT_RESULT.value, "result": result}
