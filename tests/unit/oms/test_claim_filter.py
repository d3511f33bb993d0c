"""Which client order ids may be claimed."""

from __future__ import annotations

import random

from ccxt_driver.oms.claim_filter import ClaimFilter


def test_what_is_in_is_never_missed_and_little_else_is_found() -> None:
    chance = random.Random(1)
    names = ["", "x" * 64, "\u00e9", *(f"{chance.getrandbits(128):x}" for _ in range(20_000))]
    found = ClaimFilter()
    assert not any(found.may_have((1, name)) for name in names)
    for name in names:
        found.add((1, name))
    assert all(found.may_have((1, name)) for name in names)
    wrong = sum(found.may_have((2, name)) for name in names)
    assert wrong < 20
