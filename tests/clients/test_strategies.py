"""Two strategies on one account, which differ by an environment variable, and two objects on one truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ccxt
import pytest

pytestmark = pytest.mark.usefixtures("registered", "oms")
SYMBOL = "BTC/USDT"


@pytest.fixture(params=["oms", "binance"])
def bot_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], Any]:
    """Start the same program for a strategy: `bot_of(1)`."""

    def start(strategy_id: int | None) -> Any:
        monkeypatch.setenv("CCXT_OMS_STRATEGY_ID", "" if strategy_id is None else str(strategy_id))
        return getattr(ccxt, request.param)()

    return start


def _rest(bot: Any) -> Any:
    return bot.create_order(SYMBOL, "limit", "buy", 0.01, bot.fetch_ticker(SYMBOL)["bid"] * 0.8)


def test_they_do_not_see_change_or_cancel_each_others_orders(bot_of: Callable[..., Any]) -> None:
    first, second = bot_of(1), bot_of(2)
    mine, others = _rest(first), _rest(second)

    assert [order["id"] for order in second.fetch_open_orders()] == [others["id"]]
    for refused in (
        lambda: second.fetch_order(mine["id"], SYMBOL),
        lambda: second.cancel_order(mine["id"], SYMBOL),
        lambda: second.edit_order(mine["id"], SYMBOL, "limit", "buy", 0.01, mine["price"] * 0.9),
    ):
        with pytest.raises(ccxt.OrderNotFound):
            refused()
    second.cancel_all_orders(SYMBOL)
    assert first.fetch_order(mine["id"], SYMBOL)["status"] == "open"
    assert first.fetch_order(mine["id"], SYMBOL)["price"] == mine["price"]
    assert second.fetch_order(others["id"], SYMBOL)["status"] == "canceled"


def test_free_money_excludes_what_either_has_reserved(bot_of: Callable[..., Any]) -> None:
    first, second = bot_of(1), bot_of(2)
    before = first.fetch_balance()["USDT"]["free"]
    reserved = [order["price"] * order["amount"] for order in (_rest(first), _rest(second))]

    for bot in (first, second):
        balance = bot.fetch_balance()["USDT"]
        assert balance["free"] <= before - sum(reserved)
        assert balance["free"] == pytest.approx(before - sum(reserved) * 1.001, rel=1e-6)  # and their fees


def test_each_has_positions_of_its_own_where_the_account_allows_it(
    bot_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCXT_OMS_ACCOUNT_ID", "3")
    first, second = bot_of(1), bot_of(2)
    first.create_order("BTC/USDT:USDT", "market", "buy", 0.02)
    second.create_order("BTC/USDT:USDT", "market", "sell", 0.01)
    held = [bot.fetch_positions(["BTC/USDT:USDT"]) for bot in (first, second)]

    assert [[(row["side"], row["contracts"]) for row in rows] for rows in held] == [
        [("long", 0.02)],
        [("short", 0.01)],
    ]


def test_a_bot_that_starts_again_finds_its_orders(bot_of: Callable[..., Any]) -> None:
    order = _rest(bot_of(1))
    [found] = bot_of(1).fetch_open_orders(SYMBOL)

    assert found["id"] == order["id"]
    assert found["clientOrderId"] == order["clientOrderId"]
    assert bot_of(1).cancel_order(found["id"], SYMBOL)["status"] == "canceled"


def test_who_watches_without_a_strategy_sees_everything(bot_of: Callable[..., Any]) -> None:
    orders = [_rest(bot_of(number)) for number in (1, 2)]

    watched = {order["id"] for order in bot_of(None).fetch_open_orders(SYMBOL)}
    assert watched == {order["id"] for order in orders}
