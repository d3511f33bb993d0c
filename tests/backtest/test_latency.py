"""What a command, its answer and the news of it take, where that is modelled."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from .conftest import Ran, Runner
from .histories import MINUTE_MS, START_MS, Candle, write_candles

_SEND, _BACK = 2_000, 300
BLOCKING = """
    import json, time
    import ccxt
    exchange = ccxt.binance()
    began = exchange.milliseconds()
    def say(word, order):
        found = exchange.fetch_order(order["id"])
        trades = [[each["timestamp"] - began, each["price"]] for each in order["trades"]]
        print(word, json.dumps([exchange.milliseconds() - began, order["status"], trades, found["status"]]))
    time.sleep(19)
"""
COROUTINES = """
    import asyncio, json
    import ccxt.pro
    async def main():
        exchange = ccxt.pro.binance()
        began = exchange.milliseconds()
        def say(word, *values):
            print(word, json.dumps([exchange.milliseconds() - began, *values]))
        BODY
        await exchange.close()
    asyncio.run(main())
"""


@pytest.fixture(scope="module")
def spike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Minutes at 100; the first is at 200 from its 20th second on, and at 50 from its 40th."""
    folder = tmp_path_factory.mktemp("spike")
    quiet, volume = 10_000, 900_000
    rows = [Candle(START_MS, quiet, 2 * quiet, quiet // 2, quiet, volume)]
    rows += [Candle(START_MS + at * MINUTE_MS, quiet, quiet, quiet, quiet, volume) for at in range(1, 5)]
    write_candles(folder, rows)
    return folder


def _ran(run: Runner, script: str, data: Path, *more: str, **settings: Any) -> Ran:
    ran = run(script, data, *more, balances={"USDT": 10_000, "BTC": 10}, **settings)
    assert ran.code == 0, ran.output
    return ran


def _main(body: str) -> str:
    return dedent(COROUTINES).replace("    BODY", indent(dedent(body), "    "))


def test_an_answer_comes_back_after_the_order_was_at_the_market(run: Runner, spike: Path) -> None:
    script = (
        BLOCKING + "    say('bought', exchange.create_order('BTC/USDT', 'market', 'buy', 1)); time.sleep(9)"
    )
    at_once = _ran(run, script, spike, latency_ms=_SEND)
    assert at_once.said("bought") == [[19_000, "open", [], "open"]]

    late = _ran(run, script, spike, latency_ms=_SEND, acknowledge_ms=_BACK)

    price = late.result.trades()[0]["price"]
    assert late.said("bought") == [
        [19_000 + _SEND + _BACK, "closed", [[19_000 + _SEND, float(price)]], "closed"]
    ]
    assert late.result.trades() == at_once.result.trades()


def test_what_the_market_rejects_is_known_when_the_answer_is(run: Runner, spike: Path) -> None:
    script = BLOCKING + (
        "    say('maker', exchange.create_order('BTC/USDT', 'limit', 'buy', 1, 250, {'postOnly': True}))\n"
        "    say('rests', exchange.create_order('BTC/USDT', 'limit', 'buy', 1, 40))\n"
    )
    ran = _ran(run, script, spike, latency_ms=20_000, acknowledge_ms=_BACK)
    assert ran.said("maker") == [[19_000 + 20_300, "rejected", [], "rejected"]]
    assert ran.said("rests") == [[19_000 + 40_600, "open", [], "open"]]


@pytest.mark.parametrize(
    "change", ["cancel_order(id)", "edit_order(id, 'BTC/USDT', 'limit', 'sell', 1, 300)"]
)
@pytest.mark.parametrize("send_ms,filled", [(900, 0), (1_100, 1)])
def test_a_change_is_at_the_market_when_an_order_would_be(
    run: Runner, spike: Path, change: str, send_ms: int, filled: int
) -> None:
    """One that leaves before the price comes by, and arrives after it, is too late, as is told in time."""
    script = (
        BLOCKING.replace("sleep(19)", "sleep(10)")
        + f"""
    id = exchange.create_order('BTC/USDT', 'limit', 'sell', 1, 190)["id"]
    time.sleep(19 - (exchange.milliseconds() - began) / 1000)
    try:
        exchange.{change}
    except ccxt.BaseError as error:
        print("late", json.dumps(isinstance(error, (ccxt.InvalidOrder, ccxt.OrderNotFound))))
    print("then", exchange.milliseconds() - began)
    print("filled", exchange.fetch_order(id)["filled"])
    """
    )
    ran = _ran(run, script, spike, latency_ms=send_ms, acknowledge_ms=_BACK)
    assert ran.said("filled") == [filled]
    assert ran.said("late") == [True] * filled
    assert ran.said("then") == [19_000 + send_ms + _BACK]


def test_a_refusal_by_the_oms_comes_at_once(run: Runner, spike: Path) -> None:
    script = (
        BLOCKING
        + """
    try:
        exchange.create_order('BTC/USDT', 'limit', 'buy', 1_000, 100)
    except ccxt.InsufficientFunds:
        print("refused", exchange.milliseconds() - began)
    """
    )
    assert _ran(run, script, spike, latency_ms=_SEND, acknowledge_ms=_BACK).said("refused") == [19_000]


def test_a_refusal_from_the_market_takes_its_way_back(run: Runner, spike: Path) -> None:
    script = _main("""
        order = await exchange.create_order("BTC/USDT", "limit", "buy", 1, 300)
        for refused in (
            exchange.cancel_order(order["id"]),
            exchange.cancel_order_ws(order["id"]),
            exchange.edit_order(order["id"], "BTC/USDT", "limit", "buy", 1, 99),
        ):
            before = exchange.milliseconds()
            try:
                await refused
            except ccxt.pro.InvalidOrder:
                print("took", exchange.milliseconds() - before)
    """)
    ran = _ran(run, script, spike, latency_ms=_SEND, acknowledge_ms=_BACK)
    assert ran.said("took") == [_SEND + _BACK] * 3


def test_other_tasks_go_on_while_an_answer_is_on_its_way(run: Runner, spike: Path) -> None:
    script = _main("""
        async def beat():
            for _ in range(3):
                await asyncio.sleep(1)
                say("beat", len(await exchange.fetch_open_orders("BTC/USDT")))
        beating = asyncio.create_task(beat())
        order = await exchange.create_order("BTC/USDT", "market", "buy", 1)
        say("bought", order["status"])
        await beating
    """)
    ran = _ran(run, script, spike, latency_ms=_SEND, acknowledge_ms=_BACK)
    assert ran.said("beat") == [[1_000, 1], [2_000, 0], [3_000, 0]]
    assert ran.said("bought") == [[_SEND + _BACK, "closed"]]


@pytest.mark.parametrize("settings", [{}, {"latency_ms": _SEND, "acknowledge_ms": _BACK}])
def test_streams_hear_of_fills_later_and_reads_see_them_at_once(
    run: Runner, spike: Path, settings: dict[str, int]
) -> None:
    script = _main("""
        async def watch(method):
            while True:
                for row in await getattr(exchange, method)():
                    say(method, row["timestamp"] - began if "trade" in method else row.get("status"))
        async def balance():
            while True:
                await exchange.watch_balance()
                say("balance")
        watches = watch("watch_my_trades"), watch("watch_orders"), balance()
        watching = [asyncio.create_task(each) for each in watches]
        await asyncio.sleep(1)
        await exchange.create_order("BTC/USDT", "limit", "sell", 1, 150)
        while not (trades := await exchange.fetch_my_trades("BTC/USDT")):
            await asyncio.sleep(0.5)
        say("fetched", trades[0]["timestamp"] - began)
        await asyncio.sleep(60)
        for each in watching:
            each.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    """)
    plain, late = (_ran(run, script, spike, **settings, fill_ms=fill_ms) for fill_ms in (0, 5_000))
    [fetched] = plain.said("fetched")
    assert late.said("fetched") == [fetched]
    assert fetched[0] - fetched[1] <= 500
    for word in ("watch_my_trades", "watch_orders"):
        assert late.said(word) == [[at_ms + 5_000, *rest] for at_ms, *rest in plain.said(word)], word
    assert [at_ms + 5_000 for (at_ms,) in plain.said("balance")[1:]] == [
        at for (at,) in late.said("balance")[1:]
    ]
    assert late.said("watch_my_trades") == [[fetched[1] + 5_000, fetched[1]]]


def test_who_has_lost_a_race_finds_nothing_missing(run: Runner, spike: Path) -> None:
    """One that blocks its loop is told of everything in order, though later."""
    script = _main("""
        import time
        heard = []
        async def watch():
            while True:
                heard.extend(trade["id"] for trade in await exchange.watch_my_trades())
        watching = asyncio.create_task(watch())
        await asyncio.sleep(0)
        for _ in range(20):
            await exchange.create_order("BTC/USDT", "market", "buy", 0.1)
            time.sleep(0.3)
            await asyncio.sleep(0.1)
        await asyncio.sleep(5)
        watching.cancel()
        trades = await exchange.fetch_my_trades("BTC/USDT")
        say("heard", heard == [trade["id"] for trade in trades], len(heard))
    """)
    [heard] = _ran(run, script, spike, latency_ms=70, acknowledge_ms=50, fill_ms=1_000).said("heard")
    assert heard[1:] == [True, 20]


def test_it_is_the_same_in_every_run_and_done_again(run: Runner, spike: Path) -> None:
    script = (
        BLOCKING
        + """
    for price in (50, 60, 190):
        order = exchange.create_order('BTC/USDT', 'limit', 'buy', 1, price)
        exchange.edit_order(order["id"], 'BTC/USDT', 'limit', 'buy', 1, price - 1)
        exchange.cancel_all_orders("BTC/USDT")
        exchange.create_order('BTC/USDT', 'market', 'sell', 0.1)
    """
    )
    settings = {"latency_ms": 70, "acknowledge_ms": 50, "fill_ms": 10}
    first, second = (_ran(run, script, spike, **settings) for _ in range(2))
    again = _ran(run, script, spike, "--again", str(first.folder / "commands.jsonl"), **settings)
    for name in ("trades.csv", "orders.csv", "equity.csv", "summary.json", "commands.jsonl"):
        text = (first.folder / name).read_bytes()
        assert (second.folder / name).read_bytes() == (again.folder / name).read_bytes() == text, name
    assert first.result.trades()


def test_a_run_without_them_is_written_down_as_it_was(run: Runner, spike: Path) -> None:
    ran = _ran(run, BLOCKING, spike)
    assert {"acknowledge_ms", "fill_ms"} & ran.settings.model_dump().keys() == set()
    assert "acknowledge" not in (ran.folder / "settings.json").read_text(encoding="utf-8")
    later = _ran(run, BLOCKING, spike, acknowledge_ms=5, fill_ms=7)
    assert '"acknowledge_ms": 5' in (later.folder / "settings.json").read_text(encoding="utf-8")


def test_who_does_not_wait_for_an_answer_has_placed_the_order_once(run: Runner, spike: Path) -> None:
    script = _main("""
        order = "BTC/USDT", "market", "buy", 1, None, {"clientOrderId": "mine"}
        for _ in range(3):
            try:
                await asyncio.wait_for(exchange.create_order(*order), 0.5)
            except TimeoutError:
                say("gone")
        await asyncio.sleep(5)
        say("placed", [each["status"] for each in await exchange.fetch_orders("BTC/USDT")])
    """)
    ran = _ran(run, script, spike, latency_ms=_SEND, acknowledge_ms=_BACK)
    assert ran.said("gone")[0] == [500]
    assert ran.said("placed")[0][1:] == [["closed"]]


_BUY = """
    import time
    import ccxt
    exchange = ccxt.binance()
    exchange.create_order("BTC/USDT", "market", "buy", 1)
"""


@pytest.mark.parametrize("acknowledge_ms", [0, _BACK])
def test_what_is_sold_at_the_end_of_the_data_is_sold(run: Runner, spike: Path, acknowledge_ms: int) -> None:
    body = """
    try:
        while True:
            time.sleep(60)
    finally:
        order = exchange.create_order("BTC/USDT", "market", "sell", 1)
        print("SOLD", f'"{order["status"]}"', flush=True)
        print("HELD", exchange.fetch_balance()["BTC"]["total"])
    """
    ran = _ran(run, _BUY + body, spike, latency_ms=_SEND, acknowledge_ms=acknowledge_ms)

    assert ran.said("SOLD") == ["closed"]
    assert ran.said("HELD") == [10]
    _, sell = ran.result.trades()
    assert (int(sell["time_ms"]), sell["side"]) == (START_MS + 5 * MINUTE_MS - 1, "sell")
    assert ran.result.summary["total"]["open_round_trips"] == 0


@pytest.mark.parametrize("left_ms", [1, 500, _SEND])
def test_what_is_sent_shortly_before_the_end_of_the_data_is_there_by_then(
    run: Runner, spike: Path, left_ms: int
) -> None:
    body = f"""
    time.sleep({(5 * MINUTE_MS - 1 - left_ms) / 1000})
    exchange.create_order("BTC/USDT", "market", "sell", 1)
    while True:
        time.sleep(60)
    """
    ran = _ran(run, _BUY + body, spike, latency_ms=_SEND)

    assert [int(each["time_ms"]) for each in ran.result.trades()] == [
        START_MS + _SEND,
        START_MS + 5 * MINUTE_MS - 1,
    ]


def test_what_a_script_has_sent_as_it_ends_is_filled(run: Runner, spike: Path) -> None:
    ran = _ran(run, f"{_BUY}    time.sleep(90)\n", spike, latency_ms=_SEND)
    assert ran.result.summary["run"]["end_ms"] == START_MS + 90_000

    body = """
    time.sleep(90)
    exchange.create_order("BTC/USDT", "market", "sell", 1)
    """
    ran = _ran(run, _BUY + body, spike, latency_ms=_SEND)

    assert [int(each["time_ms"]) for each in ran.result.trades()] == [
        START_MS + _SEND,
        START_MS + 90_000 + _SEND,
    ]
    assert ran.result.summary["run"]["end_ms"] == START_MS + 90_000 + _SEND
    assert ran.result.summary["run"]["ended"] == "script"
