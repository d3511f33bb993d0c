"""What the paper venue knows of an account's money and orders, in ccxt's unified structures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.rows import OrderStatus
from ccxt_driver.contract.values import format_time

from .entities import Deal, Order
from .market.listing import Market
from .refusals import Refusal
from .store import RowFilter
from .venue_arguments import Call, listed

_LIMIT: Final = 100
_MOST: Final = 1000


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


# ------------------------------------------------------------------ orders as the venue sees them


_STATUS: Final = {
    OrderStatus.FILLED: "closed",
    OrderStatus.CANCELED: "canceled",
    OrderStatus.REJECTED: "rejected",
}


def order_of(call: Call) -> Order:
    """The order that `id` names: the venue's own id, which the OMS row has as `exchange_order_id`.

    :raises Refusal: OrderNotFound
    """
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
    return call.core.state.orders.get(order.id, order)


def fetch_order(call: Call) -> dict[str, Any]:
    """An order by the venue's own id."""
    return unified_order(order_of(call))


def fetch_open_orders(call: Call) -> list[dict[str, Any]]:
    """Open orders, ascending in time."""
    symbol = call.given.get("symbol")
    if symbol is not None:
        listed(call.core, symbol)
    since = call.whole("since", None, 0, 2**53)
    until, limit = _until(call), call.whole("limit", None, 1, 5000)
    orders = [
        order
        for order in call.owner.orders.values()
        if call.principal.sees(order.strategy_id)
        and (symbol is None or order.symbol == symbol)
        and (since is None or order.created_at >= since)
        and (until is None or order.created_at <= until)
    ]
    orders.sort(key=lambda order: (order.created_at, order.id))
    if limit is not None:
        orders = orders[:limit] if since is not None else orders[-limit:]
    return [unified_order(order) for order in orders]


def fetch_orders(call: Call) -> list[dict[str, Any]]:
    """Orders of every status, ascending in time: the newest without `since`."""
    return _orders(call, None)


def fetch_closed_orders(call: Call) -> list[dict[str, Any]]:
    """As `fetch_orders`, those that have filled."""
    return _orders(call, frozenset((OrderStatus.FILLED.value,)))


def fetch_canceled_orders(call: Call) -> list[dict[str, Any]]:
    """As `fetch_orders`, those that were cancelled."""
    return _orders(call, frozenset((OrderStatus.CANCELED.value,)))


def _orders(call: Call, statuses: frozenset[str] | None) -> list[dict[str, Any]]:
    wanted = _wanted(call, statuses)
    rows = call.core.store.orders(wanted)[0]
    return [unified_order(order) for order in (rows[::-1] if wanted.descending else rows)]


def fetch_my_trades(call: Call) -> list[dict[str, Any]]:
    """Trades, ascending in time: the newest without `since`. What the OMS closes by itself is none."""
    wanted = _wanted(call, None)
    rows: list[Deal] = []
    page, total = call.core.store.deals(wanted)
    read = len(page)
    while True:
        rows += [deal for deal in page if deal.order_id]
        if read >= total or len(rows) >= (wanted.limit or total):
            break
        page, total = call.core.store.deals(replace(wanted, offset=read))
        read += len(page)
    rows = rows[: wanted.limit]
    return [_unified_trade(deal) for deal in (rows[::-1] if wanted.descending else rows)]


def _wanted(call: Call, statuses: frozenset[str] | None) -> RowFilter:
    """What `symbol`, `since`, `limit` and `until` ask for; the venue knows more than the OMS."""
    symbol = call.given.get("symbol")
    since = call.whole("since", None, 0, 2**53)
    return RowFilter(
        (call.owner.account.id,),
        strategy_ids=call.principal.strategies,
        symbol=None if symbol is None else listed(call.core, symbol).symbol,
        since_ms=since,
        until_ms=_until(call),
        statuses=statuses,
        known=None,
        descending=since is None,
        limit=call.whole("limit", _LIMIT, 1, _MOST),
    )


def _until(call: Call) -> int | None:
    """None where nothing is said of it: then nothing has to be left out."""
    return None if call.params.get("until") is None else call.until()


def _unified_trade(deal: Deal) -> dict[str, Any]:
    fee = {"currency": deal.fee_currency, "cost": float(deal.fee)}
    return {
        "id": deal.exchange_trade_id,
        "order": f"P{deal.order_id}",
        "timestamp": deal.executed_at,
        "datetime": format_time(deal.executed_at),
        "symbol": deal.symbol,
        "type": None,
        "side": deal.side.value,
        "takerOrMaker": "maker" if deal.maker else "taker",
        "price": float(deal.price),
        "amount": float(deal.qty),
        "cost": float(deal.qty * deal.price),
        "fee": fee,
        "fees": [fee],
        "info": {},
    }


def unified_order(order: Order) -> dict[str, Any]:
    """An order in ccxt's structure."""
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
