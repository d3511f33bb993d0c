"""Deal rows as ccxt trades: exact examples."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ccxt_driver.mappers.trade import Terms, fee_structure, fill_from_row, total_fees, trade_from_row
from ccxt_driver.mappers.values import BadRow, number_maker
from tests.helpers.oms_rows import UPDATED, UPDATED_MS, deal_row

pytestmark = pytest.mark.oldest

TEXT = number_maker(str)


def test_a_taker_fill() -> None:
    row = deal_row()

    assert trade_from_row(row, float) == {
        "info": row,
        "id": "21",
        "order": "11",
        "timestamp": UPDATED_MS,
        "datetime": UPDATED,
        "symbol": "BTC/USDT",
        "type": None,
        "side": "buy",
        "takerOrMaker": "taker",
        "price": 99.5,
        "amount": 2.0,
        "cost": 199.0,
        "fee": {"currency": "USDT", "cost": 0.199, "rate": 0.001},
        "fees": [{"currency": "USDT", "cost": 0.199, "rate": 0.001}],
    }


@pytest.mark.parametrize("maker, expected", [(True, "maker"), (False, "taker"), (None, None)])
def test_maker_or_taker_is_told_when_it_is_known(maker: bool | None, expected: str | None) -> None:
    assert trade_from_row(deal_row(maker=maker), float)["takerOrMaker"] == expected


@pytest.mark.parametrize("order_id, expected", [(11, "11"), (0, None), (None, None)])
def test_a_deal_without_an_order_has_none(order_id: int | None, expected: str | None) -> None:
    assert trade_from_row(deal_row(order_id=order_id), float)["order"] == expected


@pytest.mark.parametrize("columns", [{"fee": None}, {"fee_currency": None}], ids=str)
def test_a_fee_that_is_not_known_is_none(columns: dict[str, Any]) -> None:
    trade = trade_from_row(deal_row(**columns), float)

    assert (trade["fee"], trade["fees"]) == (None, [])


def test_a_rebate_is_a_negative_fee() -> None:
    assert trade_from_row(deal_row(fee="-0.0199"), TEXT)["fee"] == {
        "currency": "USDT",
        "cost": "-0.0199",
        "rate": "-0.0001",
    }


@pytest.mark.parametrize(
    "symbol, terms, currency, rate",
    [
        ("BTC/USDT", Terms(), "USDT", "0.0005"),  # of the cost, 200
        ("BTC/USDT", Terms(), "BTC", "0.05"),  # of the amount, 2: venues charge a buyer so
        ("BTC/USDT", Terms(), "BNB", None),
        ("BTC/USDT:USDT", Terms(Decimal("0.01")), "USDT", "0.05"),  # of 2
        ("BTC/USD:BTC", Terms(Decimal(100), inverse=True), "BTC", "0.05"),  # of 2
        ("BTC/USD:BTC", Terms(Decimal(100), inverse=True), "USD", None),
        ("no such form", Terms(), "USDT", None),
    ],
)
def test_the_rate_of_a_fee_is_that_of_what_it_was_charged_on(
    symbol: str, terms: Terms, currency: str, rate: str | None
) -> None:
    """Bots read it: a fee in BTC by a cost in USDT would be a rate of nothing."""
    deal = deal_row(symbol=symbol, qty="2", price="100", fee="0.1", fee_currency=currency)
    trade = trade_from_row(deal, TEXT, terms)

    assert trade["fee"] == {"currency": currency, "cost": "0.1", "rate": rate}


def test_the_rate_of_a_sum_is_that_of_the_fills_that_paid_in_the_currency() -> None:
    deals = [
        deal_row(qty="1", price="100", fee="0.1", fee_currency="USDT"),
        deal_row(qty="3", price="100", fee="0.003", fee_currency="BTC"),
        deal_row(qty="1", price="100", fee="0.3", fee_currency="USDT"),
    ]
    fills = [fill_from_row(deal, TEXT, Terms(), 0) for deal in deals]

    assert [(fee["currency"], fee["rate"]) for fee in total_fees(fills, TEXT)] == [
        ("USDT", "0.002"),
        ("BTC", "0.001"),
    ]


def test_contracts_cost_by_their_size() -> None:
    linear = trade_from_row(deal_row(), TEXT, Terms(Decimal("0.01")))
    inverse = trade_from_row(deal_row(price="50000"), TEXT, Terms(Decimal(100), inverse=True))

    assert linear["cost"] == "1.99"
    assert inverse["cost"] == "0.004"


def test_a_deal_at_no_price_costs_nothing() -> None:
    """A close-by makes such a deal on some servers; an inverse one must not divide by zero."""
    assert trade_from_row(deal_row(price="0"), float)["cost"] == 0.0
    assert trade_from_row(deal_row(price="0"), float, Terms(Decimal(1), inverse=True))["cost"] == 0.0


def test_a_fee_on_nothing_has_no_rate() -> None:
    assert fee_structure(Decimal(1), "USDT", Decimal(0), TEXT) == {
        "currency": "USDT",
        "cost": "1",
        "rate": None,
    }


def test_a_fee_far_above_its_cost_still_has_a_rate() -> None:
    structure = fee_structure(Decimal("1E+30"), "USDT", Decimal("1E-30"), number_maker(Decimal))

    assert structure is not None
    assert structure["rate"] == Decimal("1E+60")


def test_fees_are_summed_exactly_by_currency() -> None:
    deals = [
        deal_row(fee="0.1", fee_currency="USDT"),
        deal_row(fee="1", fee_currency="BNB"),
        deal_row(fee="0.2", fee_currency="USDT"),
        deal_row(fee=None, fee_currency="EUR"),
        deal_row(fee="1", fee_currency=None),
    ]
    fills = [fill_from_row(deal, TEXT, Terms(), 0) for deal in deals]

    assert [(fee["currency"], fee["cost"]) for fee in total_fees(fills, TEXT)] == [
        ("USDT", "0.3"),
        ("BNB", "1"),
    ]


@pytest.mark.parametrize(
    "kind, expected",
    [(float, 0.01), (str, "0.01"), (Decimal, Decimal("0.01"))],
    ids=["float", "str", "Decimal"],
)
def test_numbers_take_the_type_that_the_exchange_asks_for(kind: Any, expected: Any) -> None:
    amount = trade_from_row(deal_row(qty="0.010000000000000000"), number_maker(kind))["amount"]

    assert amount == expected
    assert type(amount) is type(expected)


@pytest.mark.parametrize(
    "columns, field",
    [
        ({"id": None}, "id"),
        ({"order_id": -1}, "order_id"),
        ({"order_id": "11"}, "order_id"),
        ({"order_id": 2**63}, "order_id"),
        ({"qty": None}, "qty"),
        ({"price": []}, "price"),
        ({"executed_at": None}, "executed_at"),
        ({"side": None}, "side"),
        ({"fee": "x"}, "fee"),
        ({"fee_currency": 3}, "fee_currency"),
        ({"maker": "yes"}, "maker"),
        ({"symbol": 1}, "symbol"),
    ],
    ids=str,
)
def test_a_row_that_is_not_of_the_contract_is_refused_by_field(columns: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRow, match=f"^{field}: expected"):
        trade_from_row(deal_row(**columns), float)
