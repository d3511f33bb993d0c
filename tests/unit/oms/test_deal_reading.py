"""What limits have reckoned from deals is kept: a start goes on from there, whatever was moved meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms import DEFAULT_MARKETS, deal_reading
from ccxt_driver.oms.limits import Scope

from .conftest import SPOT, SWAP, Desk

HOUR = 3_600_000
MORNING = 1_767_250_800_000  # 07:00 UTC
ETH = "ETH/USDT:USDT"


@pytest.fixture(autouse=True)
def keep_every_other_deal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deal_reading, "KEEP_EVERY", 2)


class Kept:
    """A desk on a file, which may be started anew."""

    def __init__(self, folder: Path) -> None:
        self.options: dict[str, Any] = {"db": folder / "oms.sqlite", "start_ms": MORNING}
        self.start()

    def start(self, **options: Any) -> None:
        self.desk = Desk(**self.options | options)
        self.read = 0
        store = self.desk.oms._core.store
        deals = store.deals

        def counted(wanted: Any) -> Any:
            found = deals(wanted)
            self.read += len(found[0])
            return found

        store.deals = counted  # type: ignore[method-assign]

    def restart(self, **options: Any) -> None:
        self.desk.oms.close()
        self.start(**options)

    def trade(self, count: int, symbol: str = SWAP) -> None:
        for _ in range(count):
            self.desk.send("buy", 1, symbol=symbol, strategy_id=1)
            self.desk.send("sell", 1, symbol=symbol, strategy_id=1)

    def made(self) -> list[Decimal]:
        """What limits of the account and of strategy 1 have counted up to the last order."""
        core = self.desk.oms._core
        core.profits.clear()
        self.desk.run("check_order", **self.desk.order("buy", 1, symbol=SWAP, strategy_id=1))
        return [profit.total for profit in core.profits._known.values()] + [
            made.total for made in core.profits.own._known[1].made.values()
        ]

    def refused(self, strategy: int = 1) -> str:
        """By which value an order is refused."""
        order = self.desk.order("buy", 1, symbol=SWAP, strategy_id=strategy)
        return str(self.desk.refuse("risk_blocked", "send_order", **order)["details"]["value"])


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(tmp_path)
    yield kept
    kept.desk.oms.close()


# A round trip on the swap loses 1 and pays 0.0505 and 0.05.


@pytest.mark.parametrize("strategy", [1, None])
def test_a_start_reads_no_deal_again_that_a_checkpoint_has(kept: Kept, strategy: int | None) -> None:
    kept.desk.oms.set_limits(1, {"max_drawdown": "22"}, strategy)
    kept.trade(20)
    kept.restart()
    assert kept.refused() == "22.01"
    assert kept.read <= 4


@pytest.mark.parametrize("strategy", [1, None])
def test_a_checkpoint_that_has_counted_what_moves_is_dropped(kept: Kept, strategy: int | None) -> None:
    kept.desk.oms.set_limits(1, {"max_drawdown": "3"}, strategy)
    kept.trade(3)
    assert kept.refused() == "3.3015"
    kept.desk.call("reassign", {"order_ids": [1, 2], "strategy_id": 2})
    kept.restart()
    if strategy is None:
        assert kept.refused() == "3.3015"
    else:
        kept.desk.send("buy", 1, symbol=SWAP, strategy_id=1)
        book = kept.desk.oms._core.profits.own._known[1]
        assert book.made[Scope(1, 1, None)].total == Decimal("-2.201")
    assert kept.read >= 6


def test_a_limit_that_is_new_counts_what_was_made_today(kept: Kept) -> None:
    kept.desk.oms.set_limits(1, {"max_position_qty": "5"}, 1)
    kept.trade(4)
    kept.desk.oms.advance(24 * HOUR)
    kept.trade(4)
    kept.desk.oms.set_limits(1, {"max_daily_loss": "4"}, 1)
    kept.read = 0
    assert kept.refused() == "4.402"
    assert 8 <= kept.read <= 10, "today's, and not those of yesterday"
    kept.desk.oms.advance(HOUR)
    kept.desk.oms.set_limits(1, {"max_daily_loss": "4", "max_drawdown": "1"}, 1)
    assert kept.refused() == "4.402"


def test_what_is_not_listed_any_more_does_not_count(kept: Kept) -> None:
    for strategy in (None, 1):
        kept.desk.oms.set_limits(1, {"max_drawdown": "1000000"}, strategy)
    kept.trade(2, ETH)
    kept.trade(1)
    before = kept.made()
    assert before[0] == before[1] < Decimal("-1.1005")
    kept.restart(markets=[market for market in DEFAULT_MARKETS if market.symbol != ETH])
    kept.trade(2)
    assert kept.made() == [Decimal("-3.3015")] * 2
    kept.restart()
    kept.trade(1)
    assert kept.made() == [before[0] - Decimal("3.3015")] * 2


def test_what_could_not_be_written_is_not_kept(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.desk.oms.set_limits(1, {"max_drawdown": "3"}, 1)
    kept.trade(2)
    with monkeypatch.context() as patch:
        patch.setattr(kept.desk.oms._core.store, "commit", lambda changes: 1 / 0)
        assert kept.desk.post("send_order", **kept.desk.order("buy", 1, symbol=SWAP)).status == 503
    kept.trade(1)
    assert kept.refused() == "3.3015"
    kept.desk.send("buy", 1, symbol=SPOT, strategy_id=2)
