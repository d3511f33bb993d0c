"""What the paper venue's order types and options require of an order: one table, one check each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from ccxt_driver.contract.commands import ClosePosition, SendOrder, Side, TimeInForce
from ccxt_driver.contract.values import format_decimal
from ccxt_driver.oms.entities import Order
from ccxt_driver.oms.market.listing import Market
from ccxt_driver.oms.refusals import invalid, venue_refusal

Options = SendOrder | ClosePosition
"""What a client asked for."""


def _market(options: Options) -> None:
    if options.post_only:
        raise invalid("payload.post_only", "a market order cannot be post_only")
    if options.display_qty is not None:
        raise invalid("payload.display_qty", "a market order cannot be an iceberg")
    if options.time_in_force is TimeInForce.GTD and not has_trigger(options):
        raise invalid(
            "payload.time_in_force",
            "a market order without a trigger has no time to wait; expected IOC or FOK",
        )


def _limit(options: Options) -> None:
    if options.post_only and options.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        raise invalid("payload.time_in_force", "a post_only order rests; expected GTC or GTD")


ORDER_TYPES: Final[dict[str, Callable[[Options], None]]] = {"market": _market, "limit": _limit}


_PLAIN: Final = frozenset(
    ("symbol", "side", "order_type", "qty", "cost", "price", "strategy_id", "client_order_id", "params")
)


def is_plain(options: Options) -> bool:
    """Whether nothing is asked for that an order does not do by default, as of nearly all."""
    return options.model_fields_set <= _PLAIN


def has_trigger(order: Options | Order) -> bool:
    """Whether an order waits for a price before it is active."""
    return (
        order.trigger_price is not None
        or order.stop_price is not None
        or order.take_profit_price is not None
        or order.trailing_amount is not None
        or order.trailing_percent is not None
    )


def _triggers(options: Options) -> int:
    """How many kinds of trigger are given; a stop and a take profit are one kind: either fires."""
    return (
        (options.trigger_price is not None)
        + (options.stop_price is not None or options.take_profit_price is not None)
        + (options.trailing_amount is not None)
        + (options.trailing_percent is not None)
    )


_NOT_HONOURED: Final = frozenset(
    (
        *("stopLoss", "takeProfit", "stopLossPrice", "takeProfitPrice", "trailingTriggerPrice"),
        *("triggerPx", "stopPx", "slTriggerPx", "tpTriggerPx", "sl_trigger_price", "tp_trigger_price"),
        *("attachAlgoOrds", "presetStopLossPrice", "presetStopSurplusPrice", "trailingStop"),
        *("trailingDelta", "callbackRate", "callbackRatio", "callbackSpread", "callback_rate"),
        *("callbackValue", "activationPrice", "activation_price", "pegOffsetValue"),
        *("triggerStopUpPrice", "triggerStopDownPrice", "stopLossRp", "takeProfitRp"),
    )
)
"""Parameters for a venue that change when an order trades, ccxt's and those in venues' own words: to ignore
one would be to trade at another moment than was asked for, such as a stop at once. Others that the paper
venue does not know are ignored, as ccxt's users expect."""
_ALSO_PLACES: Final = "close"
"""Kraken's parameter for the stop that an order places when it fills, a dict."""
_STAYS: Final = ("tif", "force")
"""Parameters of Gate and Bitget that say what `timeInForce` says."""
_OWN_TYPE: Final = "ordType"
"""OKX's parameter that beats the type of an order."""
_FLAGS: Final = "oflags"
"""Kraken's parameter: words with commas between them."""
_INSTRUCTIONS: Final = "execInst"
"""BitMEX's parameter, of that kind, too."""
_POSTS: Final = {_FLAGS: "post", _INSTRUCTIONS: "participatedonotinitiate"}
"""Of them those that say that an order only posts."""
_IN_QUOTE: Final = {
    "quoteOrderQty": None,
    "funds": None,
    "tgtCcy": "quote_ccy",
    "marketUnit": "quoteCoin",
    _FLAGS: "viqc",
}
"""Parameters of Binance, KuCoin, OKX, Bybit and Kraken by which an amount is money, and the value that says
so; None: any. To ignore one would be to buy 100 coins for 100 dollars' worth."""
_HELD_SIDE: Final = ("positionSide", "posSide", "positionIdx", "holdSide")
"""Parameters of Binance, OKX, Bybit and Bitget that name the side of a position; an order of the other side
closes it."""
_CLOSES: Final = {(Side.SELL, "long"), (Side.SELL, "1"), (Side.BUY, "short"), (Side.BUY, "2")}
"""Sides of orders, and of positions in words or as Bybit counts them."""
_OPENS: Final = {(side, held) for side in Side for _, held in _CLOSES} - _CLOSES
_HEDGED: Final = "hedged"
"""ccxt's parameter that says of a swap that positions of both sides are kept: without `reduceOnly` an order
opens one of its own side."""
_ONLY_REDUCES: Final = {"offset": "close", "closeOnTrigger": "true"}
"""Parameters, of HTX and Bybit, that say of an order what `reduceOnly` says."""
_CLOSES_OTHERWISE: Final = {
    "closePosition": ("true", "1"),
    "closeOrder": ("true", "1"),
    "close": ("true", "1"),
    "tradeSide": ("close", "close_long", "close_short"),
    "auto_size": ("close_long", "close_short"),
    _INSTRUCTIONS: ("close", "reduceonly"),
}
"""Parameters of Binance, KuCoin, Gate, Bitget and BitMEX by which an order closes a position, whatever amount
or side it has, and the values that say so. To ignore one would be to open another position."""

_DIRECTION: Final = "triggerDirection"
"""ccxt's parameter that says from where the price has to reach a trigger. To ignore it would be to have a
stop that the price has passed already wait for its way back."""
_RISES: Final = {
    **dict.fromkeys(("ascending", "above", "up", "1"), True),
    **dict.fromkeys(("descending", "below", "down", "2"), False),
}
_STOP: Final = "stop"
_STOP_RISES: Final = {"entry": True, "up": True, "loss": False, "down": False}
"""Words of KuCoin's parameter that say the same of its `stopPrice`; ccxt's own of the name is a switch."""


def as_meant(payload: SendOrder) -> SendOrder:
    """A payload that only reduces where its parameters say that it closes a side, and opens none."""
    if not payload.params or payload.reduce_only:
        return payload
    held = {_word(payload.params, name) for name in _HELD_SIDE}
    closes = any((payload.side, side) in _CLOSES for side in held)
    if not closes and all(_word(payload.params, name) != value for name, value in _ONLY_REDUCES.items()):
        return payload
    return payload.model_copy(update={"reduce_only": True})


def opens_by_name(payload: SendOrder, market: Market) -> str | None:
    """The parameter, if any, that says of an order that it opens or adds to a position of its own side."""
    if not payload.params:
        return None
    for name in _HELD_SIDE:
        if (payload.side, _word(payload.params, name)) in _OPENS:
            return name
    is_hedged = market.settle is not None and _word(payload.params, _HEDGED) == "true"
    return _HEDGED if is_hedged else None


def _word(params: Mapping[str, Any], name: str) -> str:
    return str(params.get(name)).lower()


def _words(params: Mapping[str, Any], name: str) -> set[str]:
    """Of a parameter that may be several, with commas between them."""
    return {word.strip() for word in _word(params, name).split(",")}


def _rises(params: Mapping[str, Any]) -> bool | None:
    """Whether the price has to reach a trigger from below; None where nothing says it."""
    told = _RISES.get(_word(params, _DIRECTION))
    return _STOP_RISES.get(_word(params, _STOP)) if told is None else told


def check_options(options: Options, market: Market, now: int) -> None:
    """Refuse options that do not go together, and prices off the market's grid.

    :raises Refusal: `validation_error`, naming the field
    """
    check = ORDER_TYPES.get(options.order_type)
    if check is None:
        raise invalid(
            "payload.order_type",
            f"expected one of {', '.join(ORDER_TYPES)}; a stop is one of them with trigger_price, stop_price "
            "or take_profit_price",
        )
    plain = is_plain(options)
    if not plain:
        check(options)
    if options.params:
        _check_params(options, options.params)
    if options.price is not None:
        check_price("payload.price", options.price, market)
    if plain:
        return
    if options.oms_stop_loss is not None:
        check_price("payload.oms_stop_loss", options.oms_stop_loss, market)
    if options.oms_stop_gain is not None:
        check_price("payload.oms_stop_gain", options.oms_stop_gain, market)
    if options.expire_at is not None and options.expire_at <= now:
        raise invalid("payload.expire_at", "expected a time in the future")
    if has_trigger(options):
        _check_trigger(options, market)


def _check_params(options: Options, params: Mapping[str, Any]) -> None:
    for name, value in params.items():
        places = name in _NOT_HONOURED or (name == _ALSO_PLACES and isinstance(value, Mapping))
        if places and value not in (None, "", [], {}):
            raise venue_refusal("NotSupported", f"params.{name}: the paper venue cannot honour it")
    if _word(params, _STOP) in _STOP_RISES and not has_trigger(options):
        raise invalid("payload.trigger_price", f"expected one with params.{_STOP} {params[_STOP]!r}")
    _check_unit(params)
    _check_own_type(options, params)
    if isinstance(options, SendOrder) and not options.reduce_only:
        _check_closing(params)


def _check_unit(params: Mapping[str, Any]) -> None:
    for name, value in _IN_QUOTE.items():
        given = params.get(name)
        if given is not None and (value is None or value in str(given).split(",")):
            raise venue_refusal(
                "NotSupported", f"params.{name}: the paper venue cannot honour it; give params.cost instead"
            )


def _check_own_type(options: Options, params: Mapping[str, Any]) -> None:
    for name in _STAYS:
        says_nothing = params.get(name) is None or _word(params, name) == "gtc"
        if not (says_nothing or options.post_only or options.time_in_force):
            raise venue_refusal(
                "NotSupported",
                f"params.{name}: the paper venue cannot honour it; give params.timeInForce instead",
            )
    own_type = _word(params, _OWN_TYPE)
    is_of_its_own = params.get(_OWN_TYPE) is not None and own_type != options.order_type
    posting = [name for name, word in _POSTS.items() if word in _words(params, name)]
    posts = own_type == "post_only" or bool(posting)
    if (is_of_its_own or posts) and not (posts and options.post_only):
        name = _OWN_TYPE if is_of_its_own else posting[0]
        raise venue_refusal(
            "NotSupported",
            f"params.{name}: the paper venue cannot honour it; give params.postOnly or .timeInForce instead",
        )


def _check_closing(params: Mapping[str, Any]) -> None:
    for name, values in _CLOSES_OTHERWISE.items():
        if not _words(params, name).isdisjoint(values):
            raise venue_refusal(
                "NotSupported",
                f"params.{name}: the paper venue cannot honour it; give params.reduceOnly instead",
            )


def _check_trigger(options: Options, market: Market) -> None:
    if _triggers(options) > 1:
        raise invalid(
            "payload.trigger_price",
            "expected one kind of trigger: this, or stop_price and take_profit_price, or a trailing one",
        )
    for name in ("trigger_price", "stop_price", "take_profit_price", "trailing_amount"):
        value = getattr(options, name)
        if value is not None:
            check_price(f"payload.{name}", value, market)
    if options.trailing_percent is not None and options.trailing_percent >= 100:
        raise invalid("payload.trailing_percent", "expected less than 100")
    direction = (options.params or {}).get(_DIRECTION)
    if direction is not None and str(direction).lower() not in _RISES:
        text = f"expected ascending or descending, got {direction!r}"
        raise invalid(f"payload.params.{_DIRECTION}", text[:200])


def check_price(field: str, price: Decimal, market: Market) -> None:
    """Refuse a price that is not a multiple of the tick.

    :raises Refusal: `validation_error`
    """
    if price % market.tick_size:
        raise invalid(
            field, f"expected a multiple of {format_decimal(market.tick_size)}, got {format_decimal(price)}"
        )


def check_qty(field: str, qty: Decimal, market: Market, whole: bool = False) -> None:
    """Refuse a quantity off the lot or outside the market's limits.

    :param whole: it closes the whole of a position, whatever size that has
    :raises Refusal: `validation_error`
    """
    if whole:
        return
    if qty > market.max_qty:
        raise invalid(field, f"expected at most {format_decimal(market.max_qty)}, got {format_decimal(qty)}")
    if qty % market.lot_size:
        raise invalid(
            field, f"expected a multiple of {format_decimal(market.lot_size)}, got {format_decimal(qty)}"
        )
    if qty < market.min_qty:
        raise invalid(field, f"expected at least {format_decimal(market.min_qty)}, got {format_decimal(qty)}")


def check_cost(field: str, cost: Decimal, market: Market) -> None:
    """Refuse an order worth less than the market takes.

    :param cost: quote units
    :raises Refusal: `validation_error`
    """
    if cost < market.min_cost:
        raise invalid(
            field,
            f"expected price times quantity of at least {format_decimal(market.min_cost)} {market.quote}, "
            f"got {format_decimal(cost)}",
        )


def check_stops(
    side: Side,
    stop_loss: Decimal | None,
    stop_gain: Decimal | None,
    price: Decimal,
    field: str | None = None,
) -> None:
    """Refuse a stop that would fire at once.

    :param side: of the position
    :param price: where the price is, or where the position will be opened, in quote units
    :param field: what made it so, when it is not the stop that is given now
    :raises Refusal: `validation_error`
    """
    long = side is Side.BUY
    for name, stop, below in (("oms_stop_loss", stop_loss, long), ("oms_stop_gain", stop_gain, not long)):
        if stop is None or (stop < price if below else stop > price):
            continue
        beyond = f"{'below' if below else 'above'} {format_decimal(price)} for a {side} position"
        if field is None:
            raise invalid(f"payload.{name}", f"expected {beyond}")
        raise invalid(field, f"the order's {name}, {format_decimal(stop)}, is not {beyond}")


def arm(order: Order, last: Decimal) -> None:
    """Point a new order's trigger: it fires when the price reaches it from where it was as it was sent.

    :param last: last price, in quote units: of that moment, and again of that at which it arrives
    """
    # A stop that the price passes while it is on its way is reached: turned round it would protect nothing.
    if order.trigger_price is not None and order.trigger_above is None:
        told = _rises(order.params)
        order.trigger_above = order.trigger_price > last if told is None else told
    if order.trailing_amount is not None or order.trailing_percent is not None:
        order.trail_extreme = last


def trail(order: Order, last: Decimal) -> bool:
    """Move a trailing order's extreme.

    :returns: whether it moved
    """
    extreme = order.trail_extreme
    if extreme is None or (last <= extreme if order.side is Side.SELL else last >= extreme):
        return False
    order.trail_extreme = last
    return True


def thresholds(order: Order) -> tuple[Decimal | None, Decimal | None]:
    """Last prices at which a waiting order fires: at or below the first, at or above the second."""
    if order.trigger_price is not None:
        return (None, order.trigger_price) if order.trigger_above else (order.trigger_price, None)
    sells = order.side is Side.SELL
    if order.trail_extreme is not None:
        away = trail_distance(order, order.trail_extreme)
        return (order.trail_extreme - away, None) if sells else (None, order.trail_extreme + away)
    stop, gain = order.stop_price, order.take_profit_price
    return (stop, gain) if sells else (gain, stop)


def trail_distance(order: Order, extreme: Decimal) -> Decimal:
    """How far a trailing order stays behind, in quote units."""
    if order.trailing_amount is not None:
        return order.trailing_amount
    percent: Any = order.trailing_percent
    return Decimal(extreme * percent / 100)


def fires(order: Order, last: Decimal) -> bool:
    """Whether a waiting order's trigger has been reached."""
    low, high = thresholds(order)
    return (low is not None and last <= low) or (high is not None and last >= high)
