"""A first strategy: ordinary ccxt code, on an OMS inside this process.

With nothing set it trades on paper, with no server, key or internet. To run the same file against a
server, set what `ccxt-driver serve` prints:

    CCXT_OMS_BASE_URL=http://127.0.0.1:8000 CCXT_OMS_API_KEY=oms_... CCXT_OMS_ACCOUNT_ID=1
"""

import os

from rich.console import Console
from rich.table import Table

from ccxt_driver import OmsCcxtExchange

SYMBOL = "BTC/USDT"


def make_exchange() -> OmsCcxtExchange:
    """From the environment when it names a gateway, otherwise on paper."""
    if os.environ.get("CCXT_OMS_BASE_URL"):
        return OmsCcxtExchange()
    return OmsCcxtExchange({"options": {"base_url": "embedded:"}})


def show(title: str, rows: list[dict], columns: list[str]) -> None:
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(format_cell(row[column]) for column in columns))
    Console(width=110).print(table)


def format_cell(value: object) -> str:
    return f"{value:.8g}" if isinstance(value, float) else str(value)


def main() -> None:
    exchange = make_exchange()
    exchange.load_markets()
    ticker = exchange.fetch_ticker(SYMBOL)
    candles = exchange.fetch_ohlcv(SYMBOL, "1h", limit=24)
    print(f"{exchange.name}: {SYMBOL} last {ticker['last']}, 24 hourly candles since {candles[0][0]}\n")

    bought = exchange.create_order(SYMBOL, "market", "buy", 0.05)
    far_below = ticker["bid"] * 0.8
    resting = exchange.create_order(SYMBOL, "limit", "buy", 0.02, far_below, {"postOnly": True})
    edited = exchange.edit_order(resting["id"], SYMBOL, "limit", "buy", 0.03, far_below * 1.01)
    still_open = exchange.fetch_open_orders(SYMBOL)
    cancelled = exchange.cancel_order(edited["id"], SYMBOL)
    assert edited["id"] in [order["id"] for order in still_open], "the edited order must rest"
    assert cancelled["status"] == "canceled", "a cancelled order must not fill any more"

    orders = [exchange.fetch_order(order["id"], SYMBOL) for order in (bought, cancelled)]
    columns = ["id", "datetime", "type", "side", "price", "amount", "filled", "average", "status"]
    show("Orders", orders, columns)
    trades = exchange.fetch_my_trades(SYMBOL, limit=10)
    show("Trades", trades, ["id", "order", "datetime", "side", "price", "amount", "cost", "takerOrMaker"])
    positions = exchange.fetch_positions([SYMBOL])
    show(
        "Positions",
        positions,
        ["id", "symbol", "side", "contracts", "entryPrice", "markPrice", "unrealizedPnl"],
    )
    balance = exchange.fetch_balance()
    money = [{"currency": code, **balance[code]} for code in sorted(balance["total"])]
    show("Balance", money, ["currency", "free", "used", "total"])
    exchange.close()


if __name__ == "__main__":
    main()
