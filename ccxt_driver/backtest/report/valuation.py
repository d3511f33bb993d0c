"""What things are worth in the currency of a run."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

from ccxt_driver.backtest.run import Prices
from ccxt_driver.oms.market.listing import Market

EXACT: Final = Context(prec=60)
"""Sums of money are exact in it, whatever the calling thread has set for itself."""


class Link(NamedTuple):
    """One price on the way from a currency to that of the run.

    :param symbol: of the last price; what `_of_positions` makes of it stands for what positions are valued at
    :param inverse: divided by, where the currency is what the symbol is quoted in
    """

    symbol: str
    inverse: bool


Chain = tuple[Link, ...]


class Valuation:
    """Last prices, those of positions, and the way from each currency to that of the run.

    The way is the shortest one through markets that have prices; spot markets go before swaps, and of two
    equally long ways the one whose symbols come first in the alphabet is taken. Before the first price of a
    symbol its first one counts.

    :param currency: everything is valued in it
    :param position_prices: by symbol, what positions of swaps are valued at where it is not the last price
    """

    def __init__(
        self,
        markets: Mapping[str, Market],
        prices: Mapping[str, Prices],
        currency: str,
        position_prices: Mapping[str, Prices] = MappingProxyType({}),
    ) -> None:
        self.currency = currency
        self.prices = {symbol: each for symbol, each in prices.items() if len(each.times)}
        priced = [markets[symbol] for symbol in sorted(self.prices) if symbol in markets]
        self.chains = chains_to(currency, priced)
        """The way from each currency to that of the run; of those that are missing there is none."""
        self.prices |= {_of_positions(symbol): each for symbol, each in position_prices.items()}
        self._position_chains: dict[str, Chain | None] = {}

    def position_chain(self, market: Market) -> Chain | None:
        """The way from a base unit of a position to the currency of the run; None where there is none."""
        symbol = market.symbol
        if symbol not in self._position_chains:
            self._position_chains[symbol] = self._position_chain(market)
        return self._position_chains[symbol]

    def _position_chain(self, market: Market) -> Chain | None:
        if market.settle is None:
            return self.chains.get(market.base)
        settle = self.chains.get(market.settle)
        own = _of_positions(market.symbol)
        price = own if own in self.prices else market.symbol
        if settle is None or price not in self.prices:
            return None
        return (Link(price, False), *settle)

    def price(self, symbol: str, at_ms: int) -> float:
        """The last price by a moment, or that of positions, in quote units; see `Link`."""
        times, values = self.prices[symbol]
        return values[max(0, bisect_right(times, at_ms) - 1)]

    def share(self, symbol: str, price: Decimal, at_ms: int) -> float:
        """How much of its move at a moment a price had made when there was a deal; 1 where it stands still.

        :param price: of the deal, in quote units
        """
        prices = self.prices.get(symbol)
        if prices is None:
            return 1.0
        before, after = (price_on_the_way(prices, at_ms, share) for share in (0.0, 1.0))
        return 1.0 if before == after else min(1.0, max(0.0, (float(price) - before) / (after - before)))

    def rate(self, chain: Chain, at_ms: int) -> Decimal:
        """What one unit at the beginning of a chain is worth at a moment."""
        rate = Decimal(1)
        for link in chain:
            price = Decimal(repr(float(self.price(link.symbol, at_ms))))
            rate = EXACT.divide(rate, price) if link.inverse else EXACT.multiply(rate, price)
        return rate

    def value(self, amount: Decimal, code: str, at_ms: int) -> Decimal:
        """What an amount of a currency is worth at a moment; nothing, where the currency has no price."""
        chain = self.chains.get(code)
        if chain is None or not amount:
            return Decimal(0)
        return amount if not chain else EXACT.multiply(amount, self.rate(chain, at_ms))


def price_on_the_way(prices: Prices, at_ms: int, share: float) -> float:
    """The price of a moment, or one on its way there from the one before.

    :param share: how much of that way
    """
    times, values = prices
    index = bisect_right(times, at_ms) - 1
    if share == 1 or index < 1 or times[index] != at_ms:
        return values[max(0, index)]
    before = values[index - 1]
    return before + (values[index] - before) * share


def _of_positions(symbol: str) -> str:
    """The name of what positions are valued at, beside the symbol for its last price."""
    return f"positions {symbol}"


def chains_to(currency: str, markets: Iterable[Market]) -> dict[str, Chain]:
    """The way to a currency, from each one that prices of these markets lead from; see `Valuation`."""
    chains: dict[str, Chain] = {currency: ()}
    markets = [*markets]
    for used in ([market for market in markets if market.kind == "spot"], markets):
        waiting = deque(chains)
        while waiting:
            known = waiting.popleft()
            for market in used:
                for code, other, inverse in (
                    (market.base, market.quote, False),
                    (market.quote, market.base, True),
                ):
                    if other == known and code not in chains:
                        chains[code] = (Link(market.symbol, inverse), *chains[known])
                        waiting.append(code)
    return chains
