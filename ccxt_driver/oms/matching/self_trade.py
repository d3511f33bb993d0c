"""What happens when an order would trade with a resting order of its own account."""

from __future__ import annotations

from enum import StrEnum


class SelfTrade(StrEnum):
    """Who gives way; the two never trade with each other."""

    CANCEL_TAKER = "cancel_taker"
    CANCEL_MAKER = "cancel_maker"
    CANCEL_BOTH = "cancel_both"
