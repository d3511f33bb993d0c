"""Every contract card on a gateway that lags behind its venue, by both classes.

What such a gateway cannot do is told in one table, and held to it: a card in the table has to fail.
"""

from __future__ import annotations

import asyncio
from typing import Final

import ccxt
import pytest

from tests.contract.cards import (  # noqa: F401
    account,
    changes,
    market_data,
    orders,
    positions,
    powers,
    reads,
    strategies,
)
from tests.helpers.contract_card import CARDS, Card
from tests.helpers.contract_desk import OmsOfTheCase, Way
from tests.helpers.lagging_desk import lagging_desk_of

_LACKS: Final = {
    "it keeps no ledger": ("A05", "A12"),
    "it has no dead man's switch": ("C30", "S12"),
    "nobody enforces the stops that it keeps": ("O25", "O26", "O27", "P33", "P35", "P36", "S14"),
    "it takes no order by cost": ("O30",),
    "nothing closes a position of a netting account": ("P08", "P20", "P21", "P22", "P25", "P27", "S13"),
    "it has no dry run": ("W01", "W01B", "W02"),
}
"""Cards by the feature that is missing: the driver says so before anything is sent, or as the answer."""
_IS_OTHERWISE: Final = {
    "a client order id names as many orders as it is sent with": ("O41", "O41B", "O42", "S07"),
    "every trade is a position of its own": ("P10",),
    "its venue may not know the direction of a stop": ("O21B",),
    "rows do not tell which orders wait for a price": ("C32",),
    "positions have no profit and are not marked": ("A09", "A10", "A11", "P05", "P07"),
    "commands answer no rows": ("P30",),
    "times are whole seconds": ("R13",),
    "a position that is being closed is not locked": ("P26",),
    "its venue nets what it hedges": ("P23",),
    "merged positions cannot be shown": ("P38",),
    "orders with deals cannot be reassigned": ("S08",),
    "strategies are not checked": ("S15", "S16"),
    "its venue takes orders past it, and it learns of them by trades": ("W05", "W12"),
}
"""Cards by what is not as the contract has it, and shows only in what the gateway answers."""

DIFFERS: Final = {
    number: reason
    for table in (_LACKS, _IS_OTHERWISE)
    for reason, numbers in table.items()
    for number in numbers
}
HOLD: Final = [card for number, card in CARDS.items() if number not in DIFFERS]
OVER_HTTP: Final = "C"
"""The group that is run through a server, too: commands, their refusals, and reads after them."""

COLOURS = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


def name_of(card: Card) -> str:
    return f"{card.number}_{card.name}"


def run(card: Card, way: Way, served: OmsOfTheCase | None = None) -> None:
    with lagging_desk_of(way, served, exchange_id="ccxtpro.okx") as desk:
        card.run(desk)


@COLOURS
@pytest.mark.parametrize("card", HOLD, ids=name_of)
def test_holds(card: Card, asynchronous: bool, loop: asyncio.AbstractEventLoop) -> None:
    run(card, Way(asynchronous, None, loop))


@pytest.mark.parametrize("number", [each for numbers in _LACKS.values() for each in numbers])
def test_what_it_lacks_is_not_supported(number: str, loop: asyncio.AbstractEventLoop) -> None:
    with pytest.raises(ccxt.NotSupported):
        run(CARDS[number], Way(False, None, loop))


@pytest.mark.parametrize("number", [each for numbers in _IS_OTHERWISE.values() for each in numbers])
def test_what_is_otherwise_is_still_so(number: str, loop: asyncio.AbstractEventLoop) -> None:
    """Or else its card can be taken out of the table."""
    with pytest.raises((AssertionError, ValueError, ccxt.ExchangeError)) as info:
        run(CARDS[number], Way(False, None, loop))
    assert not isinstance(info.value, ccxt.NotSupported)


@pytest.mark.sockets
@COLOURS
def test_holds_over_http(
    asynchronous: bool, loop: asyncio.AbstractEventLoop, server_of_cases: tuple[str, OmsOfTheCase]
) -> None:
    base_url, oms = server_of_cases
    for card in HOLD:
        if card.group == OVER_HTTP:
            run(card, Way(asynchronous, base_url, loop), oms)
