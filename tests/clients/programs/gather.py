"""Everything about some markets at once, and an order on each."""

import asyncio
import os
import sys

import ccxt.async_support as ccxt

SYMBOLS = ["BTC/USDT", "ETH/USDT", "ETH/BTC"]


async def look(exchange, symbol):
    ticker, book, candles = await asyncio.gather(
        exchange.fetch_ticker(symbol),
        exchange.fetch_order_book(symbol, 5),
        exchange.fetch_ohlcv(symbol, "1m", limit=5),
    )
    assert book["bids"][0][0] < book["asks"][0][0]
    assert [candle[0] for candle in candles] == sorted(candle[0] for candle in candles)
    return symbol, ticker["bid"]


async def main(exchange_id):
    exchange = getattr(ccxt, exchange_id)(
        {"apiKey": os.environ.get("EXCHANGE_API_KEY"), "secret": os.environ.get("EXCHANGE_SECRET")}
    )
    try:
        await exchange.load_markets()
        bids = dict(await asyncio.gather(*(look(exchange, symbol) for symbol in SYMBOLS)))
        orders = await asyncio.gather(
            *(
                exchange.create_order(
                    symbol,
                    "limit",
                    "buy",
                    exchange.amount_to_precision(symbol, 0.5 if symbol == "ETH/BTC" else 0.05),
                    exchange.price_to_precision(symbol, bids[symbol] * 0.9),
                )
                for symbol in SYMBOLS
            )
        )
        results = await asyncio.gather(
            *(exchange.cancel_order(order["id"], order["symbol"]) for order in orders),
            exchange.cancel_order("999999999", SYMBOLS[0]),
            return_exceptions=True,
        )
        assert [each["status"] for each in results[:-1]] == ["canceled"] * 3, results
        assert isinstance(results[-1], ccxt.OrderNotFound), results[-1]
        print(bids)
    finally:
        await exchange.close()


asyncio.run(main(sys.argv[1]))
