"""What the paper venue knows of an account's swaps: leverage, margin modes, funding; in ccxt's structures."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from operator import attrgetter
from typing import Any

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.rows import LedgerKind, PositionMode
from ccxt_driver.contract.values import format_decimal, format_time

from .entities import ZERO
from .ledger.margin import leverage_of, most_notional
from .market.listing import Market
from .refusals import Refusal, venue_refusal
from .reserving import Openings, exposure, reserve, too_large
from .risk import check_account
from .store import RowFilter
from .venue_arguments import Call, listed


def fetch_leverage(call: Call) -> dict[str, Any]:
    """The leverage of the account on a swap."""
    return _leverage(call, swap(call, call.market()))


def fetch_leverages(call: Call) -> dict[str, dict[str, Any]]:
    """The leverage of the account on each swap, by symbol."""
    return {market.symbol: _leverage(call, market) for market in _swaps(call)}


def _leverage(call: Call, market: Market) -> dict[str, Any]:
    leverage = float(leverage_of(call.owner.account, market))
    return {
        "info": {},
        "symbol": market.symbol,
        "marginMode": margin_mode(call, market),
        "longLeverage": leverage,
        "shortLeverage": leverage,
    }


def fetch_margin_mode(call: Call) -> dict[str, Any]:
    """Whether the margin of the account on a swap is cross or isolated."""
    return _margin_mode(call, swap(call, call.market()))


def fetch_margin_modes(call: Call) -> dict[str, dict[str, Any]]:
    """Whether the margin of the account is cross or isolated on each swap, by symbol."""
    return {market.symbol: _margin_mode(call, market) for market in _swaps(call)}


def _margin_mode(call: Call, market: Market) -> dict[str, Any]:
    return {"info": {}, "symbol": market.symbol, "marginMode": margin_mode(call, market)}


def margin_mode(call: Call, market: Market) -> str:
    """The account's margin on a swap, in ccxt's word."""
    return "isolated" if market.symbol in call.owner.account.isolated else "cross"


def fetch_leverage_tiers(call: Call) -> dict[str, list[dict[str, Any]]]:
    """What positions of each size need, by symbol; spot markets have none."""
    return {market.symbol: _tiers(market) for market in _swaps(call)}


def fetch_market_leverage_tiers(call: Call) -> list[dict[str, Any]]:
    """The tiers of one swap."""
    return _tiers(swap(call, call.market()))


def _tiers(market: Market) -> list[dict[str, Any]]:
    return [
        {
            "tier": number,
            "symbol": market.symbol,
            "currency": market.settle,
            "minNotional": float(tier.min_notional),
            "maxNotional": float(tier.max_notional),
            "maintenanceMarginRate": float(tier.maintenance_margin_rate),
            "maxLeverage": None if tier.max_leverage is None else float(tier.max_leverage),
            "info": {},
        }
        for number, tier in enumerate(market.tiers, 1)
    ]


def set_leverage(call: Call) -> dict[str, Any]:
    """Set the leverage of a swap; setting what is set does nothing.

    :raises Refusal: `risk_blocked` when what is open is too large for it, InsufficientFunds when its margin
        would not be covered, OperationRejected when an isolated position would be liquidated by it
    """
    market = swap(call, call.market())
    leverage = _allowed_leverage(call, market)
    account = call.owner
    check_account(account)
    answer = {"symbol": market.symbol, "leverage": float(leverage), "info": {}}
    if leverage_of(account.account, market) == leverage:
        return answer
    largest = most_notional(leverage, market.tiers)
    if exposure(account, market) > largest:
        raise too_large(account, market, leverage, largest)
    core = call.core
    with core.transaction(call.now) as tx:
        tx.touch_account(account.account)
        account.account.leverage = account.account.leverage | {market.symbol: leverage}
        for position in account.positions_on.get(market.symbol, {}).values():
            tx.touch_position(position)
            core.state.margin_changed(position)
        openings = Openings(account)
        for order in sorted(account.orders_on.get(market.symbol, {}).values(), key=attrgetter("id")):
            reserve(core.state, tx, account, order, openings.of(order))
            openings.stays(order)
        currency = market.settlement_currency
        tx.balance_changed(account, currency)
        if core.free(account, currency, call.now) < ZERO:
            raise venue_refusal(
                "InsufficientFunds", "set_leverage: the margin of what is open would not be covered"
            )
        if margin_mode(call, market) == "isolated":
            _check_isolated(call, market)
    return answer


def _allowed_leverage(call: Call, market: Market) -> Decimal:
    leverage = call.decimal("leverage")
    most = market.max_leverage
    if leverage < 1 or (most is not None and leverage > most):
        upper = "" if most is None else f" to {format_decimal(most)}"
        raise venue_refusal(
            "BadRequest", f"{call.name}: leverage: expected 1{upper}, got {format_decimal(leverage)}"
        )
    return leverage


def _check_isolated(call: Call, market: Market) -> None:
    for position in call.owner.positions_on.get(market.symbol, {}).values():
        if call.core.isolated_slack(call.owner, position, call.now) <= ZERO:
            raise venue_refusal(
                "OperationRejected", f"set_leverage: position {position.id} would be liquidated by it"
            )


def set_margin_mode(call: Call) -> dict[str, Any]:
    """Choose cross or isolated margin for a swap; saying what is set does nothing.

    `params` may name a leverage, as programs for Bybit, MEXC and OKX do, where these two are set together.

    :raises Refusal: `conflict` while a position or an order is open on the swap; as of `set_leverage`
    """
    mode = str(call.required("margin_mode")).lower()
    mode = "cross" if mode == "crossed" else mode
    if mode not in ("cross", "isolated"):
        raise venue_refusal(
            "BadRequest", f"set_margin_mode: margin_mode: expected cross or isolated, got {mode[:16]!r}"
        )
    account = call.owner
    symbol = call.given.get("symbol")
    answer: dict[str, Any] = {"marginMode": mode, "symbol": symbol, "info": {}}
    if symbol is None and mode == "cross" and not account.account.isolated:
        return answer
    market = swap(call, listed(call.core, call.required("symbol")))
    check_account(account)
    leverage = call.params.get("leverage", call.params.get("lever"))
    if leverage is None:
        _choose_margin_mode(call, market, mode)
        return answer
    chosen = replace(call, given={"leverage": leverage, "symbol": market.symbol})
    _allowed_leverage(chosen, market)  # what is refused for that changes nothing
    _choose_margin_mode(call, market, mode)
    set_leverage(chosen)
    return answer


def _choose_margin_mode(call: Call, market: Market, mode: str) -> None:
    account = call.owner
    if margin_mode(call, market) == mode:
        return
    if account.positions_on.get(market.symbol) or account.orders_on.get(market.symbol):
        raise Refusal(
            ErrorCode.CONFLICT,
            f"set_margin_mode: {market.symbol} has open positions or orders",
            {"account_id": account.account.id, "symbol": market.symbol},
        )
    others = tuple(name for name in account.account.isolated if name != market.symbol)
    with call.core.transaction(call.now) as tx:
        tx.touch_account(account.account)
        account.account.isolated = others if mode == "cross" else (*others, market.symbol)


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


def fetch_funding_history(call: Call) -> list[dict[str, Any]]:
    """What the account has paid (below 0) and received up to `until`, ascending: the newest without `since`.

    A key limited to some strategies sees what their positions have paid.
    """
    symbol = call.given.get("symbol")
    if symbol is not None:
        swap(call, listed(call.core, symbol))
    since = call.whole("since", None, 0, 2**53)
    limit = call.whole("limit", 100, 1, 1000) or 100
    store, whose = call.core.store, (call.owner.account.id,)
    wanted = RowFilter(whose, kind=LedgerKind.FUNDING.value, since_ms=since, until_ms=call.until())
    entries = store.ledger(wanted)[0]
    ids = dict.fromkeys(entry.reference_id for entry in entries if entry.reference_id is not None)
    positions = {position.id: position for position in store.positions_by_id([*ids])}
    rows = []
    for entry in entries:
        position = positions.get(entry.reference_id or 0)
        if position is None or not call.principal.sees(position.strategy_id):
            continue
        if symbol is None or position.symbol == symbol:
            rows.append(
                {
                    "info": entry.row(),
                    "symbol": position.symbol,
                    "code": entry.currency,
                    "timestamp": entry.created_at,
                    "datetime": format_time(entry.created_at),
                    "id": str(entry.id),
                    "amount": float(entry.amount),
                }
            )
    return rows[:limit] if since is not None else rows[-limit:]


def _swaps(call: Call) -> list[Market]:
    """Those that `symbols` names, all when it is left out."""
    return [market for market in call.markets() if market.settle is not None]


def swap(call: Call, market: Market) -> Market:
    """A market that has margin.

    :raises Refusal: BadSymbol
    """
    if market.settle is None:
        raise venue_refusal("BadSymbol", f"{call.name}: {market.symbol} is not a swap")
    return market
