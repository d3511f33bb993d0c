"""Order rows as ccxt orders: exact examples."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ccxt_driver.mappers.order import order_from_row
from ccxt_driver.mappers.trade import Terms
from ccxt_driver.mappers.values import BadRow, number_maker
from tests.helpers.oms_rows import CREATED, CREATED_MS, UPDATED, UPDATED_MS, deal_row, filled_row, order_row

pytestmark = pytest.mark.oldest

TEXT = number_maker(str)


def test_a_resting_limit_order() -> None:
    row = order_row()

    assert order_from_row(row, float) == {
        "info": row,
        "id": "11",
        "clientOrderId": "my-order",
        "timestamp": CREATED_MS,
        "datetime": CREATED,
        "lastTradeTimestamp": None,
        "lastUpdateTimestamp": UPDATED_MS,
        "status": "open",
        "symbol": "BTC/USDT",
        "type": "limit",
        "timeInForce": "GTC",
        "postOnly": False,
        "reduceOnly": False,
        "side": "buy",
        "price": 100.0,
        "triggerPrice": None,
        "stopPrice": None,
        "stopLossPrice": None,
        "takeProfitPrice": None,
        "amount": 2.0,
        "cost": 0.0,
        "average": None,
        "filled": 0.0,
        "remaining": 2.0,
        "trades": [],
        "fee": None,
        "fees": [],
    }


def test_a_filled_limit_order_keeps_its_price_and_shows_its_average() -> None:
    order = order_from_row(filled_row(), float)

    assert (order["status"], order["price"], order["average"]) == ("closed", 100.0, 99.5)
    assert (order["amount"], order["filled"], order["remaining"], order["cost"]) == (2.0, 2.0, 0.0, 199.0)
    assert order["fee"] == {"currency": "USDT", "cost": 0.199, "rate": 0.001}
    assert order["fees"] == [order["fee"]]
    assert order["lastTradeTimestamp"] == UPDATED_MS


def test_a_filled_market_order_shows_its_average_as_price() -> None:
    order = order_from_row(filled_row(order_type="market", price=None, time_in_force=None), float)

    assert (order["type"], order["price"], order["average"]) == ("market", 99.5, 99.5)
    assert order["timeInForce"] == "IOC"


@pytest.mark.parametrize(
    "status, expected",
    [
        ("PENDING_SUBMIT", "open"),
        ("SUBMITTED", "open"),
        ("PARTIALLY_FILLED", "open"),
        ("FILLED", "closed"),
        ("CANCELED", "canceled"),
        ("REJECTED", "rejected"),
    ],
)
def test_each_status_has_ccxts_name(status: str, expected: str) -> None:
    assert order_from_row(order_row(status=status), float)["status"] == expected


def test_a_partly_filled_order_remains_in_part() -> None:
    row = order_row(status="PARTIALLY_FILLED", filled_qty="0.5", avg_fill_price="99")
    order = order_from_row(row, float)

    assert (order["filled"], order["remaining"], order["cost"]) == (0.5, 1.5, 49.5)
    assert (order["status"], order["average"]) == ("open", 99.0)


def test_a_cancelled_order_keeps_what_filled() -> None:
    row = order_row(status="CANCELED", filled_qty="0.5", avg_fill_price="99", closed_at=UPDATED)
    order = order_from_row(row, float)

    assert (order["status"], order["filled"], order["remaining"]) == ("canceled", 0.5, 1.5)
    assert order["lastTradeTimestamp"] is None  # when it was cancelled is not when it filled


@pytest.mark.parametrize(
    "columns, expected",
    [
        ({"time_in_force": "IOC"}, "IOC"),
        ({"time_in_force": None}, None),
        ({"time_in_force": "GTC", "post_only": True}, "PO"),
        ({"order_type": "market", "time_in_force": None}, "IOC"),
        ({"order_type": "market", "time_in_force": "GTC"}, "IOC"),
        ({"order_type": "market", "time_in_force": "FOK"}, "FOK"),
    ],
    ids=str,
)
def test_time_in_force_is_ccxts(columns: dict[str, Any], expected: str | None) -> None:
    assert order_from_row(order_row(**columns), float)["timeInForce"] == expected


def test_stop_prices_have_their_own_names() -> None:
    row = order_row(trigger_price="101", stop_price="95.5", take_profit_price="120")
    order = order_from_row(row, float)

    assert (order["triggerPrice"], order["stopPrice"]) == (101.0, 101.0)
    assert (order["stopLossPrice"], order["takeProfitPrice"]) == (95.5, 120.0)


def test_stops_of_the_position_show_and_make_no_trigger_order() -> None:
    """As at other exchanges of ccxt: the prices are attached to the order, which trades at once."""
    order = order_from_row(order_row(stop_loss="80", stop_gain="150"), float)

    assert (order["stopLossPrice"], order["takeProfitPrice"]) == (80.0, 150.0)
    assert (order["triggerPrice"], order["stopPrice"]) == (None, None)


def test_an_orders_own_stop_comes_before_that_of_its_position() -> None:
    row = order_row(stop_price="95", stop_loss="80", stop_gain="0")
    order = order_from_row(row, float)

    assert (order["stopLossPrice"], order["takeProfitPrice"]) == (95.0, None)
    assert order_from_row({**row, "created_at": "2026-11-20 02:05:32"}, float)["stopLossPrice"] == 95.0


@pytest.mark.parametrize("status", ["CANCELED", "REJECTED"])
@pytest.mark.parametrize("fee", ["0", None])
def test_an_order_that_ended_without_a_fill_has_cost_no_fee(status: str, fee: str | None) -> None:
    """Programs ask for an order again whose fee nobody tells."""
    order = order_from_row(order_row(status=status, fee=fee), float)

    assert order["fee"] == {"currency": "USDT", "cost": 0.0, "rate": None}
    assert order["fees"] == [order["fee"]]
    assert order["fees"][0] is not order["fee"]


@pytest.mark.parametrize(
    "symbol, inverse, currency",
    [
        ("BTC/USDT", False, "USDT"),
        ("BTC/USDT:USDT", False, "USDT"),
        ("BTC/USD:USDC", False, "USDC"),
        ("BTC/USD:BTC", True, "BTC"),
        ("BTC/USD:BTC-261225", True, "BTC"),
    ],
)
def test_no_fee_is_in_what_fees_are_in(symbol: str, inverse: bool, currency: str) -> None:
    row = order_row(symbol=symbol, status="CANCELED")

    assert order_from_row(row, float, Terms(inverse=inverse))["fee"]["currency"] == currency
    named = order_from_row({**row, "fee": "0", "fee_currency": "BNB"}, float, Terms(inverse=inverse))
    assert named["fee"] == {"currency": "BNB", "cost": 0.0, "rate": None}


def test_a_fill_whose_fee_nobody_tells_is_not_said_to_be_free() -> None:
    row = filled_row(status="CANCELED", filled_qty="1", fee=None, fee_currency=None)

    assert order_from_row(row, float)["fee"] is None


def test_a_fill_without_known_average_is_not_said_to_have_cost_nothing() -> None:
    """Some gateways do not keep the average: nothing is better than a wrong number."""
    order = order_from_row(filled_row(avg_fill_price=None, fee=None, fee_currency=None), float)

    assert (order["filled"], order["average"], order["cost"]) == (2.0, None, None)


def test_zeros_in_scientific_notation_are_zero() -> None:
    row = order_row(filled_qty="0E-18", avg_fill_price="0E-18", qty="0.010000000000000000")
    order = order_from_row(row, float)

    assert (order["filled"], order["average"], order["amount"], order["remaining"]) == (0.0, None, 0.01, 0.01)


def test_an_overfilled_order_has_nothing_remaining() -> None:
    assert order_from_row(filled_row(filled_qty="2.5"), float)["remaining"] == 0.0


def test_older_rows_without_the_optional_columns_are_complete_orders() -> None:
    needed = ("id", "symbol", "side", "order_type", "status", "qty", "created_at")
    row = {name: value for name, value in order_row().items() if name in needed}

    assert set(order_from_row(row, float)) == set(order_from_row(order_row(), float))


def test_times_without_a_zone_are_shifted_by_the_offset() -> None:
    row = order_row(created_at="2026-11-20T02:05:32", updated_at="2026-11-20 02:05:32Z")
    order = order_from_row(row, float, utc_offset_ms=3_600_000)

    assert order["datetime"] == "2026-11-20T01:05:32.000Z"
    assert order["lastUpdateTimestamp"] - order["timestamp"] == 3_600_000


def test_deals_give_trades_and_the_last_fill() -> None:
    order = order_from_row(filled_row(), float, deals=[deal_row()])

    assert [trade["id"] for trade in order["trades"]] == ["21"]
    assert order["trades"][0]["order"] == "11"
    assert order["lastTradeTimestamp"] == UPDATED_MS
    assert (order["average"], order["cost"]) == (99.5, 199.0)


def test_several_deals_are_sorted_and_summed_exactly() -> None:
    deals = [
        deal_row(id=23, qty="0.2", price="101", fee="0.02", executed_at="2026-11-20T02:05:35.000Z"),
        deal_row(id=22, qty="0.2", price="100.2", fee="0.01", executed_at="2026-11-20T02:05:34.000Z"),
        deal_row(id=21, qty="0.1", price="99.9", fee="0.1", executed_at="2026-11-20T02:05:34.000Z"),
    ]
    row = order_row(status="PARTIALLY_FILLED", filled_qty="0.5", avg_fill_price="100.46")
    order = order_from_row(row, Decimal, deals=deals)

    assert [trade["id"] for trade in order["trades"]] == ["21", "22", "23"]
    assert order["cost"] == Decimal("50.23")
    assert order["average"] == Decimal("100.46")
    assert order["fee"] == {"currency": "USDT", "cost": Decimal("0.13"), "rate": Decimal("0.00258809")}
    assert order["lastTradeTimestamp"] == order["trades"][-1]["timestamp"]


def test_fees_in_two_currencies_are_kept_apart() -> None:
    deals = [
        deal_row(id=21, qty="1", price="100", fee="0.1", fee_currency="USDT"),
        deal_row(id=22, qty="1", price="99", fee="0.001", fee_currency="BNB"),
        deal_row(id=23, qty="1", price="101", fee="0.2", fee_currency="USDT"),
    ]
    order = order_from_row(filled_row(qty="3", filled_qty="3"), TEXT, deals=deals)

    assert order["fee"] is None
    assert [(fee["currency"], fee["cost"]) for fee in order["fees"]] == [("USDT", "0.3"), ("BNB", "0.001")]


def test_a_fee_in_the_base_currency_has_its_rate_by_the_amount() -> None:
    order = order_from_row(filled_row(fee="0.002", fee_currency="BTC"), TEXT)

    assert order["fee"] == {"currency": "BTC", "cost": "0.002", "rate": "0.001"}


def test_a_market_orders_price_is_the_exact_average_of_its_deals() -> None:
    row = filled_row(order_type="market", price=None, avg_fill_price=None)
    order = order_from_row(row, float, deals=[deal_row(price="99.25")])

    assert (order["price"], order["average"], order["cost"]) == (99.25, 99.25, 198.5)


def test_a_linear_contracts_cost_counts_its_size() -> None:
    terms = Terms(contract_size=Decimal("0.01"))
    order = order_from_row(filled_row(symbol="BTC/USDT:USDT"), TEXT, terms, deals=[deal_row()])

    assert (order["cost"], order["average"]) == ("1.99", "99.5")
    assert order["trades"][0]["cost"] == "1.99"
    assert order["fee"]["rate"] == "0.1"


def test_an_inverse_contracts_cost_is_in_the_base_currency() -> None:
    terms = Terms(contract_size=Decimal(100), inverse=True)
    deals = [deal_row(id=1, qty="1", price="50000"), deal_row(id=2, qty="1", price="25000")]
    order = order_from_row(filled_row(symbol="BTC/USD:BTC"), Decimal, terms, deals=deals)

    assert order["cost"] == Decimal("0.006")  # 100/50000 + 100/25000
    assert round(order["average"], 10) == round(Decimal(200) / Decimal("0.006"), 10)


@pytest.mark.parametrize("kind, expected", [(float, 0.1), (str, "0.1"), (Decimal, Decimal("0.1"))])
def test_numbers_take_the_type_of_the_exchange(kind: Any, expected: Any) -> None:
    amount = order_from_row(order_row(qty="0.10"), number_maker(kind))["amount"]

    assert amount == expected
    assert type(amount) is kind


def test_filled_average_and_cost_agree_when_the_deals_are_read_later() -> None:
    """The row is of one moment and the deals of the next: more of them, or not all yet."""
    row = order_row(status="PARTIALLY_FILLED", filled_qty="1", avg_fill_price="100")
    order = order_from_row(
        row, float, deals=[deal_row(id=1, qty="1", price="100"), deal_row(id=2, price="97")]
    )

    assert (order["filled"], order["average"], order["cost"], len(order["trades"])) == (1.0, 100.0, 100.0, 2)


def test_an_average_that_the_row_lacks_comes_from_the_deals() -> None:
    row = order_row(status="PARTIALLY_FILLED", filled_qty="3", avg_fill_price=None)
    order = order_from_row(row, float, deals=[deal_row(qty="2", price="99")])

    assert (order["filled"], order["average"], order["cost"]) == (3.0, 99.0, 297.0)


@pytest.mark.parametrize(
    "columns, field",
    [
        ({"id": "11"}, "id"),
        ({"id": 0}, "id"),
        ({"id": True}, "id"),
        ({"id": 2**63}, "id"),
        ({"status": "OPEN"}, "status"),
        ({"status": []}, "status"),
        ({"side": "long"}, "side"),
        ({"qty": None}, "qty"),
        ({"qty": "a lot"}, "qty"),
        ({"price": "NaN"}, "price"),
        ({"created_at": None}, "created_at"),
        ({"created_at": "today"}, "created_at"),
        ({"symbol": None}, "symbol"),
        ({"order_type": 1}, "order_type"),
        ({"client_order_id": 5}, "client_order_id"),
        ({"post_only": 1}, "post_only"),
        ({"filled_qty": "1", "fee": "1", "fee_currency": 7}, "fee_currency"),
    ],
    ids=str,
)
def test_a_row_that_is_not_of_the_contract_is_refused_by_field(columns: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRow, match=f"^{field}: expected"):
        order_from_row(order_row(**columns), float)


@pytest.mark.parametrize("key", ["id", "symbol", "side", "order_type", "status", "qty", "created_at"])
def test_a_row_without_a_needed_column_is_refused(key: str) -> None:
    row = order_row()
    del row[key]

    with pytest.raises(BadRow, match=f"^{key}: expected"):
        order_from_row(row, float)


def test_the_row_is_kept_and_not_changed() -> None:
    row, deal = filled_row(), deal_row()
    order = order_from_row(row, float, deals=[deal])

    assert order["info"] is row
    assert order["trades"][0]["info"] is deal
    assert (row, deal) == (filled_row(), deal_row())
