"""Position rows as ccxt positions, one by one or netted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from ccxt_driver.contract.values import format_decimal

from .trade import PLAIN, Terms
from .values import (
    SIDES,
    ZERO,
    Number,
    choice_of,
    datetime_of,
    decimal_of,
    id_of,
    needed_decimal,
    needed_time,
    optional_text_of,
    ratio,
    reference_of,
    text_of,
    time_of,
)

_SIDES: Final = {"buy": "long", "sell": "short"}
_MARGIN_MODES: Final = ("cross", "isolated")
_STATES: Final = {state: state for state in ("open", "close_requested", "closed", "merged")}


def position_from_row(
    row: dict[str, Any],
    number: Number,
    terms: Terms = PLAIN,
    utc_offset_ms: int = 0,
    hedged: bool | None = None,
) -> dict[str, Any]:
    """One position row as ccxt's position structure.

    :param row: a position row of the contract
    :param number: what makes a unified number of a decimal
    :param terms: of the row's market
    :param utc_offset_ms: for times without a zone
    :param hedged: whether the account keeps long and short positions side by side, when known
    :returns: every key of ccxt's position; `id` is the string of the OMS id
    :raises BadRow: the row is not of the contract
    """
    quantity = needed_decimal(row, "qty")
    entry = needed_decimal(row, "avg_price")
    mark = decimal_of(row, "mark_price")
    opened_at = needed_time(row, "opened_at", utc_offset_ms)
    choice_of(row, "state", _STATES)
    unrealized = decimal_of(row, "unrealized_pnl")
    leverage = decimal_of(row, "leverage")
    margin = decimal_of(row, "margin")
    maintenance = decimal_of(row, "maintenance_margin")
    margin_mode = _margin_mode(row, margin)
    collateral = _collateral(margin, unrealized)
    notional = terms.cost(quantity, mark or entry)
    entry_value = terms.cost(quantity, entry)

    def maybe(value: Decimal | None) -> Any:
        return None if value is None else number(value)

    return {
        "info": row,
        "id": id_of(row, "id"),
        "symbol": text_of(row, "symbol"),
        "timestamp": opened_at,
        "datetime": datetime_of(opened_at),
        "lastUpdateTimestamp": time_of(row, "updated_at", utc_offset_ms),
        "hedged": hedged,
        "side": choice_of(row, "side", _SIDES),
        "contracts": number(quantity),
        "contractSize": number(terms.contract_size),
        "entryPrice": number(entry),
        "markPrice": maybe(mark),
        "lastPrice": None,
        "exitPrice": None,
        "notional": number(notional),
        "leverage": maybe(leverage),
        "collateral": maybe(collateral),
        "positionMargin": maybe(margin),
        "initialMargin": maybe(margin),
        "initialMarginPercentage": maybe(_share(margin, entry_value)),
        "maintenanceMargin": maybe(maintenance),
        "maintenanceMarginPercentage": maybe(_share(maintenance, notional)),
        "unrealizedPnl": maybe(unrealized),
        "realizedPnl": maybe(decimal_of(row, "realized_pnl")),
        "liquidationPrice": maybe(decimal_of(row, "liquidation_price")),
        "marginMode": margin_mode,
        "isolated": None if margin_mode is None else margin_mode == "isolated",
        # What a crossed position is covered by is the account's, and not in the row.
        "marginRatio": maybe(_share(maintenance, collateral or ZERO)) if margin_mode == "isolated" else None,
        "percentage": maybe(_percentage(unrealized, margin)),
        "stopLossPrice": maybe(decimal_of(row, "stop_loss")),
        "takeProfitPrice": maybe(decimal_of(row, "stop_gain")),
    }


def _margin_mode(row: dict[str, Any], margin: Decimal | None) -> str | None:
    """As the row says; one that holds margin and says nothing is crossed."""
    mode = optional_text_of(row, "margin_mode")
    if mode is None and margin is not None:
        return "cross"
    return mode if mode in _MARGIN_MODES else None


def _collateral(margin: Decimal | None, unrealized: Decimal | None) -> Decimal | None:
    return None if margin is None else margin + (unrealized or ZERO)


def _share(part: Decimal | None, whole: Decimal) -> Decimal | None:
    return None if part is None or not whole else ratio(part, whole, 8)


def _percentage(unrealized: Decimal | None, margin: Decimal | None) -> Decimal | None:
    """Return on the margin, in per cent, as ccxt's manual has it."""
    if unrealized is None or not margin:
        return None
    return ratio(unrealized * 100, margin, 4)


def _plain(symbol: str) -> Terms:
    return PLAIN


def net_rows(
    rows: Iterable[dict[str, Any]],
    across_strategies: bool = False,
    terms_of: Callable[[str], Terms] = _plain,
) -> list[dict[str, Any]]:
    """Position rows netted per symbol and strategy, as a one-way account shows them.

    A single row is kept as it is. Several become one: its id is the oldest member's, its quantity
    the difference of long and short, its average as if they had been traded one after the other, its
    member ids under `member_ids`; rows that cancel out leave nothing.

    :param rows: open position rows
    :param across_strategies: per symbol only
    :param terms_of: of a symbol's market; contracts that are inverse have another average
    :returns: rows of the contract's form, in the order of their first member
    :raises BadRow: a row is not of the contract
    """
    groups: dict[tuple[str, str | None], list[dict[str, Any]]] = {}
    for row in rows:
        strategy = None if across_strategies else reference_of(row, "strategy_id")
        groups.setdefault((text_of(row, "symbol"), strategy), []).append(row)
    netted = (
        members[0] if len(members) == 1 else _net(members, terms_of(symbol).inverse)
        for (symbol, _), members in groups.items()
    )
    return [row for row in netted if row is not None]


def _net(members: Sequence[dict[str, Any]], inverse: bool) -> dict[str, Any] | None:
    by_age = sorted(members, key=lambda row: int(id_of(row, "id")))
    quantity, average = _replayed(by_age, inverse)
    if not quantity:
        return None
    return {
        **by_age[0],
        "side": "buy" if quantity > 0 else "sell",
        "qty": format_decimal(abs(quantity)),
        "avg_price": format_decimal(average),
        "unrealized_pnl": _sum(members, "unrealized_pnl"),
        "realized_pnl": _sum(members, "realized_pnl"),
        "margin": _sum(members, "margin"),
        "maintenance_margin": _sum(members, "maintenance_margin"),
        "liquidation_price": None,
        "stop_loss": None,
        "stop_gain": None,
        "member_ids": [row["id"] for row in members],
    }


def _replayed(rows: Iterable[dict[str, Any]], inverse: bool) -> tuple[Decimal, Decimal]:
    """What a one-way account would hold, had it traded each position in turn.

    :param rows: by age
    :param inverse: whether contracts are worth a fixed amount of quote units each
    :returns: quantity, negative when short, and average price: what reduces leaves it as it is
    """
    quantity = average = ZERO
    for row in rows:
        size, price = needed_decimal(row, "qty"), needed_decimal(row, "avg_price")
        traded = size if choice_of(row, "side", SIDES) == "buy" else -size
        if quantity * traded >= 0:
            average = _average(abs(quantity), average, size, price, inverse)
        elif size > abs(quantity):
            average = price
        quantity += traded
    return quantity, average


def _average(held: Decimal, average: Decimal, size: Decimal, price: Decimal, inverse: bool) -> Decimal:
    """The average price of what is held and what is added: of inverse contracts that of their coins."""
    total = held + size
    coins = held * price + size * average if inverse and held else ZERO  # times both prices
    if coins:
        return total * average * price / coins
    return (average * held + price * size) / total if total else average


def _sum(members: Sequence[dict[str, Any]], key: str) -> str | None:
    values = [decimal_of(row, key) for row in members]
    known = [value for value in values if value is not None]
    return format_decimal(sum(known, ZERO)) if len(known) == len(values) else None
