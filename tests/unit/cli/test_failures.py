"""What a person is told when something fails, and the exit code that a script is given."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ccxt
import pytest
from click.testing import CliRunner, Result

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.cli import connection, main
from ccxt_driver.cli.failures import exit_code, printable
from ccxt_driver.errors import annotate
from ccxt_driver.oms import EmbeddedOms
from tests.helpers.served import serve

ROOT = Path(__file__).parents[3]

Run = Callable[..., Result]
SECRET = "oms_very-secret"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What became of a command is not looked for."""
    usual = connection.exchange_config

    def config(*args: Any) -> dict[str, Any]:
        given = usual(*args)
        return {**given, "options": {**given["options"], "lookup_timeout": 0}}

    monkeypatch.setattr(connection, "exchange_config", config)


def after_sending(monkeypatch: pytest.MonkeyPatch, error: Callable[[], BaseException]) -> None:
    """Let every command be carried out, and its answer be lost."""
    ask = OmsCcxtExchange._ask_in_process

    def lose(self: Any, path: str, method: str, params: Any) -> Any:
        answer = ask(self, path, method, params)
        if path.endswith("commands"):
            raise error()
        return answer

    monkeypatch.setattr(OmsCcxtExchange, "_ask_in_process", lose)


def lost() -> BaseException:
    try:
        raise TimeoutError("no answer")
    except TimeoutError as cause:
        error = ccxt.RequestTimeout("oms POST: no answer")
        error.__cause__ = cause
        return error


@pytest.mark.usefixtures("impatient")
def test_an_unknown_outcome_is_said_plainly(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        after_sending(patched, lost)
        result = run("buy", "BTC/USDT", "0.01", "--client-order-id", "mine", "--yes")
    assert result.exit_code == 4, result.output
    assert result.stdout == ""
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: OUTCOME UNKNOWN: it may have been carried out, or not")
    assert "Client order id mine" in last
    found = run(*last.rpartition("ccxt-driver ")[2].split())
    assert found.exit_code == 0, found.output
    assert "mine" in found.stdout


@pytest.mark.usefixtures("impatient")
def test_an_unknown_close_is_told_before_a_refused_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("buy", "BTC/USDT", "0.01", "--yes")
    run("buy", "ETH/USDT", "1", "--yes")
    errors = [annotate(ccxt.MarketClosed("closed"), outcome="refused"), annotate(lost(), outcome="unknown")]  # type: ignore[arg-type]

    def fail(self: Any, symbol: str, side: Any, params: Any) -> Any:
        raise errors.pop(0)

    monkeypatch.setattr(OmsCcxtExchange, "close_position", fail)
    result = run("close", "--all", "--yes")
    assert result.exit_code == 4
    assert "warning: the market is closed: closed" in result.stderr
    assert "error: OUTCOME UNKNOWN" in result.stderr


def test_ctrl_c_while_an_order_is_on_its_way_is_an_unknown_outcome(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_sending(monkeypatch, KeyboardInterrupt)
    result = run("buy", "BTC/USDT", "0.01", "--client-order-id", "mine", "--yes")
    assert result.exit_code == 4, result.output
    assert "ccxt-driver orders --client-order-id mine" in result.stderr


def test_ctrl_c_while_reading_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(OmsCcxtExchange, "fetch_balance", stop)
    result = run("balance")
    assert (result.exit_code, result.output) == (130, "")


def test_a_fault_of_our_own_is_no_refusal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*args: Any) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(OmsCcxtExchange, "create_order", break_down)
    result = run("buy", "BTC/USDT", "0.01", "--yes")
    assert result.exit_code == 4
    assert "error: unexpected ZeroDivisionError: oh. Before you send anything again, look" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in run("buy", "BTC/USDT", "0.01", "--yes", "--debug").stderr


@pytest.mark.parametrize(
    "error, attributes, code",
    [
        (ccxt.InsufficientFunds("x"), {"outcome": "refused"}, 1),
        (ccxt.InvalidOrder("x"), {"outcome": "refused"}, 1),
        (ccxt.InvalidOrder("x"), {"outcome": "not_sent"}, 2),
        (ccxt.OrderNotFound("x"), {"outcome": "not_sent"}, 1),
        (ccxt.OperationRejected("x"), {"outcome": "not_sent"}, 1),
        (ccxt.BadSymbol("x"), {}, 2),
        (ccxt.BadRequest("x"), {"status": 422}, 1),
        (ccxt.ArgumentsRequired("x"), {}, 2),
        (ccxt.RateLimitExceeded("x"), {"status": 429}, 1),
        (ccxt.PermissionDenied("x"), {"outcome": "refused"}, 3),
        (ccxt.AuthenticationError("x"), {}, 3),
        (ccxt.ExchangeNotAvailable("x"), {"outcome": "not_sent"}, 3),
        (ccxt.BadResponse("x"), {}, 3),
        (ccxt.RequestTimeout("x"), {}, 3),
        (ccxt.RequestTimeout("x"), {"outcome": "unknown"}, 4),
        (ccxt.ExchangeError("x"), {"outcome": "unknown"}, 4),
        (ccxt.NotSupported("x"), {}, 1),
    ],
)
def test_exit_codes(error: ccxt.BaseError, attributes: dict[str, Any], code: int) -> None:
    assert exit_code(annotate(error, **attributes)) == code


def test_no_server(run: Run, unused_tcp_port: int) -> None:
    result = run("balance", "--base-url", f"http://127.0.0.1:{unused_tcp_port}", "--account", 1)
    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 1
    assert "ccxt-driver serve" in result.stderr


def test_a_certificate_that_is_not_accepted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ccxt's class with threads it is no NetworkError, and nobody has refused anything."""

    def refuse(self: Any, *args: Any) -> Any:
        try:
            raise ssl.SSLCertVerificationError(1, "self-signed certificate")
        except ssl.SSLError as cause:
            raise ccxt.ExchangeError("oms GET https://127.0.0.1: certificate verify failed") from cause

    monkeypatch.setattr(OmsCcxtExchange, "fetch", refuse)
    result = run("balance", "--base-url", "https://127.0.0.1", "--account", "1")
    assert result.exit_code == 3
    assert "the certificate of https://127.0.0.1 is not accepted" in result.stderr
    assert "CCXT_OMS_CAFILE" in result.stderr


def test_a_file_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with EmbeddedOms(db="oms.sqlite"):
        result = CliRunner().invoke(main, ["balance", "--base-url", "embedded:oms.sqlite"])
    assert result.exit_code == 3
    assert result.stderr.startswith("error: oms.sqlite is in use by another process. End the other program")


def test_a_file_of_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.txt").write_text("something else that is long enough to be looked at" * 100)
    result = CliRunner().invoke(main, ["balance", "--base-url", "embedded:other.txt"])
    assert result.exit_code == 3
    assert result.stderr.startswith("error: other.txt is not a database of ccxt-driver")
    assert "Give another file" in result.stderr


def test_an_account_that_is_not_there(run: Run) -> None:
    result = run("balance", "--account", 9)
    assert result.exit_code == 3
    assert "Give another by --account" in result.stderr


def test_no_account_chosen(run: Run) -> None:
    result = run("balance", "--base-url", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert "CCXT_OMS_ACCOUNT_ID" in result.stderr


@pytest.mark.sockets
def test_on_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CCXT_OMS_BASE_URL", raising=False)
    with EmbeddedOms(clock="manual") as oms, serve(oms) as served:
        oms.set_price("BTC/USDT", bid="50000", ask="50001")

        def run(key: str, *args: str) -> Result:
            file = tmp_path / "key"
            file.write_text(f"{key}\n")
            options = ["--base-url", served.base_url, "--account", "1", "--api-key-file", str(file)]
            return CliRunner().invoke(main, [*args, *options])

        bought = run(served.api_key, "buy", "BTC/USDT", "0.01", "--yes")
        assert bought.exit_code == 0, bought.output
        assert "PAPER account 1" in bought.stderr  # served, and paper all the same
        assert "in memory" not in bought.stderr
        wrong = run(SECRET, "balance", "--debug")
        assert wrong.exit_code == 3
        assert "error: the gateway does not let us in" in wrong.stderr
        assert SECRET not in wrong.output
        _, readonly = oms.keys.create(role="readonly")
        refused = run(readonly, "buy", "BTC/USDT", "0.01", "--yes")
        assert refused.exit_code == 3
        assert "error: the key may not do this" in refused.stderr
        assert run(readonly, "orders", "--all").exit_code == 0
        assert (
            len(oms.handle("orders_history", {}, {"account_ids": 1, "since_ms": 0}, None).body["items"]) == 1
        )


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo terminal")
@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}], ids=["colours", "no colours"])
def test_colours_are_for_terminals_only(tmp_path: Path, variables: dict[str, str]) -> None:
    import pty

    master, slave = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    command = [sys.executable, "-m", "ccxt_driver", "buy", "BTC/USDT", "0.01", "--yes"]
    with open(master, "rb", buffering=0) as screen:  # noqa: PTH123  # a descriptor
        done = subprocess.run(
            [*command, "--base-url", f"embedded:{tmp_path / 'oms.sqlite'}"],
            env={**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm", **variables},
            stdout=subprocess.PIPE,
            stderr=slave,
            text=True,
            check=False,
            timeout=60,
        )
        os.close(slave)
        shown = b""
        try:
            while part := screen.read(65536):
                shown += part
        except OSError:  # what Linux says when the other side of a terminal has gone
            pass
    assert done.returncode == 0, shown
    assert b"Placing the order" in shown  # progress
    assert (b"\x1b[32m" in shown) is not bool(variables)
    assert "closed" in done.stdout
    assert "\x1b" not in done.stdout


def with_broken(stream: str, tmp_path: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a command of which nobody reads one of the streams."""
    environment = {**os.environ, "CCXT_OMS_BASE_URL": "embedded:oms.sqlite"}
    command = [sys.executable, "-m", "ccxt_driver", *args]
    reader, writer = os.pipe()
    os.close(reader)
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: writer}
    try:
        return subprocess.run(command, text=True, env=environment, cwd=tmp_path, **streams)
    finally:
        os.close(writer)


def test_a_reader_that_goes_away_is_no_failure(tmp_path: Path) -> None:
    done = with_broken("stdout", tmp_path, "balance", "--json")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_order_is_placed_whether_or_not_somebody_reads_of_it(tmp_path: Path) -> None:
    done = with_broken("stderr", tmp_path, "buy", "BTC/USDT", "0.01", "--yes", "--json")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "closed")
    nothing = ("buy", "BTC/USDT", "0.01", "--price", "1000", "--time-in-force", "FOK", "--yes")
    assert with_broken("stdout", tmp_path, *nothing).returncode == 1
    refused = with_broken("stderr", tmp_path, "sell", "BTC/USDT", "5", "--yes")
    assert (refused.returncode, refused.stdout) == (1, "")


def test_texts_of_others_stay_on_their_line() -> None:
    assert printable("a\nb\x1b[2Jc\u202e") == "a b [2Jc "
    assert printable("übel €") == "übel €"
