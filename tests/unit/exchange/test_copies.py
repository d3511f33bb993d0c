"""copy.copy, copy.deepcopy and pickle of exchange objects: configuration yes, secrets in no file."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange

pytestmark = pytest.mark.oldest

SANDBOX = {"base_url": "http://sandbox.test", "account_id": 9, "apiKey": "SANDBOX-KEY"}
SECRETS = (b"LIVE-KEY", b"SANDBOX-KEY", b"THE-SECRET")


@pytest.fixture(params=[OmsCcxtExchange, AsyncOmsCcxtExchange], ids=["sync", "async"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("CCXT_OMS_BASE_URL", "CCXT_OMS_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return request.param


def made(kind: Any, **config: Any) -> Any:
    options = {"base_url": "http://live.test", "account_id": 1, "sandbox": SANDBOX}
    return kind({"apiKey": "LIVE-KEY", "secret": "THE-SECRET", "options": options, **config})


@pytest.mark.parametrize("sandbox", [False, True])
def test_a_pickle_holds_no_secret(kind: Any, sandbox: bool) -> None:
    """Not the key in use, not that of the other side, not one of the options."""
    exchange = made(kind)
    exchange.set_sandbox_mode(sandbox)
    exchange.last_request_headers = {"x-api-key": exchange.apiKey}
    pickled = pickle.dumps(exchange)

    assert [secret for secret in SECRETS if secret in pickled] == []
    assert exchange.options["sandbox"] == SANDBOX  # of the object itself nothing was taken


def test_a_copy_of_a_sandbox_goes_back_to_the_live_side_without_its_key(kind: Any) -> None:
    exchange = made(kind)
    exchange.set_sandbox_mode(True)
    restored = pickle.loads(pickle.dumps(exchange))

    assert (restored.urls["api"], restored.options["account_id"]) == ("http://sandbox.test", 9)
    restored.set_sandbox_mode(False)
    assert (restored.urls["api"], restored.options["account_id"]) == ("http://live.test", 1)
    assert not restored.apiKey


@pytest.mark.parametrize("url, key", [("http://live.test/", "ENV-KEY"), ("http://other.test", None)])
def test_a_pickle_takes_the_environments_key_only_with_its_url(
    kind: Any, monkeypatch: pytest.MonkeyPatch, url: str, key: str | None
) -> None:
    pickled = pickle.dumps(made(kind))
    monkeypatch.setenv("CCXT_OMS_BASE_URL", url)
    monkeypatch.setenv("CCXT_OMS_API_KEY", "ENV-KEY")

    assert pickle.loads(pickled).apiKey == key


def test_an_object_that_was_given_no_key_takes_none_from_the_environment(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pickled = pickle.dumps(made(kind, apiKey=""))
    monkeypatch.setenv("CCXT_OMS_BASE_URL", "http://live.test")
    monkeypatch.setenv("CCXT_OMS_API_KEY", "ENV-KEY")

    assert not pickle.loads(pickled).apiKey


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_within_the_process_keeps_every_key(kind: Any, copied: Any) -> None:
    exchange = made(kind)
    exchange.set_sandbox_mode(True)
    twin = copied(exchange)

    assert (twin.urls["api"], twin.apiKey) == ("http://sandbox.test", "SANDBOX-KEY")
    twin.set_sandbox_mode(False)
    assert (twin.urls["api"], twin.apiKey, twin.secret) == ("http://live.test", "LIVE-KEY", "THE-SECRET")
    twin.set_sandbox_mode(True)
    assert twin.apiKey == "SANDBOX-KEY"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_what_is_done_to_a_copy_does_not_move_the_original(kind: Any, copied: Any) -> None:
    exchange = made(kind)
    twin = copied(exchange)
    twin.options["account_id"] = 5
    twin.set_sandbox_mode(True)

    assert (exchange.urls["api"], exchange.options["account_id"]) == ("http://live.test", 1)
