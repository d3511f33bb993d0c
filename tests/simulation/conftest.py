"""What all simulations need."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logger = logging.getLogger("ccxt_driver")
    before = logger.level
    logger.setLevel(logging.CRITICAL)  # it tells of every fault
    yield
    logger.setLevel(before)
