"""Building commands on positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import ccxt

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.values import format_decimal, parse_decimal
from ccxt_driver.mappers.position import net_rows
from ccxt_driver.mappers.trade import PLAIN
from ccxt_driver.mappers.values import needed_decimal

from .order_requests import NO_FEATURES, OrderRequests, sendable, with_its_direction
from .request_parts import plain, text_of
from .retries import CCXTS_PARAMS
from .spelling import in_own_spelling, with_client_order_id

_OPPOSITE: Final = {"buy": "sell", "sell": "buy"}
_SIDES: Final = {None: None, "long": "buy", "buy": "buy", "short": "sell", "sell": "sell"}
_OF_VENUES: Final = ("positionSide", "posSide", "holdSide", "positionIdx")
"""Parameters of Binance, OKX, Bitget and Bybit that name the side of a position."""
_SIDES_OF_VENUES: Final = {
    **dict.fromkeys(("long", "buy", "1"), "buy"),
    **dict.fromkeys(("short", "sell", "2"), "sell"),
    **dict.fromkeys(("both", "net", "merged", "0")),
}
"""None: the venue does not tell sides apart."""


class PositionRequests(OrderRequests):
    """The `*_request` builders of positions."""

    def position_side(self, side: Any, params: Mapping[str, Any]) -> str | None:
        """The contract's side of a position as a caller names it; None for both.

        :param params: may name it as venues do
        :raises BadRequest: it is none, or two are named
        """
        try:
            named = {_SIDES[side.lower() if isinstance(side, str) else side]}
        except (KeyError, TypeError):
            raise ccxt.BadRequest(
                f"{self.id} side: expected long, short, buy, sell or None, got {side!r}"[:200]
            ) from None
        for name in _OF_VENUES:
            if params.get(name) is not None:
                named.add(self._side_of_venue(name, params[name]))
        named.discard(None)
        if len(named) > 1:
            raise ccxt.BadRequest(f"{self.id} side: expected one, got {side!r} and params {params}"[:200])
        return named.pop() if named else None

    def _side_of_venue(self, name: str, word: Any) -> str | None:
        try:
            return _SIDES_OF_VENUES[str(word).lower()]
        except KeyError:
            raise ccxt.BadRequest(f"{self.id} {name}: expected long or short, got {word!r}"[:200]) from None

    def exact_text(self, field: str, value: Any) -> str:
        """A positive number of the caller's as a decimal string."""
        return format_decimal(self._exact(field, value))

    def stop_price(self, market: dict[str, Any], field: str, value: Any) -> str | None:
        """The price of a stop; 0 removes it."""
        try:
            removed = not parse_decimal(plain(value))
        except ValueError:
            removed = False  # refused below, with the field's name
        return None if removed else self._checked_price(market, field, value)

    def close_position_requests(
        self,
        rows: Sequence[Mapping[str, Any]],
        params: Mapping[str, Any],
        by_orders: bool = False,
        features: frozenset[str] = NO_FEATURES,
    ) -> list[dict[str, Any]]:
        """A `close_position` command for each position, oldest first.

        :param rows: open position rows
        :param params: `amount` closes no more than that in all; see `close_position`
        :param features: of the server, as far as `needs_features` asked for them
        :param by_orders: an opposite order that may only reduce in place of each command
        """
        left = None if params.get("amount") is None else self._exact("amount", params["amount"])
        commands = []
        for row in sorted(rows, key=lambda row: int(row["id"])):
            if left is not None and left <= 0:
                break
            part = None
            if left is not None:
                part = min(left, needed_decimal(row, "qty"))
                left -= part
            command = self._close_request(row, part, params, features, alone=len(rows) == 1)
            commands.append(_opposite_order(command, row) if by_orders else command)
        return commands

    def closing_failure(self, error: ccxt.BaseError, may_be_broken: bool) -> ccxt.BaseError:
        """The failure of closing a position, in plain words where the gateway cannot do it at all.

        :param may_be_broken: whether the gateway is of those whose command never works
        """
        broken = getattr(error, "code", None) == ErrorCode.INVALID_POSITION_ID or "qty is required" in str(
            error
        )
        if not may_be_broken or not broken or vars(error).get("outcome") != "refused":
            return error
        message = (
            f"{self.id} closePosition(): this gateway cannot close a position by its id, and in netting mode "
            f"nothing else closes it in its books; place an opposite order with reduceOnly instead ({error})"
        )
        kind = ccxt.NotSupported(message)
        kind.__dict__.update(vars(error))
        return kind

    def _close_request(
        self,
        row: Mapping[str, Any],
        part: Decimal | None,
        params: Mapping[str, Any],
        features: frozenset[str],
        alone: bool,
    ) -> dict[str, Any]:
        market = self.market(row["symbol"])
        side = _OPPOSITE.get(row["side"])
        own = with_its_direction(params.get("type"), side, with_client_order_id(params), features)
        rest = {key: value for key, value in own.items() if key not in ("amount", "position_id")}
        if not alone and rest.get("clientOrderId") is not None:
            raise ccxt.BadRequest(
                f"{self.id} clientOrderId: several positions are closed, each by an order of its own"
            )
        payload: dict[str, Any] = {
            "position_id": row["id"],
            "order_type": self._checked_type(rest.pop("type", None) or "market", rest.get("price"), rest),
            "client_order_id": self._client_order_id(rest),
        }
        price = rest.pop("price", None)
        if payload["order_type"] == "limit":
            if price is None:
                raise ccxt.ArgumentsRequired(f"{self.id} price: a limit order requires a price")
            payload["price"] = self._checked_price(market, "price", price)
        if part is not None:
            payload["qty"] = self._checked_amount(market, part)
        account_id = self._account_id(rest)
        strategy_id = self._strategy_id(rest)
        if strategy_id is not None:
            payload["strategy_id"] = strategy_id
        self._add_identity(payload, rest)
        self._add_execution(payload, rest, features)
        self._add_triggers(payload, rest, market, features)
        for name in ("account_id", "strategy_id", *CCXTS_PARAMS):
            rest.pop(name, None)
        if rest:
            payload["params"] = sendable(rest)
        return {"account_id": account_id, "command": "close_position", "payload": payload}

    def closing_call(self, symbol: Any, side: Any, params: Mapping[str, Any]) -> str:
        """What tells a call to close from another one; identical calls have the same."""
        account_id, strategy_id = self._account_id(params), self._strategy_id(params)
        own = in_own_spelling(params)
        return text_of([account_id, strategy_id, symbol, self.position_side(side, params), own])

    def one_position(self, symbol: str, positions: Sequence[Any]) -> Any:
        """The position of a market, of all that there are."""
        if len(positions) > 1 and all(position["id"] is not None for position in positions):
            members = [position["info"] for position in positions]
            rows = self._mapped(net_rows, members, True, self._terms_of)
            positions = [self._position(row, positions[0]["hedged"]) for row in rows]
        return positions[0] if positions else self._no_position(symbol)

    def _no_position(self, symbol: str) -> Any:
        """ccxt's position structure of a market without a position."""
        number = self._number()
        keys = dict.fromkeys(_POSITION_KEYS)
        size = (self.market(symbol).get("contractSize")) or PLAIN.contract_size
        return {
            **keys,
            "info": {},
            "symbol": self.market(symbol)["symbol"],
            "contracts": number(Decimal(0)),
            "contractSize": number(parse_decimal(size)),
        }


def _opposite_order(closing: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """An order that closes a position of a hedge account as a `close_position` command would."""
    order = {
        "symbol": row["symbol"],
        "side": _OPPOSITE[row["side"]],
        "qty": format_decimal(needed_decimal(row, "qty")),
        "reduce_only": True,
        "strategy_id": row.get("strategy_id") or 0,
        **closing["payload"],
    }
    return {**closing, "command": "send_order", "payload": order}


_POSITION_KEYS: Final = (
    "info",
    "id",
    "symbol",
    "timestamp",
    "datetime",
    "lastUpdateTimestamp",
    "hedged",
    "side",
    "contracts",
    "contractSize",
    "entryPrice",
    "markPrice",
    "lastPrice",
    "exitPrice",
    "notional",
    "leverage",
    "collateral",
    "positionMargin",
    "initialMargin",
    "initialMarginPercentage",
    "maintenanceMargin",
    "maintenanceMarginPercentage",
    "unrealizedPnl",
    "realizedPnl",
    "liquidationPrice",
    "marginMode",
    "isolated",
    "marginRatio",
    "percentage",
    "stopLossPrice",
    "takeProfitPrice",
)
