"""`buy`, `sell`, `cancel` and `close`: what they ask, what they send, and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.oms import EmbeddedOms

Run = Callable[..., Result]


def orders_of(oms: EmbeddedOms) -> list[dict[str, Any]]:
    query = {"account_ids": 1, "since_ms": 0}
    rows: list[dict[str, Any]] = oms.handle("orders_history", {}, query, None).body["items"]
    return rows


def positions_of(oms: EmbeddedOms, account_id: int = 1) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = oms.handle("positions_open", {}, {"account_ids": account_id}, None).body[
        "items"
    ]
    return rows


# ---------------------------------------------------------------------------------- asking first


@pytest.mark.parametrize(
    "args",
    [
        ("buy", "BTC/USDT", "0.01"),
        ("sell", "BTC/USDT", "0.01"),
        ("cancel", "1"),
        ("cancel", "--all"),
        ("close", "--all"),
    ],
)
def test_without_a_terminal_it_wants_to_be_told(run: Run, paper: EmbeddedOms, args: tuple[str, ...]) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert "give --yes" in result.stderr
    assert result.stdout == ""
    assert orders_of(paper) == []


def test_it_says_what_it_will_do_and_on_which_account(ask: Run, paper: EmbeddedOms) -> None:
    result = ask("n\n", "buy", "BTC/USDT", "0.0123456", "--price", "40000.001", "--client-order-id", "mine")
    assert result.exit_code == 130
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "PAPER account 1 (paper netting):",
        "  Buy 0.01234 BTC/USDT at 40000 or lower",
        "  the amount 0.0123456 is rounded to 0.01234: the market takes no finer one",
        "  the price 40000.001 is rounded to 40000: the market takes no finer one",
        "  the market: bid 50000, ask 50001, last 50000.5",
        "  worth about 493.6 USDT",
        "  client order id mine",
        "  (this OMS is in memory and ends with this command; embedded:FILE keeps it)",
        "Go ahead? [y/N]: n",
        "Nothing was sent.",
    ]
    assert orders_of(paper) == []


@pytest.mark.parametrize("typed", ["\n", "x\nn\n", ""])
def test_only_a_yes_is_a_yes(ask: Run, paper: EmbeddedOms, typed: str) -> None:
    assert ask(typed, "buy", "BTC/USDT", "0.01").exit_code == 130
    assert orders_of(paper) == []


def test_what_was_agreed_to_is_done(ask: Run, paper: EmbeddedOms) -> None:
    result = ask("y\n", "sell", "BTC/USDT", "0.5", "--price", "60000")
    assert result.exit_code == 0, result.output
    [order] = orders_of(paper)
    assert (order["side"], order["qty"], order["price"]) == ("sell", "0.5", "60000")
    assert f"client order id {order['client_order_id']}" in result.stderr


@pytest.mark.parametrize(
    "args, words",
    [
        (("buy", "BTC/USDT", "0.01"), "Buy 0.01 BTC/USDT at the market"),
        (("buy", "BTC/USDT", "--cost", "100"), "Buy BTC/USDT for 100 USDT at the market"),
        (("sell", "BTC/USDT", "1", "--price", "6e4"), "Sell 1 BTC/USDT at 60000 or higher"),
        (
            ("buy", "BTC/USDT", "1", "--price", "4e4", "--post-only", "--time-in-force", "gtc"),
            "Buy 1 BTC/USDT at 40000 or lower (only as maker) (GTC)",
        ),
        (
            ("buy", "BTC/USDT", "0.1", "--trigger-price", "52000"),
            "Buy 0.1 BTC/USDT at the market once the price gets to 52000",
        ),
        (
            ("sell", "BTC/USDT:USDT", "0.1", "--reduce-only"),
            "Sell 0.1 BTC/USDT:USDT at the market (only to reduce a position)",
        ),
        (("buy", "BTC/USDT", "1", "--stop-loss", "45000"), "stop loss of the position at 45000"),
        (("buy", "BTC/USDT", "1", "--take-profit", "60000"), "take profit of the position at 60000"),
    ],
)
def test_orders_in_words(ask: Run, args: tuple[str, ...], words: str) -> None:
    assert f"  {words}" in ask("n\n", *args).stderr.splitlines()


def test_every_option_reaches_the_oms(run: Run, paper: EmbeddedOms) -> None:
    args = ("--price", "45000", "--post-only", "--time-in-force", "GTC", "--client-order-id", "mine")
    stops = ("--stop-loss", "40000", "--take-profit", "60000", "--trigger-price", "46000")
    result = run("buy", "BTC/USDT", "0.1", *args, *stops, "--strategy", 2, "--yes", "--json")
    assert result.exit_code == 0, result.output
    order = json.loads(result.stdout)
    assert order["clientOrderId"] == "mine"
    [row] = orders_of(paper)
    shown = (
        "qty",
        "price",
        "post_only",
        "time_in_force",
        "trigger_price",
        "stop_loss",
        "stop_gain",
        "strategy_id",
    )
    assert [row[name] for name in shown] == ["0.1", "45000", True, "GTC", "46000", "40000", "60000", 2]


@pytest.mark.parametrize(
    "args, complaint",
    [
        (("buy", "BTC/USDT"), "give either AMOUNT or --cost"),
        (("buy", "BTC/USDT", "1", "--cost", "1"), "give either AMOUNT or --cost"),
        (("buy", "BTC/USDT", "0,01"), "expected a number such as 0.01"),
        (("buy", "BTC/USDT", "0"), "expected a number above 0"),
        (("buy", "BTC/USDT", "1_000"), "expected a number such as 0.01"),
        (("buy", "BTC/USDT", "1", "--price", "nan"), "expected a number such as 0.01"),
        (("buy", "BTC/USDT", "1", "--type", "market", "--price", "5"), "a market order has none"),
        (("buy", "BTC/USDT", "1", "--type", "limit"), "a limit order needs one"),
        (("buy", "XXX/USDT", "1"), "error: no such market"),
        (("buy", "BTC/USDT", "0.0000001"), "error: not possible"),
        (("buy", "BTC/USDT", "1e30"), "error: not possible: amount: 1000000000000000000000000000000 of"),
        (("cancel",), "give either ids of orders or --all"),
        (("cancel", "1", "--all"), "give either ids of orders or --all"),
        (("cancel", "1", "--symbol", "BTC/USDT"), "--symbol goes with --all"),
        (("close",), "give one of"),
        (("close", "BTC/USDT", "--all"), "give one of"),
    ],
)
def test_bad_arguments_are_usage(run: Run, paper: EmbeddedOms, args: tuple[str, ...], complaint: str) -> None:
    result = run(*args, "--yes")
    assert result.exit_code == 2, result.output
    assert complaint in result.stderr
    assert orders_of(paper) == []


def test_real_money_is_said_to_be_real(ask: Run, paper: EmbeddedOms, monkeypatch: pytest.MonkeyPatch) -> None:
    for venue, testnet, words in (
        ("ccxt.binance", False, "LIVE account 1 (mine) at binance:"),
        ("ccxt.bybit", True, "TESTNET account 1 (mine) at bybit:"),
        (None, False, "LIVE account 1 (mine):"),
    ):
        row = {"account_id": 1, "label": "mine", "exchange_id": venue, "is_testnet": testnet}
        fetch = OmsCcxtExchange.fetch_accounts

        def behind_a_gateway(self: Any, params: Any = None, row: Any = row) -> Any:
            self.urls["api"] = "http://127.0.0.1:1"
            return [{"id": "1", "info": row}]

        def reads(self: Any, symbol: Any) -> Any:
            self.urls["api"] = "embedded:"
            return {"bid": "1", "ask": "2", "last": "1"}

        monkeypatch.setattr(OmsCcxtExchange, "fetch_accounts", behind_a_gateway)
        monkeypatch.setattr(OmsCcxtExchange, "fetch_ticker", reads)
        result = ask("n\n", "buy", "BTC/USDT", "0.01")
        monkeypatch.setattr(OmsCcxtExchange, "fetch_accounts", fetch)
        assert result.exit_code == 130, result.output
        assert words in result.stderr.splitlines()


# ---------------------------------------------------------------------------------- how it ends


def test_a_refusal_is_one_line_with_advice(run: Run) -> None:
    result = run("sell", "BTC/USDT", "1.5", "--yes")
    assert result.exit_code == 1
    assert result.stdout == ""
    last = result.stderr.splitlines()[-1]
    assert last == "error: not enough free money: required 1.5 BTC, available 1 BTC. See: ccxt-driver balance"


def test_an_order_that_did_nothing_is_not_done(run: Run) -> None:
    result = run("buy", "BTC/USDT", "0.01", "--price", "1000", "--time-in-force", "FOK", "--yes", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["status"] == "canceled"
    assert "warning: order 1 is canceled, and nothing filled: fill_or_kill" in result.stderr


def test_cancelling(ask: Run, run: Run, paper: EmbeddedOms) -> None:
    for price in ("40000", "41000", "42000"):
        run("buy", "BTC/USDT", "0.01", "--price", price, "--yes")
    run("buy", "ETH/USDT", "1", "--price", "2000", "--yes")
    asked = ask("n\n", "cancel", "1", "2")
    assert asked.exit_code == 130
    assert "  Cancel order 2: buy 0.01 BTC/USDT at 41000, 0 filled, open" in asked.stderr.splitlines()
    one = run("cancel", "1", "--yes", "--json")
    assert [(order["id"], order["status"]) for order in json.loads(one.stdout)] == [("1", "canceled")]
    several = ask("y\n", "cancel", "--all", "--symbol", "BTC/USDT")
    assert several.exit_code == 0, several.output
    assert "  Cancel all open orders of BTC/USDT: 2 now" in several.stderr.splitlines()
    assert [row["status"] for row in orders_of(paper)] == ["CANCELED"] * 3 + ["SUBMITTED"]
    assert run("cancel", "4", "--yes").exit_code == 0
    nothing = run("cancel", "--all", "--yes")
    assert (nothing.exit_code, nothing.stdout) == (0, "PAPER account 1 (paper netting): no open orders\n")


def test_cancelling_what_is_not_open_any_more(run: Run) -> None:
    run("buy", "BTC/USDT", "0.01", "--yes")
    run("buy", "BTC/USDT", "0.01", "--price", "40000", "--yes")
    filled = run("cancel", "1", "--yes")
    assert (filled.exit_code, filled.stdout) == (1, "")
    both = run("cancel", "1", "2", "--yes")
    assert both.exit_code == 1
    assert "warning: order 1 is not cancelled: it is closed" in both.stderr
    absent = run("cancel", "77", "--yes")
    assert absent.exit_code == 1
    assert "error: no such order" in absent.stderr


def test_closing(ask: Run, run: Run, paper: EmbeddedOms) -> None:
    run("buy", "BTC/USDT", "0.02", "--yes")
    run("buy", "ETH/USDT", "1", "--yes")
    run("sell", "BTC/USDT:USDT", "0.1", "--yes")
    asked = ask("n\n", "close", "BTC/USDT:USDT")
    assert asked.exit_code == 130
    assert (
        "  Close position 3 at the market: short 0.1 BTC/USDT:USDT, opened at 50000, 0 unrealized"
        in asked.stderr.splitlines()
    )
    assert len(positions_of(paper)) == 3
    one = run("close", "BTC/USDT", "--yes", "--json")
    assert [(order["side"], order["amount"], order["status"]) for order in json.loads(one.stdout)] == [
        ("sell", "0.02", "closed")
    ]
    assert run("close", "--position-id", "2", "--yes").exit_code == 0
    assert [row["symbol"] for row in positions_of(paper)] == ["BTC/USDT:USDT"]
    assert run("close", "--all", "--yes").exit_code == 0
    assert positions_of(paper) == []
    nothing = run("close", "--all", "--yes")
    assert (nothing.exit_code, nothing.stdout) == (0, "PAPER account 1 (paper netting): no open positions\n")
    for named in (("BTC/USDT",), ("--position-id", "2")):
        assert run("close", *named, "--yes").exit_code == 1


def test_closing_one_of_several_positions_of_a_market(run: Run, paper: EmbeddedOms) -> None:
    for amount in ("0.1", "0.2", "0.3"):
        run("buy", "BTC/USDT:USDT", amount, "--account", 2, "--yes")
    assert run("close", "--position-id", "2", "--account", 2, "--yes").exit_code == 0
    assert [row["id"] for row in positions_of(paper, 2)] == [1, 3]
    result = run("close", "BTC/USDT:USDT", "--account", 2, "--yes", "--json")
    assert [order["amount"] for order in json.loads(result.stdout)] == ["0.1", "0.3"]
    assert positions_of(paper, 2) == []


def test_a_market_that_cannot_be_closed_does_not_keep_the_others_open(
    run: Run, paper: EmbeddedOms, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ccxt

    run("buy", "BTC/USDT", "0.02", "--yes")
    run("buy", "ETH/USDT", "1", "--yes")
    close_position = OmsCcxtExchange.close_position

    def one_fails(self: Any, symbol: str, side: Any = None, params: Any = None) -> Any:
        if symbol == "BTC/USDT":
            raise ccxt.MarketClosed("oms market_closed BTC/USDT is closed for today")
        return close_position(self, symbol, side, params or {})

    monkeypatch.setattr(OmsCcxtExchange, "close_position", one_fails)
    result = run("close", "--all", "--yes", "--json")
    assert result.exit_code == 1
    assert [order["symbol"] for order in json.loads(result.stdout)] == ["ETH/USDT"]
    assert "error: the market is closed: market_closed BTC/USDT is closed for today" in result.stderr
    assert [row["symbol"] for row in positions_of(paper)] == ["BTC/USDT"]


# ------------------------------------------------------------------------ what was there already


def test_an_order_that_was_there_already_is_said_to_be_none_of_now(run: Run, paper: EmbeddedOms) -> None:
    args = ("buy", "BTC/USDT", "0.02", "--price", "1001", "--yes", "--client-order-id", "abc")
    first = run(*args)
    assert (first.exit_code, "was there" in first.stderr) == (0, False)
    again = run(*args)
    assert again.exit_code == 0
    assert "warning: order 1 of the client order id abc was there; nothing new was placed" in again.stderr
    assert json.loads(run(*args, "--json").stdout)["duplicate"] is True
    assert len(orders_of(paper)) == 1
    other = run("buy", "BTC/USDT", "0.02", "--price", "1001", "--yes", "--json")
    assert "duplicate" not in json.loads(other.stdout)


def test_averages_are_shown_with_the_places_of_their_market(run: Run, paper: EmbeddedOms) -> None:
    for amount, price in (("0.01", "50001"), ("0.02", "50002"), ("0.04", "50003.33")):
        paper.set_price("BTC/USDT", bid="50000", ask=price, last="50000")
        run("buy", "BTC/USDT", amount, "--yes")
    [position] = positions_of(paper)
    assert len(position["avg_price"]) > 15
    shown = f"{round(float(position['avg_price']), 2):.2f}"
    listed = run("positions")
    assert shown in listed.stdout.split()
    assert position["avg_price"] not in listed.stdout
    assert f"opened at {shown}," in run("close", "BTC/USDT", "--yes").stderr
    [closed] = json.loads(run("positions", "--history", "--json").stdout)
    assert closed["entryPrice"] == position["avg_price"]
