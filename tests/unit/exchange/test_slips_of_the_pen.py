"""A slip in a configuration is refused: it must not leave a program on another side than it asks for."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange

pytestmark = pytest.mark.oldest

CLASSES = pytest.mark.parametrize("cls", [OmsCcxtExchange, AsyncOmsCcxtExchange])
LIVE = {"base_url": "http://live.test", "account_id": 1}


@CLASSES
@pytest.mark.parametrize(
    "sandbox", [{"baseurl": "embedded:"}, {"account_id": 1}, {"base_url": ""}, {"base_url": None}]
)
def test_a_sandbox_without_a_base_url_is_none(cls: Any, sandbox: dict[str, Any]) -> None:
    with pytest.raises(ccxt.BadRequest, match="sandbox: expected base_url"):
        cls({"options": {**LIVE, "sandbox": sandbox}})


@CLASSES
def test_nor_one_that_is_set_later(cls: Any) -> None:
    exchange = cls({"options": LIVE})
    exchange.options["sandbox"] = {"baseurl": "embedded:"}

    with pytest.raises(ccxt.BadRequest, match="unknown baseurl"):
        exchange.set_sandbox_mode(True)
    assert (exchange.urls["api"], exchange.isSandboxModeEnabled) == ("http://live.test", False)


@CLASSES
def test_a_sandbox_on_paper_says_paper_and_the_live_side_has_its_name_back(cls: Any) -> None:
    exchange = cls({"options": {**LIVE, "sandbox": {"base_url": "embedded:"}}})

    exchange.set_sandbox_mode(True)
    assert exchange.name == "OMS (PAPER)"
    exchange.set_sandbox_mode(False)
    assert exchange.name == "OMS"


@CLASSES
@pytest.mark.parametrize("name", ["base_url", "account_id", "strategy_id", "oms"])
def test_an_option_beside_the_options_is_refused(cls: Any, name: str) -> None:
    with pytest.raises(ccxt.BadRequest, match=f'{name}: goes under "options"'):
        cls({name: 1})


@CLASSES
def test_a_word_for_unenforced_stops_that_means_nothing_is_refused(cls: Any) -> None:
    with pytest.raises(ccxt.BadRequest, match='unenforced_stops: expected None or "venue"'):
        cls({"options": {"unenforced_stops": "foo"}})


def test_a_key_of_the_environment_that_is_not_used_is_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCXT_OMS_API_KEY", "of-another-url")
    exchange = OmsCcxtExchange({"options": LIVE})

    with pytest.raises(ccxt.AuthenticationError, match="CCXT_OMS_API_KEY is set") as caught:
        exchange.private_get_oms_accounts()
    assert "of-another-url" not in str(caught.value)


@pytest.mark.parametrize("slip, meant", [("retrys", "retries"), ("lookup_timout", "lookup_timeout")])
def test_a_misspelt_option_is_told_of(slip: str, meant: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING", logger="ccxt_driver"):
        OmsCcxtExchange({"options": {slip: 1, "defaultType": "swap", "account_id": 1}})

    assert caplog.messages == [f"options.{slip} is not an option of this class: is {meant} meant?"]
