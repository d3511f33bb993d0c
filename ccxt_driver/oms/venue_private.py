"""What the paper venue knows of an account, in ccxt's unified structures."""

from __future__ import annotations

from typing import Any, Final

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.rows import OrderStatus, PositionMode
from ccxt_driver.contract.values import format_decimal, format_time

from .administration import MOST_FUNDS
from .entities import ZERO, Order
from .ledger.margin import leverage_of
from .market.listing import Market
from .refusals import Refusal, venue_refusal
from .reserving import reserve
from .risk import check_account
from .venue_arguments import Call, listed

_MAINTENANCE_RATE: Final = 0.005


def fetch_balance(call: Call) -> dict[str, Any]:
    """Free, used and total of every currency; money is shared by all strategies of the account."""
    account = call.owner
    free: dict[str, float] = {}
    used: dict[str, float] = {}
    total: dict[str, float] = {}
    exact = []
    for currency in sorted(account.totals):
        row = call.core.balance_row(account, currency, call.now)
        exact.append(row)
        free[currency], used[currency], total[currency] = (
            float(row[name]) for name in ("free", "used", "total")
        )
    balance: dict[str, Any] = {
        "info": {"balances": exact},
        "timestamp": call.now,
        "datetime": format_time(call.now),
        "free": free,
        "used": used,
        "total": total,
    }
    for currency in total:
        balance[currency] = {"free": free[currency], "used": used[currency], "total": total[currency]}
    return balance


def fetch_trading_fee(call: Call) -> dict[str, Any]:
    """Maker and taker rate of a market."""
    return _fee(call.market())


def fetch_trading_fees(call: Call) -> dict[str, dict[str, Any]]:
    """Rates by symbol."""
    return {market.symbol: _fee(market) for market in call.core.market.markets.values()}


def _fee(market: Market) -> dict[str, Any]:
    return {
        "info": {},
        "symbol": market.symbol,
        "maker": float(market.maker),
        "taker": float(market.taker),
        "percentage": True,
        "tierBased": False,
    }


# ------------------------------------------------------------------ leverage and modes


def fetch_leverage(call: Call) -> dict[str, Any]:
    """The leverage of the account on a swap; margin is always crossed."""
    market = _swap(call, call.market())
    leverage = float(leverage_of(call.owner.account, market))
    return {
        "info": {},
        "symbol": market.symbol,
        "marginMode": "cross",
        "longLeverage": leverage,
        "shortLeverage": leverage,
    }


def fetch_leverage_tiers(call: Call) -> dict[str, list[dict[str, Any]]]:
    """One tier for each swap: the paper venue does not lower leverage for size."""
    markets = [market for market in call.markets() if market.settle is not None]
    return {
        market.symbol: [
            {
                "tier": 1,
                "symbol": market.symbol,
                "currency": market.settle,
                "minNotional": 0.0,
                "maxNotional": float(MOST_FUNDS * (market.max_leverage or 1)),  # nobody has more
                "maintenanceMarginRate": _MAINTENANCE_RATE,
                "maxLeverage": None if market.max_leverage is None else float(market.max_leverage),
                "info": {},
            }
        ]
        for market in markets
    }


def set_leverage(call: Call) -> dict[str, Any]:
    """Set the leverage of a swap; setting what is set does nothing."""
    market = _swap(call, call.market())
    leverage = call.decimal("leverage")
    most = market.max_leverage
    if leverage < 1 or (most is not None and leverage > most):
        upper = "" if most is None else f" to {format_decimal(most)}"
        raise venue_refusal(
            "BadRequest", f"set_leverage: leverage: expected 1{upper}, got {format_decimal(leverage)}"
        )
    account = call.owner
    check_account(account)
    answer = {"symbol": market.symbol, "leverage": float(leverage), "info": {}}
    if leverage_of(account.account, market) == leverage:
        return answer
    core = call.core
    with core.transaction(call.now) as tx:
        tx.touch_account(account.account)
        account.account.leverage = account.account.leverage | {market.symbol: leverage}
        for position in account.positions_on.get(market.symbol, {}).values():
            tx.touch_position(position)
            core.state.margin_changed(position)
        for order in [*account.orders_on.get(market.symbol, {}).values()]:
            reserve(core.state, tx, account, order)
        currency = market.settle or market.quote
        tx.balance_changed(account, currency)
        if core.free(account, currency, call.now) < ZERO:
            raise venue_refusal(
                "InsufficientFunds", "set_leverage: the margin of what is open would not be covered"
            )
    return answer


def set_margin_mode(call: Call) -> dict[str, Any]:
    """Margin is always crossed; saying so does nothing."""
    mode = str(call.required("margin_mode")).lower()
    symbol = call.given.get("symbol")
    if symbol is not None:
        _swap(call, listed(call.core, symbol))
    if mode == "isolated":
        raise venue_refusal("NotSupported", "set_margin_mode: the paper venue has cross margin only")
    if mode not in ("cross", "crossed"):
        raise venue_refusal("BadRequest", f"set_margin_mode: margin_mode: expected cross, got {mode[:16]!r}")
    return {"marginMode": "cross", "symbol": symbol, "info": {}}


def set_position_mode(call: Call) -> dict[str, Any]:
    """The position mode belongs to the account; saying what it is does nothing."""
    hedged = call.required("hedged")
    if not isinstance(hedged, bool):
        raise venue_refusal("BadRequest", "set_position_mode: hedged: expected true or false")
    if hedged != (call.owner.account.position_mode is PositionMode.HEDGE):
        raise venue_refusal(
            "NotSupported", "set_position_mode: the position mode of an account is chosen when it is made"
        )
    return {"hedged": hedged, "info": {}}


def _swap(call: Call, market: Market) -> Market:
    if market.settle is None:
        raise venue_refusal("BadSymbol", f"{call.name}: {market.symbol} is not a swap")
    return market


# ------------------------------------------------------------------ orders as the venue sees them


_STATUS: Final = {
    OrderStatus.FILLED: "closed",
    OrderStatus.CANCELED: "canceled",
    OrderStatus.REJECTED: "rejected",
}


def fetch_order(call: Call) -> dict[str, Any]:
    """An order by the venue's own id, which the OMS row has as `exchange_order_id`."""
    venue_id = str(call.required("id"))
    order = None
    if venue_id[:1] == "P" and venue_id[1:].isascii() and venue_id[1:].isdigit() and len(venue_id) < 20:
        known = call.core.store.orders_by_id([int(venue_id[1:])])
        order = known[0] if known else None
    if (
        order is None
        or order.account_id != call.owner.account.id
        or not call.principal.sees(order.strategy_id)
        or call.given.get("symbol") not in (None, order.symbol)
    ):
        raise Refusal(
            ErrorCode.EXCHANGE_ERROR, f"order {venue_id[:40]} does not exist", {"ccxt_error": "OrderNotFound"}
        )
    return _unified(order)


def fetch_open_orders(call: Call) -> list[dict[str, Any]]:
    """Open orders, ascending in time."""
    symbol = call.given.get("symbol")
    if symbol is not None:
        listed(call.core, symbol)
    since = call.whole("since", None, 0, 2**53)
    limit = call.whole("limit", None, 1, 5000)
    orders = [
        order
        for order in call.owner.orders.values()
        if call.principal.sees(order.strategy_id)
        and (symbol is None or order.symbol == symbol)
        and (since is None or order.created_at >= since)
    ]
    orders.sort(key=lambda order: (order.created_at, order.id))
    if limit is not None:
        orders = orders[:limit] if since is not None else orders[-limit:]
    return [_unified(order) for order in orders]


def _unified(order: Order) -> dict[str, Any]:
    average = order.avg_fill_price
    trigger = order.trigger_price or order.stop_price or order.take_profit_price
    fee = {"currency": order.fee_currency, "cost": float(order.fee)} if order.fee_currency else None
    return {
        "id": order.exchange_order_id,
        "clientOrderId": order.client_order_id,
        "timestamp": order.created_at,
        "datetime": format_time(order.created_at),
        "lastTradeTimestamp": order.updated_at if order.filled_qty else None,
        "lastUpdateTimestamp": order.updated_at,
        "symbol": order.symbol,
        "type": order.order_type,
        "timeInForce": "PO" if order.post_only else order.time_in_force.value,
        "postOnly": order.post_only,
        "reduceOnly": order.reduce_only,
        "side": order.side.value,
        "price": float(order.price)
        if order.price is not None
        else None
        if average is None
        else float(average),
        "triggerPrice": None if trigger is None else float(trigger),
        "stopLossPrice": None if order.stop_price is None else float(order.stop_price),
        "takeProfitPrice": None if order.take_profit_price is None else float(order.take_profit_price),
        "amount": float(order.qty),
        "filled": float(order.filled_qty),
        "remaining": float(order.remaining),
        "cost": float(order.filled_cost),
        "average": None if average is None else float(average),
        "status": _STATUS.get(order.status, "open"),
        "fee": fee,
        "fees": [] if fee is None else [fee],
        "trades": [],
        "info": {"status": order.status.value, "reject_reason": order.reject_reason},
    }
