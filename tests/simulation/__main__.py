"""`python -m tests.simulation --seed N` repeats one scenario; `--seeds N` runs many."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter

from .bookkeeper import Violation
from .scenario import GATEWAYS, run
from .transports import COLOURS

_LINE_EVERY = 500


def main() -> int:
    """Run what the command line asks for.

    :returns: 0 when every scenario was as it should be
    """
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="one scenario, with its journal when it fails")
    parser.add_argument("--seeds", type=int, default=2_000, help="how many scenarios")
    parser.add_argument(
        "--colour", choices=tuple(COLOURS), help="of the class; the seed decides if not given"
    )
    parser.add_argument("--gateway", choices=GATEWAYS, help="the seed decides if not given")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.seeds) if given.seed is None else (given.seed,)
    logging.getLogger("ccxt_driver").setLevel(logging.CRITICAL)  # it tells of every fault
    counts: Counter[str] = Counter()
    failed: list[int] = []
    started = time.perf_counter()
    for done, seed in enumerate(seeds, 1):
        try:
            counts.update(run(seed, given.colour, given.gateway))
        except Violation as violation:
            failed.append(seed)
            text = str(violation)
            print(text if given.seed is not None else text.partition("\n")[0][:400], flush=True)
        if done % _LINE_EVERY == 0:
            print(
                f"{done} scenarios, {len(failed)} failed, {time.perf_counter() - started:.0f} s", flush=True
            )
    print(f"{len(seeds)} scenarios in {time.perf_counter() - started:.1f} s; told: {dict(counts)}")
    print(f"failed: {failed}" if failed else "nothing doubled, nothing lost")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
