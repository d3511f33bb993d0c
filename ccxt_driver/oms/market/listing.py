"""What can be traded: markets and currencies, and their ccxt structures.

Adding a market is one line in `DEFAULT_MARKETS`; a user may also pass a list of his own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple

MarketKind = Literal["spot", "swap"]

# Below this the ups and downs of a synthetic price would be a handful of ticks.
_FEWEST_TICKS = 100


class UnknownSymbol(KeyError):
    """A symbol that is not listed."""

    def __init__(self, symbol: str) -> None:
        super().__init__(symbol)
        self.symbol = symbol

    def __str__(self) -> str:
        return f"symbol: {self.symbol!r} is not a listed market"


@dataclass(frozen=True, slots=True)
class Market:
    """One market.

    :param symbol: unified symbol, "BTC/USDT" or "BTC/USDT:USDT"
    :param id: the market's own id, unique within a list of markets
    :param settle: currency that a swap settles in, None for spot
    :param tick_size: prices are multiples of it, in quote currency
    :param lot_size: quantities are multiples of it, in base currency
    :param min_qty: smallest quantity of an order, in base currency
    :param max_qty: largest quantity of an order, in base currency
    :param min_cost: smallest price times quantity of an order, in quote currency
    :param maker: fee of a resting order as a fraction, 0.001 is 0.1 %
    :param taker: fee of an order that takes liquidity, as a fraction
    :param reference_price: what a synthetic price wanders around, in quote currency
    :param daily_volatility: typical daily move as a fraction of the price
    :param daily_volume: typical daily volume, in base currency
    :param max_leverage: for swaps
    :param contract_size: base currency per contract; quantities are always in base currency
    :raises ValueError: a value that makes no sense, named in the message
    """

    symbol: str
    id: str
    base: str
    quote: str
    settle: str | None
    kind: MarketKind
    tick_size: Decimal
    lot_size: Decimal
    min_qty: Decimal
    max_qty: Decimal
    min_cost: Decimal
    maker: Decimal
    taker: Decimal
    reference_price: Decimal
    daily_volatility: Decimal
    daily_volume: Decimal
    max_leverage: Decimal | None = None
    contract_size: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        if self.kind not in ("spot", "swap"):
            raise ValueError(f"kind: expected spot or swap, got {self.kind!r}")
        if (self.settle is None) != (self.kind == "spot"):
            raise ValueError(
                f"settle: expected a currency for a swap only, got {self.settle!r} for {self.kind}"
            )
        for name in ("tick_size", "lot_size", "min_qty", "max_qty", "reference_price", "daily_volatility"):
            value: Decimal = getattr(self, name)
            if not (value.is_finite() and value > 0):
                raise ValueError(f"{name}: expected a number above 0, got {value}")
        if self.reference_price < self.tick_size * _FEWEST_TICKS:
            raise ValueError(
                f"reference_price: expected at least {_FEWEST_TICKS} ticks of {self.tick_size}, "
                f"got {self.reference_price}"
            )
        if not 0 < self.daily_volatility < 1:
            raise ValueError(f"daily_volatility: expected a fraction below 1, got {self.daily_volatility}")
        if not (self.daily_volume.is_finite() and self.daily_volume >= 0):
            raise ValueError(f"daily_volume: expected 0 or more, got {self.daily_volume}")

    def unified(self) -> dict[str, Any]:
        """The ccxt market structure, with every key. Floats, because ccxt's users expect them."""
        swap = self.kind == "swap"
        return {
            "id": self.id,
            "lowercaseId": self.id.lower(),
            "symbol": self.symbol,
            "base": self.base,
            "quote": self.quote,
            "settle": self.settle,
            "baseId": self.base,
            "quoteId": self.quote,
            "settleId": self.settle,
            "type": self.kind,
            "spot": not swap,
            "margin": False,
            "swap": swap,
            "future": False,
            "option": False,
            "index": False,
            "active": True,
            "contract": swap,
            "linear": self.settle == self.quote if swap else None,
            "inverse": self.settle == self.base if swap else None,
            "subType": ("linear" if self.settle == self.quote else "inverse") if swap else None,
            "taker": float(self.taker),
            "maker": float(self.maker),
            "contractSize": float(self.contract_size) if swap else None,
            "expiry": None,
            "expiryDatetime": None,
            "strike": None,
            "optionType": None,
            "precision": {
                "amount": float(self.lot_size),
                "price": float(self.tick_size),
                "cost": None,
                "base": float(currency(self.base).precision),
                "quote": float(currency(self.quote).precision),
            },
            "limits": {
                "leverage": {
                    "min": 1.0 if swap else None,
                    "max": None if self.max_leverage is None else float(self.max_leverage),
                },
                "amount": {"min": float(self.min_qty), "max": float(self.max_qty)},
                "price": {"min": float(self.tick_size), "max": None},
                "cost": {"min": float(self.min_cost), "max": None},
            },
            "marginModes": {"cross": swap, "isolated": False},
            "created": None,
            "info": {"id": self.id},
        }


class Currency(NamedTuple):
    """One currency.

    :param precision: the smallest amount of it that is booked
    """

    code: str
    name: str
    precision: Decimal


CURRENCIES: dict[str, Currency] = {
    row.code: row
    for row in (
        Currency("BTC", "Bitcoin", Decimal("0.00000001")),
        Currency("ETH", "Ethereum", Decimal("0.00000001")),
        Currency("SOL", "Solana", Decimal("0.00000001")),
        Currency("XRP", "XRP", Decimal("0.000001")),
        Currency("LTC", "Litecoin", Decimal("0.00000001")),
        Currency("BNB", "BNB", Decimal("0.00000001")),
        Currency("USDT", "Tether", Decimal("0.00000001")),
    )
}


def currency(code: str) -> Currency:
    """The currency of a code; one that is not in `CURRENCIES` has eight decimals."""
    return CURRENCIES.get(code) or Currency(code, code, Decimal("0.00000001"))


def currencies_of(markets: Iterable[Market]) -> dict[str, Currency]:
    """Every currency that the markets name, in the order they name it."""
    codes = (code for market in markets for code in (market.base, market.quote, market.settle) if code)
    return {code: currency(code) for code in dict.fromkeys(codes)}


def unified_currency(row: Currency) -> dict[str, Any]:
    """The ccxt currency structure, with every key."""
    return {
        "info": {"id": row.code},
        "id": row.code,
        "numericId": None,
        "code": row.code,
        "precision": float(row.precision),
        "type": "crypto",
        "name": row.name,
        "active": True,
        "deposit": True,
        "withdraw": True,
        "fee": None,
        "fees": {},
        "networks": {},
        "limits": {"deposit": {"min": None, "max": None}, "withdraw": {"min": None, "max": None}},
    }


def _market(
    base: str, quote: str, kind: MarketKind, numbers: str, max_leverage: Decimal | None = None
) -> Market:
    tick, lot, max_qty, min_cost, price, volatility, volume = map(Decimal, numbers.split())
    swap = kind == "swap"
    return Market(
        symbol=f"{base}/{quote}:{quote}" if swap else f"{base}/{quote}",
        id=f"{base}{quote}-PERP" if swap else f"{base}{quote}",
        base=base,
        quote=quote,
        settle=quote if swap else None,
        kind=kind,
        tick_size=tick,
        lot_size=lot,
        min_qty=lot,
        max_qty=max_qty,
        min_cost=min_cost,
        maker=Decimal("0.0002") if swap else Decimal("0.001"),
        taker=Decimal("0.0005") if swap else Decimal("0.001"),
        reference_price=price,
        daily_volatility=volatility,
        daily_volume=volume,
        max_leverage=max_leverage,
    )


DEFAULT_MARKETS: tuple[Market, ...] = (
    # tick, lot, largest quantity, smallest cost, price, daily volatility, daily volume
    _market("BTC", "USDT", "spot", "0.01 0.00001 9000 5 64000 0.025 20000"),
    _market("ETH", "USDT", "spot", "0.01 0.0001 9000 5 3200 0.032 300000"),
    _market("ETH", "BTC", "spot", "0.00001 0.0001 100000 0.0001 0.05 0.04 25000"),
    _market("SOL", "USDT", "spot", "0.01 0.001 90000 5 150 0.042 3000000"),
    _market("XRP", "USDT", "spot", "0.0001 0.1 9000000 5 0.6 0.04 400000000"),
    _market("LTC", "USDT", "spot", "0.01 0.001 90000 5 80 0.035 500000"),
    _market("BNB", "USDT", "spot", "0.01 0.001 90000 5 560 0.028 300000"),
    _market("BTC", "USDT", "swap", "0.1 0.001 1000 5 64000 0.025 200000", Decimal(125)),
    _market("ETH", "USDT", "swap", "0.01 0.001 10000 5 3200 0.032 3000000", Decimal(100)),
    _market("SOL", "USDT", "swap", "0.01 0.01 100000 5 150 0.042 20000000", Decimal(50)),
)
