"""What became of commands that trade, as an exit code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from .failures import REFUSED, warn


def finish(orders: Iterable[Mapping[str, Any]]) -> None:
    """Exit with 1 when an order that was placed did nothing: rejected, or cancelled without any fill."""
    idle = [order for order in orders if _did_nothing(order)]
    for order in idle:
        reason = (order.get("info") or {}).get("reject_reason")
        because = f": {reason}" if reason else ""
        warn(f"order {order['id']} is {order['status']}, and nothing filled{because}")
    if idle:
        raise click.exceptions.Exit(REFUSED)


def _did_nothing(order: Mapping[str, Any]) -> bool:
    if order["status"] == "rejected":
        return True
    return order["status"] in ("canceled", "expired") and float(order.get("filled") or 0) == 0
