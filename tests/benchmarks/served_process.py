"""An OMS served by a process of its own, so that client and server do not share an interpreter."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

RESTING_ORDERS = 500


@dataclass(frozen=True)
class Served:
    """Where it listens, and a key that may trade on account 1."""

    base_url: str
    api_key: str


@contextmanager
def served_process() -> Iterator[Served]:
    """Start it, and stop it at the end."""
    command = [sys.executable, "-m", "tests.benchmarks.served_process"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base_url, api_key = (process.stdout.readline().strip() for _ in range(2))
            yield Served(base_url, api_key)
        finally:
            process.terminate()


def main() -> None:
    """Serve a rich account with hand-set prices and 500 resting orders."""
    from ccxt_driver.oms import EmbeddedOms
    from ccxt_driver.oms.server.running import serve

    account = {"account_id": 1, "position_mode": "netting", "balances": {"USDT": "1000000000"}}
    oms = EmbeddedOms(accounts=[account], seed=0, clock="manual")
    oms.set_price("BTC/USDT", bid="60000", ask="60001", last="60000")
    oms.set_price("BTC/USDT:USDT", bid="60000", ask="60000.5", last="60000")
    for number in range(RESTING_ORDERS):
        payload = {
            "symbol": "BTC/USDT",
            "side": "buy",
            "order_type": "limit",
            "qty": "0.01",
            "price": str(50_000 + number),
        }
        oms.handle("commands", {}, {}, {"account_id": 1, "command": "send_order", "payload": payload})
    _, secret = oms.keys.create()
    asyncio.run(serve(oms, "127.0.0.1", 0, lambda url: print(url, secret, sep="\n", flush=True)))


if __name__ == "__main__":
    main()
