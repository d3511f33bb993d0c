"""The models that fills stand on: what each assumes is what happens."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms import OWNER, EmbeddedOms
from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.oms.models import (
    BehindVolume,
    DiscountedFee,
    FixedLatency,
    FrontOfQueue,
    Models,
    QueueModel,
    RandomLatency,
    RandomPlace,
    ReceivedCurrencyFee,
    SelfTrade,
    ThirdCurrencyFee,
)
from ccxt_driver.oms.refusals import Refusal
from ccxt_driver.oms.store import StoreError

from .conftest import ACCOUNTS, SPOT, SWAP, Desk

Make = Callable[..., Desk]


# ------------------------------------------------------------------ fees


def fees(desk: Desk) -> list[tuple[str, str]]:
    return [(deal["fee"], deal["fee_currency"]) for deal in desk.deals(sort="asc")]


def test_a_discount_takes_a_share_of_the_fee(make_desk: Make) -> None:
    desk = make_desk(models=Models(fees=DiscountedFee("0.25")))

    order = desk.send("buy", 1)

    assert fees(desk) == [("0.07575", "USDT")]
    assert (order["fee"], order["fee_currency"]) == ("0.07575", "USDT")
    assert desk.balance("USDT")[2] == Decimal(100_000) - 101 - Decimal("0.07575")


@pytest.mark.parametrize("share", ["-0.1", "1.1"])
def test_a_discount_is_a_fraction(share: str) -> None:
    with pytest.raises(ValueError, match="share: expected a fraction"):
        DiscountedFee(share)


def test_a_fee_of_what_is_received(make_desk: Make) -> None:
    desk = make_desk(models=Models(fees=ReceivedCurrencyFee()))

    desk.send("buy", 2)
    desk.send("sell", 1)
    desk.send("buy", 1, symbol=SWAP)

    assert fees(desk) == [("0.002", "BTC"), ("0.1", "USDT"), ("0.0505", "USDT")]
    assert desk.balance("BTC")[2] == Decimal("10.998")


def test_a_fee_in_a_coin_of_the_venue_while_there_is_enough_of_it(make_desk: Make) -> None:
    accounts = [ACCOUNTS[0] | {"balances": {"USDT": "1000", "BNB": "0.0003"}}]
    model = ThirdCurrencyFee("BNB", DiscountedFee("0.5"))
    desk = make_desk(accounts=accounts, models=Models(fees=model))
    desk.price("BNB/USDT", "249", "251", "250")

    desk.send("buy", 1)
    order = desk.send("buy", 1)

    assert fees(desk) == [("0.000202", "BNB"), ("0.0505", "USDT")]
    assert (order["fee"], order["fee_currency"]) == ("0.0505", "USDT")
    assert desk.balance("BNB")[2] == Decimal("0.000098")


@pytest.mark.parametrize("held", ["10", "10.005", "10.01", "11"])
@pytest.mark.parametrize("bought", ["0", "4"])
@pytest.mark.parametrize("price", [None, "240", "255"])
def test_a_coin_that_is_sold_itself_pays_no_more_fee_than_is_left(
    make_desk: Make, held: str, bought: str, price: str | None
) -> None:
    accounts = [{"account_id": 1, "balances": {"USDT": "2000", "BNB": held}}]
    desk = make_desk(accounts=accounts, models=Models(fees=ThirdCurrencyFee("BNB")))
    desk.price("BNB/USDT", "249", "251", "250")
    if bought != "0":  # a sell of all closes that position, and opens one below it
        desk.send("buy", bought, symbol="BNB/USDT")
        desk.call("withdraw", {"currency": "BNB", "amount": bought}, account_id=1)
    free = desk.balance("BNB")[0]
    qty = min(free, Decimal(10)) // Decimal("0.001") * Decimal("0.001")
    desk.send("sell", qty, price, symbol="BNB/USDT")
    desk.price("BNB/USDT", "256", "257", "256")
    left = desk.balance("BNB")[2]
    sold = [deal for deal in desk.deals() if deal["side"] == "sell" and deal["fee_currency"] == "BNB"]
    fees_paid = sum(Decimal(deal["fee"]) for deal in sold)
    assert left == free - qty - fees_paid >= 0
    assert fees_paid > 0 or held != "11"


def test_a_coin_without_a_market_pays_no_fee(make_desk: Make) -> None:
    desk = make_desk(models=Models(fees=ThirdCurrencyFee("ABC")))

    desk.send("buy", 1)

    assert fees(desk) == [("0.101", "USDT")]


# ------------------------------------------------------------------ self-trade prevention


@pytest.mark.parametrize(
    "rule, maker, taker, filled",
    [
        (SelfTrade.CANCEL_TAKER, "SUBMITTED", "CANCELED", "0"),
        (SelfTrade.CANCEL_MAKER, "CANCELED", "FILLED", "2"),
        (SelfTrade.CANCEL_BOTH, "CANCELED", "CANCELED", "0"),
    ],
)
def test_who_gives_way_to_an_order_of_the_same_account(
    make_desk: Make, rule: SelfTrade, maker: str, taker: str, filled: str
) -> None:
    desk = make_desk(models=Models(self_trade=rule))
    desk.price(SPOT, "99", "105")
    mine, further = desk.send("sell", 2, 103), desk.send("sell", 2, 108)
    desk.send("sell", 2, 104, account=2)

    order = desk.send("buy", 2, 106)

    assert desk.order_row(mine["id"])["status"] == maker
    assert desk.order_row(further["id"])["status"] == "SUBMITTED"
    assert (order["status"], order["filled_qty"]) == (taker, filled)
    if rule is SelfTrade.CANCEL_MAKER:
        assert order["avg_fill_price"] == "104"


@pytest.mark.parametrize("rule", SelfTrade)
def test_an_order_that_is_not_reached_stays(make_desk: Make, rule: SelfTrade) -> None:
    desk = make_desk(models=Models(self_trade=rule))
    mine = desk.send("sell", 1, 101)

    order = desk.send("buy", 1)  # the feed's volume at that price comes first

    assert desk.order_row(mine["id"])["status"] == "SUBMITTED"
    assert order["status"] == "FILLED"


def test_an_order_that_rests_clears_its_price(make_desk: Make) -> None:
    desk = make_desk(models=Models(self_trade=SelfTrade.CANCEL_MAKER))
    desk.price(SPOT, "99", "105")
    mine = desk.send("sell", 1, 103)

    order = desk.send("buy", 1, 103)

    assert desk.order_row(mine["id"])["reject_reason"] == "self_trade_prevention"
    assert order["status"] == "SUBMITTED"
    assert [row["id"] for row in desk.open_orders()] == [order["id"]]


def test_an_order_behind_the_last_that_was_needed_stays(make_desk: Make) -> None:
    desk = make_desk(models=Models(self_trade=SelfTrade.CANCEL_MAKER))
    desk.price(SPOT, "99", "105")
    desk.send("sell", 2, 103, account=2)
    mine = desk.send("sell", 1, 103)

    order = desk.send("buy", 2, 104)

    assert (order["status"], order["avg_fill_price"]) == ("FILLED", "103")
    assert desk.order_row(mine["id"])["status"] == "SUBMITTED"


def test_an_amount_is_not_reckoned_at_the_price_of_an_order_that_gives_way(make_desk: Make) -> None:
    desk = make_desk(models=Models(self_trade=SelfTrade.CANCEL_MAKER))
    desk.price(SPOT, "80", "100")
    desk.send("sell", 10, 90)

    order = desk.send("buy", None, cost="450")

    assert (order["filled_qty"], order["avg_fill_price"]) == ("4.5", "100")  # not 5, for 500


def test_money_for_what_lies_behind_is_asked_for(make_desk: Make) -> None:
    accounts: list[dict[str, Any]] = [{"account_id": 1, "balances": {"USDT": "100", "BTC": "1"}}, ACCOUNTS[1]]
    desk = make_desk(accounts=accounts, models=Models(self_trade=SelfTrade.CANCEL_MAKER))
    desk.price(SPOT, "99", "105")
    mine = desk.send("sell", "0.5", 100)

    desk.refuse("insufficient_funds", "send_order", **desk.order("buy", 1))

    assert desk.order_row(mine["id"])["status"] == "SUBMITTED"


# ------------------------------------------------------------------ queues

T = 1_700_006_400_000


def recorded(folder: Path, prints: list[tuple[int, str, str, str]], **options: Any) -> Desk:
    """A desk on a market of 99 to 101, five at each price, and some trades of it."""
    head = "timestamp,bids[0].price,bids[0].amount,asks[0].price,asks[0].amount\n"
    (folder / "BTC_USDT-book.csv").write_text(f"{head}{T},99,5,101,5\n")
    rows = [f"{T + at},{price},{qty},{side}\n" for at, price, qty, side in [(0, "100", "1", "buy"), *prints]]
    (folder / "BTC_USDT-trades.csv").write_text("timestamp,price,amount,side\n" + "".join(rows))
    desk = Desk.__new__(Desk)
    accounts = [{"account_id": 1, "balances": {"USDT": "10000", "BTC": "10"}}]
    desk.oms = EmbeddedOms(**{"accounts": accounts, "feed": FileFeed(folder)} | options)
    desk.principal = OWNER
    return desk


def filled(desk: Desk, order: dict[str, Any], *moments: int) -> list[str]:
    """How much of an order has filled at some moments."""
    found = []
    for moment in moments:
        desk.oms.advance(T + moment - desk.oms.now_ms())
        found.append(desk.order_row(order["id"])["filled_qty"])
    return found


PRINTS = [(10, "99", "3", "sell"), (20, "99", "1", "buy"), (30, "99", "4", "sell"), (40, "99", "9", "sell")]


@pytest.mark.parametrize(
    "queue, expected",
    [
        (None, ["0", "0", "0", "0"]),
        (FrontOfQueue(), ["3", "3", "6", "6"]),
        (BehindVolume(), ["0", "0", "2", "6"]),
    ],
)
def test_a_resting_order_gets_what_its_place_in_the_queue_leaves(
    tmp_path: Path, queue: QueueModel | None, expected: list[str]
) -> None:
    desk = recorded(tmp_path, PRINTS, models=Models(queue=queue))
    order = desk.send("buy", 6, 99)

    assert filled(desk, order, 10, 20, 30, 40) == expected
    assert all(deal["maker"] and deal["price"] == "99" for deal in desk.deals())


def test_orders_of_one_price_share_a_print_in_their_order(tmp_path: Path) -> None:
    desk = recorded(tmp_path, PRINTS, models=Models(queue=FrontOfQueue()))
    first, second = desk.send("buy", 2, 99), desk.send("buy", 2, 99)

    assert filled(desk, first, 10) == ["2"]
    assert filled(desk, second, 10, 30) == ["1", "2"]


def test_nobody_is_ahead_at_a_price_that_nobody_has(tmp_path: Path) -> None:
    desk = recorded(tmp_path, [(10, "99.5", "1", "sell")], models=Models(queue=BehindVolume()))
    order = desk.send("buy", 1, "99.5")

    assert filled(desk, order, 9, 10) == ["0", "1"]


def test_what_is_printed_beyond_a_price_has_passed_the_queue(tmp_path: Path) -> None:
    desk = recorded(tmp_path, [(10, "98", "1", "sell")], models=Models(queue=BehindVolume()))
    buys, sells = desk.send("buy", 1, 99), desk.send("sell", 1, 101)

    assert filled(desk, buys, 10) == ["1"]
    assert filled(desk, sells, 10) == ["0"]


def test_a_place_by_chance_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    prints = [(10 * index, "99", "0.1", "sell") for index in range(1, 60)]
    places = []
    for seed in (1, 1, 2, 3):
        desk = recorded(tmp_path, prints, models=Models(queue=RandomPlace(seed)))
        places.append(filled(desk, desk.send("buy", 6, 99), 590)[0])

    assert places[0] == places[1]
    assert len(set(places)) == 3
    assert all(Decimal("0.89") <= Decimal(place) <= 6 for place in places)


def test_a_place_survives_a_restart_and_a_change_of_price_loses_it(tmp_path: Path) -> None:
    options: dict[str, Any] = {"models": Models(queue=BehindVolume()), "db": tmp_path / "oms.sqlite"}
    desk = recorded(tmp_path, PRINTS, **options)
    order, moved = desk.send("buy", 6, 99), desk.send("buy", 6, 98)
    desk.run("change_order", order_id=moved["id"], new_price="99")
    desk.oms.advance(10)
    desk.oms.close()

    desk = recorded(tmp_path, PRINTS, **options)

    assert filled(desk, order, 30, 40) == ["2", "6"]
    assert filled(desk, moved, 40) == ["5"]
    desk.oms.close()


def test_who_rested_before_there_was_a_model_comes_behind_all_that_is_shown(tmp_path: Path) -> None:
    db = tmp_path / "oms.sqlite"
    desk = recorded(tmp_path, PRINTS, db=db)
    order = desk.send("buy", 6, 99)
    desk.oms.close()

    desk = recorded(tmp_path, PRINTS, db=db, models=Models(queue=BehindVolume()))

    assert filled(desk, order, 10, 20, 30, 40) == ["0", "0", "2", "6"]
    desk.oms.close()


def test_a_print_is_not_given_again_by_a_restart_within_its_moment(tmp_path: Path, make_desk: Make) -> None:
    options: dict[str, Any] = {"models": Models(queue=FrontOfQueue()), "db": tmp_path / "oms.sqlite"}
    desk = make_desk(**options)
    order = desk.send("buy", 1, 99)
    desk.price(SPOT, "99", "101", "99")
    once = desk.order_row(order["id"])["filled_qty"]
    assert Decimal(once) > 0
    start_ms = desk.oms.now_ms()
    desk.oms.close()
    oms = EmbeddedOms(ACCOUNTS, clock="manual", start_ms=start_ms, **options)
    oms.set_session(SPOT, "halted")
    oms.set_session(SPOT, "open")  # everything that waits sees the price of the moment again
    [row] = oms.handle("orders_by_id", {"ids": str(order["id"])}, {}, None).body["items"]
    oms.close()
    assert row["filled_qty"] == once


def test_a_print_that_could_not_be_written_down_is_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"models": Models(queue=FrontOfQueue()), "db": tmp_path / "oms.sqlite"}
    desk = recorded(tmp_path, PRINTS, **options)
    order = desk.send("buy", 6, 99)

    def fail(changes: object) -> None:
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(desk.oms._core.store, "commit", fail)
        with pytest.raises(Refusal):
            desk.oms.advance(10)
    desk.oms.tick()

    assert desk.order_row(order["id"])["filled_qty"] == "3"
    desk.oms.close()


def test_prices_set_before_an_order_came_are_not_for_it(make_desk: Make) -> None:
    desk = make_desk(models=Models(queue=FrontOfQueue()))
    desk.price(SPOT, "99", "101", "99")
    order = desk.send("buy", 1, 99)

    desk.price(SPOT, "99", "101", "100")
    assert desk.order_row(order["id"])["filled_qty"] == "0"
    desk.price(SPOT, "99", "101", "99")
    assert desk.order_row(order["id"])["filled_qty"] == "0.00001"  # a price set by hand is a trade of a lot


# ------------------------------------------------------------------ latency


def late(make_desk: Make, **options: Any) -> Desk:
    return make_desk(models=Models(latency=FixedLatency(50)), **options)


def state_of(desk: Desk, order: dict[str, Any]) -> tuple[str, str, str | None]:
    row = desk.order_row(order["id"])
    return row["status"], row["filled_qty"], row["reject_reason"]


def test_an_order_meets_the_price_of_when_it_arrives(make_desk: Make) -> None:
    desk = late(make_desk)
    order = desk.send("buy", 1)
    assert state_of(desk, order) == ("SUBMITTED", "0", None)
    desk.oms.advance(20)
    desk.price(SPOT, "109", "110")
    desk.oms.advance(29)
    assert state_of(desk, order)[0] == "SUBMITTED"

    desk.oms.advance(1)

    assert state_of(desk, order) == ("FILLED", "1", None)
    [deal] = desk.deals()
    assert deal["price"] == "110"


def test_a_price_that_is_over_before_an_order_arrives_is_missed(make_desk: Make) -> None:
    desk = late(make_desk)
    order = desk.send("buy", 1, 100)
    desk.price(SPOT, "98", "99")
    assert desk.open_orders()[0]["id"] == order["id"]
    assert desk.venue("fetch_order_book", SPOT)["bids"] == [[98.0, 1e12]]  # it is in no book yet
    desk.price(SPOT, "104", "105")
    desk.oms.advance(50)

    assert state_of(desk, order)[:2] == ("SUBMITTED", "0")
    desk.price(SPOT, "98", "99")
    assert state_of(desk, order)[:2] == ("FILLED", "1")


def test_what_is_refused_is_seen_where_an_order_arrives(make_desk: Make) -> None:
    desk = late(make_desk)
    desk.send("buy", 1, symbol=SWAP)
    desk.oms.advance(50)
    post_only = desk.send("buy", 1, 100, post_only=True)
    poor = desk.send("buy", 900)
    closing = desk.send("sell", 1, symbol=SWAP)
    reduces = desk.send("sell", 1, symbol=SWAP, reduce_only=True)
    halted = desk.send("buy", 1, 90, "ETH/USDT")
    desk.price(SPOT, "99", "100")
    desk.price("BTC/USDT", "130", "131")
    desk.price(SPOT, "99", "100")
    desk.run("send_order", 2, **desk.order("buy", "900"))
    desk.price(SPOT, "119", "120")
    crossed = desk.send("sell", 1, 110, post_only=True)
    desk.oms.set_session("ETH/USDT", "halted")
    desk.oms.advance(50)

    assert state_of(desk, post_only)[0] == "SUBMITTED"
    assert state_of(desk, crossed) == ("REJECTED", "0", "would_fill_immediately")
    assert state_of(desk, poor) == ("REJECTED", "0", "insufficient_funds")
    assert state_of(desk, closing)[0] == "FILLED"
    assert state_of(desk, reduces) == ("CANCELED", "0", "nothing_to_reduce")
    assert state_of(desk, halted) == ("REJECTED", "0", "market_halted")


def test_an_order_on_its_way_may_be_cancelled_changed_and_expire(make_desk: Make) -> None:
    desk = late(make_desk)
    gone, changed = desk.send("buy", 1, 102), desk.send("buy", 1, 90)
    expires = desk.send("buy", 1, 90, time_in_force="GTD", expire_at=desk.oms.now_ms() + 10)
    desk.run("cancel_order", order_id=gone["id"])
    desk.run("change_order", order_id=changed["id"], new_price="102")
    desk.oms.advance(49)
    assert [state_of(desk, order)[0] for order in (gone, changed, expires)] == [
        "CANCELED",
        "SUBMITTED",
        "CANCELED",
    ]

    desk.oms.advance(1)

    assert state_of(desk, changed)[0] == "FILLED"


@pytest.mark.parametrize(
    "side, trigger, bid, price", [("buy", "105", "109", "110"), ("sell", "95", "90", "90")]
)
def test_a_trigger_that_the_price_passes_on_the_way_fires_where_it_arrives(
    make_desk: Make, side: str, trigger: str, bid: str, price: str
) -> None:
    """It does not wait for the price to come back: a stop would protect nothing."""
    desk = late(make_desk)
    order = desk.send(side, 1, trigger_price=trigger)
    desk.price(SPOT, bid, Decimal(bid) + 1)
    assert state_of(desk, order)[0] == "SUBMITTED"

    desk.oms.advance(50)

    assert state_of(desk, order)[:2] == ("FILLED", "1")
    assert desk.order_row(order["id"])["avg_fill_price"] == price


def test_a_trigger_waits_on_the_side_that_it_was_sent_from(make_desk: Make) -> None:
    desk = late(make_desk)
    order = desk.send("buy", 1, trigger_price="105")
    desk.price(SPOT, "103", "104")
    desk.oms.advance(50)
    assert state_of(desk, order)[0] == "SUBMITTED"

    desk.price(SPOT, "105", "106", "105")

    assert state_of(desk, order)[:2] == ("FILLED", "1")


def test_what_an_order_holds_back_on_its_way_has_to_be_there(make_desk: Make) -> None:
    """Also where its trigger is reached already, and the book of the moment has little for it."""
    desk = late(make_desk)
    desk.price(SWAP, "100", "101", "100", size="1")
    desk.venue("set_leverage", 1, SWAP)

    desk.refuse(
        "insufficient_funds", "send_order", **desk.order("sell", 1_000, None, SWAP, trigger_price=100)
    )
    desk.send("sell", 10, None, SWAP, trigger_price=100)

    free, used, _ = desk.balance("USDT")
    assert (free >= 0, used) == (True, Decimal("1000.5"))


@pytest.mark.parametrize("symbol, held", [(SPOT, "110.11"), (SWAP, "11.055")])
def test_what_trails_holds_back_what_it_needs_from_where_it_arrives(
    make_desk: Make, symbol: str, held: str
) -> None:
    desk = late(make_desk)
    desk.send("buy", 1, None, symbol, trailing_amount="5")
    desk.price(symbol, "110", "111", "110")

    desk.oms.advance(50)

    assert desk.balance("USDT")[1] == Decimal(held)


def test_stops_of_the_oms_are_at_the_venue_already(make_desk: Make) -> None:
    desk = late(make_desk)
    bought = desk.send("buy", 1, symbol=SWAP)
    desk.oms.advance(50)
    position_id = desk.order_row(bought["id"])["position_id"]
    desk.run("position_change", position_id=position_id, oms_stop_loss="95")

    desk.price(SWAP, "94", "95")

    assert desk.position_row(position_id)["state"] == "closed"


def test_orders_on_their_way_survive_a_restart(tmp_path: Path, make_desk: Make) -> None:
    desk = late(make_desk, db=tmp_path / "oms.sqlite")
    order = desk.send("buy", 1, 102)
    desk.oms.close()

    desk = late(make_desk, db=tmp_path / "oms.sqlite")
    desk.oms.advance(49)
    assert state_of(desk, order)[0] == "SUBMITTED"
    desk.oms.advance(1)

    assert state_of(desk, order)[0] == "FILLED"


def test_a_repeated_order_is_answered_as_the_first_time(make_desk: Make) -> None:
    desk = late(make_desk)
    payload = desk.order("sell", 1, 101, post_only=True, client_order_id="mine")
    first = desk.run("send_order", **payload)
    desk.price(SPOT, "101", "102")
    desk.oms.advance(50)

    again = desk.run("send_order", **payload)

    assert (again["order_id"], again["duplicate"]) == (first["order_id"], True)
    assert again["order"]["status"] == "REJECTED"


def test_a_time_by_chance_is_the_same_for_the_same_seed(make_desk: Make) -> None:
    order = make_desk().send("buy", 1, 90)

    class Named:
        id = order["id"]

    times = {RandomLatency(10, 30, seed).send_ms(Named()) for seed in range(300)}  # type: ignore[arg-type]

    assert times == set(range(10, 31))
    assert len({RandomLatency(10, 30, 7).send_ms(Named()) for _ in range(3)}) == 1  # type: ignore[arg-type]


def test_times_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="send_ms: expected a whole number above 0"):
        FixedLatency(0)
    with pytest.raises(ValueError, match="least_ms: expected 1 to most_ms 5"):
        RandomLatency(6, 5, 1)
