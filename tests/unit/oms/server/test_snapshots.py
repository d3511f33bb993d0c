from __future__ import annotations

from typing import Any

import pytest

from ccxt_driver.contract.values import format_time
from ccxt_driver.oms.entities import OWNER
from ccxt_driver.oms.server import snapshots
from ccxt_driver.oms.server.snapshots import Refused, take

from .conftest import ScriptedOms, ScriptedReply


def serve_rows(oms: ScriptedOms, times: list[int]) -> None:
    """Open orders made at these times, answered as the OMS does: oldest first, at most `limit`."""

    def orders(path: Any, query: Any, body: Any, principal: Any) -> ScriptedReply:
        since = query.get("since_ms", 0)
        rows = [{"id": n, "created_at": format_time(time)} for n, time in enumerate(times) if time >= since]
        return ScriptedReply(200, {"items": rows[: query["limit"]], "total": len(rows)})

    oms.answers["orders_open"] = orders
    oms.answers["positions_open"] = lambda *_: ScriptedReply(200, {"items": [], "total": 0})


def test_more_rows_than_one_answer_holds_are_all_there(
    oms: ScriptedOms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_PAGE", 3)
    for times in ([1], [1, 2, 3], [1, 2, 2, 2], [1, 1, 2, 2, 3, 3, 4, 5, 5], [1, 1, 1], []):
        serve_rows(oms, times)
        found = take(oms, 1, OWNER)
        assert [row["id"] for row in found.orders] == list(range(len(times))), times


def test_rows_that_cannot_be_read_on_are_refused_and_never_cut_short(
    oms: ScriptedOms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_PAGE", 3)
    serve_rows(oms, [1, 2, 2, 2, 2])
    with pytest.raises(Refused, match="at one instant"):
        take(oms, 1, OWNER)


def test_rows_and_cursor_belong_together(oms: ScriptedOms) -> None:
    """A change between the two lists: both are read again."""
    reads: list[str] = []

    def orders(*_: Any) -> ScriptedReply:
        reads.append("orders")
        return ScriptedReply(200, {"items": [], "total": 0})

    def positions(*_: Any) -> ScriptedReply:
        reads.append("positions")
        if len(reads) == 2:
            oms.write(0)
        return ScriptedReply(200, {"items": [], "total": 0})

    oms.answers = {"orders_open": orders, "positions_open": positions}
    assert take(oms, 1, OWNER).seq == 1
    assert reads == ["orders", "positions"] * 2


def test_an_account_that_never_holds_still_is_refused(oms: ScriptedOms) -> None:
    def orders(*_: Any) -> ScriptedReply:
        oms.write(0)
        return ScriptedReply(200, {"items": [], "total": 0})

    oms.answers = {
        "orders_open": orders,
        "positions_open": lambda *_: ScriptedReply(200, {"items": [], "total": 0}),
    }
    with pytest.raises(Refused, match="changes faster"):
        take(oms, 1, OWNER)


def test_a_refusal_is_passed_on(oms: ScriptedOms) -> None:
    detail = {"code": "permission_denied", "message": "no"}
    oms.answers["orders_open"] = lambda *_: ScriptedReply(403, {"detail": detail})
    with pytest.raises(Refused) as caught:
        take(oms, 1, OWNER)
    assert caught.value.detail == detail


def test_an_order_that_ends_between_two_answers_is_no_reason_to_refuse(
    oms: ScriptedOms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer settles what the market has done: then both lists are read again."""
    monkeypatch.setattr(snapshots, "_PAGE", 3)
    times = [1, 2, 3, 4, 5]
    serve_rows(oms, times)
    answer = oms.answers["orders_open"]

    def filling(*asked: Any) -> ScriptedReply:
        reply = answer(*asked)
        if len(times) == 5:
            times.pop()
            oms.write(0)
        return reply

    oms.answers["orders_open"] = filling
    found = take(oms, 1, OWNER)
    assert [row["id"] for row in found.orders] == [0, 1, 2, 3]
