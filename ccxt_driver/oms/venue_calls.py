"""The paper venue's own functions, as ccxt names them: what `/ccxt` passes through.

Results are ccxt's unified structures, and so have floats; nowhere else does the OMS give one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from ccxt_driver.contract.endpoints import CORE_FUNCTIONS, MARKET_FUNCTIONS, snake_case
from ccxt_driver.contract.events import CcxtCall

from . import venue_isolated, venue_margin, venue_private, venue_public, venue_trading
from .access import ANONYMOUS, Right, require
from .core import Core
from .entities import Principal
from .refusals import invalid, venue_refusal
from .venue_arguments import Call, bound

CALLS: Final[TypeAdapter[list[CcxtCall]]] = TypeAdapter(Annotated[list[CcxtCall], Field(max_length=1000)])


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the venue.

    :param arguments: names in the order of ccxt's signature, camelCase spellings are read as snake_case
    :param right: what the principal needs on the account; None for market data
    """

    run: Callable[[Call], Any]
    arguments: tuple[str, ...]
    right: Right | None = None


_P: Final = "params"
_LISTED: Final = ("symbol", "since", "limit", _P)

FUNCTIONS: Final[Mapping[str, Function]] = {
    "describe": Function(venue_public.describe, ()),
    "has": Function(venue_public.has, ("feature",)),
    "fetch_markets": Function(venue_public.fetch_markets, (_P,)),
    "load_markets": Function(venue_public.load_markets, ("reload", _P)),
    "fetch_currencies": Function(venue_public.fetch_currencies, (_P,)),
    "fetch_ticker": Function(venue_public.fetch_ticker, ("symbol", _P)),
    "fetch_tickers": Function(venue_public.fetch_tickers, ("symbols", _P)),
    "fetch_bids_asks": Function(venue_public.fetch_bids_asks, ("symbols", _P)),
    "fetch_order_book": Function(venue_public.fetch_order_book, ("symbol", "limit", _P)),
    "fetch_l2_order_book": Function(venue_public.fetch_order_book, ("symbol", "limit", _P)),
    "fetch_trades": Function(venue_public.fetch_trades, ("symbol", "since", "limit", _P)),
    "fetch_ohlcv": Function(venue_public.fetch_ohlcv, ("symbol", "timeframe", "since", "limit", _P)),
    "fetch_time": Function(venue_public.fetch_time, (_P,)),
    "fetch_status": Function(venue_public.fetch_status, (_P,)),
    "fetch_funding_rate": Function(venue_public.fetch_funding_rate, ("symbol", _P)),
    "fetch_funding_rates": Function(venue_public.fetch_funding_rates, ("symbols", _P)),
    "fetch_funding_rate_history": Function(
        venue_public.fetch_funding_rate_history, ("symbol", "since", "limit", _P)
    ),
    "fetch_mark_ohlcv": Function(
        venue_public.fetch_mark_ohlcv, ("symbol", "timeframe", "since", "limit", _P)
    ),
    "fetch_index_ohlcv": Function(
        venue_public.fetch_index_ohlcv, ("symbol", "timeframe", "since", "limit", _P)
    ),
    "fetch_mark_price": Function(venue_public.fetch_mark_price, ("symbol", _P)),
    "fetch_mark_prices": Function(venue_public.fetch_mark_prices, ("symbols", _P)),
    "fetch_balance": Function(venue_private.fetch_balance, (_P,), "read"),
    "fetch_trading_fee": Function(venue_private.fetch_trading_fee, ("symbol", _P), "read"),
    "fetch_trading_fees": Function(venue_private.fetch_trading_fees, (_P,), "read"),
    "fetch_leverage": Function(venue_margin.fetch_leverage, ("symbol", _P), "read"),
    "fetch_leverages": Function(venue_margin.fetch_leverages, ("symbols", _P), "read"),
    "fetch_leverage_tiers": Function(venue_margin.fetch_leverage_tiers, ("symbols", _P), "read"),
    "fetch_market_leverage_tiers": Function(venue_margin.fetch_market_leverage_tiers, ("symbol", _P), "read"),
    "fetch_margin_mode": Function(venue_margin.fetch_margin_mode, ("symbol", _P), "read"),
    "fetch_margin_modes": Function(venue_margin.fetch_margin_modes, ("symbols", _P), "read"),
    "fetch_funding_history": Function(
        venue_margin.fetch_funding_history, ("symbol", "since", "limit", _P), "read"
    ),
    "fetch_order": Function(venue_private.fetch_order, ("id", "symbol", _P), "read"),
    "fetch_open_orders": Function(venue_private.fetch_open_orders, _LISTED, "read"),
    "fetch_orders": Function(venue_private.fetch_orders, _LISTED, "read"),
    "fetch_closed_orders": Function(venue_private.fetch_closed_orders, _LISTED, "read"),
    "fetch_canceled_orders": Function(venue_private.fetch_canceled_orders, _LISTED, "read"),
    "fetch_my_trades": Function(venue_private.fetch_my_trades, _LISTED, "read"),
    "create_order": Function(
        venue_trading.create_order, ("symbol", "type", "side", "amount", "price", _P), "trade"
    ),
    "cancel_order": Function(venue_trading.cancel_order, ("id", "symbol", _P), "trade"),
    "cancel_all_orders": Function(venue_trading.cancel_all_orders, ("symbol", _P), "trade"),
    "set_leverage": Function(venue_margin.set_leverage, ("leverage", "symbol", _P), "trade"),
    "set_margin_mode": Function(venue_margin.set_margin_mode, ("margin_mode", "symbol", _P), "trade"),
    "add_margin": Function(venue_isolated.add_margin, ("symbol", "amount", _P), "trade"),
    "reduce_margin": Function(venue_isolated.reduce_margin, ("symbol", "amount", _P), "trade"),
    "set_margin": Function(venue_isolated.set_margin, ("symbol", "amount", _P), "trade"),
    "set_position_mode": Function(venue_margin.set_position_mode, ("hedged", "symbol", _P), "trade"),
}
"""What the venue answers, by snake_case name."""

_TRADING_PREFIXES: Final = (
    "create",
    "cancel",
    "edit",
    "set",
    "add",
    "reduce",
    "close",
    "transfer",
    "withdraw",
    "borrow",
    "repay",
    "deposit",
)


def core_function(func: str) -> str:
    """A function that `/ccxt/core` serves.

    :raises Refusal: `validation_error`
    """
    name = snake_case(func)
    if name not in CORE_FUNCTIONS:
        raise invalid("func", f"expected one of {', '.join(sorted(CORE_FUNCTIONS))}, got {func[:40]!r}")
    return name


def call(
    core: Core,
    principal: Principal,
    account_id: int,
    func: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    now: int,
) -> Any:
    """Call a function of the venue by its ccxt name, in either spelling.

    :param args: positional arguments in the order of ccxt's signature
    :returns: what ccxt would return, ready for JSON
    :raises Refusal: permissions, or `exchange_error` with the venue's ccxt class
    """
    name = snake_case(func)
    function = FUNCTIONS.get(name)
    if function is None:
        # Whoever may not trade learns nothing of functions that would.
        require(core.state, principal, account_id, "trade" if _trades(name) else "read")
        raise _unsupported(name)
    account = None
    if function.right is not None:
        account = require(core.state, principal, account_id, function.right)
    elif principal is not ANONYMOUS or name not in MARKET_FUNCTIONS:
        require(core.state, principal, account_id, "read")
    request = Call(core, principal, account, now, name, bound(name, function.arguments, args, kwargs))
    return function.run(request)


def _trades(name: str) -> bool:
    return name.startswith(_TRADING_PREFIXES) or not name.startswith(
        ("fetch", "watch", "load", "describe", "has")
    )


def _unsupported(name: str) -> Exception:
    if name.startswith(("create_", "cancel_", "edit_")):
        return venue_refusal(
            "NotSupported",
            f"the paper venue does not have {name}: it has create_order, cancel_order and cancel_all_orders; "
            "the OMS has more, under /oms/commands",
        )
    return venue_refusal("NotSupported", f"the paper venue does not have {name}")
