from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ccxt_driver import profiles
from ccxt_driver.cli import main

KEY = "oms_1_very-secret-0123456789"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def call(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(main, ["profile", *arguments], **options)


def test_added_listed_chosen_and_removed() -> None:
    live = ("add", "live", "--base-url", "https://gateway.test/", "--account-id", "7", "--strategy-id", "3")
    assert call(*live, "--api-key-file", "-", input=f"{KEY}\n").stdout == "profile live is added\n"
    assert (
        call("add", "paper", "--base-url", "embedded:", "--use").stdout
        == "profile paper is added and chosen\n"
    )
    listed = call("list").output

    assert KEY not in listed
    assert listed.splitlines() == [
        "   NAME   BASE URL              ACCOUNT  STRATEGY  API KEY  SANDBOX",
        "   live   https://gateway.test  7        3         ***      -",
        "*  paper  embedded:             -        -         none     -",
    ]
    assert profiles.load("live") == {
        "name": "live",
        "base_url": "https://gateway.test",
        "account_id": 7,
        "strategy_id": 3,
        "api_key": KEY,
        "sandbox": None,
    }
    assert call("use", "live").exit_code == 0
    assert profiles.read()["chosen"] == "live"
    assert call("use", "--none").stdout == "no profile is chosen\n"
    assert profiles.read()["chosen"] is None
    call("use", "live")
    assert call("remove", "live").exit_code == 0
    assert profiles.read() == {
        "version": 1,
        "chosen": None,
        "profiles": {"paper": {"base_url": "embedded:"}},
    }
    call("remove", "paper")
    assert "there is no profile" in call("list").stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("add", "a b", "--base-url", "embedded:"), "NAME"),
        (("add", "x", "--base-url", "gateway.test"), "--base-url"),
        (("add", "x", "--base-url", "https://"), "--base-url"),
        (("add", "x", "--base-url", "embedded:oms.sqlite"), "whole path"),
        (("add", "x", "--base-url", "embedded:", "--sandbox", "x"), "--sandbox"),
        (("add", "x", "--base-url", "embedded:", "--sandbox", "y"), "no such profile"),
        (("add", "x", "--base-url", "embedded:", "--api-key-file", "-"), "takes no API key"),
        (("add", "x"), "--base-url"),
        (("add", "there", "--base-url", "embedded:"), "already"),
        (("use", "nobody"), "there is: there"),
        (("use",), "NAME"),
        (("use", "there", "--none"), "NAME"),
        (("remove", "nobody"), "there is: there"),
    ],
    ids=" ".join,
)
def test_what_is_wrong_is_said_and_changes_nothing(arguments: tuple[str, ...], message: str) -> None:
    call("add", "there", "--base-url", "embedded:")
    before = profiles.path().read_bytes()
    result = call(*arguments, input=KEY)

    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert KEY not in result.output
    assert profiles.path().read_bytes() == before


def test_replaced_only_on_request() -> None:
    call("add", "a", "--base-url", "embedded:")
    assert call("add", "a", "--base-url", "http://gateway.test", "--replace").exit_code == 0

    found = profiles.load("a")
    assert found is not None
    assert found["base_url"] == "http://gateway.test"


def test_what_others_need_is_not_removed() -> None:
    call("add", "paper", "--base-url", "embedded:")
    call("add", "live", "--base-url", "http://gateway.test", "--sandbox", "paper")

    assert "sandbox of live" in call("remove", "paper").stderr
    assert call("list").stdout.splitlines()[1].split()[-1] == "paper"


@pytest.mark.skipif(sys.platform == "win32", reason="access there is not in the mode")
def test_a_file_that_others_may_read_is_refused_with_advice() -> None:
    call("add", "paper", "--base-url", "embedded:")
    profiles.path().chmod(0o644)
    for arguments in (("list",), ("use", "paper"), ("add", "b", "--base-url", "embedded:")):
        result = call(*arguments)
        assert result.exit_code == 1
        assert f"chmod 600 {profiles.path()}" in result.stderr
