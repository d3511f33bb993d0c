"""Whatever row the contract allows becomes a whole ccxt structure, and nothing else does."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any, get_type_hints

import ccxt
import pytest
from ccxt.base import types as ccxt_types
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from ccxt_driver.contract.rows import DealRow, OrderRow, PositionRow
from ccxt_driver.contract.values import format_decimal, format_time, parse_decimal
from ccxt_driver.mappers.order import order_from_row
from ccxt_driver.mappers.position import net_rows, position_from_row
from ccxt_driver.mappers.trade import Terms, trade_from_row
from ccxt_driver.mappers.values import BadRow, Number, number_maker
from tests.helpers.oms_rows import deal_row, filled_row, order_row, position_row
from tests.helpers.row_strategies import rows

pytestmark = pytest.mark.oldest

PLAIN_CCXT = ccxt.Exchange()
ORDER_KEYS = set(PLAIN_CCXT.safe_order({}))
TRADE_KEYS = set(PLAIN_CCXT.safe_trade({}))
POSITION_KEYS = set(PLAIN_CCXT.safe_position({})) | set(get_type_hints(ccxt_types.Position))

NUMBERS = {
    "order": "price triggerPrice stopPrice stopLossPrice takeProfitPrice amount cost average filled "
    "remaining",
    "trade": "price amount cost",
    "position": "contracts contractSize entryPrice markPrice notional leverage collateral initialMargin "
    "initialMarginPercentage unrealizedPnl realizedPnl liquidationPrice percentage stopLossPrice "
    "takeProfitPrice",
}
TEXTS = {
    "order": "id clientOrderId status symbol type side timeInForce",
    "trade": "id order symbol side takerOrMaker",
    "position": "id symbol side marginMode",
}
TIMES = {
    "order": "timestamp lastTradeTimestamp lastUpdateTimestamp",
    "trade": "timestamp",
    "position": "timestamp lastUpdateTimestamp",
}
COPIED = {
    "order": {
        "amount": "qty",
        "filled": "filled_qty",
        "triggerPrice": "trigger_price",
        "stopLossPrice": "stop_price",
        "takeProfitPrice": "take_profit_price",
    },
    "trade": {"amount": "qty", "price": "price"},
    "position": {
        "contracts": "qty",
        "entryPrice": "avg_price",
        "markPrice": "mark_price",
        "stopLossPrice": "stop_loss",
        "takeProfitPrice": "stop_gain",
        "leverage": "leverage",
        "realizedPnl": "realized_pnl",
        "liquidationPrice": "liquidation_price",
    },
}

KINDS = st.sampled_from([float, str, Decimal])
TERMS = st.sampled_from([Terms(), Terms(Decimal("0.01")), Terms(Decimal(100), inverse=True)])


def check_structure(what: str, structure: dict[str, Any], row: dict[str, Any], kind: type) -> None:
    """Hold a structure to ccxt's keys and types."""
    assert structure["info"] is row
    assert structure["id"] == str(row["id"])
    for key in TEXTS[what].split():
        assert structure[key] is None or type(structure[key]) is str, key
    for key in NUMBERS[what].split():
        check_number(structure[key], kind)
    for key in TIMES[what].split():
        assert structure[key] is None or type(structure[key]) is int, key
    assert structure["datetime"] == format_time(structure["timestamp"])
    for key, column in COPIED[what].items():
        given_value = row.get(column)
        if given_value is not None:
            assert structure[key] == exactly(given_value, kind), key


def check_number(value: Any, kind: type) -> None:
    assert value is None or type(value) is kind
    if kind is str and value is not None:
        assert format_decimal(Decimal(value)) == value


def exactly(value: Any, kind: type) -> Any:
    """Tell what a column is as a unified number: not a digit more or less than was sent."""
    exact = parse_decimal(value)
    return format_decimal(exact) if kind is str else kind(exact)


def check_fees(structure: dict[str, Any], kind: type) -> None:
    assert structure["fee"] is None or structure["fees"] == [structure["fee"]]
    for fee in structure["fees"]:
        assert set(fee) == {"currency", "cost", "rate"}
        assert type(fee["currency"]) is str
        check_number(fee["cost"], kind)
        check_number(fee["rate"], kind)


@given(rows(OrderRow), KINDS, TERMS)
def test_every_order_row_becomes_an_order(row: dict[str, Any], kind: type, terms: Terms) -> None:
    OrderRow.model_validate(row)
    order = order_from_row(row, number_maker(kind), terms)

    assert set(order) >= ORDER_KEYS
    check_structure("order", order, row, kind)
    check_fees(order, kind)
    assert order["status"] in ("open", "closed", "canceled", "rejected")
    assert order["trades"] == []
    assert order["amount"] is not None
    assert order["remaining"] is not None


@given(rows(OrderRow), st.lists(rows(DealRow), min_size=1, max_size=4), KINDS, TERMS)
def test_every_order_row_with_deals_becomes_an_order(
    row: dict[str, Any], deals: list[dict[str, Any]], kind: type, terms: Terms
) -> None:
    order = order_from_row(row, number_maker(kind), terms, deals=deals)

    check_structure("order", order, row, kind)
    check_fees(order, kind)
    assert [trade["timestamp"] for trade in order["trades"]] == sorted(
        trade["timestamp"] for trade in order["trades"]
    )
    assert len(order["trades"]) == len(deals)
    assert all(set(trade) >= TRADE_KEYS for trade in order["trades"])


@given(rows(DealRow), KINDS, TERMS)
def test_every_deal_row_becomes_a_trade(row: dict[str, Any], kind: type, terms: Terms) -> None:
    DealRow.model_validate(row)
    trade = trade_from_row(row, number_maker(kind), terms)

    assert set(trade) >= TRADE_KEYS
    check_structure("trade", trade, row, kind)
    check_fees(trade, kind)
    assert trade["side"] == row["side"]


@given(rows(PositionRow), KINDS, TERMS, st.sampled_from([True, False, None]))
def test_every_position_row_becomes_a_position(
    row: dict[str, Any], kind: type, terms: Terms, hedged: bool | None
) -> None:
    PositionRow.model_validate(row)
    position = position_from_row(row, number_maker(kind), terms, hedged=hedged)

    assert set(position) >= POSITION_KEYS
    check_structure("position", position, row, kind)
    assert position["hedged"] is hedged
    assert position["side"] in ("long", "short")


@given(st.lists(rows(PositionRow), max_size=6), st.booleans(), TERMS)
def test_every_list_of_position_rows_can_be_netted(
    positions: list[dict[str, Any]], same: bool, terms: Terms
) -> None:
    if same:
        positions = [{**row, "symbol": "BTC/USDT", "strategy_id": 0} for row in positions]
    netted = net_rows(positions, terms_of=lambda symbol: terms)

    assert len(netted) <= len(positions)
    keys = [(row["symbol"], row.get("strategy_id") or 0) for row in netted]
    assert len(keys) == len(set(keys))


MONEY = st.decimals(min_value="0.00000001", max_value=10**6, places=8).map(format_decimal)


@given(st.lists(st.tuples(st.sampled_from(["buy", "sell"]), MONEY, MONEY), min_size=2, max_size=6), TERMS)
def test_netting_keeps_the_net_quantity(members: list[tuple[str, str, str]], terms: Terms) -> None:
    positions = [
        position_row(id=number, side=side, qty=qty, avg_price=price)
        for number, (side, qty, price) in enumerate(members, start=1)
    ]
    exact = sum(Decimal(qty) * (1 if side == "buy" else -1) for side, qty, _ in members)
    netted = net_rows(positions, terms_of=lambda symbol: terms)

    if not exact:
        assert netted == []
    else:
        assert Decimal(netted[0]["qty"]) * (1 if netted[0]["side"] == "buy" else -1) == exact
        prices = [Decimal(price) for side, _, price in members if side == netted[0]["side"]]
        assert min(prices) <= round(Decimal(netted[0]["avg_price"]), 8) <= max(prices)


@given(MONEY, MONEY)
def test_a_cost_is_the_exact_product(quantity: str, price: str) -> None:
    trade = trade_from_row(deal_row(qty=quantity, price=price), number_maker(Decimal))

    assert trade["cost"] == Decimal(quantity) * Decimal(price)


# -- the mapper refuses what the model refuses, and accepts what it accepts

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(2**63 - 1, 2**63 + 1),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["", "0", "1e31", "NaN", "1_0", " 1 ", "buy", "BUY", "FILLED", "open", "true", "yes", "1"]
    ),
    st.sampled_from(["2026-11-20", "2026-11-20T02:05:32Z", "0001-01-01T00:00:00", "20261120T020532", "soon"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)
MISSING = object()


class ReadKeys(dict[str, Any]):
    """A row that remembers what was read of it."""

    def __init__(self, row: dict[str, Any]) -> None:
        super().__init__(row)
        self.read: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        """Note the column, and give it."""
        self.read.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        """As `get`."""
        self.read.add(key)
        return super().__getitem__(key)


def used_columns(mapper: Callable[..., Any], row: dict[str, Any]) -> list[str]:
    watched = ReadKeys(row)
    mapper(watched, float)
    return sorted(watched.read)


def net_twice(row: dict[str, Any], number: Number) -> Any:
    """Net a row with another of its kind, which reads what netting reads."""
    others = [position_row(id=99, symbol=row.get("symbol"), strategy_id=row.get("strategy_id"))]
    return net_rows([row, *others])


CASES: list[tuple[str, Callable[..., Any], type[BaseModel], dict[str, Any]]] = [
    ("open order", order_from_row, OrderRow, order_row()),
    ("filled order", order_from_row, OrderRow, filled_row()),
    ("deal", trade_from_row, DealRow, deal_row()),
    ("position", position_from_row, PositionRow, position_row()),
    ("netted position", net_twice, PositionRow, position_row()),
]


@pytest.mark.parametrize("mapper, model, row", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@given(st.data())
def test_mapper_and_model_accept_the_same_rows(
    mapper: Callable[..., Any], model: type[BaseModel], row: dict[str, Any], data: st.DataObject
) -> None:
    used = used_columns(mapper, row)
    column = data.draw(st.sampled_from(used), label="column")
    value = data.draw(st.one_of(ANYTHING, st.just(MISSING)), label="value")
    mutated = {**row, column: value}
    if value is MISSING:
        del mutated[column]

    try:
        model.model_validate(mutated)
        model_accepts = True
    except ValidationError:
        model_accepts = False
    try:
        mapper(mutated, float)
        mapper_accepts = True
    except BadRow:
        mapper_accepts = False

    assert mapper_accepts == model_accepts


def test_the_mappers_read_what_the_models_describe() -> None:
    for name, mapper, model, row in CASES:
        assert set(used_columns(mapper, row)) <= set(model.model_fields), name


@given(rows(OrderRow), st.integers(-50_400_000, 50_400_000))
def test_an_offset_moves_only_times_without_a_zone(row: dict[str, Any], offset_ms: int) -> None:
    created_at = "2026-11-20T02:05:32"
    moment = datetime.datetime(2026, 11, 20, 2, 5, 32, tzinfo=datetime.UTC)
    base = round(moment.timestamp() * 1000)
    assume("updated_at" not in row)

    local = order_from_row({**row, "created_at": created_at, "closed_at": None}, float, Terms(), offset_ms)
    zoned = order_from_row(
        {**row, "created_at": created_at + "Z", "closed_at": None}, float, Terms(), offset_ms
    )

    assert (local["timestamp"], zoned["timestamp"]) == (base - offset_ms, base)


@pytest.mark.parametrize("model", [OrderRow, DealRow])
@given(st.data(), KINDS, TERMS)
def test_a_row_read_at_once_is_the_row_read_column_by_column(
    model: type[BaseModel], data: st.DataObject, kind: type, terms: Terms
) -> None:
    """A row without one of the columns that are read at once is read column by column."""
    mapper = order_from_row if model is OrderRow else trade_from_row
    row = data.draw(rows(model))
    whole = {**dict.fromkeys(model.model_fields), **row}
    number = number_maker(kind)

    class Unusual(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise KeyError(key)

    assert {**mapper(whole, number, terms), "info": None} == {
        **mapper(Unusual(whole), number, terms),
        "info": None,
    }
