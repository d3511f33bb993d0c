"""Markets that objects of one process share: the same for the same, and nobody's changes for another."""

from __future__ import annotations

from typing import Any

import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.oms import EmbeddedOms

pytestmark = pytest.mark.oldest


class OneMarket(OmsCcxtExchange):
    """A user's own."""

    def fetch_markets(self, params: Any = {}) -> Any:  # noqa: B006  # as ccxt's
        return super().fetch_markets(params)[:1]


@pytest.fixture
def oms() -> Any:
    return EmbeddedOms(seed=0)


def made(kind: Any, oms: Any, **options: Any) -> Any:
    return kind({"options": {"oms": oms, "account_id": 1, **options}})


@pytest.mark.parametrize("first", [OmsCcxtExchange, OneMarket])
def test_what_a_subclass_makes_of_markets_is_its_own(oms: Any, first: Any) -> None:
    second = OneMarket if first is OmsCcxtExchange else OmsCcxtExchange
    one, other = made(first, oms), made(second, oms)
    counts = {type(each): len(each.load_markets()) for each in (one, other)}

    assert counts[OneMarket] == 1
    assert counts[OmsCcxtExchange] > 1


def test_objects_of_one_kind_share_markets_and_not_what_they_say_of_themselves(oms: Any) -> None:
    one, other = made(OmsCcxtExchange, oms), made(OmsCcxtExchange, oms)
    one.load_markets()
    other.load_markets()
    one.fees["trading"]["maker"] = 5
    one.has["fetchTicker"] = False

    assert other.markets is one.markets
    assert other.fees["trading"]["maker"] != 5
    assert other.has["fetchTicker"] is True


def test_who_takes_markets_takes_all_that_was_learned_with_them(oms: Any) -> None:
    one, other, never_asked = (made(OmsCcxtExchange, oms) for _ in range(3))
    one.load_markets()
    other.load_markets()

    assert one.features != never_asked.features
    assert other.features == one.features
    assert other.features is not one.features
