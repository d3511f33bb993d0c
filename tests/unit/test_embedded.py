"""`embedded:FILE` and processes that are forked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.oms import maintenance
from ccxt_driver.oms.sqlite_store import SqliteStore
from ccxt_driver.oms.store import Changes, StoreError

SCRIPT = """
import os, sys
import ccxt
from ccxt_driver import OmsCcxtExchange
from ccxt_driver.embedded import close_embedded

CONFIG = {"options": {"base_url": "embedded:oms.sqlite"}}
exchange = OmsCcxtExchange(CONFIG)
exchange.create_order("BTC/USDT", "market", "buy", 0.001)
if os.fork() == 0:
    for each in (exchange, OmsCcxtExchange(CONFIG)):
        try:
            each.create_order("BTC/USDT", "market", "buy", 0.001)
        except ccxt.ExchangeNotAvailable as error:
            print(error.outcome, error)
    close_embedded()
    sys.exit()
assert os.wait()[1] == 0
sys.stdout.flush()
order = exchange.create_order("BTC/USDT", "market", "sell", 0.001)
print(order["id"], exchange.fetch_position("BTC/USDT")["contracts"])
os.system(sys.executable + " -m ccxt_driver balance --base-url embedded:oms.sqlite")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_process_has_no_part_in_the_file_of_its_parent(tmp_path: Path) -> None:
    """Its orders would get ids that the parent gives too, and be written over by those."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    kept, anew, parents = done.stdout.splitlines()
    assert kept.startswith("refused ")
    assert "is of the process that this one was forked from" in kept
    assert anew.startswith("not_sent ")
    assert "in use by another process" in anew
    assert parents == "2 0.0"
    assert "in use by another process" in done.stderr  # the lock of the parent has outlived the fork
    assert maintenance.check(tmp_path / "oms.sqlite") == []


def test_a_file_that_cannot_be_written_is_an_error_of_ccxt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(store: SqliteStore, changes: Changes) -> None:
        raise StoreError("disk full")

    exchange = OmsCcxtExchange({"options": {"base_url": f"embedded:{tmp_path / 'oms.sqlite'}"}})
    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "commit", fail)
        with pytest.raises(ccxt.ExchangeError, match="disk full"):
            exchange.fetch_balance()
    assert exchange.fetch_balance()["USDT"]["total"] == 10_000
