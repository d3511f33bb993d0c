"""The process of one run: `python -m ccxt_driver.backtest SETTINGS.json`."""

from __future__ import annotations

import sys
from pathlib import Path

from .collecting import collect
from .running import run_script
from .settings import Settings
from .stage import Stage


def main() -> int:
    """Run, and write the report.

    :returns: 0, or 1 when the script has failed
    """
    settings = Settings.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    stage = Stage(settings)
    ending = run_script(stage)
    run = collect(stage, ending)
    print(run.ended, len(run.orders), len(run.deals), run.ledger[-1])
    return 0 if ending.error is None else 1


if __name__ == "__main__":
    sys.exit(main())
