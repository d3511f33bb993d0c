from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ccxt_driver import __version__
from ccxt_driver import cli as cli_module
from ccxt_driver.cli import main

_HELPERS = (
    *("arguments", "confirmation", "connection", "connection_faults", "failures"),
    *("feature_notes", "results", "screens", "tables"),
)


def test_version() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.stdout == f"ccxt-driver, version {__version__}\n"


def test_help_names_every_command_and_each_has_its_own() -> None:
    shown = CliRunner().invoke(main, ["--help"]).stdout
    for name in cli_module._COMMANDS:
        assert f"  {name} " in shown
        helped = CliRunner().invoke(main, [name, "--help"])
        assert helped.exit_code == 0
        assert "Usage:" in helped.stdout


def test_every_file_is_a_command() -> None:
    folder = Path(cli_module.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", *_HELPERS}
    assert files == {cli_module._HOMES.get(name, name) for name in cli_module._COMMANDS}


def test_an_unknown_command_is_told() -> None:
    result = CliRunner().invoke(main, ["dance"])
    assert result.exit_code == 2
    assert "No such command 'dance'" in result.stderr


def test_help_loads_neither_ccxt_nor_aiohttp() -> None:
    script = (
        "import sys\nfrom click.testing import CliRunner\nfrom ccxt_driver.cli import main\n"
        "CliRunner().invoke(main, ['--help'])\n"
        "print(sorted({'ccxt', 'aiohttp', 'pydantic', 'rich', 'sqlite3', 'dotenv'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, click.Abort])
def test_ctrl_c_before_a_command_has_begun_is_no_refusal(
    stop: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it one at a prompt: an exit code of 1 would say so."""

    def load(name: str) -> None:
        raise stop

    monkeypatch.setattr(cli_module, "import_module", load)
    result = CliRunner().invoke(main, ["buy", "BTC/USDT", "1"])
    assert (result.exit_code, result.output) == (130, "")


def test_the_module_runs_like_the_command() -> None:
    command = [sys.executable, "-m", "ccxt_driver", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert __version__ in done.stdout


def test_dotenv_of_the_working_directory_is_read_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("CCXT_OMS_BASE_URL=embedded:\nCCXT_OMS_ACCOUNT_ID=77\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CCXT_OMS_ACCOUNT_ID", "2")
    # What is read from the file goes to the environment; known to monkeypatch, it goes away again.
    monkeypatch.setenv("CCXT_OMS_BASE_URL", "")
    monkeypatch.delenv("CCXT_OMS_BASE_URL")
    shown = CliRunner().invoke(main, ["doctor"])
    assert shown.exit_code == 0, shown.output
    assert "embedded:" in shown.stdout
    assert "account: 2 (hedge mode)" in shown.stdout


@pytest.mark.parametrize("content", [b"\xff\xfe", b"CCXT_OMS_BASE_URL=\x00"])
def test_a_dotenv_that_cannot_be_read_is_told(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CCXT_OMS_BASE_URL", raising=False)
    shown = CliRunner().invoke(main, ["balance", "--base-url", "embedded:"])
    assert shown.exit_code == 2
    assert "Error: .env cannot be read: " in shown.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no shell closes it there")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_an_order_of_a_job_without_an_output_is_no_failure(closed: str) -> None:
    """An exit code of 4 would say that nobody knows whether it was placed."""
    order = '"$0" -m ccxt_driver buy BTC/USDT 0.01 --price 1000 --yes --base-url embedded: --account 1'
    for script in (order, f"{order} --json"):
        done = subprocess.run(["sh", "-c", f"{script} {closed}", sys.executable], check=False)
        assert done.returncode == 0
