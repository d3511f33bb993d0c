"""A grid trader, written against ccxt's documentation and nothing else.

It knows no exchange in particular. A program makes an exchange object of some ccxt class and calls
`step()` again and again; `report()` says what came of it.
"""

import ccxt


class Grid:
    """Buys a little below the price and sells a little above, and never holds more than so much.

    :param exchange: any ccxt exchange
    :param symbol: unified symbol of a spot market
    :param levels: orders on each side
    :param spacing: distance between two of them, as a part of the price
    :param budget: quote units for one order
    """

    def __init__(self, exchange, symbol, levels=3, spacing=0.001, budget=200.0):
        self.exchange = exchange
        self.symbol = symbol
        self.levels = levels
        self.spacing = spacing
        self.budget = budget
        self.seen = set()
        self.trades = []
        self.refused = []
        self.started_at = None

    def start(self):
        """Check that the exchange can do what is needed, and look at the market."""
        self.exchange.load_markets()
        for capability in ("createOrder", "cancelOrder", "editOrder", "fetchOpenOrders", "fetchMyTrades"):
            if not self.exchange.has[capability]:
                raise ccxt.NotSupported(f"{self.exchange.id} has no {capability}")
        self.market = self.exchange.market(self.symbol)
        if not self.market["active"] or not self.market["spot"]:
            raise ccxt.BadSymbol(self.symbol)
        self.start_balance = self.exchange.fetch_balance()["total"]
        candles = self.exchange.fetch_ohlcv(self.symbol, "1m", limit=30)
        closes = [candle[4] for candle in candles]
        self.average = sum(closes) / len(closes)
        self.started_at = self.exchange.fetch_time()

    def step(self):
        """Book what has filled, then bring the grid around the price again."""
        self._collect_trades()
        ticker = self.exchange.fetch_ticker(self.symbol)
        middle = (ticker["bid"] + ticker["ask"]) / 2
        open_orders = self.exchange.fetch_open_orders(self.symbol)
        for side, sign in (("buy", -1), ("sell", 1)):
            own = [order for order in open_orders if order["side"] == side]
            own.sort(key=lambda order: order["price"], reverse=side == "buy")
            for number in range(self.levels):
                price = middle * (1 + sign * self.spacing * (number + 1))
                self._place_or_move(own[number] if number < len(own) else None, side, price)

    def _place_or_move(self, order, side, price):
        amount = self.exchange.amount_to_precision(self.symbol, self.budget / price)
        price = self.exchange.price_to_precision(self.symbol, price)
        minimum = self.market["limits"]["cost"]["min"]
        if minimum is not None and float(amount) * float(price) < minimum:
            return
        try:
            if order is None:
                self.exchange.create_order(
                    self.symbol, "limit", side, float(amount), float(price), {"postOnly": True}
                )
            elif abs(order["price"] - float(price)) > order["price"] * self.spacing / 4:
                self.exchange.edit_order(
                    order["id"], self.symbol, "limit", side, order["amount"], float(price)
                )
        except ccxt.InsufficientFunds as error:
            self.refused.append(type(error).__name__)
        except ccxt.OrderImmediatelyFillable:
            self.refused.append("would have traded")  # the price has moved: the next step tries again
        except (ccxt.OrderNotFound, ccxt.InvalidOrder) as error:
            self.refused.append(type(error).__name__)  # it filled meanwhile

    def _collect_trades(self):
        since = self.trades[-1]["timestamp"] if self.trades else self.started_at
        for trade in self.exchange.fetch_my_trades(self.symbol, since=since):
            if trade["id"] not in self.seen:
                self.seen.add(trade["id"])
                self.trades.append(trade)

    def stop(self):
        """Cancel what is open, and take what was bought or sold back."""
        for order in self.exchange.fetch_open_orders(self.symbol):
            try:
                self.exchange.cancel_order(order["id"], self.symbol)
            except (ccxt.OrderNotFound, ccxt.InvalidOrder):
                continue
        self._collect_trades()
        held = sum(trade["amount"] if trade["side"] == "buy" else -trade["amount"] for trade in self.trades)
        amount = self.exchange.amount_to_precision(self.symbol, abs(held)) if held else "0"
        if float(amount) >= (self.market["limits"]["amount"]["min"] or 0) and float(amount) > 0:
            side = "sell" if held > 0 else "buy"
            last = self.exchange.create_order(self.symbol, "market", side, float(amount))
            while last["status"] == "open":
                last = self.exchange.fetch_order(last["id"], self.symbol)
        self._collect_trades()

    def report(self):
        """What came of it."""
        balance = self.exchange.fetch_balance()["total"]
        orders = self.exchange.fetch_orders(self.symbol, since=self.started_at)
        return {
            "trades": [
                (trade["timestamp"], trade["side"], trade["price"], trade["amount"], trade["fee"]["cost"])
                for trade in self.trades
            ],
            "orders": [(order["status"], order["side"], order["price"], order["filled"]) for order in orders],
            "refused": self.refused,
            "change": {
                code: balance[code] - self.start_balance[code]
                for code in (self.market["base"], self.market["quote"])
            },
        }


def trade(exchange, symbol, between_steps, steps=40):
    """Run a grid from its start to its end.

    :param between_steps: called after each step; a live program sleeps there
    """
    grid = Grid(exchange, symbol)
    grid.start()
    for _ in range(steps):
        grid.step()
        between_steps()
    grid.stop()
    return grid.report()
