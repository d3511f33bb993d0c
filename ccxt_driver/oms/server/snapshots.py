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


def refused(code: ErrorCode, message: str, details: Row | None = None) -> Refused:
    """What the server refuses by itself."""
    return Refused({"code": code.value, "message": message, "details": details or {}})


def ask(oms: ServedOms, endpoint: str, path: Row, query: Row, body: Any, principal: Principal) -> Any:
    """The body of the OMS's answer.

    :raises Refused: the key may not, or the OMS cannot
    """
    reply = oms.handle(endpoint, path, query, body, principal)
    if reply.status != 200:
        raise Refused(reply.body["detail"])
    return reply.body


def call_venue(
    oms: ServedOms, account_id: int, function: str, args: list[Any], kwargs: Row, principal: Principal
) -> Any:
    """The result of a function of the venue.

    :raises Refused: it, or the OMS, says no
    """
    path = {"account_id": str(account_id), "func": function}
    return ask(oms, "ccxt_call", path, {}, {"args": args, "kwargs": kwargs}, principal)["result"]


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
            if oms.last_seq(account_id) != before:
                continue
            if orders is None or positions is None:
                raise refused(ErrorCode.CONFLICT, f"more than {_PAGE} rows were made at one instant")
            return Snapshot(before, orders, positions)
    raise refused(ErrorCode.ENGINE_UNAVAILABLE, "the account changes faster than it can be read")


def _open_rows(
    oms: ServedOms, endpoint: str, time: str, account_id: int, principal: Principal
) -> list[Row] | None:
    """All of them: a list that is longer than one answer is read on from its last row's time.

    :returns: None when rows are missing: some have ended meanwhile, or too many are of one time
    """
    found: dict[int, Row] = {}
    query: Row = {"account_ids": str(account_id), "limit": _PAGE}
    total: int | None = None
    while total is None or len(found) < total:
        body = ask(oms, endpoint, {}, query, None, principal)
        items = body["items"]
        if total is None:
            total = body["total"]
        known = len(found)
        found.update((row["id"], row) for row in items)
        if len(found) == known and known < total:
            return None
        if items:
            query["since_ms"] = parse_time(items[-1][time])
    return list(found.values())
