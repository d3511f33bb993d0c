from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ccxt_driver.cli import main
from ccxt_driver.oms import EmbeddedOms


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "oms.sqlite"
    EmbeddedOms(db=path).close()
    return path


def run(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def lines(result: Result) -> dict[str, str]:
    assert result.exit_code == 0, result.output
    return dict(line.split("=", 1) for line in result.stdout.splitlines())


def test_a_key_made_here_opens_the_server_at_once(db: Path) -> None:
    with EmbeddedOms(db=db) as oms:
        made = lines(
            run("key", "create", "--db", db, "--account", 2, "--role", "risk", "--strategies", "1, 2")
        )
        principal = oms.keys.authenticate(made["api_key"])
        assert principal is not None
        assert str(principal.key_id) == made["api_key_id"]
        assert principal.strategies == {1, 2}
        assert principal.accounts is not None
        assert list(principal.accounts) == [2]
        assert principal.accounts[2].risk
        assert run("key", "disable", "--db", db, principal.key_id).exit_code == 0
        assert oms.keys.authenticate(made["api_key"]) is None


def test_rotating(db: Path) -> None:
    first = lines(run("key", "create", "--db", db))
    second = lines(run("key", "rotate", "--db", db, first["api_key_id"]))
    assert second["api_key_id"] == first["api_key_id"]
    with EmbeddedOms(db=db) as oms:
        assert oms.keys.authenticate(first["api_key"]) is None
        assert oms.keys.authenticate(second["api_key"]) is not None


def test_the_list_shows_everything_but_secrets(db: Path) -> None:
    secrets = [
        lines(run("key", "create", "--db", db, "--label", "bot one"))["api_key"],
        lines(run("key", "create", "--db", db, "--account", 3, "--account", 1, "--role", "readonly"))[
            "api_key"
        ],
    ]
    run("key", "disable", "--db", db, 1)
    shown = run("key", "list", "--db", db)
    title, first, second = shown.stdout.splitlines()
    assert title.split() == ["ID", "ROLE", "ACCOUNTS", "STRATEGIES", "CREATED", "STATE", "LABEL"]
    assert first.split()[:4] == ["1", "trader", "all", "all"]
    assert "disabled" in first
    assert first.endswith("bot one")
    assert second.split()[:4] == ["2", "readonly", "1,3", "all"]
    assert "enabled" in second
    assert not any(secret in shown.output for secret in secrets)


def test_create_makes_a_file_that_is_new_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite"
    result = run("key", "create", "--db", path)
    secret = lines(result)["api_key"]
    assert "is new" in result.stderr
    with EmbeddedOms(db=path) as oms:
        assert oms.keys.authenticate(secret) is not None


@pytest.mark.parametrize(
    "args, told",
    [
        (("list", "--db", "missing.sqlite"), "does not exist"),
        (("disable", "--db", "{db}", "7"), "there is no key 7"),
        (("rotate", "--db", "{db}", "7"), "there is no key 7"),
        (("create", "--db", "{db}", "--strategies", "1,x"), "expected ids separated by commas"),
        (("create", "--db", "{db}", "--role", "admin"), "admin"),
        (("create", "--db", "{other}"), "not a database of ccxt-driver"),
        (("create",), "--db"),
    ],
)
def test_mistakes_are_told_without_a_traceback(
    db: Path, tmp_path: Path, args: tuple[str, ...], told: str
) -> None:
    other = tmp_path / "other.sqlite"
    other.write_text("something else that is long enough to be looked at" * 100)
    result = run("key", *(arg.format(db=db, other=other) for arg in args))
    assert result.exit_code != 0
    assert told in result.stderr
    assert isinstance(result.exception, SystemExit)


def test_a_disabled_key_is_not_rotated(db: Path) -> None:
    run("key", "create", "--db", db)
    run("key", "disable", "--db", db, 1)
    result = run("key", "rotate", "--db", db, 1)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "disabled" in result.stderr


@pytest.mark.parametrize(
    "args, told",
    [
        (("--account", 77), "--account 77: the file has accounts 1, 2, 3"),
        (
            ("--account", 1, "--account", 78, "--account", 77),
            "--account 77, 78: the file has accounts 1, 2, 3",
        ),
        (("--strategies", "1,99"), "--strategies 99: the file has strategies 1, 2, 3"),
    ],
)
def test_a_key_for_what_the_file_does_not_have_is_not_made(
    db: Path, args: tuple[object, ...], told: str
) -> None:
    result = run("key", "create", "--db", db, *args)
    assert (result.exit_code, result.stdout) == (1, "")
    assert told in result.stderr
    assert len(run("key", "list", "--db", db).stdout.splitlines()) == 1


def test_in_a_new_file_a_key_for_what_serve_does_not_make_is_made_with_a_warning(tmp_path: Path) -> None:
    """Which accounts a new file gets is known when an OMS is opened on it, and a program may choose."""
    path = tmp_path / "new.sqlite"
    result = run("key", "create", "--db", path, "--account", 77, "--strategies", "2,99")
    assert "api_key" in lines(result)
    assert "warning: --account 77: ccxt-driver serve makes accounts 1, 2, 3" in result.stderr
    assert "warning: --strategies 99: ccxt-driver serve makes strategies 1, 2, 3" in result.stderr
    other = run("key", "create", "--db", tmp_path / "other.sqlite", "--account", 1, "--strategies", "1")
    assert "api_key" in lines(other)
    assert "warning" not in other.stderr


def test_a_strategy_made_while_a_server_runs_is_known_at_once(db: Path) -> None:
    with EmbeddedOms(db=db) as oms:
        assert oms.handle("create_strategy", {}, {}, {"name": "grid"}).body["strategy_id"] == 4
        assert "api_key" in lines(run("key", "create", "--db", db, "--strategies", "4"))


def test_a_directory_that_does_not_exist_is_told_and_the_file_not_called_new(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "oms.sqlite"
    result = run("key", "create", "--db", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: {path} cannot be opened: there is no directory {path.parent}\n"
