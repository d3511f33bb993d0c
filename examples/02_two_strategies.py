"""Two strategies on one account: each sees and touches its own orders and positions, the money is shared.

Both are ordinary ccxt code. What sets them apart is `strategy_id` in their configuration. The OMS is
made here, on a clock that the program moves, so that eight hours pass at once and every run is alike.
"""

from collections.abc import Callable
from statistics import mean

from rich.console import Console
from rich.table import Table

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.oms import EmbeddedOms

SYMBOL = "BTC/USDT:USDT"
AMOUNT = 0.01
MINUTE = 60_000
START = 1_700_000_000_000


def position_of(exchange: OmsCcxtExchange) -> float:
    """What this strategy holds; negative when it is short."""
    position = exchange.fetch_position(SYMBOL)
    return -position["contracts"] if position["side"] == "short" else position["contracts"]


def turn_to(exchange: OmsCcxtExchange, wanted: float) -> None:
    """Trade the difference between what is held and what is wanted."""
    change = wanted - position_of(exchange)
    if abs(change) >= AMOUNT / 2:
        exchange.create_order(SYMBOL, "market", "buy" if change > 0 else "sell", abs(change))


def follow_the_trend(exchange: OmsCcxtExchange) -> None:
    """Long above the mean of the last hours, short below."""
    closes = [candle[4] for candle in exchange.fetch_ohlcv(SYMBOL, "15m", limit=20)]
    turn_to(exchange, AMOUNT if closes[-1] > mean(closes) else -AMOUNT)


def quote_around(exchange: OmsCcxtExchange) -> None:
    """A limit order on either side, renewed each time: `cancel_all_orders` cancels its own only."""
    exchange.cancel_all_orders(SYMBOL)
    ticker = exchange.fetch_ticker(SYMBOL)
    held = position_of(exchange)
    if held < 3 * AMOUNT:
        exchange.create_order(SYMBOL, "limit", "buy", AMOUNT, ticker["bid"] * 0.999, {"postOnly": True})
    if held > -3 * AMOUNT:
        exchange.create_order(SYMBOL, "limit", "sell", AMOUNT, ticker["ask"] * 1.001, {"postOnly": True})


def summary(exchange: OmsCcxtExchange) -> list[str]:
    trades = exchange.fetch_my_trades(SYMBOL)
    closed = exchange.fetch_positions_history([SYMBOL])
    realized = sum(position["realizedPnl"] for position in [*closed, *exchange.fetch_positions([SYMBOL])])
    fees = sum(trade["fee"]["cost"] for trade in trades)
    orders = exchange.fetch_orders(SYMBOL)
    return [
        str(len(orders)),
        str(len(trades)),
        str(len(exchange.fetch_open_orders(SYMBOL))),
        f"{position_of(exchange):+.3f}",
        f"{realized:+.2f}",
        f"{fees:.2f}",
    ]


def main() -> None:
    account = {"account_id": 1, "position_mode": "strategy_netting", "balances": {"USDT": "10000"}}
    oms = EmbeddedOms(accounts=[account], seed=3, clock="manual", start_ms=START)
    strategies: dict[str, tuple[Callable[[OmsCcxtExchange], None], OmsCcxtExchange]] = {
        name: (rule, OmsCcxtExchange({"options": {"oms": oms, "account_id": 1, "strategy_id": number}}))
        for number, (name, rule) in enumerate(
            {"follow the trend": follow_the_trend, "quote around": quote_around}.items(), start=1
        )
    }
    for _ in range(32):  # quarters of an hour
        for rule, exchange in strategies.values():
            rule(exchange)
        oms.advance(15 * MINUTE)

    columns = ["strategy", "orders", "trades", "open", "position", "realized", "fees"]
    table = Table(*columns, title="Two strategies, one account", title_justify="left")
    seen = []
    for name, (_, exchange) in strategies.items():
        table.add_row(name, *summary(exchange))
        seen.append({trade["id"] for trade in exchange.fetch_my_trades(SYMBOL)})
    Console(width=110).print(table)
    assert all(seen), "both must have traded"
    assert not seen[0] & seen[1], "no strategy may see what the other did"

    everything = OmsCcxtExchange({"options": {"oms": oms, "account_id": 1}})  # of no strategy: sees all
    money = everything.fetch_balance()["USDT"]
    print(f"Together {len(everything.fetch_my_trades(SYMBOL))} trades. Shared money in USDT: {money}")
    assert seen[0] | seen[1] == {trade["id"] for trade in everything.fetch_my_trades(SYMBOL)}
    oms.close()


if __name__ == "__main__":
    main()
