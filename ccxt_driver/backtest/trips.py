"""How long commands, their answers and the news of an account are on their way, where that is modelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ccxt_driver.contract.commands import CommandName
from ccxt_driver.exchange.request_parts import COMMANDS
from ccxt_driver.oms.service import EmbeddedOms

_PLACING: Final = frozenset({CommandName.SEND_ORDER, CommandName.CLOSE_POSITION})
_CHANGING: Final = frozenset(
    {CommandName.CHANGE_ORDER, CommandName.CANCEL_ORDER, CommandName.CANCEL_ALL_ORDERS}
)
_PAGE: Final = 500


class Trip(NamedTuple):
    """One request, in seconds.

    :param before: until it is asked; 0 of new orders, which the OMS itself has on their way
    :param there: until new orders are at the market
    :param back: until the answer is back from there
    :param refused: until a refusal is back: 0 of new orders, which the OMS refuses before they leave
    """

    before: float
    there: float
    back: float
    refused: float


class Trips(NamedTuple):
    """What is assumed, in milliseconds.

    :param send_ms: until a command is at the market
    :param acknowledge_ms: until its answer is back; 0: every answer comes at once
    :param fill_ms: until those who watch are told what has happened on their account
    """

    send_ms: int = 0
    acknowledge_ms: int = 0
    fill_ms: int = 0

    def of(self, path: str, params: Any) -> Trip | None:
        """What a request takes; None of one that needs no market, or whose answer comes at once."""
        if not self.acknowledge_ms or path != COMMANDS:
            return None
        commands = params if isinstance(params, list) else [params]
        names = {command.get("command") for command in commands if isinstance(command, Mapping)}
        send, back = self.send_ms / 1000, self.acknowledge_ms / 1000
        if names & _PLACING:
            return Trip(0, send, back, 0)
        return Trip(send, 0, back, back) if names & _CHANGING else None


def as_it_stands(oms: EmbeddedOms, answer: Any) -> Any:
    """An answer to commands as it is given now, when their orders have reached the market.

    :param answer: of the moment at which they were taken
    """
    return {**answer, "results": [_result_now(oms, result) for result in answer["results"]]}


def _result_now(oms: EmbeddedOms, result: Mapping[str, Any]) -> Mapping[str, Any]:
    order = result.get("order")
    if order is None or result.get("duplicate"):
        return result
    deals = _deals(oms, order)
    ids = [row["id"] for row in result["positions"]] + [deal["position_id"] for deal in deals]
    return {
        **result,
        "order": _by_id(oms, "orders_by_id", [order["id"]])[0],
        "deals": deals,
        "positions": _by_id(oms, "positions_by_id", [*dict.fromkeys(ids)]) if ids else [],
    }


def _deals(oms: EmbeddedOms, order: Mapping[str, Any]) -> list[dict[str, Any]]:
    query = {"account_ids": order["account_id"], "order_id": order["id"], "since_ms": 0, "page_size": _PAGE}
    found: list[dict[str, Any]] = []
    while True:
        page = oms.handle("deals", {}, {**query, "page": len(found) // _PAGE + 1}, None).body
        found += page["items"]
        if len(found) >= page["total"]:
            return found


def _by_id(oms: EmbeddedOms, endpoint: str, ids: list[int]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = oms.handle(endpoint, {"ids": ",".join(map(str, ids))}, {}, None).body[
        "items"
    ]
    return found
