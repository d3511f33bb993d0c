"""ccxt's limiter waits before a request that costs something: none to an OMS does."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest
from ccxt.async_support.base.throttler import Throttler

from tests.helpers.gateway_stub import Driver
from tests.helpers.row_tables import Tables

pytestmark = pytest.mark.oldest


def _done(limiter: Any) -> Any:
    """What a limiter answers when nothing has to wait: a coroutine where one is awaited."""

    async def nothing() -> None:
        return None

    return nothing() if isinstance(limiter, Throttler) else None


def test_no_request_waits(make_driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("the limiter slept")

    driver: Driver = make_driver(rateLimit=60_000, enableRateLimit=True)
    for kind in (ccxt.Exchange, Throttler):  # the blocking limiter, and that of coroutines
        name = "throttle" if kind is ccxt.Exchange else "__call__"
        monkeypatch.setattr(kind, name, lambda self, cost=None: refuse() if cost else _done(self))
    Tables(driver.gateway)

    driver.call("load_markets")
    for _ in range(3):
        driver.call("fetch_open_orders")
        driver.call("fetch_time")
