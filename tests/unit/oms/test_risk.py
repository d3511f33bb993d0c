"""Where nothing new may be opened, nothing is: also by an order that was there before."""

from __future__ import annotations

from typing import Any

import pytest

SWAP = "BTC/USDT:USDT"


def block(desk: Any) -> None:
    body = {"allow_new_positions": False, "comment": "calm down"}
    desk.call("risk_allow_new_positions", body, account_id=1)


def block_all(desk: Any) -> None:
    desk.call("risk_status", {"status": "blocked", "comment": "stop it"}, account_id=1)


@pytest.mark.parametrize("blocking", [block, block_all])
@pytest.mark.parametrize("symbol", ["BTC/USDT", SWAP])
def test_a_trigger_that_would_open_is_rejected_when_it_fires(desk: Any, symbol: str, blocking: Any) -> None:
    order = desk.send("buy", 1, symbol=symbol, trigger_price="110")
    blocking(desk)
    desk.price(symbol, "110", "111")

    row = desk.order_row(order["id"])
    assert (row["status"], row["reject_reason"], row["filled_qty"]) == ("REJECTED", "risk_blocked", "0")
    assert desk.get("positions_open", account_ids=1)["items"] == []


@pytest.mark.parametrize("blocking", [block, block_all])
def test_a_trigger_that_closes_still_fires(desk: Any, blocking: Any) -> None:
    desk.send("buy", 1, symbol=SWAP)
    stop = desk.send("sell", 1, symbol=SWAP, stop_price="95")
    blocking(desk)
    desk.price(SWAP, "94", "95")

    assert desk.order_row(stop["id"])["status"] == "FILLED"
    assert desk.get("positions_open", account_ids=1)["items"] == []
