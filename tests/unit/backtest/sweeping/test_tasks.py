"""How a script gets its parameters, and what is made of a run that did not go well."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.backtest.settings import Settings
from ccxt_driver.backtest.sweeping.tasks import Task, check_variables, digest, run_task, task_of

from .conftest import FakeRuns

POINT = {"fast": "5", "slow-ma": "20"}


def _made(settings: Settings, how: str, *arguments: str) -> dict[str, Any]:
    given = settings.model_copy(update={"arguments": arguments})
    made: dict[str, Any] = json.loads(task_of(given, how, POINT, None, "").settings)
    return made


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ([], ["--fast=5", "--slow-ma=20"]),
        (["live"], ["live", "--fast=5", "--slow-ma=20"]),
        (["-f", "{fast}"], ["-f", "5", "--slow-ma=20"]),
        (["{slow-ma}/{fast}/{other}", "{}"], ["20/5/{other}", "{}"]),
    ],
)
def test_arguments(settings: Settings, arguments: list[str], expected: list[str]) -> None:
    made = _made(settings, "args", *arguments)

    assert made["arguments"] == expected
    assert made["environment"] == {}


def test_environment_variables(settings: Settings) -> None:
    made = _made(settings, "env", "-f", "{fast}")

    assert made["arguments"] == ["-f", "5"]
    assert made["environment"] == {"FAST": "5", "SLOW_MA": "20"}


def test_a_value_is_not_taken_for_a_placeholder(settings: Settings) -> None:
    given = settings.model_copy(update={"arguments": ("{a}",)})

    made = json.loads(task_of(given, "args", {"a": "{b}", "b": "1"}, None, "").settings)

    assert made["arguments"] == ["{b}", "--b=1"]


@pytest.mark.parametrize("names", [["fast", "FAST"], ["a-b", "a_b"], ["pythonpath"], ["ccxt_oms_base_url"]])
def test_names_that_cannot_be_variables_are_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match="param: "):
        check_variables(dict.fromkeys(names))


class _Ends:
    """A run that ends without a result.

    :param text: what it prints
    """

    def __init__(self, code: int | None, text: str) -> None:
        self._code = code
        self._text = text

    def run(self, arguments: Sequence[str], output: Path) -> int | None:
        output.write_text(self._text, encoding="utf-8")
        return self._code

    def close(self) -> None: ...


def _task(settings: Settings, folder: Path | None = None) -> Task:
    return task_of(settings, "args", {"fast": "1"}, folder, digest(Path(settings.script)))


@pytest.mark.parametrize(
    "code, text, error",
    [
        (3, "one\ntwo\n", "the process ended with exit code 3 and left no result: two"),
        (None, "", "the process was killed and left no result"),
        (2, "parser: error: no such option", "the process ended with exit code 2 and left no result: parser"),
    ],
)
def test_a_run_without_a_result_has_failed(
    settings: Settings, code: int | None, text: str, error: str
) -> None:
    outcome = run_task(_task(settings), _Ends(code, text))

    assert outcome.ended == "error"
    assert outcome.error is not None
    assert outcome.error.startswith(error)
    assert outcome.refused is None


def test_a_run_that_cannot_begin_says_why_none_can(settings: Settings) -> None:
    outcome = run_task(_task(settings), _Ends(2, "Error: data: no such file\n"))

    assert outcome.refused == "data: no such file"


def test_the_result_of_an_earlier_run_is_not_taken_for_that_of_this_one(
    settings: Settings, tmp_path: Path, runs: FakeRuns
) -> None:
    task = _task(settings, tmp_path / "report")
    assert run_task(task, runs).error is None

    assert run_task(task, _Ends(None, "")).error is not None


def test_a_script_that_has_changed_is_not_run(settings: Settings, runs: FakeRuns) -> None:
    task = _task(settings)
    Path(settings.script).write_text("pass", encoding="utf-8")

    assert "has changed since the sweep began" in (run_task(task, runs).refused or "")
    Path(settings.script).unlink()
    assert "No such file" in (run_task(task, runs).refused or "")
    assert runs.done == []


def test_another_version_of_the_package_is_not_used(settings: Settings, runs: FakeRuns) -> None:
    outcome = run_task(replace(_task(settings), version="0"), runs)

    assert (outcome.refused or "").startswith("version: expected ccxt_driver 0")
