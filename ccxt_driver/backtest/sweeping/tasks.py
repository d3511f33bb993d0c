"""One run of a sweep: what is done, wherever it is done, and what comes of it."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ccxt_driver._version import __version__

from .failure import SweepError
from .grid import Point
from .starters import Starter, starter

if TYPE_CHECKING:
    from ccxt_driver.backtest.settings import Settings

ARGUMENTS: Final = "args"
ENVIRONMENT: Final = "env"
HOW: Final = (ARGUMENTS, ENVIRONMENT)
"""How a script gets its parameters."""
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}", re.ASCII)
_ERROR: Final = "Error: "
_TAIL: Final = 4_000
_RESERVED: Final = ("PYTHON", "CCXT_OMS_")


@dataclass(frozen=True, slots=True)
class Task:
    """One run.

    :param point: values of the parameters
    :param settings: JSON of `Settings`
    :param seed: of the run
    :param folder: of its whole report; None: only its numbers are wanted
    :param script: the script's digest, see `digest`
    :param version: of this package
    """

    point: Point
    settings: str
    seed: int
    folder: str | None
    script: str
    version: str = __version__


class Outcome(NamedTuple):
    """What came of a run.

    :param ended: `data`, `script` or `error`, see `Run`
    :param error: what the script failed with, in one line; None when it did not
    :param total: numbers of the account, as in `summary.json`; none when it failed
    :param seconds: how long it took
    :param refused: why no run of this sweep can begin, where that is so; then nothing else counts
    """

    ended: str
    error: str | None
    total: Mapping[str, Any]
    seconds: float
    refused: str | None = None


def task_of(settings: Settings, how: str, point: Point, folder: Path | None, script: str) -> Task:
    """The run of one point.

    :param settings: of the sweep
    :param how: one of `HOW`
    :param folder: of its report, if there shall be one
    :param script: the script's digest
    """
    named = {name for argument in settings.arguments for name in _PLACEHOLDER.findall(argument)}
    arguments = [
        _PLACEHOLDER.sub(lambda match: point.get(match[1], match[0]), argument)
        for argument in settings.arguments
    ]
    environment = dict(settings.environment)
    if how == ENVIRONMENT:
        environment |= {variable(name): value for name, value in point.items()}
    else:
        arguments += [f"--{name}={value}" for name, value in point.items() if name not in named]
    where = None if folder is None else str(folder)
    changes = {"arguments": tuple(arguments), "environment": environment, "out": where or settings.out}
    made = settings.model_copy(update=changes)
    return Task(point, made.model_dump_json(), settings.seed, where, script)


def variable(name: str) -> str:
    """The environment variable of a parameter."""
    return name.replace("-", "_").upper()


def check_variables(names: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be environment variables.

    :raises ValueError: naming the parameter
    """
    seen: dict[str, str] = {}
    for name in names:
        key = variable(name)
        if key.startswith(_RESERVED):
            raise ValueError(f"param: {name} would be {key}, which is not for scripts")
        if key in seen:
            raise ValueError(f"param: {seen[key]} and {name} would both be {key}")
        seen[key] = name


def digest(path: Path) -> str:
    """What changes with the content of a file.

    :raises OSError: it cannot be read
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run_task(task: Task, runs: Starter) -> Outcome:
    """Do one run in a process of its own.

    :param runs: starts it
    """
    refused = _refusal(task)
    if refused is not None:
        return Outcome("error", None, {}, 0.0, refused)
    with TemporaryDirectory(prefix="ccxt-driver-") as name:
        folder = Path(name)
        settings, out = json.loads(task.settings), folder / "run"
        if task.folder is None:
            settings["out"] = str(out)
        else:
            out = Path(task.folder)
            (out / "summary.json").unlink(missing_ok=True)  # of an earlier run
        given, output = folder / "settings.json", folder / "output.txt"
        given.write_text(json.dumps(settings), encoding="utf-8")
        arguments = [str(given)] if task.folder is not None else [str(given), "--brief"]
        began = time.monotonic()
        code = runs.run(arguments, output)
        return _outcome(code, out, _last_line(output), time.monotonic() - began)


def _refusal(task: Task) -> str | None:
    """Why the numbers of this run would not be comparable."""
    if task.version != __version__:
        return f"version: expected ccxt_driver {task.version} where the runs are done, found {__version__}"
    script = json.loads(task.settings)["script"]
    try:
        known = digest(Path(script))
    except OSError as error:
        return f"script: {error}"
    return None if known == task.script else f"script: {script} has changed since the sweep began"


def _outcome(code: int | None, out: Path, last_line: str, seconds: float) -> Outcome:
    try:
        summary = json.loads((out / "summary.json").read_bytes())
    except FileNotFoundError:
        if code == 2 and last_line.startswith(_ERROR):
            return Outcome("error", None, {}, seconds, last_line.removeprefix(_ERROR))
        how = "was killed" if code is None else f"ended with exit code {code}"
        error = f"the process {how} and left no result" + (f": {last_line}" if last_line else "")
        return Outcome("error", error, {}, seconds)
    run = summary["run"]
    if run["error"] is not None:
        return Outcome("error", run["error"], {}, seconds)
    total = {**summary["total"], "path_deals": summary["path_deals"]}
    return Outcome(run["ended"], None, total, seconds)


def _last_line(output: Path) -> str:
    """Of what a run has printed."""
    try:
        with output.open("rb") as file:
            file.seek(max(0, output.stat().st_size - _TAIL))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except FileNotFoundError:  # it was not even started
        return ""
    return lines[-1].strip() if lines else ""


_lock = Lock()
_starters: dict[int, Starter] = {}


def run_remotely(task: Task) -> Outcome:
    """As `run_task`, in a worker process of an engine, which keeps what starts its runs."""
    with _lock:
        runs = _starters.get(task.seed)
        if runs is None:
            runs = _starters[task.seed] = starter(task.seed)
    try:
        return run_task(task, runs)
    except SweepError:  # the next one gets another
        with _lock:
            _starters.pop(task.seed, None)
        raise
