"""`python -m tests.soak --minutes 30`: programs that run on, with memory and connections flat.

Two gateways, one of the contract and one that lags, each with a blocking program and one with coroutines.
"""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import ExitStack

from .programs import Sample, Soak, describe, gateway, is_flat


def main() -> int:
    """Run it.

    :returns: 0 when nothing failed and nothing grew
    """
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every", type=float, default=30, help="seconds between two lines")
    given = parser.parse_args()
    logging.getLogger("ccxt_driver").setLevel(logging.ERROR)

    def told(sample: Sample) -> None:
        print(
            f"{sample.seconds:6.0f} s  {sample.memory / 1024:7.1f} MiB  {sample.descriptors:3} files and "
            f"sockets  {sample.tasks} tasks  {sample.threads} threads",
            flush=True,
        )

    with ExitStack() as stack:
        gateways = [stack.enter_context(gateway(kind)) for kind in ("contract", "lagging")]
        soak = Soak(gateways, given.minutes * 60)
        soak.run(given.every, told)
    wrong = [describe(error) for error in soak.failures] + is_flat(soak.samples)
    print(f"{soak.orders} orders and more; " + ("; ".join(wrong) or "nothing failed, nothing grew"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
