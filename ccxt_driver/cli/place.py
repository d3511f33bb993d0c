"""`ccxt-driver buy` and `ccxt-driver sell`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import click

from .arguments import YES, number
from .connection import connected

if TYPE_CHECKING:
    from .connection import Desk


def _number_option(name: str, help: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(name, metavar="NUMBER", callback=number, help=help)


_OPTIONS: Final = (
    click.argument("symbol"),
    click.argument("amount", callback=number, required=False),
    _number_option("--price", "A limit order at this price."),
    click.option("--type", "order_type", help="market, limit, or another that the venue knows."),
    _number_option("--trigger-price", "Place it once the price gets there."),
    click.option(
        "--stop-loss",
        metavar="NUMBER",
        callback=number,
        help="Close the position that it opens at this price.",
    ),
    click.option(
        "--take-profit",
        metavar="NUMBER",
        callback=number,
        help="Close the position that it opens at this price.",
    ),
    click.option("--post-only", is_flag=True, help="Only as maker: refused if it would fill at once."),
    click.option(
        "--time-in-force",
        type=click.Choice(["GTC", "IOC", "FOK", "PO"], case_sensitive=False),
        help="How long it stays open.",
    ),
    click.option("--reduce-only", is_flag=True, help="Only to make a position smaller."),
    click.option("--client-order-id", help="An id of your own. Default: a random one."),
    _number_option("--cost", "Quote units to trade for, in place of AMOUNT."),
    YES,
)
_FLAGS: Final = {"post_only": "postOnly", "reduce_only": "reduceOnly"}
_VALUES: Final = {"trigger_price": "triggerPrice", "time_in_force": "timeInForce", "cost": "cost"}
_STOPS: Final = {"stop_loss": "stopLoss", "take_profit": "takeProfit"}


def _order_command(function: Callable[..., None]) -> click.Command:
    command = connected(function)
    for option in reversed(_OPTIONS):
        command = option(command)
    return click.command()(command)


@_order_command
def buy(desk: Desk, **asked: Any) -> None:
    """Buy AMOUNT of SYMBOL: at the market, or with --price by a limit order.

    Says what will be done and on which account, and asks; --yes does not ask.
    """
    _place(desk, "buy", asked)


@_order_command
def sell(desk: Desk, **asked: Any) -> None:
    """Sell AMOUNT of SYMBOL: at the market, or with --price by a limit order.

    Says what will be done and on which account, and asks; --yes does not ask.
    """
    _place(desk, "sell", asked)


def _place(desk: Desk, side: str, asked: dict[str, Any]) -> None:
    from .confirmation import confirm, need_terminal
    from .failures import warn
    from .results import finish
    from .tables import ORDERS, print_json, print_rows, progress

    order_type = _checked_type(asked)
    need_terminal(asked["yes"])
    params = _params(asked)
    exchange, symbol = desk.exchange, asked["symbol"]
    exchange.load_markets()
    market = exchange.market(symbol)
    confirm(desk, _in_words(desk, side, order_type, market, asked, params), asked["yes"])
    with progress("Placing the order"):
        order = exchange.create_order(symbol, order_type, side, asked["amount"], asked["price"], params)
    earlier = order["info"].get("duplicate") is True
    if desk.as_json:
        print_json({**order, "duplicate": True} if earlier else order)
    else:
        print_rows(desk, ORDERS, [order], "no order")
    if earlier:
        client_order_id = params["clientOrderId"]
        warn(
            f"order {order['id']} of the client order id {client_order_id} was there; nothing new was placed"
        )
    finish([order])


def _checked_type(asked: Mapping[str, Any]) -> str:
    """The type of the order.

    :raises UsageError: options do not go together
    """
    if (asked["amount"] is None) == (asked["cost"] is None):
        raise click.UsageError("give either AMOUNT or --cost")
    usual = "market" if asked["price"] is None else "limit"
    order_type = (asked["order_type"] or usual).lower()
    if order_type == "market" and asked["price"] is not None:
        raise click.UsageError("--price: a market order has none")
    if order_type == "limit" and asked["price"] is None:
        raise click.UsageError("--price: a limit order needs one")
    return str(order_type)


def _params(asked: Mapping[str, Any]) -> dict[str, Any]:
    """`params` of `create_order`. The client order id is known before anything is sent: it is shown first."""
    from ccxt_driver.exchange.order_requests import new_client_order_id

    params: dict[str, Any] = {"clientOrderId": asked["client_order_id"] or new_client_order_id()}
    params.update({name: True for option, name in _FLAGS.items() if asked[option]})
    params.update({name: asked[option] for option, name in _VALUES.items() if asked[option] is not None})
    for option, name in _STOPS.items():
        if asked[option] is not None:
            params[name] = {"triggerPrice": asked[option]}
    return params


def _in_words(
    desk: Desk,
    side: str,
    order_type: str,
    market: Mapping[str, Any],
    asked: Mapping[str, Any],
    params: Mapping[str, Any],
) -> list[str]:
    """What will be done, for somebody who has to agree to it."""
    exchange = desk.exchange
    amount = price = None
    # As they will be sent; what is out of the market's limits is refused before anybody is asked.
    if asked["amount"] is not None:
        amount = exchange._checked_amount(market, asked["amount"])
    if asked["price"] is not None:
        price = exchange._checked_price(market, "price", asked["price"])
    parts = [f"{side.capitalize()} {_size(market, amount, asked['cost'])}"]
    if order_type == "market":
        parts.append("at the market")
    elif order_type == "limit":
        parts.append(f"at {price} or {'lower' if side == 'buy' else 'higher'}")
    else:
        parts.append(f"by a {order_type} order" + ("" if price is None else f" at {price}"))
    if asked["trigger_price"] is not None:
        parts.append(f"once the price gets to {asked['trigger_price']}")
    lines = [" ".join([*parts, *_conditions(asked)])]
    for name, used in (("amount", amount), ("price", price)):
        given = asked[name]
        if used is not None and Decimal(given) != Decimal(used):
            lines.append(f"the {name} {given} is rounded to {used}: the market takes no finer one")
    for option, name in (("stop_loss", "stop loss"), ("take_profit", "take profit")):
        if asked[option] is not None:
            lines.append(f"{name} of the position at {asked[option]}")
    if not asked["yes"]:
        lines += _market_now(exchange, market, side, amount, price)
    return [*lines, f"client order id {params['clientOrderId']}"]


def _size(market: Mapping[str, Any], amount: Any, cost: Any) -> str:
    if amount is None:
        return f"{market['symbol']} for {cost} {market['quote']}"
    size = market.get("contractSize")
    if market.get("contract") and size is not None and Decimal(str(size)) != 1:
        return f"{amount} contracts of {market['symbol']} ({size} {market['base']} each)"
    return f"{amount} {market['symbol']}"


def _conditions(asked: Mapping[str, Any]) -> list[str]:
    said = {
        "post_only": "(only as maker)",
        "reduce_only": "(only to reduce a position)",
        "time_in_force": f"({asked['time_in_force']})",
    }
    return [text for option, text in said.items() if asked[option]]


def _market_now(exchange: Any, market: Mapping[str, Any], side: str, amount: Any, price: Any) -> list[str]:
    """The market's prices and what the order is worth, where they can be had."""
    import ccxt

    try:
        ticker = exchange.fetch_ticker(market["symbol"])
    except ccxt.BaseError as error:
        return [f"(the market's price could not be read: {type(error).__name__})"]
    lines = [f"the market: bid {ticker['bid']}, ask {ticker['ask']}, last {ticker['last']}"]
    one = price or ticker["ask" if side == "buy" else "bid"] or ticker["last"]
    if amount is not None and one is not None and not market.get("inverse"):
        worth = Decimal(amount) * Decimal(one) * Decimal(str(market.get("contractSize") or 1))
        lines.append(f"worth about {worth.normalize():f} {market['quote']}")
    return lines
