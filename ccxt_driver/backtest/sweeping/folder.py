"""The folder of a sweep: what it is made of, and every run that has finished, so that it can go on."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from ccxt_driver._version import __version__

from .failure import SweepError
from .grid import Point
from .tasks import Outcome, digest

if TYPE_CHECKING:
    from ccxt_driver.backtest.settings import Settings

RESULTS: Final = "results.parquet"
REPORTS: Final = "runs"
_MADE_OF: Final = "sweep.json"
_JOURNAL: Final = "runs.jsonl"
_LOCK: Final = ".lock"
_PLAIN: Final = re.compile(r"[^A-Za-z0-9=,._+-]", re.ASCII)
_LONGEST_NAME: Final = 100


def made_of(settings: Settings, how: str) -> dict[str, Any]:
    """What must be the same for results to belong together.

    :param settings: of the sweep
    :param how: the script gets its parameters
    :raises OSError: a file that cannot be read
    :raises BadFile: data that cannot be used
    """
    from importlib.metadata import version

    chosen = settings.model_dump(mode="json", exclude={"script", "data", "out"})
    # By default it is that of the first balance, and of mappings the order is not compared.
    chosen["currency"] = settings.equity_currency()
    return {
        "script": digest(Path(settings.script)),
        "data": _contents(settings),
        "settings": {**chosen, "as": how},
        "versions": {"ccxt_driver": __version__, "ccxt": version("ccxt")},
    }


def _contents(settings: Settings) -> list[list[str]]:
    return sorted([path.name, digest(path)] for path in _files(settings))


def _files(settings: Settings) -> list[Path]:
    from ccxt_driver.oms.market.file_names import find

    return [file.path for file in find(settings.data)[0]]


class Data:
    """The data of a sweep, which must not change while it goes on.

    :param settings: of the sweep
    :raises OSError: a file that cannot be read
    :raises BadFile: there is none
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known = self._noted()

    def check(self, contents: Any) -> None:
        """See whether it is what it was.

        :param contents: what it was, as in `made_of`
        :raises SweepError: it is something else now
        """
        try:
            noted = self._noted()
            if noted == self._known:
                return
            same = _contents(self._settings) == contents
        except (OSError, ValueError) as error:
            raise SweepError(f"data: {error}") from error
        if not same:
            raise SweepError("data: it has changed since the sweep began; runs before belong to what it was")
        self._known = noted  # written again, with the same content

    def _noted(self) -> list[tuple[Path, int, int]]:
        """What tells at a glance whether a file was written."""
        stats = [(path, path.stat()) for path in _files(self._settings)]
        return [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]


@contextmanager
def open_folder(path: Path, made: Mapping[str, Any], restart: bool) -> Iterator[SweepFolder]:
    """A folder for one sweep at a time.

    :param path: made when it is not there
    :param made: see `made_of`
    :param restart: forget what is there
    :raises SweepError: somebody else writes to it, or it is of another sweep
    """
    from filelock import FileLock, Timeout

    path.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path / _LOCK, timeout=0):
            if restart:
                _forget(path)
            _check(path, made)
            with (path / _JOURNAL).open("a+b") as journal:
                yield SweepFolder(path, journal)
    except Timeout:
        raise SweepError(f"out: another sweep is writing to {path}") from None


class SweepFolder:
    """What has finished so far.

    :param path: of the folder
    :param journal: of its runs, one JSON object a line
    """

    def __init__(self, path: Path, journal: IO[bytes]) -> None:
        self.path = path
        self._journal = journal
        self._done = dict(_read(journal))

    def outcome(self, point: Point) -> Outcome | None:
        """What came of a run; None of one that has not finished."""
        return self._done.get(_key(point))

    def add(self, point: Point, outcome: Outcome) -> None:
        """Keep what came of a run, whatever happens afterwards."""
        fields = {name: value for name, value in outcome._asdict().items() if name != "refused"}
        line = json.dumps({"point": point, **fields}, separators=(",", ":"), allow_nan=False)
        self._journal.write(f"{line}\n".encode())
        self._journal.flush()
        self._done[_key(point)] = outcome

    def report(self, point: Point) -> Path:
        """The folder of a run's report."""
        text = ",".join(f"{name}={value}" for name, value in point.items())
        name = _PLAIN.sub("_", text)[:_LONGEST_NAME]
        if name != text:
            name += f"-{hashlib.sha256(_key(point).encode()).hexdigest()[:12]}"
        return self.path / REPORTS / name

    def has_report(self, point: Point) -> bool:
        """Whether a run's whole report is there."""
        return (self.report(point) / "summary.json").is_file()


def _key(point: Point) -> str:
    return json.dumps(point, sort_keys=True)


def _read(journal: IO[bytes]) -> Iterator[tuple[str, Outcome]]:
    """The runs of a journal; what was not written to its end is cut off."""
    journal.seek(0)
    whole = 0
    for number, line in enumerate(journal, 1):
        if not line.endswith(b"\n"):
            break
        whole += len(line)
        try:
            row = json.loads(line)
            yield _key(row.pop("point")), Outcome(**row)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SweepError(f"{_JOURNAL}: line {number} is not of a sweep: {error}") from error
    journal.truncate(whole)
    journal.seek(0, os.SEEK_END)


def _check(path: Path, made: Mapping[str, Any]) -> None:
    file = path / _MADE_OF
    try:
        known = json.loads(file.read_bytes())
    except FileNotFoundError:
        text = json.dumps(made, indent=2, sort_keys=True)
        write_whole(file, f"{text}\n".encode())
        return
    except ValueError as error:
        raise SweepError(f"out: {file} is not of a sweep: {error}") from error
    others = ", ".join(_differences(known, made))
    if others:
        raise SweepError(
            f"out: {path} is of a sweep with another {others}: give another folder, or restart it (--restart)"
        )


def _differences(known: Any, made: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(known, dict):
        yield "content"
        return
    now = json.loads(json.dumps(made))
    for name in sorted({*known, *now}):
        one, other = known.get(name), now.get(name)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            yield from (key for key in sorted({*one, *other}) if one.get(key) != other.get(key))
        else:
            yield name


def _forget(path: Path) -> None:
    """Remove what a sweep has written, and nothing else."""
    if not (path / _MADE_OF).exists():
        return
    shutil.rmtree(path / REPORTS, ignore_errors=True)
    for name in (_JOURNAL, RESULTS, _MADE_OF):
        (path / name).unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there as a whole or not at all."""
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_bytes(content)
    unfinished.replace(path)
