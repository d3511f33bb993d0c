"""`python -m tests.simulation --seed N` repeats one scenario; `--seeds N` runs many.

There are four worlds: `driver` has the driver on a gateway that fails, `oms` the embedded OMS on a machine
that fails, `streams` watchers on a line that fails, `lagging` the same on a gateway that tells little.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

from . import lagging_streams, oms_scenario, scenario, stream_scenario
from .bookkeeper import Violation
from .transports import COLOURS

_LINE_EVERY = 500
WORLDS = ("driver", "oms", "streams", "lagging")


def main() -> int:
    """Run what the command line asks for.

    :returns: 0 when every scenario was as it should be
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--world", choices=WORLDS, help="all if not given")
    parser.add_argument("--seed", type=int, help="one scenario, with its journal when it fails")
    parser.add_argument("--seeds", type=int, default=2_000, help="how many scenarios of each world")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument(
        "--colour", choices=tuple(COLOURS), help="of the driver's class; the seed decides if not given"
    )
    parser.add_argument(
        "--gateway", choices=scenario.GATEWAYS, help="of the driver; the seed decides if not given"
    )
    given = parser.parse_args()
    if given.world not in (None, "driver") and (given.colour or given.gateway):
        parser.error("--colour and --gateway are of the driver")
    worlds: dict[str, Callable[[int], Counter[str]]] = {
        "driver": lambda seed: Counter(scenario.run(seed, given.colour, given.gateway)),
        "oms": oms_scenario.run,
        "streams": stream_scenario.run,
        "lagging": lagging_streams.run,
    }
    seeds = range(given.first, given.first + given.seeds) if given.seed is None else (given.seed,)
    logging.getLogger("ccxt_driver").setLevel(logging.CRITICAL)  # it tells of every fault
    options = "".join(
        f" --{name} {getattr(given, name)}" for name in ("colour", "gateway") if getattr(given, name)
    )
    wrong = False
    for world in WORLDS if given.world is None else (given.world,):
        more = options if world == "driver" else ""
        failed = _run(world, worlds[world], seeds, f"--world {world}{more}", whole=given.seed is not None)
        wrong = wrong or failed
    return 1 if wrong else 0


def _run(
    world: str, run: Callable[[int], Counter[str]], seeds: Sequence[int], options: str, *, whole: bool
) -> bool:
    """Run the scenarios of one world; whether one of them failed.

    :param options: that repeat it
    :param whole: print the journal of one that fails
    """
    counts: Counter[str] = Counter()
    failed: list[int] = []
    started = time.perf_counter()
    for done, seed in enumerate(seeds, 1):
        try:
            counts.update(run(seed))
        except Violation as violation:
            failed.append(seed)
            text = str(violation)
            print(text if whole else text.partition("\n")[0][:400])
            print(f"python -m tests.simulation {options} --seed {seed}", flush=True)
        if done % _LINE_EVERY == 0:
            print(
                f"{world}: {done} scenarios, {len(failed)} failed, {time.perf_counter() - started:.0f} s",
                flush=True,
            )
    print(f"{world}: {len(seeds)} scenarios in {time.perf_counter() - started:.1f} s; told: {dict(counts)}")
    print(f"{world}: failed: {failed}" if failed else f"{world}: nothing doubled, nothing lost")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
