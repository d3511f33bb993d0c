"""Runs one strategy on one engine in this process and prints what that cost, as JSON.

`python -m tests.benchmarks.backtest_process NAME DATA OUT`; a name of ours is that of a script.
CPU seconds: `start` from the start of the process to where the run begins (imports, and of peers the data
brought into their own form), `run` the run itself (of ours with reading the file), `after` the report.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from time import process_time

OURS = ("watch_cross", "poll_cross", "maker")
SCRIPTS = Path(__file__).parent / "backtest_scripts"
MONEY = {"USDT": "100000", "BTC": "10"}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_ours(name: str, data: str, out: Path) -> tuple[float, float, int, float]:
    """When the run began and ended, in CPU seconds, how many orders there were, and the peak up to there."""
    from ccxt_driver.backtest.collecting import collect
    from ccxt_driver.backtest.journal import Journal
    from ccxt_driver.backtest.report import write_report
    from ccxt_driver.backtest.running import run_script
    from ccxt_driver.backtest.settings import Settings
    from ccxt_driver.backtest.stage import Stage

    settings = Settings(
        script=str(SCRIPTS / f"{name}.py"),
        data=(data,),
        balances=MONEY,  # type: ignore[arg-type]
        maker="0.0002",  # type: ignore[arg-type]
        taker="0.0005",  # type: ignore[arg-type]
        out=str(out),
    )
    import ccxt.pro  # noqa: F401  the script needs it: not a part of its run

    stage = Stage(settings)
    out.mkdir(parents=True)
    began = process_time()
    with Journal(out / "commands.jsonl") as journal:
        stage.replay.journal = journal
        ending = run_script(stage)
    ended, peak = process_time(), peak_mb()
    if ending.error is not None:
        raise SystemExit(ending.error)
    run = collect(stage, ending)
    write_report(run, out)
    return began, ended, len(run.orders), peak


def main() -> None:
    name, data, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    if name in OURS:
        began, ended, orders, peak = run_ours(name, data, out)
    else:
        sys.path.insert(0, str(SCRIPTS))
        from tests.benchmarks import backtest_peers

        began, ended, orders = backtest_peers.PEERS[name](data)
        peak = peak_mb()
    done = process_time()
    costs = {"start": began, "run": ended - began, "after": done - ended, "orders": orders}
    costs |= {"run_mb": peak, "peak_mb": peak_mb()}
    print(json.dumps(costs))


if __name__ == "__main__":
    main()
