"""Open orders and positions as they stand at one event."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.values import parse_time
from ccxt_driver.oms.entities import Principal

from .served import ServedOms

_PAGE: Final = 5000
_ATTEMPTS: Final = 20

Row = dict[str, Any]


class Snapshot(NamedTuple):
    """Rows, and the last event whose effect they show."""

    seq: int
    orders: list[Row]
    positions: list[Row]


class Refused(Exception):
    """The OMS refused.

    :param detail: the contract's error
    """

    def __init__(self, detail: Row) -> None:
        super().__init__(detail.get("message"))
        self.detail = detail


def take(oms: ServedOms, account_id: int, principal: Principal) -> Snapshot:
    """Read what is open, so that the rows and the cursor belong together.

    :raises Refused: the key may not, or the OMS cannot
    """
    with oms.lock:
        for _ in range(_ATTEMPTS):
            # Reading settles what the market has done since: that may fill an order between the
            # two lists, and then they are read again.
            before = oms.last_seq(account_id)
            orders = _open_rows(oms, "orders_open", "created_at", account_id, principal)
            positions = _open_rows(oms, "positions_open", "opened_at", account_id, principal)
            if oms.last_seq(account_id) == before:
                return Snapshot(before, orders, positions)
    raise Refused(_detail(ErrorCode.ENGINE_UNAVAILABLE, "the account changes faster than it can be read"))


def _open_rows(oms: ServedOms, endpoint: str, time: str, account_id: int, principal: Principal) -> list[Row]:
    """All of them: a list that is longer than one answer is read on from its last row's time."""
    found: dict[int, Row] = {}
    query: Row = {"account_ids": str(account_id), "limit": _PAGE}
    total: int | None = None
    while total is None or len(found) < total:
        reply = oms.handle(endpoint, {}, query, None, principal)
        if reply.status != 200:
            raise Refused(reply.body["detail"])
        items = reply.body["items"]
        if total is None:
            total = reply.body["total"]
        known = len(found)
        found.update((row["id"], row) for row in items)
        if len(found) == known and known < total:
            raise Refused(_detail(ErrorCode.CONFLICT, f"more than {_PAGE} rows were made at one instant"))
        if items:
            query["since_ms"] = parse_time(items[-1][time])
    return list(found.values())


def _detail(code: ErrorCode, message: str) -> Row:
    return {"code": code.value, "message": message, "details": {}, "request_id": None}
