"""Runs an unmodified live script over history, in virtual time: `backtest()`, and many times: `sweep()`."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any, Final

from . import starting
from .sweeping import SweepError, sweep

if TYPE_CHECKING:
    from .settings import Settings

__all__ = ["BacktestError", "Result", "SweepError", "backtest", "sweep"]

_SUMMARY: Final = "summary.json"
_OWN_INTERRUPT_SECONDS: Final = 2.0
"""After them the process of a run has not been interrupted by whatever has interrupted this one."""
Moment = str | int | date
"""A `datetime` is a `date`, too."""
_EPOCH_TEXTS: Final = "a time such as 2024-01-31, 2024-01-31T12:00 (UTC), or milliseconds"
_SECONDS_BELOW: Final = 10**11
"""Milliseconds of 1973: a smaller number was meant as seconds, and would begin a run with its data."""


class BacktestError(RuntimeError):
    """A run that could not begin, or whose script has failed; the message says why."""


@dataclass(frozen=True, slots=True)
class Result:
    """A finished run.

    Its rows are read from its folder, and raise a `BacktestError` once another run has taken its place there.

    :param folder: of its report
    :param summary: the numbers, as in `summary.json`
    :param output: what the script has printed, where it was not shown
    """

    folder: Path
    summary: Mapping[str, Any]
    output: str
    _written: str | None = field(default=None, repr=False, compare=False)
    """The text of `summary.json`, to know the run again."""

    @property
    def report(self) -> Path:
        """The page to open in a browser."""
        return self.folder / "report.html"

    def trades(self) -> list[dict[str, str]]:
        """The rows of `trades.csv`."""
        return self._rows("trades.csv")

    def orders(self) -> list[dict[str, str]]:
        """The rows of `orders.csv`."""
        return self._rows("orders.csv")

    def equity(self) -> list[dict[str, str]]:
        """The rows of `equity.csv`."""
        return self._rows("equity.csv")

    def _rows(self, name: str) -> list[dict[str, str]]:
        # The summary is written last and removed first: while it is the same, so are the rows.
        if self._written is not None and self._written != _summary_of(self.folder):
            raise BacktestError(f"{self.folder}: it holds this run no more: give each run its own `out`")
        return _rows(self.folder / name)


def backtest(
    script: str | os.PathLike[str],
    data: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    start: Moment | None = None,
    end: Moment | None = None,
    balance: Mapping[str, str | int | Decimal] | str = "10000USDT",
    out: str | os.PathLike[str] = "backtest",
    arguments: Iterable[str] = (),
    show: bool = False,
    **settings: Any,
) -> Result:
    """Run a script over history and write a report. The script is not changed and need not know.

    It runs in a process of its own, because time itself is another there.

    :param script: path of a Python file, run as the main program
    :param data: files and folders, see `docs/recorded-markets.md`
    :param start: where virtual time begins: an ISO 8601 time, a `datetime` or a `date` (UTC where they say no
        zone), or milliseconds; with the data by default
    :param end: where it ends
    :param balance: what the account has: `"10000USDT"`, `"10000USDT,1BTC"` or amounts by currency
    :param out: the folder of the report; what an earlier run has left there is replaced
    :param arguments: what the script finds in `sys.argv`
    :param show: whether what the script prints goes to the terminal
    :param settings: `fees` as on the command line, such as `"0.001,0.002"`; others of `Settings`: `maker`,
        `taker`, `seed`, `path`, `volume`, `latency_ms`, `acknowledge_ms`, `fill_ms`, ...
    :raises BacktestError: it could not begin, or the script has failed; then its report is there all the same
    :raises ValueError: a setting that makes no sense, naming it
    """
    made = made_settings(script, data, start, end, balance, out, arguments, settings)
    code, output = run_settings(made, show=show)
    if code:
        raise BacktestError(f"{made.script}: {output.strip() or 'it has failed; see what it has printed'}")
    return read_result(made.out, output)


def made_settings(
    script: str | os.PathLike[str],
    data: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    start: Moment | None,
    end: Moment | None,
    balance: Mapping[str, str | int | Decimal] | str,
    out: str | os.PathLike[str],
    arguments: Iterable[str],
    others: Mapping[str, Any],
) -> Settings:
    """The settings that the parameters of `backtest` stand for.

    :raises ValueError: a setting that makes no sense, naming it
    """
    from .settings import Settings

    paths = [data] if isinstance(data, str | os.PathLike) else [*data]
    if isinstance(arguments, str):  # its letters would be taken for them
        raise ValueError(f"arguments: expected a list of texts, got {arguments!r}")
    return Settings(
        script=os.fspath(script),
        arguments=tuple(arguments),
        data=tuple(os.fspath(path) for path in paths),
        start_ms=_moment("start", start),
        end_ms=_moment("end", end),
        balances=_balances(balance),
        out=os.fspath(out),
        **_with_fees(others),
    )


def run_settings(
    settings: Settings, *, show: bool, progress: bool = False, again: Path | None = None
) -> tuple[int, str]:
    """Run in a process of its own.

    :param show: whether what the script prints goes where this process prints, and the numbers at the end
    :param progress: whether a bar is shown while it runs
    :param again: a file of commands, to be done instead of the script
    :returns: its exit code, and what it has printed where that was not shown
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "settings.json"
        path.write_text(settings.model_dump_json(), encoding="utf-8")
        arguments = [str(path)]
        arguments += ["--progress"] if progress else []
        arguments += ["--table"] if show else []
        arguments += ["--again", str(again)] if again is not None else []
        command, environment = starting.command(arguments), starting.environment(settings.seed)
        if show:
            code = _waited(subprocess.Popen(command, env=environment))
            if code < 0:
                print(_killed(code), file=sys.stderr)  # noqa: T201  # where the script has printed
            return code, ""
        done = subprocess.run(
            command, env=environment, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        code = done.returncode
        return code, done.stdout + (f"{_killed(code)}\n" if code < 0 else "")


def _killed(code: int) -> str:
    """What is said of a run that was ended by a signal.

    :param code: of its process
    """
    names = {each.value: each.name for each in signal.Signals}
    return f"Ended by {names.get(-code, f'signal {-code}')}: no report was written"


def _waited(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a run. Ctrl-C is for its script, which has it from the terminal too."""
    with _termination_passed_on(process):
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                try:
                    return process.wait(_OWN_INTERRUPT_SECONDS)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGINT)


@contextmanager
def _termination_passed_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """SIGTERM is for the script of a run, as live: else the run would go on after its command has ended."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: process.send_signal(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def read_result(folder: str | os.PathLike[str], output: str = "") -> Result:
    """The run that a folder holds.

    :raises OSError: it holds none
    """
    path = Path(folder)
    text = (path / _SUMMARY).read_text(encoding="utf-8")
    return Result(path, json.loads(text), output, text)


def _summary_of(folder: Path) -> str | None:
    try:
        return (folder / _SUMMARY).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _balances(balance: Any) -> dict[str, Any]:
    if isinstance(balance, str):
        return balances_of(balance)
    if not isinstance(balance, Mapping):
        raise ValueError(f"balance: expected amounts such as 10000USDT,1BTC, got {balance!r}")
    return dict(balance)


def balances_of(text: str) -> dict[str, Decimal]:
    """`"10000USDT,1BTC"` as amounts by currency.

    :raises ValueError: it is not such a text
    """
    from ccxt_driver.contract.values import parse_decimal

    found: dict[str, Decimal] = {}
    for part in text.replace(" ", "").split(","):
        number = part.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        code = part[len(number) :]
        try:
            amount = parse_decimal(number)
        except ValueError:
            code = ""
        if not code or code in found or amount < 0:
            raise ValueError(f"balance: expected amounts such as 10000USDT,1BTC, got {text!r}")
        found[code] = amount
    return found


def fees_of(text: str) -> tuple[str, str]:
    """`"0.001,0.002"` as the fees of a maker and a taker; one alone is both."""
    maker, comma, taker = text.replace(" ", "").partition(",")
    return maker, taker if comma else maker


def _with_fees(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with maker and taker in the place of fees."""
    made = {**settings}
    if "fees" not in made:
        return made
    fees = made.pop("fees")
    if isinstance(fees, list | tuple) and len(fees) == 2:  # maker and taker
        fees = ",".join(map(str, fees))
    if not isinstance(fees, str | int | float | Decimal) or isinstance(fees, bool):
        raise ValueError(f"fees: expected fractions such as '0.0002,0.0005', got {fees!r}")
    if made.keys() & {"maker", "taker"}:
        raise ValueError("fees: expected them, or maker and taker, not both")
    made["maker"], made["taker"] = fees_of(str(fees))
    return made


def _moment(name: str, value: Moment | None) -> int | None:
    from ccxt_driver.contract.values import parse_time

    if value is None or (type(value) is int and not 0 < value < _SECONDS_BELOW):
        return value
    if isinstance(value, date):  # as a datetime is
        value = value.isoformat()
    try:
        return parse_time(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected {_EPOCH_TEXTS}, got {value!r}") from None


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]
