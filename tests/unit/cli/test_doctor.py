from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ccxt
import pytest
from click.testing import CliRunner, Result

from ccxt_driver import embedded
from ccxt_driver.cli import doctor as module
from ccxt_driver.cli import main
from ccxt_driver.cli.feature_notes import WITHOUT
from ccxt_driver.contract.features import Feature
from ccxt_driver.oms import EmbeddedOms, Permission, Principal
from tests.helpers.served import serve

SECRET = "oms_very-secret"


@pytest.fixture(autouse=True)
def no_embedded_oms_left_open() -> Iterator[None]:
    yield
    embedded.close_embedded()


def run(*args: object) -> Result:
    return CliRunner().invoke(main, ["doctor", *(str(arg) for arg in args)])


def test_every_feature_has_a_note() -> None:
    assert set(WITHOUT) == set(Feature)


def test_the_embedded_oms_is_well_and_said_to_be_paper() -> None:
    result = run("--base-url", "embedded:", "--order")
    assert result.exit_code == 0, result.output
    assert "PAPER" in result.stdout
    assert "[ ok ] order: limit buy of" in result.stdout
    assert "and cancelled" in result.stdout
    assert "[FAIL]" not in result.stdout


def test_without_order_nothing_is_placed() -> None:
    result = run("--base-url", "embedded:")
    assert result.exit_code == 0, result.output
    assert "[skip] order: not tried" in result.stdout
    oms = embedded.open_embedded("embedded:")
    assert oms.handle("orders_history", {}, {"account_ids": 1, "since_ms": 0}, None).body["total"] == 0


def test_a_server_that_is_not_there(unused_tcp_port: int) -> None:
    result = run("--base-url", f"http://127.0.0.1:{unused_tcp_port}", "--api-key", SECRET, "--account-id", 1)
    assert result.exit_code == 1
    assert "[FAIL] reachable: no answer from" in result.stdout
    assert "ccxt-driver serve" in result.stdout
    assert "[skip] key: not checked, because of: reachable" in result.stdout
    assert SECRET not in result.output


@pytest.mark.sockets
def test_https_to_a_server_without_tls_is_told() -> None:
    with serve(EmbeddedOms()) as served:
        base_url = served.base_url
        result = run("--base-url", base_url.replace("http:", "https:"), "--api-key", SECRET)
    assert result.exit_code == 1
    assert f"[FAIL] reachable: {base_url.replace('http:', 'https:')} does not speak TLS" in result.stdout
    assert f"-> Write {base_url}: ccxt-driver serve speaks plain HTTP" in result.stdout
    assert SECRET not in result.output


def test_a_certificate_that_is_not_accepted_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from ccxt_driver import OmsCcxtExchange

    def refuse(*args: Any, **kwargs: Any) -> None:
        try:
            raise ssl.SSLCertVerificationError(1, "self-signed certificate")
        except ssl.SSLError as error:
            raise ccxt.ExchangeNotAvailable("no connection") from error

    monkeypatch.setattr(OmsCcxtExchange, "request", refuse)
    result = run("--base-url", "https://127.0.0.1:1", "--api-key", SECRET)
    assert "[FAIL] reachable: the certificate of https://127.0.0.1:1 is not accepted" in result.stdout
    assert "self-signed certificate" in result.stdout


def test_a_file_in_use_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with EmbeddedOms(db="oms.sqlite"):
        result = run("--base-url", "embedded:oms.sqlite")
    assert result.exit_code == 1
    assert "[FAIL] reachable: oms.sqlite is in use by another process\n" in result.stdout
    assert "ccxt-driver serve --db oms.sqlite" in result.stdout
    assert "CCXT_OMS_BASE_URL right" not in result.stdout


@pytest.mark.parametrize(
    "name, problem, remedy",
    [
        ("missing/oms.sqlite", "there is no directory missing", "Make the directory"),
        ("other.txt", "other.txt is not a database of ccxt-driver", "one that does not exist yet is made"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, problem: str, remedy: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.txt").write_text("something else that is long enough to be looked at" * 100)
    result = run("--base-url", f"embedded:{name}")
    assert result.exit_code == 1
    assert "[FAIL] reachable: " in result.stdout
    assert problem in result.stdout
    assert remedy in result.stdout


def test_a_bad_base_url_is_told() -> None:
    result = run("--base-url", "ftp://x")
    assert result.exit_code == 1
    assert "[FAIL] configuration: base_url" in result.stdout


@pytest.fixture
def oms() -> Iterator[EmbeddedOms]:
    with EmbeddedOms(clock="manual") as made:
        made.set_price("BTC/USDT", bid=50_000, ask=50_001)
        yield made


@pytest.fixture
def patient(oms: EmbeddedOms, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the doctor on an OMS that a test has prepared, as if it were behind a gateway."""

    def examine(*args: object, principal: Principal | None = None, **options: Any) -> Result:
        if principal is not None:
            _use(monkeypatch, oms, principal)

        def make(config: dict[str, Any]) -> Any:
            from ccxt_driver import OmsCcxtExchange

            given = {
                **config,
                "options": {**config["options"], "base_url": None, "oms": oms, **options},
            }
            return OmsCcxtExchange(given)

        monkeypatch.setattr(module, "_make", make)
        monkeypatch.setattr(module._Patient, "paper", False)
        return run(*args)

    return examine


def _use(monkeypatch: pytest.MonkeyPatch, oms: EmbeddedOms, principal: Principal) -> None:
    original = EmbeddedOms.handle
    monkeypatch.setattr(
        oms,
        "handle",
        lambda endpoint, path, query, body: original(oms, endpoint, path, query, body, principal),
    )


def test_a_missing_key_is_told(patient: Callable[..., Result]) -> None:
    result = patient()
    assert result.exit_code == 1
    assert "[FAIL] key: no API key is set" in result.stdout
    assert "ccxt-driver key create" in result.stdout


def test_an_account_that_is_not_visible_is_told_with_those_that_are(patient: Callable[..., Result]) -> None:
    result = patient("--api-key", SECRET, "--account-id", 9)
    assert result.exit_code == 1
    assert "account 9 is not visible to this key; it sees: 1, 2, 3" in result.stdout
    assert SECRET not in result.output


def test_a_key_that_may_only_read_is_a_warning_and_a_test_order_fails(patient: Callable[..., Result]) -> None:
    reader = Principal(key_id=5, on_all=Permission())
    result = patient("--api-key", SECRET, "--account-id", 1, principal=reader)
    assert result.exit_code == 0, result.output
    assert "[warn] permissions: the key may not trade" in result.stdout
    result = patient("--api-key", SECRET, "--account-id", 1, "--order")
    assert result.exit_code == 1
    assert "[FAIL] order: PermissionDenied" in result.stdout


def test_the_strategy_is_checked_and_named(patient: Callable[..., Result]) -> None:
    result = patient("--api-key", SECRET, "--account-id", 1, "--strategy-id", 2)
    assert result.exit_code == 0, result.output
    assert "[ ok ] strategy: 2 (strategy 2)" in result.stdout


def test_the_strategy_of_the_environment_is_checked(
    patient: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCXT_OMS_STRATEGY_ID", "9")
    result = patient("--api-key", SECRET, "--account-id", 1, "--order")
    assert result.exit_code == 1
    assert (
        "[FAIL] strategy: there is no strategy 9 that this key may use; it may use: 1, 2, 3" in result.stdout
    )
    assert "CCXT_OMS_STRATEGY_ID or --strategy-id" in result.stdout
    assert "[skip] order: not checked, because of: strategy" in result.stdout


def test_a_strategy_of_another_account_is_told(oms: EmbeddedOms, patient: Callable[..., Result]) -> None:
    made = oms.handle("create_strategy", {}, {}, {"name": "grid", "account_ids": [2]})
    assert made.body["strategy_id"] == 4
    result = patient("--api-key", SECRET, "--account-id", 1, "--strategy-id", 4)
    assert result.exit_code == 1
    assert "[FAIL] strategy: strategy 4 (grid) is not for account 1; it is for: 2" in result.stdout


def test_a_strategy_that_is_not_active_is_told(
    patient: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ccxt_driver import OmsCcxtExchange

    paused = {"id": "2", "name": "grid", "status": "paused", "accounts": ["1"]}
    monkeypatch.setattr(OmsCcxtExchange, "fetch_strategies", lambda self: [paused])
    result = patient("--api-key", SECRET, "--account-id", 1, "--strategy-id", 2)
    assert result.exit_code == 1
    assert "[FAIL] strategy: strategy 2 (grid) is paused: its orders are refused" in result.stdout


def test_a_limited_key_without_a_strategy_is_told_before_any_order(
    oms: EmbeddedOms, patient: Callable[..., Result]
) -> None:
    trader = Permission(read=True, trade=True, close=True)
    limited = Principal(key_id=5, strategies=frozenset((1, 2)), on_all=trader)
    result = patient("--api-key", SECRET, "--account-id", 1, principal=limited)
    assert result.exit_code == 1
    assert "[FAIL] strategy: none is chosen, but the key is limited to some: 1, 2" in result.stdout
    assert "Set CCXT_OMS_STRATEGY_ID=1 or give --strategy-id" in result.stdout
    chosen = patient("--api-key", SECRET, "--account-id", 1, "--strategy-id", 2)
    assert chosen.exit_code == 0, chosen.output
    other = patient("--api-key", SECRET, "--account-id", 1, "--strategy-id", 3)
    assert "there is no strategy 3 that this key may use; it may use: 1, 2" in other.stdout


def test_without_a_strategy_that_is_said(patient: Callable[..., Result]) -> None:
    result = patient("--api-key", SECRET, "--account-id", 1)
    assert result.exit_code == 0, result.output
    assert "[ ok ] strategy: none is chosen" in result.stdout


def test_what_could_not_be_tried_is_not_called_good(patient: Callable[..., Result]) -> None:
    limited = Principal(key_id=5, strategies=frozenset((1, 2)), on_all=Permission(read=True, trade=True))
    result = patient("--api-key", SECRET, "--account-id", 1, "--symbol", "BTC/EUR", principal=limited)
    assert "strategy: none is chosen; whether the key needs one could not be tried" in result.stdout


def test_a_market_that_is_closed_is_told(oms: EmbeddedOms, patient: Callable[..., Result]) -> None:
    oms.set_session("BTC/USDT", "closed")
    result = patient("--api-key", SECRET, "--account-id", 1, "--strategy-id", 1, "--order")
    assert result.exit_code == 1
    assert "-> Try again when the market is open, or choose another one with --symbol." in result.stdout


def test_an_unknown_symbol_is_told_with_near_ones(patient: Callable[..., Result]) -> None:
    result = patient("--api-key", SECRET, "--account-id", 1, "--symbol", "BTC/EUR")
    assert result.exit_code == 1
    assert "there is no market BTC/EUR" in result.stdout
    assert "BTC/USDT" in result.stdout


def test_a_key_in_an_error_of_anybody_is_not_shown(
    patient: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ccxt_driver import OmsCcxtExchange

    def leak(*args: Any, **kwargs: Any) -> None:
        raise ccxt.ExchangeError(f"the header was x-api-key: {SECRET}")

    monkeypatch.setattr(OmsCcxtExchange, "fetch_balance", leak)
    result = patient("--api-key", SECRET, "--account-id", 1)
    assert result.exit_code == 1
    assert "x-api-key: ***" in result.stdout
    assert SECRET not in result.output


def test_an_order_that_cannot_be_cancelled_is_named(
    patient: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ccxt_driver import OmsCcxtExchange

    def lost(*args: Any, **kwargs: Any) -> None:
        raise ccxt.RequestTimeout("no answer")

    monkeypatch.setattr(OmsCcxtExchange, "cancel_order", lost)
    result = patient("--api-key", SECRET, "--account-id", 1, "--order")
    assert result.exit_code == 1
    assert "could not be cancelled" in result.stdout
    assert "Cancel order 1 by hand" in result.stdout


def test_missing_features_are_explained(
    patient: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ccxt_driver.oms import gateway

    monkeypatch.setattr(gateway, "FEATURES", ("by_id",))
    result = patient("--api-key", SECRET, "--account-id", 1)
    assert f"[ ok ] features: 1 of {len(Feature)} offered" in result.stdout
    for feature in set(Feature) - {Feature.BY_ID}:
        assert f"[warn] features: without {feature}: {WITHOUT[feature]}" in result.stdout


def test_a_blocked_account_and_blocked_positions_are_told(
    oms: EmbeddedOms, patient: Callable[..., Result]
) -> None:
    assert "new positions are blocked" not in patient("--api-key", SECRET, "--account-id", 2).stdout
    for endpoint, body in (
        ("risk_status", {"status": "blocked", "comment": "test"}),
        ("risk_allow_new_positions", {"allow_new_positions": False, "comment": "test"}),
    ):
        reply = oms.handle(endpoint, {"account_id": "2"}, {}, body)
        assert reply.status == 200, reply.body
    result = patient("--api-key", SECRET, "--account-id", 2)
    assert "the account is blocked: orders will be refused" in result.stdout
    assert "new positions are blocked" in result.stdout


@pytest.mark.parametrize("stage", ["create_order", "cancel_order"])
def test_an_interrupted_order_is_named(
    stage: str, oms: EmbeddedOms, patient: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ccxt_driver import OmsCcxtExchange

    own = getattr(OmsCcxtExchange, stage)

    def interrupted(exchange: Any, *args: Any) -> None:
        if stage == "create_order":
            own(exchange, *args)
        raise KeyboardInterrupt

    monkeypatch.setattr(OmsCcxtExchange, stage, interrupted)
    result = patient("--api-key", SECRET, "--account-id", 1, "--order")
    assert result.exit_code == 130, result.output
    assert "[FAIL] order: interrupted: a limit buy of " in result.stdout
    (row,) = oms.handle("orders_open", {}, {"account_ids": 1}, None).body["items"]
    assert f"-> Look for it: ccxt-driver orders --client-order-id {row['client_order_id']}\n" in result.stdout
