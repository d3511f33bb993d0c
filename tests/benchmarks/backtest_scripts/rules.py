"""What the strategies decide, the same lines for ours and for every peer."""

from collections import deque

FAST, SLOW = 10, 50
FAR, BESIDE = 0.35, 0.5
AMOUNT = 0.01


class Cross:
    """A cross of moving averages over closes, by running sums."""

    def __init__(self):
        self.closes = deque(maxlen=SLOW)
        self.fast = self.slow = 0.0
        self.side = None

    def order(self, close):
        """The side of the order to send after a candle; None for none. The first is a purchase."""
        closes = self.closes
        if len(closes) == SLOW:
            self.slow -= closes[0]
        if len(closes) >= FAST:
            self.fast -= closes[-FAST]
        closes.append(close)
        self.fast += close
        self.slow += close
        if len(closes) < SLOW:
            return None
        side = "buy" if self.fast / FAST > self.slow / SLOW else "sell"
        if side == self.side or (self.side is None and side == "sell"):
            return None
        self.side = side
        return side


class Quotes:
    """When a maker moves its two orders, and to where."""

    def __init__(self):
        self.middle = None

    def prices(self, last):
        """The price of the order to buy and of that to sell; None while both stay."""
        if self.middle is not None and abs(last - self.middle) < FAR:
            return None
        self.middle = last
        return round(last - BESIDE, 2), round(last + BESIDE, 2)
