"""Profiles: the file, and what the library takes from it."""

from __future__ import annotations

import logging
import stat
import sys
from pathlib import Path
from typing import Any

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange, profiles
from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="access there is not in the mode")
LIVE = {"base_url": "http://live.test", "account_id": 7, "strategy_id": 3, "api_key": "live-key"}


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "ccxt-driver" / "profiles.json"


def _write(chosen: str | None = None, **settings: Any) -> None:
    with profiles.changing() as content:
        content["profiles"] = settings
        content["chosen"] = chosen


def test_without_a_file_there_is_no_profile(file: Path) -> None:
    assert profiles.load() is None
    assert profiles.load("live") is None
    assert not file.parent.exists()


def test_a_user_without_a_home_has_no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr(Path, "home", fail)
    assert profiles.load() is None
    assert OmsCcxtExchange().urls["api"] == "http://127.0.0.1:8000"
    with pytest.raises(profiles.ProfileError, match="XDG_CONFIG_HOME"):
        _write(live=LIVE)


def test_a_profile_is_what_was_written() -> None:
    _write(live=LIVE, paper={"base_url": "embedded:"})

    assert profiles.load("live") == {"name": "live", **LIVE, "sandbox": None}
    assert profiles.load("paper") == {
        "name": "paper",
        "base_url": "embedded:",
        **dict.fromkeys(("account_id", "strategy_id", "api_key", "sandbox")),
    }
    assert profiles.load() is None
    assert profiles.load("nobody") is None


@posix_only
def test_only_the_owner_can_read_the_file(file: Path) -> None:
    _write(live=LIVE)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@posix_only
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o602, 0o660, 0o644])
def test_a_file_that_others_may_use_is_not_read(file: Path, mode: int) -> None:
    _write("live", live=LIVE)
    file.chmod(mode)

    with pytest.raises(profiles.ProfilesNotSafe, match="chmod 600"):
        profiles.load()
    with pytest.raises(ccxt.AuthenticationError, match="chmod 600") as raised:
        OmsCcxtExchange()
    assert "live-key" not in str(raised.value)
    assert OmsCcxtExchange({"options": {"base_url": "embedded:"}}).options["account_id"] == 1


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "[]",
            "{}",
            "\xff",
            '{"version": 2, "profiles": {}}',
            '{"version": 1, "profiles": {"a": {"b": 1}}}',
        ),
        *('{"version": 1, "profiles": {"a": {}}}', '{"version": 1, "profiles": {"a": {"base_url": null}}}'),
        '{"version": 1, "profiles": {"a": {"base_url": "embedded:", "api_key": 7}}}',
        '{"version": 1, "profiles": {"a": {"base_url": "embedded:"}}, "chosen": "b"}',
        '{"version": 1, "profiles": {"a": {"base_url": "embedded:"}}, "chosen": ["a"]}',
    ],
)
def test_a_file_that_is_none_of_ours_is_told(file: Path, text: str) -> None:
    _write(live=LIVE)
    file.write_text(text)

    with pytest.raises(profiles.ProfileError, match="repair"):
        profiles.load()
    with pytest.raises(ccxt.BadRequest, match="repair"):
        OmsCcxtExchange()


def test_a_change_that_fails_leaves_the_file_as_it_was(file: Path) -> None:
    _write(live=LIVE)
    before = file.read_bytes()

    def fail() -> None:
        with profiles.changing() as content:
            content["profiles"].clear()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert file.read_bytes() == before


# -- what the library takes from it


@pytest.mark.parametrize("cls", [OmsCcxtExchange, AsyncOmsCcxtExchange], ids=["sync", "async"])
@pytest.mark.parametrize("by_variable", [False, True])
def test_the_chosen_profile_is_used(cls: Any, by_variable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(None if by_variable else "live", live=LIVE, paper={"base_url": "embedded:"})
    if by_variable:
        monkeypatch.setenv("CCXT_OMS_PROFILE", "live")
    exchange = cls()

    assert (exchange.urls["api"], exchange.apiKey) == ("http://live.test", "live-key")
    assert (exchange.options["account_id"], exchange.options["strategy_id"]) == (7, 3)
    monkeypatch.setenv("CCXT_OMS_PROFILE", "paper")
    assert (cls().name, cls().options["account_id"], cls().apiKey) == ("OMS (PAPER)", 1, None)


@pytest.mark.parametrize(
    "config, variables, expected",
    [
        ({"options": {"base_url": "http://mine.test"}}, {}, ("http://mine.test", None, None, None)),
        ({"urls": {"api": "http://mine.test"}}, {}, ("http://mine.test", None, None, None)),
        ({}, {"BASE_URL": "http://env.test"}, ("http://env.test", None, None, None)),
        ({}, {"BASE_URL": "http://env.test", "API_KEY": "env"}, ("http://env.test", "env", None, None)),
        ({}, {"API_KEY": "env"}, ("http://live.test", "live-key", 7, 3)),
        ({}, {"STRATEGY_ID": "5"}, ("http://live.test", "live-key", 7, 5)),
        ({"options": {"account_id": 2}}, {"ACCOUNT_ID": "5"}, ("http://live.test", "live-key", 2, 3)),
        ({"apiKey": "mine"}, {}, ("http://live.test", "mine", 7, 3)),
        ({"apiKey": ""}, {}, ("http://live.test", "", 7, 3)),
        ({"apiKey": None}, {}, ("http://live.test", "live-key", 7, 3)),
    ],
    ids=str,
)
def test_who_comes_first(
    config: Any, variables: dict[str, str], expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write("live", live=LIVE)
    for name, value in variables.items():
        monkeypatch.setenv(f"CCXT_OMS_{name}", value)
    exchange = OmsCcxtExchange(config)
    options = exchange.options

    assert (exchange.urls["api"], exchange.apiKey, options["account_id"], options["strategy_id"]) == expected


def test_a_profile_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _write(live=LIVE)
    monkeypatch.setenv("CCXT_OMS_PROFILE", "nobody")
    with pytest.raises(ccxt.BadRequest, match="'nobody'"):
        OmsCcxtExchange()


def test_that_a_profile_is_not_used_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _write(live=LIVE)
    monkeypatch.setenv("CCXT_OMS_PROFILE", "live")
    monkeypatch.setenv("CCXT_OMS_BASE_URL", "http://env.test")
    with caplog.at_level(logging.WARNING):
        assert OmsCcxtExchange().urls["api"] == "http://env.test"

    assert "CCXT_OMS_PROFILE=live is not used" in caplog.text


def test_a_pickle_finds_the_key_of_the_profile_again() -> None:
    import pickle

    _write("live", live=LIVE)
    data = pickle.dumps(OmsCcxtExchange())
    assert b"live-key" not in data
    assert pickle.loads(data).apiKey == "live-key"
    _write("live", live={**LIVE, "base_url": "http://other.test"})
    assert pickle.loads(data).apiKey is None
