"""Inside a candle the price passes all prices between its points: what is due at one of them is done there.

Between two candles it jumps, and then nothing is better than what the next one opens with.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.market.book_sizes import ShareOfPrint
from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.oms.models import BehindVolume, FixedLatency, FrontOfQueue, Models

SPOT: Final = "BTC/USDT"
SWAP: Final = "BTC/USDT:USDT"
OTHER: Final = "ETH/USDT:USDT"
MINUTE: Final = 60_000
T: Final = 1_700_006_400_000
_Bar = tuple[int, int, int, int]
"""Open, high, low and close in ticks; by the usual path the high comes first."""
_TICKS_A_UNIT: Final = {SPOT: 100, SWAP: 10, OTHER: 10}
_PRICES: Final = (
    "price",
    "stop_price",
    "take_profit_price",
    "trailing_amount",
    "oms_stop_loss",
    "oms_stop_gain",
)


class Desk:
    """An account on a folder of files, moved by hand."""

    def __init__(
        self, folder: Path, symbol: str, balance: str = "1000000", queue: Any = None, **options: Any
    ) -> None:
        self.symbol = symbol
        account = {"account_id": 1, "position_mode": "netting", "balances": {"USDT": balance, "BTC": "1000"}}
        self.oms = EmbeddedOms(
            feed=FileFeed(folder, **options), accounts=[account], models=Models(queue=queue)
        )

    def send(self, **payload: Any) -> int:
        """The id of an order that is taken; 0 of one that is refused."""
        prices = {name: _text(self.symbol, payload[name]) for name in _PRICES if name in payload}
        payload = {"symbol": self.symbol, "qty": "1", "order_type": "market", **payload, **prices}
        body = {"account_id": 1, "command": "send_order", "payload": payload}
        reply = self.oms.handle("commands", {}, {}, body)
        return int(reply.body["results"][0]["order_id"]) if reply.status == 200 else 0

    def venue(self, function: str, value: Any, symbol: str = "") -> None:
        path = {"account_id": "1", "func": function}
        given = {"args": [value, symbol or self.symbol], "kwargs": {}}
        reply = self.oms.handle("ccxt_call", path, {}, given)
        assert reply.status == 200, reply.body

    def to(self, minute: float) -> None:
        self.oms.advance(T + round(minute * MINUTE) - self.oms.now_ms())

    def deals(self) -> list[tuple[str, Decimal, Decimal]]:
        rows, unit = self.oms.history_of(1).deals, _TICKS_A_UNIT[self.symbol]
        return [(row["side"], Decimal(row["qty"]), Decimal(row["price"]) * unit) for row in rows]

    def total(self) -> Decimal:
        return self.oms._core.state.accounts[1].totals["USDT"]


def _text(symbol: str, ticks: int) -> str:
    return str(Decimal(ticks) / _TICKS_A_UNIT[symbol])


def write_bars(folder: Path, symbol: str, bars: Sequence[_Bar], volume: float = 8) -> None:
    folder.mkdir(exist_ok=True)
    rows = [
        f"{T + n * MINUTE},{','.join(_text(symbol, each) for each in bar)},{volume}\n"
        for n, bar in enumerate(bars)
    ]
    name = symbol.replace("/", "_").replace(":", "_")
    (folder / f"{name}-1m.csv").write_text("timestamp,open,high,low,close,volume\n" + "".join(rows))


def write_ticks(folder: Path, symbol: str, bars: Sequence[_Bar]) -> None:
    """The same way as of `write_bars`, each price of it traded."""
    folder.mkdir(exist_ok=True)
    rows = []
    for number, bar in enumerate(bars):
        price = bar[0]
        rows.append((T + number * MINUTE, price, "buy"))
        for leg, end in enumerate((bar[1], bar[2], bar[3])):
            side, step = ("buy", 1) if end >= price else ("sell", -1)
            passed = [*range(price + step, end + step, step)] if end != price else [price]
            start = T + number * MINUTE + 19_999 * leg
            rows += [
                (start + 19_999 * (place + 1) // len(passed), each, side) for place, each in enumerate(passed)
            ]
            price = end
    name = symbol.replace("/", "_").replace(":", "_")
    text = "".join(
        f"{time},{_text(symbol, price)},1,{side},{number}\n"
        for number, (time, price, side) in enumerate(rows)
    )
    (folder / f"{name}-trades.csv").write_text("timestamp,price,amount,side,id\n" + text)


FLAT: Final = (1000, 1000, 1000, 1000)


@pytest.mark.parametrize(
    "order, expected",
    [
        ({"side": "sell", "stop_price": 960}, ("sell", 960)),
        ({"side": "buy", "stop_price": 1070}, ("buy", 1070)),
        ({"side": "sell", "take_profit_price": 1070}, ("sell", 1069)),
        ({"side": "buy", "take_profit_price": 960}, ("buy", 961)),
        ({"side": "sell", "trailing_amount": 70}, ("sell", 1030)),
        ({"side": "sell", "trailing_percent": "7"}, ("sell", 1023)),
    ],
    ids=str,
)
def test_a_trigger_is_filled_where_it_is_reached(tmp_path: Path, order: Any, expected: Any) -> None:
    write_bars(tmp_path, SPOT, [FLAT, (1000, 1100, 900, 1000), FLAT])
    with (desk := Desk(tmp_path, SPOT)).oms:
        assert desk.send(**order)
        desk.to(2)
        assert [(side, price) for side, _, price in desk.deals()] == [expected]


def test_a_jump_between_two_candles_passes_nothing(tmp_path: Path) -> None:
    write_bars(tmp_path, SPOT, [FLAT, (900, 900, 900, 900), FLAT])
    with (desk := Desk(tmp_path, SPOT)).oms:
        desk.send(side="sell", stop_price=960)
        desk.to(1)
        assert desk.deals() == [("sell", 1, 899)]


def test_stops_of_a_position_one_after_the_other(tmp_path: Path) -> None:
    """An entry by a trigger and its gain on one rise; what is bought again on the fall has its loss there."""
    write_bars(tmp_path, SWAP, [FLAT, (1000, 1100, 900, 1000), FLAT])
    with (desk := Desk(tmp_path, SWAP)).oms:
        desk.send(side="buy", stop_price=1020, oms_stop_loss=1010, oms_stop_gain=1050)
        desk.to(2)
        assert desk.deals() == [("buy", 1, 1020), ("sell", 1, 1049)]


def test_a_position_is_liquidated_where_its_margin_ends(tmp_path: Path) -> None:
    write_bars(tmp_path, SWAP, [FLAT, (1000, 1000, 500, 500), (500, 500, 500, 500)])
    with (desk := Desk(tmp_path, SWAP, balance="100")).oms:
        desk.venue("set_leverage", 10)
        desk.send(side="buy", qty="8")
        desk.to(2)
        (_, bought, paid), (_, sold, price) = desk.deals()
        assert bought == sold == 8
        assert 870 < price < 885, price  # 100 USDT are lost at 87.5, less what has to be left
        assert 0 < desk.total() < 10, paid


def test_a_share_of_the_volume_is_not_taken_twice_on_the_way(tmp_path: Path) -> None:
    write_bars(tmp_path, SPOT, [FLAT, (1000, 1100, 900, 1000), FLAT])
    with (desk := Desk(tmp_path, SPOT, size=ShareOfPrint("0.5"))).oms:
        for stop in (990, 980, 970):
            desk.send(side="sell", stop_price=stop, qty="0.75")
        desk.to(1.9)
        sold = sum(qty for _, qty, price in desk.deals() if price > 900)
        assert 0 < sold <= Decimal("0.5") * 3, desk.deals()


def test_the_stop_of_what_a_limit_order_opens_on_the_way(tmp_path: Path) -> None:
    write_bars(tmp_path, SWAP, [FLAT, (1000, 1000, 900, 900), (900, 900, 900, 900)])
    with (desk := Desk(tmp_path, SWAP)).oms:
        desk.send(side="buy", order_type="limit", price=980, oms_stop_loss=970)
        desk.to(2)
        assert desk.deals() == [("buy", 1, 980), ("sell", 1, 970)]


@pytest.mark.parametrize("queue", [None, FrontOfQueue(), BehindVolume()])
def test_a_stop_comes_before_a_limit_order_that_lies_farther(tmp_path: Path, queue: Any) -> None:
    write_bars(tmp_path, SWAP, [FLAT, (1000, 1000, 900, 900), (900, 900, 900, 900)])
    with (desk := Desk(tmp_path, SWAP, queue=queue)).oms:
        desk.send(side="buy", oms_stop_loss=950)
        desk.send(side="buy", order_type="limit", price=910, qty="2")
        desk.to(2)
        assert desk.deals() == [("buy", 1, 1000), ("sell", 1, 950), ("buy", 2, 910)]


def test_prices_of_one_moment_move_side_by_side(tmp_path: Path) -> None:
    """Long one, short the other, both rise: what is due of one must not see the other at its end."""
    bars = [FLAT, (1000, 1200, 1000, 1200), (1200, 1200, 1200, 1200)]
    write_bars(tmp_path, SWAP, bars)
    write_bars(tmp_path, OTHER, bars)
    with (desk := Desk(tmp_path, SWAP, balance="200")).oms:
        for symbol in (SWAP, OTHER):
            desk.venue("set_leverage", 20, symbol)
        desk.send(side="buy", qty="15")
        desk.send(symbol=OTHER, side="sell", qty="15")
        target = desk.send(side="sell", qty="0.1", take_profit_price=1020, reduce_only=True)
        desk.to(2)
        [*_, last] = desk.oms.history_of(1).deals
        assert (last["order_id"], Decimal(last["price"])) == (target, Decimal("101.9"))
        assert len(desk.deals()) == 3


def test_one_of_two_positions_is_liquidated_where_the_account_ends(tmp_path: Path) -> None:
    fall = [FLAT, (1000, 1000, 500, 500), (500, 500, 500, 500)]
    write_bars(tmp_path, SWAP, fall)
    write_bars(tmp_path, OTHER, [FLAT, FLAT, FLAT])
    with (desk := Desk(tmp_path, SWAP, balance="100")).oms:
        for symbol in (SWAP, OTHER):
            desk.venue("set_leverage", 20, symbol)
        desk.send(side="buy", qty="8")
        desk.send(symbol=OTHER, side="buy", qty="0.1")
        desk.to(2)
        [*_, (side, qty, price)] = desk.deals()
        assert (side, qty) == ("sell", 8)
        assert 870 < price < 890
        assert len(desk.deals()) == 3


def test_what_arrives_as_a_move_ends_has_not_seen_its_way(tmp_path: Path) -> None:
    """The stop of another position has, in the same market."""
    write_bars(tmp_path, SPOT, [FLAT, (1000, 1000, 900, 900), (900, 900, 900, 900)])
    models = Models(latency=FixedLatency(39_999))
    account = {"account_id": 1, "position_mode": "hedge", "balances": {"USDT": "100000", "BTC": "10"}}
    with EmbeddedOms(feed=FileFeed(tmp_path), accounts=[account], models=models) as oms:
        desk = object.__new__(Desk)
        desk.oms, desk.symbol = oms, SPOT
        desk.send(side="sell", stop_price=950, qty="2")
        desk.to(1)
        desk.send(side="sell", stop_price=930)  # there as the low is, which is below
        desk.to(2.9)
        assert desk.deals() == [("sell", 1, 900), ("sell", 2, 950)]


def _random_bars(chance: Random, count: int) -> list[_Bar]:
    bars, price = [FLAT], 1000
    for _ in range(count):
        first = max(700, price + chance.choice([0, 0, 0, chance.randint(-30, 30)]))
        last = max(700, first + chance.randint(-40, 40))
        high = max(first, last) + chance.choice([0, chance.randint(0, 60)])
        low = max(650, min(first, last) - chance.choice([0, chance.randint(0, 60)]))
        bars.append((first, high, low, last))
        price = last
    return bars


def _random_order(chance: Random, price: int) -> dict[str, Any]:
    side, away = chance.choice(["buy", "sell"]), chance.randint(2, 60)
    beyond = price + away if side == "buy" else price - away
    before = price - away if side == "buy" else price + away
    farther = before - away if side == "buy" else before + away
    return chance.choice(
        [
            {"side": side, "qty": "2"},
            {"side": side, "oms_stop_loss": before, "oms_stop_gain": beyond},
            {"side": side, "stop_price": beyond},
            {"side": side, "take_profit_price": before},
            {"side": side, "trailing_amount": away},
            {"side": side, "order_type": "limit", "price": before, "qty": "3"},
            {"side": side, "order_type": "limit", "price": before, "oms_stop_loss": farther},
            {
                "side": side,
                "order_type": "limit",
                "stop_price": beyond,
                "price": beyond + chance.randint(-5, 5),
            },
        ]
    )


@pytest.mark.parametrize("symbol, isolated", [(SPOT, False), (SWAP, False), (SWAP, True)])
@pytest.mark.parametrize("seed", range(20))
def test_candles_and_the_ticks_of_their_way_give_the_same_deals(
    tmp_path: Path, seed: int, symbol: str, isolated: bool
) -> None:
    """A naive model: a file in which each price on the way was traded."""
    bars = _random_bars(Random(seed), 40)
    write_bars(tmp_path / "bars", symbol, bars)
    write_ticks(tmp_path / "ticks", symbol, bars)
    found = []
    for folder in ("bars", "ticks"):
        chance = Random(seed)
        with (desk := Desk(tmp_path / folder, symbol, balance="1200")).oms:
            if isolated:
                desk.venue("set_margin_mode", "isolated")
            if symbol == SWAP:
                desk.venue("set_leverage", 20)
            for minute in range(1, len(bars)):
                desk.to(minute)
                for _ in range(chance.randint(0, 2)):
                    desk.send(**_random_order(chance, bars[minute][0]))
            desk.to(len(bars) - 1 / MINUTE)
            found.append((desk.deals(), desk.total()))

    assert found[0] == found[1]
    assert len(found[0][0]) > 3
