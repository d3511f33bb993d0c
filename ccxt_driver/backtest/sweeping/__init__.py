"""Runs a script over history many times, each time with other parameters: `sweep()`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from .engines import LOCAL, MissingEngine, engine_of, outcomes
from .failure import SweepError
from .folder import Data, SweepFolder, made_of, open_folder
from .grid import MOST_RUNS, Grid, Point, Values, grid_of
from .results import Row, Table, need_pyarrow
from .tasks import ARGUMENTS, ENVIRONMENT, HOW, Outcome, check_variables, task_of

if TYPE_CHECKING:
    from ccxt_driver.backtest.settings import Settings

__all__ = ["MissingEngine", "Plan", "Progress", "SweepError", "Swept", "sweep", "sweep_settings"]

KEEP: Final = ("none", "best", "all")


class Progress(NamedTuple):
    """How far a sweep is.

    :param done: runs that have finished, with those of earlier starts
    :param total: all of them
    :param failed: how many of those done have failed
    """

    done: int
    total: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a sweep is done; see `sweep`."""

    how: str = ARGUMENTS
    sample: int | None = None
    jobs: int | None = None
    engine: str = LOCAL
    address: str | None = None
    keep: str = "none"
    top: int = 10
    sort: str = "sharpe"
    restart: bool = False
    retry_failed: bool = False
    most: int | None = MOST_RUNS


class Swept(NamedTuple):
    """What came of a sweep.

    :param table: its columns
    :param rows: every run, in the order of the grid
    :param best: the best of them, as indexes into `rows`
    """

    table: Table
    rows: list[Row]
    best: list[int]


def sweep(
    script: str | os.PathLike[str],
    data: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    params: Mapping[str, Values],
    *,
    out: str | os.PathLike[str] = "sweep",
    how: Literal["args", "env"] = "args",
    random: int | None = None,
    jobs: int | None = None,
    engine: Literal["local", "ray", "dask"] = "local",
    address: str | None = None,
    keep_reports: Literal["none", "best", "all"] = "none",
    top: int = 10,
    sort: str = "sharpe",
    restart: bool = False,
    retry_failed: bool = False,
    most: int | None = MOST_RUNS,
    on_step: Callable[[Progress], None] | None = None,
    start: str | int | date | None = None,
    end: str | int | date | None = None,
    balance: Mapping[str, str | int | Decimal] | str = "10000USDT",
    arguments: Iterable[str] = (),
    **settings: Any,
) -> list[dict[str, Any]]:
    """Run a script over history once for each combination of parameters.

    What has finished is in the folder at once. The same call goes on where an earlier one ended, also with
    more values. The rows are in `results.parquet` of the folder, too; the same script, data and settings
    give the same file.

    :param script: path of a Python file; it gets each parameter without being changed, see `how`
    :param data: files and folders, see `docs/recorded-markets.md`
    :param params: by name: values, or a text such as `"5:50:5"` (first, last, step) or `"20,50,100"`
    :param out: the folder of the results
    :param how: `args` gives the script `--fast=5` after its other arguments, `env` the environment variable
        `FAST=5`; `{fast}` in `arguments` is replaced in both cases, and then not given again as an argument
    :param random: run only so many combinations, drawn by chance; `seed` of the settings is its seed
    :param jobs: runs at a time; by default one for each processor
    :param engine: `local`: processes of this machine; `ray` and `dask`: workers of a cluster, to whom the
        script and the data have the same paths
    :param address: of the cluster; the engine's own default
    :param keep_reports: `all`: a whole report of each run in `runs` of the folder; `best`: of the best ones
    :param top: how many are best
    :param sort: by which column, best first; `:asc` or `:desc` after it where its usual order is not meant
    :param restart: forget what an earlier call with this folder did
    :param retry_failed: do runs again that have failed
    :param most: refuse more runs than this; None: as many as there are
    :param on_step: told how far it is, whenever a run has finished
    :param start: as of `backtest`, like those that follow
    :returns: a mapping for each run in the order of the grid (the last parameter changes first): every
        parameter, `ended`, `error`, and the numbers of `total` in `summary.json`, None where a run has failed
    :raises SweepError: it cannot begin or go on: the folder is of a sweep with another script, data or
        settings, or no run can begin
    :raises ValueError: a parameter or a setting that makes no sense, naming it
    :raises MissingEngine: the engine is not installed
    """
    from ccxt_driver.backtest import made_settings

    made = made_settings(script, data, start, end, balance, out, arguments, settings)
    plan = Plan(
        how=how,
        sample=random,
        jobs=jobs,
        engine=engine,
        address=address,
        keep=keep_reports,
        top=top,
        sort=sort,
        restart=restart,
        retry_failed=retry_failed,
        most=most,
    )
    return sweep_settings(made, grid_of(params), plan, on_step or _nobody).rows


def sweep_settings(settings: Settings, grid: Grid, plan: Plan, on_step: Callable[[Progress], None]) -> Swept:
    """Do a sweep; see `sweep`.

    :param settings: of every run; `out` is the folder of the sweep
    """
    need_pyarrow()
    table = Table(grid)
    _check(plan, grid, table)
    points = grid.points(plan.sample, settings.seed, plan.most)
    if plan.engine != LOCAL:
        settings = _absolute(settings)  # workers are somewhere else
    try:
        data = Data(settings)  # before its content is read: what changes meanwhile has changed
        made = made_of(settings, plan.how)
    except OSError as error:
        raise SweepError(str(error)) from error
    with open_folder(Path(settings.out), made, plan.restart) as folder:
        sweeper = _Sweeper(settings, plan, folder, made, data, on_step)
        try:
            sweeper.run(points)
        finally:
            found = [(point, outcome) for point in points if (outcome := folder.outcome(point)) is not None]
            rows = [table.row(point, outcome) for point, outcome in found]
            table.write(rows, folder.path)
        best = table.best(rows, plan.sort, plan.top)
        if plan.keep == "best":
            sweeper.report([points[index] for index in best])
    return Swept(table, rows, best)


def _absolute(settings: Settings) -> Settings:
    paths = {"script": settings.script, "out": settings.out}
    changes: dict[str, Any] = {name: str(Path(path).absolute()) for name, path in paths.items()}
    changes["data"] = tuple(str(Path(path).absolute()) for path in settings.data)
    return settings.model_copy(update=changes)


def _check(plan: Plan, grid: Grid, table: Table) -> None:
    for name, value, known in (("as", plan.how, HOW), ("keep-reports", plan.keep, KEEP)):
        if value not in known:
            raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
    if plan.top < 1:
        raise ValueError(f"top: expected a number above 0, got {plan.top}")
    if plan.how == ENVIRONMENT:
        check_variables(grid.parameters)
    table.order(plan.sort)


class _Sweeper:
    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        folder: SweepFolder,
        made: Mapping[str, Any],
        data: Data,
        on_step: Callable[[Progress], None],
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._folder = folder
        self._made = made
        self._data = data
        self._on_step = on_step

    def run(self, points: list[Point]) -> None:
        """Do what has not been done yet."""
        waiting = [point for point in points if not self._is_done(point)]
        known = {id(point) for point in waiting}
        before = [self._folder.outcome(point) for point in points if id(point) not in known]
        done, failed = (
            len(before),
            sum(outcome is not None and outcome.error is not None for outcome in before),
        )
        self._on_step(Progress(done, len(points), failed))

        def take(point: Point, outcome: Outcome) -> None:
            nonlocal done, failed
            self._folder.add(point, outcome)
            done, failed = done + 1, failed + (outcome.error is not None)
            self._on_step(Progress(done, len(points), failed))

        self._do(waiting, take, whole=self._plan.keep == "all")

    def report(self, points: list[Point]) -> None:
        """Do runs again whose whole report is wanted and not there."""
        missing = [point for point in points if not self._folder.has_report(point)]
        self._do(missing, self._compare, whole=True)

    def _compare(self, point: Point, outcome: Outcome) -> None:
        known = self._folder.outcome(point)
        if known is None or outcome[:3] != known[:3]:
            warnings.warn(
                f"{point}: done again, it gave other numbers: the script depends on something beside its "
                "data and its seed",
                stacklevel=2,
            )

    def _is_done(self, point: Point) -> bool:
        outcome = self._folder.outcome(point)
        if outcome is None or (self._plan.keep == "all" and not self._folder.has_report(point)):
            return False
        return outcome.error is None or not self._plan.retry_failed

    def _do(self, points: list[Point], take: Callable[[Point, Outcome], None], whole: bool) -> None:
        """Do runs, and have what comes of each taken at once.

        :param whole: whether reports are wanted
        """
        if not points:
            return
        plan, folder, settings, script = self._plan, self._folder, self._settings, self._made["script"]
        tasks = (
            task_of(settings, plan.how, point, folder.report(point) if whole else None, script)
            for point in points
        )
        with closing(engine_of(plan.engine, plan.jobs, plan.address, settings.seed)) as engine:
            for task, outcome in outcomes(engine, tasks):
                if outcome.refused is not None:
                    raise SweepError(outcome.refused)
                self._data.check(self._made["data"])
                take(task.point, outcome)


def _nobody(progress: Progress) -> None:
    """Nobody has to be told."""
