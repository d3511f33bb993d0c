"""An OMS that only the environment tells of, and the classes in ccxt."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import ccxt_driver
from ccxt_driver.embedded import close_embedded, open_embedded
from ccxt_driver.oms import EmbeddedOms
from tests.helpers.served import serve


@pytest.fixture(params=["embedded", pytest.param("served", marks=pytest.mark.sockets)])
def oms(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedOms]:
    """Make an OMS that only the environment tells of."""
    if request.param == "embedded":
        monkeypatch.setenv("CCXT_OMS_BASE_URL", "embedded:")
        close_embedded()
        yield open_embedded("embedded:")
        close_embedded()
        return
    with serve(EmbeddedOms()) as served:
        monkeypatch.setenv("CCXT_OMS_BASE_URL", served.base_url)
        monkeypatch.setenv("CCXT_OMS_API_KEY", served.api_key)
        monkeypatch.setenv("CCXT_OMS_ACCOUNT_ID", "1")
        yield served.oms


@pytest.fixture
def registered() -> Iterator[None]:
    ccxt_driver.register(alias=["binance"])
    yield
    ccxt_driver.unregister()
