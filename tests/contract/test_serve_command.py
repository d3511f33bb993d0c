"""`ccxt-driver serve` as a process: what it prints, keeps, refuses, and how it stops."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.pro import OmsCcxtExchange as ProOmsCcxtExchange
from tests.helpers.serve_process import ServeProcess

pytestmark = pytest.mark.sockets


@pytest.fixture
def serve() -> Iterator[Any]:
    made: list[ServeProcess] = []

    def start(*args: object) -> ServeProcess:
        made.append(ServeProcess(*args))
        return made[-1]

    yield start
    for each in made:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


def test_what_it_prints_and_that_it_goes_on_where_it_stopped(serve: Any, tmp_path: Path) -> None:
    db = tmp_path / "oms.sqlite"
    first = serve("--db", db)
    key = first.all("api_key")[0]
    assert [line.partition("=")[0] for line in first.lines] == [
        "base_url",
        "account_id",
        "account_id",
        "account_id",
        "api_key",
        "ready",
    ]
    assert first.all("account_id") == ["1", "2", "3"]
    assert first.get("/oms/accounts", key)["items"][0]["account_id"] == 1
    status, errors = first.stop(signal.SIGINT)
    assert status == 0
    assert "Traceback" not in errors
    second = serve("--db", db)
    assert (second.all("api_key"), second.all("api_key_id")) == ([], ["1"])
    assert key not in "".join(second.lines)
    assert second.get("/oms/accounts", key)["items"]
    assert second.stop() == (0, errors)
    third = serve("--db", db, "--new-key")
    other = third.all("api_key")[0]
    assert other != key
    assert third.get("/oms/accounts", other) == third.get("/oms/accounts", key)
    assert key not in third.stop()[1]


def test_what_is_no_http_is_not_logged_with_the_key_in_it(serve: Any) -> None:
    server = serve()
    port = int(server.all("base_url")[0].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET /oms/accounts HTTP/1.1\r\nx-api-key: oms_secret\0\r\n\r\n")
        assert connection.recv(100).split()[1] == b"400"
    assert server.stop() == (0, "")


def test_a_file_in_use_is_told_without_a_traceback(serve: Any, tmp_path: Path) -> None:
    serve("--db", tmp_path / "oms.sqlite")
    status, errors = serve("--db", tmp_path / "oms.sqlite").stop()
    assert status == 1
    assert "is in use by another process" in errors
    assert "Traceback" not in errors


def test_a_port_in_use_is_told_without_a_traceback_and_leaves_nothing_behind(
    serve: Any, tmp_path: Path
) -> None:
    db = tmp_path / "oms.sqlite"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, errors = serve("--port", port, "--db", db).stop()
    assert status == 1
    assert f"port {port} of 127.0.0.1 is in use" in errors
    assert "Traceback" not in errors
    assert [*tmp_path.iterdir()] == []
    assert len(serve("--db", db).all("api_key")) == 1


def test_beyond_loopback_it_warns(serve: Any) -> None:
    served = serve("--host", "0.0.0.0")
    assert served.all("base_url")[0].startswith("http://127.0.0.1:")
    status, errors = served.stop()
    assert status == 0
    assert "there is no TLS" in errors


def test_an_address_of_another_machine_is_told_and_leaves_nothing_behind(serve: Any, tmp_path: Path) -> None:
    status, errors = serve("--host", "192.0.2.1", "--db", tmp_path / "oms.sqlite").stop()
    assert status == 1
    assert "Error: 192.0.2.1:0: " in errors
    assert [*tmp_path.iterdir()] == []


def _certificate(folder: Path, *more: str) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", *(more or ["-nodes"])]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")
def test_tls(serve: Any, tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    served = serve("--host", "0.0.0.0", "--tls-cert", certificate, "--tls-key", key)
    base_url = served.all("base_url")[0]
    assert base_url.startswith("https://127.0.0.1:")
    trusted = ssl.create_default_context(cafile=certificate)
    with urllib.request.urlopen(f"{base_url}/healthz", timeout=10, context=trusted) as response:
        assert response.status == 200
    status, errors = served.stop()
    assert status == 0
    assert "there is no TLS" not in errors


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")
async def test_clients_accept_a_certificate_of_ones_own_where_it_is_named(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = _certificate(tmp_path)
    served = serve("--tls-cert", certificate, "--tls-key", key)
    config = {
        "apiKey": served.all("api_key")[0],
        "options": {"base_url": served.all("base_url")[0], "account_id": 1, "retries": 0},
    }
    with OmsCcxtExchange(config) as exchange, pytest.raises(ccxt.ExchangeError, match="CERTIFICATE_VERIFY"):
        await asyncio.to_thread(exchange.fetch_balance)
    for way in ("option", "environment"):
        more = {"cafile": str(certificate)} if way == "option" else {}
        if way == "environment":
            monkeypatch.setenv("CCXT_OMS_CAFILE", str(certificate))
        with OmsCcxtExchange({**config, **more}) as exchange:
            assert (await asyncio.to_thread(exchange.fetch_balance))["USDT"]["total"] == 10_000
        async with ProOmsCcxtExchange({**config, **more}) as streaming:
            assert (await streaming.fetch_balance())["USDT"]["total"] == 10_000
            assert (await streaming.fetch_open_orders_ws()) == []  # over the WebSocket
            assert all(client.isConnected for client in streaming.clients.values())
    served.stop()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")
def test_a_key_with_a_password_is_told_and_not_asked_for(serve: Any, tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path, "-passout", "pass:secret")
    status, errors = serve("--tls-cert", certificate, "--tls-key", key).stop()
    assert status == 1
    assert "needs a password" in errors


def test_options_that_make_no_sense_are_told(serve: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    for arguments, found in (
        (["--tls-key", broken], "--tls-key: goes with --tls-cert"),
        (["--tls-cert", broken], f"--tls-cert {broken}: "),
        (["--rate-limit", "0"], "--rate-limit: expected a number above 0, got 0.0"),
        (["--rate-burst", "5"], "--rate-burst: goes with --rate-limit"),
    ):
        status, errors = serve(*arguments, "--db", tmp_path / "oms.sqlite").stop()
        assert status in (1, 2)
        assert found in errors
        assert "Traceback" not in errors
    assert [*tmp_path.iterdir()] == [broken]


CONFIG = """
seed = 7
log_format = "json"
access_log = true

[[accounts]]
account_id = 5
position_mode = "hedge"
label = "mine"
balances = { USDT = "2500" }

[[strategies]]
strategy_id = 4
name = "grid"

[[keys]]
label = "bot"
accounts = [5]
strategies = [4]

[[keys]]
label = "eyes"
role = "readonly"

[fees."BTC/USDT"]
taker = "0.002"

[[limits]]
account_id = 5
max_order_qty = "0.5"

[sessions."ETH/USDT"]
session = "halted"

[models]
queue = "FrontOfQueue"

[feed]
files = "FOLDER"
speed = 60
"""


def test_a_config_file(serve: Any, tmp_path: Path) -> None:
    config = tmp_path / "serve.toml"
    for name in ("BTC_USDT", "ETH_USDT"):
        (tmp_path / f"{name}-1m.csv").write_text(
            "timestamp,open,high,low,close,volume\n1700000040000,100,110,90,105,8\n"
        )
    config.write_text(f'db = "{tmp_path / "oms.sqlite"}"\n{CONFIG.replace("FOLDER", str(tmp_path))}')
    first = serve("--config", config)
    assert first.all("account_id") == ["5"]
    assert first.all("api_key_label") == ["bot", "eyes"]
    bot, eyes = first.all("api_key")
    [account] = first.get("/oms/accounts", bot)["items"]
    assert (account["label"], account["position_mode"], account["can_trade"]) == ("mine", "hedge", True)
    assert first.get("/oms/accounts", eyes)["items"][0]["can_trade"] is False
    assert [row["strategy_id"] for row in first.get("/strategies", eyes)["items"]] == [4]
    [limit] = first.get("/oms/risk/5/limits", eyes)["items"]
    assert limit["limits"] == {"max_order_qty": "0.5"}
    sessions = {row["symbol"]: row["session"] for row in first.get("/oms/sessions", eyes)["items"]}
    assert sessions == {"BTC/USDT": "open", "ETH/USDT": "halted"}
    assert 0 < first.get("/healthz", eyes)["time_ms"] - 1_700_000_040_000 < 3_600_000
    status, errors = first.stop()
    assert status == 0
    lines = [json.loads(line) for line in errors.splitlines()]
    assert "/strategies" in [line.get("path") for line in lines]
    second = serve("--config", config, "--log-format", "text")
    assert second.all("api_key") == []
    assert second.all("api_key_id") == ["1", "2"]
    config.write_text('[[keys]]\nlabel = "x"\naccounts = [9]\n')
    status, errors = serve("--config", config).stop()
    assert status == 1
    assert "keys.0.accounts: the OMS has no 9" in errors


def test_what_a_config_file_says_of_the_feed_and_of_limits_is_checked(serve: Any, tmp_path: Path) -> None:
    config = tmp_path / "serve.toml"
    for text, found in (
        ("[[limits]]\naccount_id = 9", "limits[0].account_id: the OMS has no 9"),
        (f"[feed]\nfiles = '{tmp_path / 'BTC_USDT-1m.csv'}'", "BTC_USDT-1m.csv: "),
    ):
        config.write_text(text)
        status, errors = serve("--config", config).stop()
        assert status == 1
        assert found in errors
        assert "Traceback" not in errors
    for arguments, expected, found in (
        (["--feed", "synthetic"], 2, "--feed: expected live:ID or files:FOLDER"),
        (["--feed", "live:binance"], 2, "--symbols: expected with --feed live:ID"),
        (["--symbols", "BTC/USDT"], 2, "--symbols: goes with --feed live:ID"),
        (["--feed", "live:nobody", "--symbols", "BTC/USDT"], 1, "exchange: ccxt has no 'nobody'"),
    ):
        status, errors = serve(*arguments).stop()
        assert (status, found in errors, "Traceback" in errors) == (expected, True, False)
