"""A gateway in a process of its own, so that the memory of the programs alone is measured.

`python -m tests.soak.gateway_process contract|lagging` prints its base URL and a key, and serves until its
input ends.
"""

from __future__ import annotations

import sys
from typing import Any

from ccxt_driver.oms import EmbeddedOms
from tests.helpers.lagging import LaggingGateway
from tests.helpers.served import serve

BALANCES = {"USDT": "1000000000", "BTC": "100000", "ETH": "100000"}
ACCOUNTS = [
    {"account_id": 1, "position_mode": "netting", "balances": BALANCES},
    {"account_id": 2, "position_mode": "hedge", "balances": BALANCES},
]


def main() -> None:
    """Serve what the command line names."""
    kinds: dict[str, Any] = {"contract": EmbeddedOms, "lagging": LaggingGateway}
    gateway = kinds[sys.argv[1]](accounts=ACCOUNTS, clock="wall")
    for symbol, bid, ask in (("BTC/USDT", 100, 101), ("ETH/USDT", 10, 11)):
        gateway.set_price(symbol, bid=bid, ask=ask, last=bid)
    with serve(gateway) as served:
        print(served.base_url, served.api_key, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
