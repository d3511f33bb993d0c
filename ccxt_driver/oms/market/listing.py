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


class LeverageTier(NamedTuple):
    """What a position of some size needs, as ccxt's leverage tiers have it.

    :param min_notional: where the tier begins, in settle currency
    :param max_notional: up to which it goes
    :param maintenance_margin_rate: share of the part of a position in this tier that must stay covered
    :param max_leverage: the most that may be chosen for a position that reaches this tier, None for any
    """

    min_notional: Decimal
    max_notional: Decimal
    maintenance_margin_rate: Decimal
    max_leverage: Decimal | None


_UNLIMITED = Decimal(10) ** 18
_USUAL_RATE = Decimal("0.005")


@dataclass(frozen=True, slots=True)
class Market:
    """One market.

    :param symbol: unified symbol, "BTC/USDT" or "BTC/USDT:USDT"
    :param id: the market's own id, unique within a list of markets
    :param settle: currency that a swap settles in, its quote currency; None for spot
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
    :param contract_size: base currency per contract; 1, as quantities are always in base currency
    :param tiers: of a swap; by default one, for any size
    :param funding_rate: of a swap, what long pays short each time as a fraction, below 0 short pays long
    :param funding_hours: of a swap, a divisor of 24: funding is charged each time so many hours of UTC end
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
    tiers: tuple[LeverageTier, ...] = ()
    funding_rate: Decimal = Decimal("0.0001")
    funding_hours: int = 8

    def __post_init__(self) -> None:
        if self.kind not in ("spot", "swap"):
            raise ValueError(f"kind: expected spot or swap, got {self.kind!r}")
        self._check_units()
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
        if self.funding_hours < 1 or 24 % self.funding_hours:
            raise ValueError(f"funding_hours: expected a divisor of 24, got {self.funding_hours}")
        if not -1 < self.funding_rate < 1:
            raise ValueError(f"funding_rate: expected a fraction, got {self.funding_rate}")
        if self.kind == "swap" and not self.tiers:
            most = self.max_leverage
            # Half of what the highest leverage holds back, at most: it must not be lost at once.
            rate = _USUAL_RATE if most is None else min(_USUAL_RATE, 1 / (2 * most))
            object.__setattr__(self, "tiers", (LeverageTier(Decimal(0), _UNLIMITED, rate, most),))
        _check_tiers(self.tiers)
        if self.tiers and self.max_leverage != self.tiers[0].max_leverage:
            raise ValueError(
                f"max_leverage: expected that of the first tier, {self.tiers[0].max_leverage}, "
                f"got {self.max_leverage}"
            )

    def _check_units(self) -> None:
        if (self.settle is None) != (self.kind == "spot"):
            raise ValueError(
                f"settle: expected a currency for a swap only, got {self.settle!r} for {self.kind}"
            )
        if self.settle not in (None, self.quote):
            raise ValueError(
                f"settle: expected {self.quote}, as only linear swaps are traded here, got {self.settle!r}"
            )
        if self.contract_size != 1:
            raise ValueError(
                f"contract_size: expected 1, as quantities are in base currency, got {self.contract_size}; "
                "multiply lot_size, min_qty and max_qty by it"
            )

    @property
    def settlement_currency(self) -> str:
        """The currency that fees, profits and margins are in: the quote currency of a spot market."""
        return self.settle or self.quote

    @property
    def highest_fee(self) -> Decimal:
        """What a fill costs at most, as a fraction of its value: nobody knows yet how an order will fill."""
        return max(self.maker, self.taker)

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
            "linear": True if swap else None,
            "inverse": False if swap else None,
            "subType": "linear" if swap else None,
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
            "marginModes": {"cross": swap, "isolated": swap},
            "created": None,
            "info": {"id": self.id},
        }


def _check_tiers(tiers: tuple[LeverageTier, ...]) -> None:
    before: LeverageTier | None = None
    for index, tier in enumerate(tiers):
        where, rate = f"tiers[{index}]", tier.maintenance_margin_rate
        start = Decimal(0) if before is None else before.max_notional
        if tier.min_notional != start or tier.max_notional <= start:
            raise ValueError(f"{where}: expected to begin at {start} and to end above it")
        if not 0 < rate < 1 or (before is not None and rate < before.maintenance_margin_rate):
            raise ValueError(
                f"{where}.maintenance_margin_rate: expected a fraction not below the last, got {rate}"
            )
        if tier.max_leverage is not None and not 1 <= tier.max_leverage < 1 / rate:
            raise ValueError(
                f"{where}.max_leverage: expected 1 to less than 1 / maintenance_margin_rate, "
                f"got {tier.max_leverage}"
            )
        most = None if before is None else before.max_leverage
        if most is not None and (tier.max_leverage is None or tier.max_leverage > most):
            raise ValueError(f"{where}.max_leverage: expected no more than {most}")
        before = tier


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


def _tiers(table: str) -> tuple[LeverageTier, ...]:
    """Tiers of rows of largest notional, maintenance margin rate and largest leverage."""
    tiers: list[LeverageTier] = []
    start = Decimal(0)
    for row in table.split(","):
        end, rate, leverage = map(Decimal, row.split())
        tiers.append(LeverageTier(start, end, rate, leverage))
        start = end
    return tuple(tiers)


def _market(base: str, quote: str, kind: MarketKind, numbers: str, tiers: str = "") -> Market:
    tick, lot, max_qty, min_cost, price, volatility, volume = map(Decimal, numbers.split())
    swap = kind == "swap"
    leverage_tiers = _tiers(tiers) if tiers else ()
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
        max_leverage=leverage_tiers[0].max_leverage if leverage_tiers else None,
        tiers=leverage_tiers,
    )


# largest notional in settle currency, maintenance margin rate, largest leverage
_LARGE_TIERS = (
    "300000 0.004 125, 800000 0.005 100, 3000000 0.0065 75, 12000000 0.01 50, 70000000 0.02 25, "
    "230000000 0.05 10, 1000000000 0.125 4"
)
_MIDDLE_TIERS = (
    "300000 0.005 100, 800000 0.0065 75, 3000000 0.01 50, 12000000 0.02 25, 70000000 0.05 10, "
    "300000000 0.125 4"
)
_SMALL_TIERS = "100000 0.01 50, 500000 0.02 25, 5000000 0.05 10, 30000000 0.125 4"


DEFAULT_MARKETS: tuple[Market, ...] = (
    # tick, lot, largest quantity, smallest cost, price, daily volatility, daily volume
    _market("BTC", "USDT", "spot", "0.01 0.00001 9000 5 64000 0.025 20000"),
    _market("ETH", "USDT", "spot", "0.01 0.0001 9000 5 3200 0.032 300000"),
    _market("ETH", "BTC", "spot", "0.00001 0.0001 100000 0.0001 0.05 0.04 25000"),
    _market("SOL", "USDT", "spot", "0.01 0.001 90000 5 150 0.042 3000000"),
    _market("XRP", "USDT", "spot", "0.0001 0.1 9000000 5 0.6 0.04 400000000"),
    _market("LTC", "USDT", "spot", "0.01 0.001 90000 5 80 0.035 500000"),
    _market("BNB", "USDT", "spot", "0.01 0.001 90000 5 560 0.028 300000"),
    _market("BTC", "USDT", "swap", "0.1 0.001 1000 5 64000 0.025 200000", _LARGE_TIERS),
    _market("ETH", "USDT", "swap", "0.01 0.001 10000 5 3200 0.032 3000000", _MIDDLE_TIERS),
    _market("SOL", "USDT", "swap", "0.01 0.01 100000 5 150 0.042 20000000", _SMALL_TIERS),
)
