"""Which functions of the venue may be called past the OMS: one guard, whatever the spelling."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import ccxt

from ccxt_driver.contract.endpoints import snake_case

_MONEY: Final = re.compile(
    r"(^|_)(withdraw|transfer|borrow|repay|deposit|convert|redeem|subscribe|lend|stake|unstake)(_|$)"
)
_ORDERS: Final = re.compile(r"(^|_)(order|orders|position|positions)(_|$)")
_READS: Final = re.compile(r"^(fetch|load|parse|describe|has|watch|un_watch)(_|$)")
_ACTS: Final = re.compile(r"^(create|edit|cancel|close|place|amend|open|replace|submit)(_|$)")
_HTTP_WRITE: Final = re.compile(r"(^|_)(post|put|delete|patch)(_|\d|$)")
_ACTING_GET: Final = re.compile(  # of venues whose every call is a GET, such as privateGetBuy
    r"(^|_)get_(buy|sell|cancel|edit|close|move|mass|create|add|remove|change|reset|set|update|submit|execute"
    r"|approve|accept|reject|verify|invalidate|enable|disable|toggle|logout)(_|$)"
)
_PIPELINE: Final = re.compile(
    r"request|fetch|fetch2|sign|throttle|close|spawn|call|delay|fetch_web_endpoint"
    # These call any method of the exchange by its name, which comes as an argument.
    r"|safe_deterministic_call|fetch_paginated_call_.*"
)


def check(function: Any, options: Mapping[str, Any], exchange_id: str) -> None:
    """Refuse what trades past the OMS or moves money, unless an option allows it.

    A route of the venue's own API that is no GET, or that acts all the same, may do either, so it
    needs both options.

    :param function: a ccxt method name in either spelling
    :param options: `allow_money_movement`, `allow_venue_orders`
    :raises BadRequest: it is no function of an exchange
    :raises PermissionDenied: the option is not set; nothing was sent
    """
    if (
        not isinstance(function, str)
        or not (function.isascii() and function.isidentifier())
        or function.startswith("_")
    ):
        raise ccxt.BadRequest(
            f"{exchange_id} func: expected the name of a ccxt method, got {function!r}"[:200]
        )
    name = snake_case(function)
    if _PIPELINE.fullmatch(name):
        raise ccxt.BadRequest(
            f"{exchange_id} func: {function} is ccxt's own machinery, not a call to a venue"
        )
    if _READS.match(name):
        return
    writes = bool(_HTTP_WRITE.search(name) or _ACTING_GET.search(name))
    if writes or _MONEY.search(name):
        _need("allow_money_movement", "it may move money", options, f"{exchange_id} {function}")
    if writes or _trades(name):
        why = "it may place, change or cancel orders past the OMS, whose own methods do so through it"
        _need("allow_venue_orders", why, options, f"{exchange_id} {function}")


def is_read(function: Any) -> bool:
    """Whether a function of the venue only reads: calling it twice is as calling it once.

    :param function: a ccxt method name in either spelling; routes of the venue's own API are no reads here
    """
    return isinstance(function, str) and bool(_READS.match(snake_case(function)))


def _need(option: str, why: str, options: Mapping[str, Any], what: str) -> None:
    if options.get(option) is not True:  # "false", as an environment variable has it, is no yes
        raise ccxt.PermissionDenied(f"{what}: {why}; set options['{option}'] = True to allow it")


def _trades(name: str) -> bool:
    return bool(_ACTS.match(name)) or bool(_ORDERS.search(name) and not name.startswith("set_"))
