"""Runs of scripts: each in a process of its own, as `ccxt-driver backtest` has them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from ccxt_driver.backtest import Result, read_result
from ccxt_driver.backtest.settings import Settings

from .histories import walk, write_candles, write_trades

if not hasattr(os, "fork"):
    collect_ignore_glob = ["test_*.py"]  # the runs are forked

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "scripts"
MOMENT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that has ended.

    :param code: exit code of its process
    :param output: what it has printed
    """

    folder: Path
    code: int
    output: str
    settings: Settings

    @property
    def result(self) -> Result:
        """Its report."""
        return read_result(self.folder, self.output)

    def said(self, word: str) -> list[Any]:
        """What the script has printed as JSON after a word."""
        lines = [line.partition(" ") for line in self.output.splitlines()]
        return [json.loads(rest) for first, _, rest in lines if first == word]

    def commands(self) -> list[Any]:
        """What the script has commanded, and when."""
        lines = (self.folder / "commands.jsonl").read_text(encoding="utf-8").splitlines()
        *commands, end = [json.loads(line) for line in lines]
        assert end[1] == "END"
        return commands


class Runner:
    """Runs jobs one after another.

    :param folder: for all that the runs leave behind
    :param environment: of the processes, beside what this process has
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self._folder = folder
        self._number = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.backtest_process"],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PYTHONHASHSEED": "0",
                "OPENBLAS_NUM_THREADS": "1",
                **environment,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(
        self,
        script: str | Path,
        data: Path | list[Path],
        *more: str,
        name: str = "script.py",
        **settings: Any,
    ) -> Ran:
        """Run a script.

        :param script: its path, or its text
        :param more: arguments beside the settings, such as `--again` and a path
        :param name: of the file, where the script is a text
        :param settings: others of `Settings`
        """
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir(parents=True)
        if isinstance(script, str):
            path = folder / name
            path.write_text(dedent(script), encoding="utf-8")
        else:
            path = script
        paths = data if isinstance(data, list) else [data]
        made = Settings(
            script=str(path), data=tuple(str(each) for each in paths), out=str(folder / "out"), **settings
        )
        (folder / "settings.json").write_text(made.model_dump_json(), encoding="utf-8")
        output = folder / "output.txt"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = [str(output), [str(folder / "settings.json"), *more]]
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        return Ran(folder / "out", code, output.read_text(encoding="utf-8"), made)

    def close(self) -> None:
        """End the process that runs them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(MOMENT_SECONDS)
        self._process.stdout.close()


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """Runs scripts."""
    runner = Runner(tmp_path_factory.mktemp("runs"))
    yield runner
    runner.close()


@pytest.fixture(scope="session")
def run_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """Runs scripts where hashes, the time zone and the language are others."""
    runner = Runner(
        tmp_path_factory.mktemp("elsewhere"),
        PYTHONHASHSEED="4711",
        TZ="Asia/Kathmandu",
        LC_ALL="de_DE.UTF-8",
        LANG="de_DE.UTF-8",
    )
    yield runner
    runner.close()


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a day of candles of three symbols, and half a day of trades of a fourth one."""
    folder = tmp_path_factory.mktemp("market")
    write_candles(folder, walk(1, 1440))
    write_candles(folder, walk(2, 1440, price=200_000, step=100), "ETH_USDT")
    write_candles(folder, walk(3, 1440, price=4_000_000), "BTC_USDT_USDT")
    write_trades(folder, 4, 4_000)
    return folder


@pytest.fixture(scope="session")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an hour of candles."""
    folder = tmp_path_factory.mktemp("hour")
    write_candles(folder, walk(6, 60))
    return folder


@pytest.fixture(scope="session")
def one_symbol(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a day of candles of BTC/USDT."""
    folder = tmp_path_factory.mktemp("one_symbol")
    write_candles(folder, walk(5, 1440))
    return folder
