"""Scenarios whose numbers are reckoned by hand, each with its formula; a comment shows the sum.

Fees are `quantity * price * rate`, of the role that the order had (Binance, "Trading Fees"; ccxt, "Fees").
The average price is the volume-weighted mean, the profit of what is closed `quantity * (price - average)`,
and the opposite of a short position (Binance, "What Is Realized and Unrealized PNL").
Liquidation is by Binance, "How to Calculate Liquidation Price of USD-M Futures Contracts".
Funding is in `test_funding.py`, more of liquidation in `test_margin.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ccxt_driver.oms.models import (
    DiscountedFee,
    FeeModel,
    MakerTakerQuoteFee,
    Models,
    ReceivedCurrencyFee,
    ThirdCurrencyFee,
)

from .conftest import SPOT, SWAP, Desk

Make = Callable[..., Desk]
MONEY = {"USDT": "10000", "BTC": "10", "BNB": "1"}
RICH = {"USDT": "10000000", "BTC": "1000"}
USUAL, LESS = MakerTakerQuoteFee(), DiscountedFee("0.25")
RECEIVED, COIN = ReceivedCurrencyFee(), ThirdCurrencyFee("BNB")
COIN_LESS = ThirdCurrencyFee("BNB", DiscountedFee("0.5"))


# ------------------------------------------------------------------ fees

TAKER_BUY, TAKER_SELL = ("buy", None), ("sell", None)  # 2 at 101, 2 at 100
MAKER_BUY, MAKER_SELL = ("buy", "95"), ("sell", "110")


@pytest.mark.parametrize(
    "model,symbol,order,fee,code",
    [
        (USUAL, SPOT, TAKER_BUY, "0.202", "USDT"),  # 202 * 0.001
        (USUAL, SPOT, TAKER_SELL, "0.2", "USDT"),  # 200 * 0.001
        (USUAL, SPOT, MAKER_BUY, "0.19", "USDT"),  # 190 * 0.001
        (USUAL, SWAP, TAKER_BUY, "0.101", "USDT"),  # 202 * 0.0005
        (USUAL, SWAP, MAKER_SELL, "0.044", "USDT"),  # 220 * 0.0002
        (LESS, SPOT, MAKER_SELL, "0.165", "USDT"),  # 0.22 * 3 / 4
        (LESS, SWAP, TAKER_SELL, "0.075", "USDT"),  # 0.1 * 3 / 4
        (RECEIVED, SPOT, TAKER_BUY, "0.002", "BTC"),  # 2 * 0.001
        (RECEIVED, SPOT, MAKER_BUY, "0.002", "BTC"),
        (RECEIVED, SPOT, MAKER_SELL, "0.22", "USDT"),  # what a sell receives
        (RECEIVED, SWAP, MAKER_BUY, "0.038", "USDT"),  # 190 * 0.0002
        (COIN, SPOT, TAKER_BUY, "0.000808", "BNB"),  # 0.202 / 250
        (COIN, SWAP, MAKER_SELL, "0.000176", "BNB"),  # 0.044 / 250
        (COIN_LESS, SPOT, TAKER_SELL, "0.0004", "BNB"),  # 0.2 / 2 / 250
    ],
)
def test_fees(
    make_desk: Make, model: FeeModel, symbol: str, order: tuple[str, str | None], fee: str, code: str
) -> None:
    desk = make_desk(accounts=[{"account_id": 1, "balances": MONEY}], models=Models(fees=model))
    desk.price("BNB/USDT", "249", "251", "250")
    side, price = order

    desk.send(side, 2, price, symbol=symbol)
    if price is not None:
        desk.price(symbol, *(("94", "95") if side == "buy" else ("110", "111")))

    [deal] = desk.deals()
    assert (deal["fee"], deal["fee_currency"]) == (fee, code)
    paid = {code: Decimal(fee)}
    coins, money = Decimal(0), Decimal(0)
    if symbol == SPOT:
        sign = 1 if side == "buy" else -1
        coins, money = Decimal(2 * sign), -2 * sign * Decimal(deal["price"])
    for name, traded in (("BTC", coins), ("USDT", money), ("BNB", Decimal(0))):
        assert desk.balance(name)[2] == Decimal(MONEY[name]) + traded - paid.get(name, 0)


# ------------------------------------------------------------------ average, profit, reversal


@pytest.mark.parametrize(
    "symbol,total",
    [
        # - 513 - 550 + 400 + 900, and fees of 0.001 * 2363
        (SPOT, "10000234.637"),
        # - 25.2 - 97.8, and fees of 0.0005 * 2363
        (SWAP, "9999875.8185"),
    ],
)
def test_a_position_from_several_fills_to_its_reversal(make_desk: Make, symbol: str, total: str) -> None:
    accounts = [{"account_id": number, "balances": RICH} for number in (1, 2)]
    desk = make_desk(accounts=accounts)
    desk.price(symbol, "100", "120")
    for qty, price in ((1, "101"), (2, "102"), (3, "104")):
        desk.send("sell", qty, price, symbol=symbol, account=2)

    walked = desk.send("buy", 5, symbol=symbol)

    assert walked["avg_fill_price"] == "102.6"  # (1 * 101 + 2 * 102 + 2 * 104) / 5
    assert [(deal["qty"], deal["price"]) for deal in desk.deals(sort="asc")] == [
        ("1", "101"),
        ("2", "102"),
        ("2", "104"),
    ]
    desk.run("cancel_all_orders", 2)

    def trade(side: str, qty: int, price: int) -> tuple[Any, ...]:
        bid, ask = (price - 1, price) if side == "buy" else (price, price + 1)
        desk.price(symbol, str(bid), str(ask))
        desk.send(side, qty, symbol=symbol)
        [row] = desk.positions()
        return row["id"], row["side"], row["qty"], row["avg_price"], row["realized_pnl"]

    # Position 1 is that of the other account.
    assert trade("buy", 5, 110) == (2, "buy", "10", "106.3", "0")  # (513 + 550) / 10
    assert trade("sell", 4, 100) == (2, "buy", "6", "106.3", "-25.2")  # 4 * (100 - 106.3)
    assert trade("sell", 10, 90) == (3, "sell", "4", "90", "0")
    assert desk.position_row(2)["realized_pnl"] == "-123"  # - 25.2 + 6 * (90 - 106.3)
    assert desk.balance("USDT")[2] == Decimal(total)


# ------------------------------------------------------------------ liquidation price in the upper tiers

# LP of a long one is (WB + cum - Q * EP) / (Q * MMR - Q), of a short one (WB + cum + Q * EP) / (Q * MMR + Q).
# Tiers: 0.4 % to 300,000; 0.5 % to 800,000 with a cum of 300; 0.65 % to 3,000,000 with a cum of 1,500.


@pytest.mark.parametrize(
    "mode,side,price",
    [
        # WB is 300000 less the fee of 500; second tier at LP: (299500 + 300 - 1000000) / (5 - 1000)
        ("cross", "buy", "703.71859296"),
        # third tier: (299500 + 1500 + 1000000) / (6.5 + 1000)
        ("cross", "sell", "1292.59811227"),
        # WB is the margin, a tenth of the value; third tier: (100000 + 1500 - 1000000) / (6.5 - 1000)
        ("isolated", "buy", "904.37845999"),
        # the same of a short one: (100000 + 1500 + 1000000) / (6.5 + 1000)
        ("isolated", "sell", "1094.38648783"),
    ],
)
def test_the_liquidation_price_of_a_large_position(make_desk: Make, mode: str, side: str, price: str) -> None:
    desk = make_desk(accounts=[{"account_id": 1, "balances": {"USDT": "300000"}}])
    bid, ask = ("999", "1000") if side == "buy" else ("1000", "1001")
    desk.price(SWAP, bid, ask, last="1000")
    desk.venue("set_margin_mode", mode, SWAP)

    desk.send(side, 1000, symbol=SWAP)

    assert desk.positions()[0]["liquidation_price"] == price
