"""Position rows as ccxt positions, one by one and netted: exact examples."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from ccxt_driver.mappers.position import net_rows, position_from_row
from ccxt_driver.mappers.trade import Terms
from ccxt_driver.mappers.values import BadRow, number_maker
from tests.helpers.oms_rows import CREATED, CREATED_MS, UPDATED_MS, position_row

pytestmark = pytest.mark.oldest

TEXT = number_maker(str)


def test_an_open_long_with_the_servers_values() -> None:
    row = position_row()

    assert position_from_row(row, float, hedged=False) == {
        "info": row,
        "id": "31",
        "symbol": "BTC/USDT:USDT",
        "timestamp": CREATED_MS,
        "datetime": CREATED,
        "lastUpdateTimestamp": UPDATED_MS,
        "hedged": False,
        "side": "long",
        "contracts": 2.0,
        "contractSize": 1.0,
        "entryPrice": 100.0,
        "markPrice": 110.0,
        "lastPrice": None,
        "exitPrice": None,
        "notional": 220.0,
        "leverage": 10.0,
        "collateral": 40.0,
        "positionMargin": 20.0,
        "initialMargin": 20.0,
        "initialMarginPercentage": 0.1,
        "maintenanceMargin": None,
        "maintenanceMarginPercentage": None,
        "unrealizedPnl": 20.0,
        "realizedPnl": 0.0,
        "liquidationPrice": 91.0,
        "marginMode": "cross",
        "isolated": False,
        "marginRatio": None,
        "percentage": 100.0,
        "stopLossPrice": 90.0,
        "takeProfitPrice": 120.0,
    }


def test_a_server_without_values_leaves_them_unknown() -> None:
    values = ("realized_pnl", "unrealized_pnl", "mark_price", "leverage", "margin", "liquidation_price")
    position = position_from_row(position_row(**dict.fromkeys(values)), float)

    assert position["notional"] == 200.0  # by the entry price
    unknown = (
        "markPrice",
        "leverage",
        "collateral",
        "unrealizedPnl",
        "realizedPnl",
        "percentage",
        "marginMode",
    )
    assert {position[key] for key in unknown} == {None}


def test_what_a_row_tells_of_its_margin() -> None:
    isolated = position_from_row(position_row(margin_mode="isolated", maintenance_margin="2"), float)
    crossed = position_from_row(position_row(margin_mode="cross", maintenance_margin="2.2"), float)

    assert (isolated["marginMode"], isolated["isolated"], isolated["maintenanceMargin"]) == (
        "isolated",
        True,
        2.0,
    )
    assert isolated["marginRatio"] == 0.05  # of margin and profit, 40
    assert (crossed["marginMode"], crossed["isolated"], crossed["maintenanceMarginPercentage"]) == (
        "cross",
        False,
        0.01,
    )
    assert crossed["marginRatio"] is None
    assert position_from_row(position_row(margin_mode="portfolio"), float)["marginMode"] is None


def test_a_short_is_a_sell() -> None:
    assert position_from_row(position_row(side="sell"), float)["side"] == "short"


def test_contracts_count_by_their_size() -> None:
    linear = position_from_row(position_row(), TEXT, Terms(Decimal("0.01")))
    inverse = position_from_row(position_row(mark_price="50"), TEXT, Terms(Decimal(100), inverse=True))

    assert (linear["contracts"], linear["contractSize"], linear["notional"]) == ("2", "0.01", "2.2")
    assert (inverse["contractSize"], inverse["notional"]) == ("100", "4")


@pytest.mark.parametrize("hedged", [True, False, None])
def test_hedged_is_what_is_known_of_the_account(hedged: bool | None) -> None:
    assert position_from_row(position_row(), float, hedged=hedged)["hedged"] is hedged


@pytest.mark.parametrize("state", ["open", "close_requested", "closed", "merged"])
def test_every_state_is_mapped(state: str) -> None:
    assert position_from_row(position_row(state=state), float)["id"] == "31"


def test_values_beyond_measure_do_not_break_the_shares() -> None:
    row = position_row(margin="1E+30", avg_price="1E-30", qty="1", unrealized_pnl="1E+30", mark_price=None)

    assert position_from_row(row, float)["initialMarginPercentage"] == 1e60
    assert position_from_row({**row, "margin": "1E-30"}, float)["percentage"] == 1e62


@pytest.mark.parametrize(
    "columns, field",
    [
        ({"id": -1}, "id"),
        ({"qty": None}, "qty"),
        ({"avg_price": None}, "avg_price"),
        ({"state": "gone"}, "state"),
        ({"side": "long"}, "side"),
        ({"opened_at": None}, "opened_at"),
        ({"margin": "x"}, "margin"),
        ({"stop_loss": {}}, "stop_loss"),
    ],
    ids=str,
)
def test_a_row_that_is_not_of_the_contract_is_refused_by_field(columns: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRow, match=f"^{field}: expected"):
        position_from_row(position_row(**columns), float)


# -- netted


def test_a_single_row_is_kept_as_it_is() -> None:
    row = position_row()

    assert net_rows([row]) == [row]
    assert net_rows([row])[0] is row


def test_rows_of_one_side_add_up_to_their_average() -> None:
    older = position_row(
        maintenance_margin="1",
        id=31,
        qty="1",
        avg_price="100",
        unrealized_pnl="10",
        realized_pnl="1",
        margin="10",
    )
    newer = position_row(
        id=32, qty="3", avg_price="104", unrealized_pnl="18", realized_pnl="0", margin="31.2"
    )
    (net,) = net_rows([newer, older])

    assert (net["id"], net["side"], net["qty"], net["avg_price"]) == (31, "buy", "4", "103")
    assert (net["unrealized_pnl"], net["realized_pnl"], net["margin"]) == ("28", "1", "41.2")
    assert net["maintenance_margin"] is None  # one does not tell
    assert net["member_ids"] == [32, 31]
    assert (net["stop_loss"], net["stop_gain"], net["liquidation_price"]) == (None, None, None)


def test_inverse_contracts_have_the_average_of_the_coins_that_they_are_worth() -> None:
    """100 contracts of 1 USD at 100 and 100 at 200 are 1.5 coins: 133.33 a coin, and not 150."""
    inverse = {"BTC/USD:BTC": Terms(Decimal(1), inverse=True)}
    traded = [("buy", "100", "100"), ("buy", "100", "200"), ("sell", "50", "500"), ("buy", "0", "7")]
    rows = [
        position_row(id=number, symbol="BTC/USD:BTC", side=side, qty=qty, avg_price=price)
        for number, (side, qty, price) in enumerate(traded, 1)
    ]
    (net,) = net_rows(rows, terms_of=inverse.__getitem__)
    assert net["qty"] == "150"
    assert round(Decimal(net["avg_price"]), 8) == round(Decimal(200) / Decimal("1.5"), 8)
    (net,) = net_rows(rows[:1] * 3, terms_of=inverse.__getitem__)
    assert (net["qty"], net["avg_price"]) == ("300", "100")
    (net,) = net_rows([rows[0], {**rows[2], "qty": "300"}], terms_of=inverse.__getitem__)
    assert (net["side"], net["qty"], net["avg_price"]) == ("sell", "200", "500")


def test_a_netted_row_can_be_written_as_json() -> None:
    """It becomes `info`, which programs log and store."""
    (net,) = net_rows([position_row(id=1, qty="1"), position_row(id=2, qty="2", avg_price="101")])

    assert json.loads(json.dumps(net)) == net
    assert net["avg_price"].startswith("100.6666666")


def test_the_larger_side_is_what_remains() -> None:
    rows = [
        position_row(id=1, side="buy", qty="1", avg_price="100"),
        position_row(id=2, side="sell", qty="3", avg_price="110"),
    ]
    position = position_from_row(net_rows(rows)[0], float)

    assert (position["id"], position["side"], position["contracts"]) == ("1", "short", 2.0)
    assert position["entryPrice"] == 110.0


def test_rows_that_cancel_out_leave_nothing() -> None:
    rows = [position_row(id=1, side="buy", qty="1.0"), position_row(id=2, side="sell", qty="1")]

    assert net_rows(rows) == []


def test_symbols_and_strategies_are_netted_apart() -> None:
    rows = [
        position_row(id=1),
        position_row(id=2, symbol="ETH/USDT:USDT"),
        position_row(id=3, strategy_id=7),
        position_row(id=4, strategy_id=None),
    ]

    assert [(row["id"], row.get("member_ids")) for row in net_rows(rows)] == [
        (1, [1, 4]),
        (2, None),
        (3, None),
    ]


def test_a_value_that_one_member_lacks_is_unknown_for_all() -> None:
    rows = [position_row(id=1, unrealized_pnl=None), position_row(id=2)]

    assert net_rows(rows)[0]["unrealized_pnl"] is None


def test_netting_changes_no_row() -> None:
    rows = [position_row(id=1), position_row(id=2)]
    net_rows(rows)

    assert rows == [position_row(id=1), position_row(id=2)]


@pytest.mark.parametrize(
    "columns",
    [
        {"symbol": None},
        {"symbol": []},
        {"side": "long"},
        {"id": "x"},
        {"id": None},
        {"qty": "x"},
        {"margin": "x"},
        {"avg_price": None},
        {"strategy_id": []},
    ],
    ids=str,
)
def test_a_bad_row_is_refused_and_not_netted(columns: dict[str, Any]) -> None:
    with pytest.raises(BadRow):
        net_rows([position_row(id=1), position_row(**columns), position_row(**{**columns, "comment": "x"})])


def test_a_row_without_a_symbol_is_refused() -> None:
    row = position_row()
    del row["symbol"]

    with pytest.raises(BadRow, match=r"^symbol: expected"):
        net_rows([row])
