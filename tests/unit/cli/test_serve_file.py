"""`ccxt-driver serve` and its files, up to the socket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ccxt_driver.cli import serve as command
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.sqlite_store import SqliteStore
from ccxt_driver.oms.store import Changes, StoreError

LIMITS = "[[limits]]\naccount_id = 1\nmax_order_qty = 2\n"

Serve = Callable[..., Result]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    monkeypatch.setattr(command, "_run", lambda *args, **options: None)
    monkeypatch.setattr(command, "_log_to_stderr", lambda log_format: None)
    db, config = tmp_path / "oms.sqlite", tmp_path / "serve.toml"

    def start(text: str | None = None) -> Result:
        args = ["--port", "0", "--db", str(db)]
        if text is not None:
            config.write_text(text)
            args += ["--config", str(config)]
        return CliRunner().invoke(command.serve, args)

    return start


def limits(folder: Path) -> list[Any]:
    with EmbeddedOms(db=folder / "oms.sqlite") as oms:
        return [row["limits"] for row in oms.limits(1)]


def test_a_start_without_a_file_is_none_that_says_no_limits(serve: Serve, tmp_path: Path) -> None:
    assert serve(LIMITS).exit_code == 0
    with EmbeddedOms(db=tmp_path / "oms.sqlite") as oms:
        oms.set_limits(1, None)
    assert serve().exit_code == 0
    assert serve(LIMITS).exit_code == 0
    assert limits(tmp_path) == []  # it was taken away since the file has said it


@pytest.mark.parametrize("commits", [0, 1, 2, 3])
def test_a_disk_that_is_full_is_told_in_plain_words(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, commits: int
) -> None:
    """Whatever it is: the accounts, the seed, the name of the history, or the limits of the file."""
    left = commits
    commit = SqliteStore.commit

    def fail(store: SqliteStore, changes: Changes) -> None:
        nonlocal left
        if not left:
            raise StoreError("oms.sqlite was not written to: disk full")
        left -= 1
        commit(store, changes)

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "commit", fail)
        result = serve(LIMITS)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.output.endswith("Error: oms.sqlite was not written to: disk full\n")
    assert serve(LIMITS).exit_code == 0  # nobody holds the file
