"""`ccxt-driver backtest`: run a live script over history."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .arguments import moment
from .failures import INTERRUPTED

if TYPE_CHECKING:
    from ccxt_driver.backtest.settings import Settings


@click.command(context_settings={"allow_interspersed_args": True})
@click.argument("script", type=click.Path(exists=True, dir_okay=False), required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--data",
    multiple=True,
    type=click.Path(exists=True),
    help="A file or folder of market data.",
)
@click.option(
    "--from", "start_ms", metavar="TIME", callback=moment, help="Where time begins; by default with the data."
)
@click.option(
    "--to", "end_ms", metavar="TIME", callback=moment, help="Where it ends; by default with the data."
)
@click.option(
    "--begin",
    type=click.Choice(["first", "all"]),
    help="When the data begin: with the first symbol that has some, or when all have; by default first.",
)
@click.option(
    "--balance", multiple=True, default=["10000USDT"], show_default=True, help="Such as 10000USDT,1BTC."
)
@click.option(
    "--fees",
    metavar="MAKER,TAKER",
    help="Fractions such as 0.0002,0.0005; by default those of each market.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of all chance.")
@click.option("--path", help="How the price moves inside candles, such as worst-first.")
@click.option("--volume", help="How much can be had: unlimited, or share-of-volume:0.1.")
@click.option("--latency", "latency_ms", type=click.IntRange(0), help="Milliseconds an order is on its way.")
@click.option(
    "--acknowledge",
    "acknowledge_ms",
    type=click.IntRange(0),
    help="Milliseconds until its answer is back; by default it comes at once.",
)
@click.option("--fill", "fill_ms", type=click.IntRange(0), help="Milliseconds until streams hear of a fill.")
@click.option(
    "--request", "request_ms", type=click.IntRange(0), help="Milliseconds a request takes; by default 0."
)
@click.option("--queue", type=click.Choice(["front", "behind"]), help="Fill what rests at its price, too.")
@click.option("--spread-ticks", type=click.IntRange(1), help="Between bid and ask where no book is recorded.")
@click.option(
    "--position-mode",
    type=click.Choice(["netting", "hedge", "strategy_netting"]),
    help="How orders become positions; by default netting.",
)
@click.option("--account", "account_id", type=click.IntRange(1), help="Its number; else the script's.")
@click.option("--strategies", metavar="IDS", help="All that the script may name, such as 1001,1002.")
@click.option("--currency", help="What equity is counted in; by default the first of the balance.")
@click.option(
    "--out",
    default="backtest",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Of the report.",
)
@click.option(
    "--compare",
    multiple=True,
    type=click.Path(exists=True, file_okay=False),
    help="A run to show beside it; may be given again.",
)
@click.option(
    "--again",
    type=click.Path(exists=True, file_okay=False),
    help="Do what this run did.",
)
def backtest(
    script: str | None, arguments: tuple[str, ...], compare: tuple[str, ...], again: str | None, **given: Any
) -> None:
    """Run SCRIPT over history, as it is, in virtual time, and write a report.

    What follows -- goes to the script. Without SCRIPT, --compare given twice shows earlier runs side by side
    (with --out also as a page), and --again does the commands of one without its script.
    """
    if script is None and again is None:
        if len(compare) < 2:
            raise click.UsageError("expected a SCRIPT, --again, or --compare twice")
        _compare([Path(folder) for folder in compare], Path(given["out"]) if _is_typed("out") else None)
        return
    settings = settings_of(script, arguments, again, given)
    _run(settings, None if again is None else Path(again))
    if compare:
        _compare([Path(folder) for folder in compare] + [Path(settings.out)], Path(settings.out))


def settings_of(
    script: str | None, arguments: tuple[str, ...], again: str | None, given: dict[str, Any]
) -> Settings:
    """What a run is made with: of an earlier one, and what the options say."""
    from pydantic import ValidationError

    from ccxt_driver.backtest import balances_of, fees_of
    from ccxt_driver.backtest.settings import SETTINGS, Settings

    try:
        if again is not None:
            _refuse_beside_again(script, given)
            # Runs from before there was a choice began when all symbols had a price.
            known = {"begin": "all"} | json.loads((Path(again) / SETTINGS).read_text(encoding="utf-8"))
            return Settings(**{**known, "out": given["out"], "data": given["data"] or known["data"]})
        if not given["data"]:
            raise click.UsageError("expected --data: a file or folder of market data")
        chosen = {name: value for name, value in given.items() if value is not None}
        chosen["balances"] = balances_of(",".join(chosen.pop("balance")))
        if "fees" in chosen:
            chosen["maker"], chosen["taker"] = fees_of(chosen.pop("fees"))
        if "strategies" in chosen:
            chosen["strategies"] = tuple(chosen["strategies"].replace(" ", "").split(","))
        return Settings(script=script or "", arguments=arguments, **chosen)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")  # ours name the field themselves
        raise click.UsageError(said if said.startswith(f"{where}:") else f"{where}: {said}") from None
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from None


def _refuse_beside_again(script: str | None, given: dict[str, Any]) -> None:
    """A run is made again with what it was made with: nothing that would change it is passed over."""
    typed = [
        option.opts[0]
        for option in click.get_current_context().command.params
        if option.name in given.keys() - {"out", "data"} and _is_typed(option.name)
    ]
    for name in ["SCRIPT"] * (script is not None) + typed:
        raise click.UsageError(f"expected {name} or --again, not both: that run's own are used")


def _is_typed(name: str) -> bool:
    """Whether an option was given, and is not its default."""
    source = click.get_current_context().get_parameter_source(name)
    return source is not click.core.ParameterSource.DEFAULT


def _run(settings: Settings, again: Path | None) -> None:
    from ccxt_driver.backtest import run_settings
    from ccxt_driver.backtest.settings import COMMANDS

    commands = None if again is None else again / COMMANDS
    code, _ = run_settings(settings, show=True, progress=sys.stderr.isatty(), again=commands)
    if code:
        sys.exit(INTERRUPTED if code < 0 else code)


def _compare(folders: list[Path], out: Path | None) -> None:
    from ccxt_driver.backtest.report import MissingPlotly
    from ccxt_driver.backtest.report.comparison import (
        PAGE,
        NotARun,
        comparison_table,
        read_runs,
        write_comparison,
    )

    from .tables import print_wide, terminal

    try:
        runs = read_runs(folders)
    except NotARun as error:
        raise click.UsageError(str(error)) from None
    screen = terminal()
    if sys.stdout.isatty():
        screen.print(comparison_table(runs))
    else:
        print_wide(comparison_table(runs))
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_comparison(runs, out / PAGE)
    except (MissingPlotly, OSError) as error:
        raise click.UsageError(str(error)) from None
    screen.print(f"comparison: {out / PAGE}", soft_wrap=True)
