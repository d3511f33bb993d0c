"""What `since` leaves out of a stream."""

from __future__ import annotations

import pytest

from ccxt_driver.exchange.streams.changes import Change, Kind
from ccxt_driver.pro import OmsCcxtExchange

SINCE = 1_767_225_600_700  # 2026-01-01T00:00:00.700Z


@pytest.mark.parametrize(
    "kind, row, is_wanted",
    [
        (Kind.ORDER, {"created_at": "2026-01-01T00:00:00.700Z"}, True),
        (Kind.ORDER, {"created_at": "2026-01-01T00:00:00.699Z"}, False),
        (Kind.ORDER, {"created_at": "2026-01-01T00:00:00.699Z", "updated_at": "2026-01-02T00:00:00Z"}, False),
        (Kind.TRADE, {"executed_at": "2026-01-01T00:00:00.699Z"}, False),
        (
            Kind.POSITION,
            {"opened_at": "2025-12-01T00:00:00.000Z", "updated_at": "2026-01-01T00:00:01Z"},
            True,
        ),
        (Kind.POSITION, {"opened_at": "2025-12-01T00:00:00.000Z", "updated_at": None}, True),
        # Whole seconds: it may have been in the part that is wanted.
        (Kind.ORDER, {"created_at": "2026-01-01T00:00:00"}, True),
        (Kind.TRADE, {"executed_at": "2026-01-01T00:00:00"}, True),
        (Kind.POSITION, {"updated_at": "2025-12-31 23:59:59"}, False),
    ],
)
def test_since(kind: Kind, row: dict[str, str | None], is_wanted: bool) -> None:
    exchange = OmsCcxtExchange({"options": {"base_url": "embedded:"}})
    change = Change(kind, 1, 0, "BTC/USDT", None, None, {"id": 1, **row})
    assert exchange._changed_since(SINCE)(change) is is_wanted
    assert exchange._changed_since(None)(change)
