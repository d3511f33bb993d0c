"""Every contract card, four ways: sync and async class, in this process and over HTTP.

In this process each card is a test of its own, on an OMS of its own. Over HTTP a group of cards is
one test on one server, still with an OMS for each card: sockets are used by few tests.
"""

from __future__ import annotations

import asyncio

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
from tests.helpers.contract_desk import OmsOfTheCase, Way, desk_of

COLOURS = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


@pytest.mark.oldest
@COLOURS
@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: f"{card.number}_{card.name}")
def test_in_process(card: Card, asynchronous: bool, loop: asyncio.AbstractEventLoop) -> None:
    with desk_of(Way(asynchronous, None, loop)) as desk:
        card.run(desk)


@pytest.mark.oldest
@pytest.mark.sockets
@COLOURS
@pytest.mark.parametrize("group", sorted({card.group for card in CARDS.values()}))
def test_over_http(
    group: str, asynchronous: bool, loop: asyncio.AbstractEventLoop, server_of_cases: tuple[str, OmsOfTheCase]
) -> None:
    base_url, oms = server_of_cases
    failures: list[Exception] = []
    for card in CARDS.values():
        if card.group == group:
            try:
                with desk_of(Way(asynchronous, base_url, loop), oms) as desk:
                    card.run(desk)
            except Exception as error:  # noqa: BLE001  # raised below, with those of the other cards
                error.add_note(f"card {card.number}: {card.proves}")
                failures.append(error)
    if failures:
        raise ExceptionGroup(f"{len(failures)} cards of group {group}", failures)
