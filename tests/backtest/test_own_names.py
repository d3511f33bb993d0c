"""Scripts name an account and strategies as they do live; the run's are those."""

from __future__ import annotations

import json
from pathlib import Path

from ccxt_driver.backtest.settings import SETTINGS

from .conftest import Runner

_SCRIPT = """
    import json
    import ccxt

    data = ccxt.binance()
    data.load_markets()
    data.fetch_ticker("BTC/USDT")
    exchange = ccxt.binance({"options": {"account_id": 7, "strategy_id": 1001}})
    before = exchange.fetch_balance()["USDT"]["total"]
    order = exchange.create_order("BTC/USDT", "market", "buy", 0.01)
    order = data.create_order("BTC/USDT", "market", "buy", 0.01, None, {"strategy_id": 1002})["info"]
    free = data.fetch_balance()["BTC"]["free"]
    print("order", json.dumps([before, order["account_id"], order["strategy_id"], free]))
    try:
        ccxt.kraken({"options": {"account_id": 8}}).fetch_balance()
    except ccxt.AccountNotEnabled as error:
        print("refused", json.dumps(str(error)))
"""


def test_the_account_and_the_strategies_that_a_script_names_are_those_of_the_run(
    run: Runner, hour: Path, tmp_path: Path
) -> None:
    ran = run(_SCRIPT, hour)

    assert ran.code == 0, ran.output
    assert ran.said("order") == [[10_000, 7, 1002, 0.02]]
    assert "--account" in ran.said("refused")[0]
    known = json.loads((ran.folder / SETTINGS).read_text(encoding="utf-8"))
    assert (known["account_id"], known["strategies"]) == (7, [1, 2, 3, 1001, 1002])
    taken_over = {"account_id": 7, "strategies": (1, 2, 3, 1001, 1002)}
    again = run(_SCRIPT, hour, "--again", str(ran.folder / "commands.jsonl"), **taken_over)
    for path in ran.folder.iterdir():
        if path.name != SETTINGS:
            assert path.read_bytes() == (again.folder / path.name).read_bytes(), path.name


def test_an_account_may_be_named_later_while_others_watch_the_market(run: Runner, hour: Path) -> None:
    ran = run(
        """
        import asyncio, json
        import ccxt.pro

        async def main():
            data, exchange = ccxt.pro.binance(), ccxt.pro.binance({"options": {"account_id": 7}})
            await data.watch_ticker("BTC/USDT")
            await asyncio.sleep(600)
            await exchange.fetch_balance()
            watching = asyncio.create_task(exchange.watch_orders())
            await asyncio.sleep(1)
            await exchange.create_order("BTC/USDT", "market", "buy", 0.01)
            [order] = await watching
            ticker, balance = await data.watch_ticker("BTC/USDT"), await data.fetch_balance()
            told = [order["info"]["account_id"], ticker["symbol"], balance["BTC"]["free"]]
            print("order", json.dumps(told))
            await data.close()
            await exchange.close()

        asyncio.run(main())
        """,
        hour,
    )

    assert ran.code == 0, ran.output
    assert ran.said("order") == [[7, "BTC/USDT", 0.01]]


def test_an_account_that_the_settings_name_is_not_given_another_number(run: Runner, hour: Path) -> None:
    ran = run(
        """
        import json
        import ccxt

        for account_id in (1, 7):
            try:
                exchange = ccxt.binance({"options": {"account_id": account_id}})
                print("balance", json.dumps(exchange.fetch_balance()["USDT"]["total"]))
            except ccxt.AccountNotEnabled as error:
                print("refused", json.dumps(str(error)))
        """,
        hour,
        account_id=7,
    )

    assert ran.said("balance") == [10_000]
    assert "expected 7, the account of this backtest, got 1" in ran.said("refused")[0]


def test_an_account_in_which_something_was_done_keeps_its_number(run: Runner, hour: Path) -> None:
    ran = run(
        """
        import ccxt

        ccxt.binance().create_order("BTC/USDT", "market", "buy", 0.01)
        ccxt.binance({"options": {"account_id": 7}}).fetch_balance()
        """,
        hour,
    )

    assert ran.code == 1
    assert "AccountNotEnabled" in ran.output
    assert "expected 1, the account of this backtest, got 7" in ran.output
