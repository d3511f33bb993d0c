"""Names of `params` in both of ccxt's spellings: `reduceOnly` and `reduce_only` are one field.

A name that nobody knows goes on to the venue: a spelling that is not read is an order without what it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import ccxt

from ccxt_driver.contract.endpoints import snake_case

_OF_CCXT: Final = (
    *("clientOrderId", "clientOrderIds", "timeInForce", "postOnly", "reduceOnly", "expireAt", "displayQty"),
    *("triggerPrice", "stopPrice", "stopLossPrice", "takeProfitPrice", "stopLoss", "takeProfit"),
    *("triggerDirection", "trailingAmount", "trailingPercent", "trailingTriggerPrice"),
    *("stopLossType", "stopLossPriceType", "stopLossLimitPrice", "stopLossAmount"),
    *("takeProfitType", "takeProfitPriceType", "takeProfitLimitPrice", "takeProfitAmount"),
)
_WHOSE: Final = ("account_id", "strategy_id")
_OF_THE_OMS: Final = (
    *_WHOSE,
    *("position_id", "request_id", "oms_stop_loss", "oms_stop_gain", "stop_mode", "after_seq"),
    *("client_strategy_id", "account_ids", "start_date", "end_date", "symbols_hint"),
)


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


_OTHER: Final = {
    **{name: snake_case(name) for name in _OF_CCXT},
    **{name: _camel_case(name) for name in _OF_THE_OMS},
}
"""The other spelling of each name that the driver reads."""
_OF_VENUES: Final = ("orderLinkId", "clOrdId", "clOrdID", "cl_ord_id", "clientOid", "client_oid")
"""What venues call the client order id: ccxt's classes take it by these names first, so that to pass them on
would give the order another id than the one by which it is looked up."""
_OF_NEW_ORDERS: Final = (*_OF_VENUES, "newClientOrderId", "client-order-id")
_OF_PLACED_ORDERS: Final = (*_OF_VENUES, "origClientOrderId")
_OWN: Final = {other: name for name, other in _OTHER.items()}
_WHOSE_IN_BOTH: Final = frozenset((*_WHOSE, *(_OTHER[name] for name in _WHOSE)))


def in_own_spelling(params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` with every name of ours as the driver reads it; what is not ours stays as it is.

    :returns: the same dict where there is nothing to change

    :raises BadRequest: both spellings of a name are given, and differ
    """
    if not params or params.keys().isdisjoint(_OWN):
        return params if isinstance(params, dict) else dict(params)
    own = {name: value for name, value in params.items() if name not in _OWN}
    for other, name in _OWN.items():
        if other in params:
            own[name] = agreed(params, name, other)
    return own


def with_client_order_id(params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` of a new order, whose client order id may have the name that a venue gives it.

    :raises BadRequest: there are several, and they differ
    """
    own = in_own_spelling(params)
    for other in _OF_NEW_ORDERS:
        if other in own:
            own = {**own, "clientOrderId": agreed(own, "clientOrderId", other)}
            del own[other]
    return own


def named_client_order_id(params: Mapping[str, Any]) -> Any:
    """The client order id of an order that is there, by ccxt's name or a venue's; None where there is none.

    :raises BadRequest: there are several, and they differ
    """
    value = said(params, "clientOrderId")
    for other in _OF_PLACED_ORDERS:
        if other in params:
            value = agreed({"clientOrderId": value, other: params[other]}, "clientOrderId", other)
    return value


def said(params: Mapping[str, Any], name: str) -> Any:
    """What `params` say of one name of ours, in either spelling; None where they do not.

    :raises BadRequest: as of `in_own_spelling`
    """
    return agreed(params, name, _OTHER[name])


def agreed(params: Mapping[str, Any], name: str, other: str) -> Any:
    """What `params` say by either of two names of one thing; None counts as nothing.

    :raises BadRequest: both are given, and differ
    """
    value, another = params.get(name), params.get(other)
    if value is None or another is None:
        return another if value is None else value
    if value != another and str(value) != str(another):
        raise ccxt.BadRequest(
            f"{name}, {other}: expected one of them, or both the same, got {value!r} and {another!r}"[:200]
        )
    return value


def for_the_venue(params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` without what says on which account and for which strategy: that is never the venue's."""
    return {name: value for name, value in params.items() if name not in _WHOSE_IN_BOTH}


def params_of(order: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """`params` of one order of a batch: its own win over those of all.

    :param order: as of `create_orders`, with `params` or without
    :param common: of the batch
    """
    return {**in_own_spelling(common), **in_own_spelling(order.get("params") or {})}
