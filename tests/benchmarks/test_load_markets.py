"""4,000 markets, against a plain ccxt class that parses as many of a venue's own rows."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.oms import DEFAULT_MARKETS, EmbeddedOms

from .measure import compare, report


class PlainVenue(ccxt.Exchange):
    """Parses a row of a venue as ccxt's classes do."""

    def fetch_markets(self, params: dict[str, Any] = {}) -> list[Any]:  # noqa: B006  # ccxt's signature
        rows = [
            {"symbol": f"C{number}USDT", "baseAsset": f"C{number}", "quoteAsset": "USDT", "step": "0.00001"}
            for number in range(4000)
        ]
        return [self.parse_market(row) for row in rows]

    def parse_market(self, market: Any) -> Any:
        base = self.safe_currency_code(self.safe_string(market, "baseAsset"))
        quote = self.safe_currency_code(self.safe_string(market, "quoteAsset"))
        return self.safe_market_structure(
            {
                "id": self.safe_string(market, "symbol"),
                "symbol": f"{base}/{quote}",
                "base": base,
                "quote": quote,
                "baseId": self.safe_string(market, "baseAsset"),
                "quoteId": self.safe_string(market, "quoteAsset"),
                "type": "spot",
                "spot": True,
                "contract": False,
                "active": True,
                "precision": {
                    "amount": self.safe_number(market, "step"),
                    "price": self.safe_number(market, "step"),
                },
                "limits": {
                    "leverage": {"min": None, "max": None},
                    "amount": {"min": self.safe_number(market, "step"), "max": None},
                    "price": {"min": None, "max": None},
                    "cost": {"min": None, "max": None},
                },
                "info": market,
            }
        )


@pytest.mark.benchmark
def test_loading_4000_markets_against_ccxt_setting_them() -> None:
    (pattern,) = [market for market in DEFAULT_MARKETS if market.symbol == "BTC/USDT"]
    listed = []
    for number in range(4000):
        market = copy.copy(pattern)
        for name, value in (("symbol", f"C{number}/USDT"), ("id", f"C{number}USDT"), ("base", f"C{number}")):
            object.__setattr__(market, name, value)
        listed.append(market)
    oms = EmbeddedOms(markets=listed, accounts=[{"account_id": 1, "balances": {"USDT": Decimal(1)}}])
    options = {"oms": oms, "account_id": 1, "share_markets": False}
    ours = OmsCcxtExchange({"options": options})
    ours.load_markets()
    plain = PlainVenue()
    assert len(ours.markets) == len(plain.load_markets()) == 4000

    medians = compare(
        {
            "ours": lambda: ours.load_markets(reload=True),
            "ccxt": lambda: plain.load_markets(reload=True),
        },
        rounds=10,
    )
    report("4,000 markets", medians["ours"], medians["ccxt"], "at most 1")
