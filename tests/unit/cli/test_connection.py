"""Which OMS the options of a command stand for."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from ccxt_driver import profiles
from ccxt_driver.cli.connection import exchange_config

PROFILE = {"base_url": "http://oms:1", "account_id": 7, "strategy_id": 3, "api_key": "oms_of-the-profile"}


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Make a file with one profile, named desk."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with profiles.changing() as content:
        content["profiles"]["desk"] = PROFILE
    return profiles.path()


def test_what_is_not_given_is_left_to_the_library() -> None:
    assert exchange_config() == {"number": str, "options": {}}


def test_options() -> None:
    config = exchange_config("embedded:", 2, 0, None, None, 2.5)
    assert config["options"] == {"base_url": "embedded:", "account_id": 2, "strategy_id": 0}
    assert config["timeout"] == 2500


@pytest.mark.usefixtures("file")
def test_a_profile_fills_in_what_no_option_gives() -> None:
    config = exchange_config(account_id=8, profile="desk")
    assert config["options"] == {"base_url": "http://oms:1", "account_id": 8, "strategy_id": 3}
    assert config["apiKey"] == "oms_of-the-profile"


@pytest.mark.usefixtures("file")
def test_a_profile_means_nothing_at_another_gateway() -> None:
    assert exchange_config("http://other:1", profile="desk") == exchange_config("http://other:1")
    for own in ("http://oms:1", "http://oms:1/"):
        config = exchange_config(own, profile="desk")
        assert config["apiKey"] == "oms_of-the-profile"
        assert config["options"] == {"base_url": own, "account_id": 7, "strategy_id": 3}


def test_no_such_profile(file: Path) -> None:
    with pytest.raises(click.UsageError, match="--profile: there is no profile other"):
        exchange_config(profile="other")
    file.write_text("")
    with pytest.raises(click.UsageError, match=r"--profile: .* cannot be read"):
        exchange_config(profile="desk")


def test_the_key_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("oms_abc\n")
    assert exchange_config(api_key_file=file)["apiKey"] == "oms_abc"
    for wrong in ("", " \n", "two words"):
        file.write_text(wrong)
        with pytest.raises(click.UsageError, match="expected one key"):
            exchange_config(api_key_file=file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(click.UsageError, match="--api-key-file"):
        exchange_config(api_key_file=file)
