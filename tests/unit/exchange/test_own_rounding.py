"""A subclass that rounds its own way is asked, as ccxt would ask it."""

from __future__ import annotations

from typing import Any

import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.oms import EmbeddedOms


class WholeLots(OmsCcxtExchange):
    """Trades whole units only."""

    def amount_to_precision(self, symbol: Any, amount: Any) -> Any:
        return str(int(float(amount)))


@pytest.mark.oldest
def test_a_subclass_may_round_amounts() -> None:
    with EmbeddedOms(clock="manual") as oms:
        exchange = WholeLots({"options": {"oms": oms, "account_id": 1}})

        assert exchange.create_order("ETH/USDT", "market", "buy", 1.9)["amount"] == 1.0
