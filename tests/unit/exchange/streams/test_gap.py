"""What events have told, and what is new of what is read after some were missed."""

from __future__ import annotations

from typing import Any

import pytest

from ccxt_driver.exchange.streams import gap
from ccxt_driver.exchange.streams.account_reader import AccountReader
from ccxt_driver.exchange.streams.changes import Change, Kind, change_of
from ccxt_driver.exchange.streams.differences import Fresh
from ccxt_driver.exchange.streams.gap import HandedOn
from ccxt_driver.pro import OmsCcxtExchange
from tests.helpers.oms_rows import deal_row, order_row, position_row

pytestmark = pytest.mark.oldest

BEFORE, LAST, AFTER = "2026-11-20T10:00:00.000Z", "2026-11-20T11:00:00.000Z", "2026-11-20T12:00:00.000Z"
LAST_MS = 1_795_172_400_000


class Reader:
    """Finds what it is told to."""

    def __init__(self) -> None:
        self.fresh = Fresh()
        self.kinds: frozenset[Kind] = frozenset()

    async def read(self, kinds: Any, known: Any) -> Fresh:
        self.kinds = kinds
        return self.fresh


@pytest.fixture
def handed_on() -> HandedOn:
    made = HandedOn(OmsCcxtExchange(), 1)
    made._reader = Reader()  # type: ignore[assignment]
    return made


def event(name: str, row: dict[str, Any]) -> Change:
    change = change_of(1, name, 7, LAST_MS, row)
    assert change is not None
    return change


async def found(handed_on: HandedOn, **fresh: Any) -> list[tuple[str, int]]:
    handed_on._reader.fresh = Fresh(**fresh)  # type: ignore[attr-defined]
    return [(change.kind.value, change.row["id"]) for change in handed_on.news(await handed_on.look(Kind))]


async def test_what_was_handed_on_is_not_news_and_what_has_moved_since_is(handed_on: HandedOn) -> None:
    order, deal = order_row(id=5, created_at=BEFORE, updated_at=LAST), deal_row(id=6, executed_at=LAST)
    for seq, (name, row) in enumerate((("order_updated", order), ("deal_created", deal)), 6):
        handed_on.note(seq, LAST_MS, event(name, row))
    assert handed_on.seq == 7

    assert await found(handed_on, orders=[order], deals=[deal]) == []
    moved = order | {"status": "CANCELED", "updated_at": AFTER}
    assert await found(handed_on, orders=[moved]) == [("order", 5)]
    assert await found(handed_on, orders=[moved]) == [], "it is handed on now"


async def test_what_was_there_before_is_not_news(handed_on: HandedOn) -> None:
    handed_on.note(7, LAST_MS, None)
    old = {"created_at": BEFORE, "updated_at": BEFORE, "closed_at": None}
    position = position_row(id=4, opened_at=BEFORE, updated_at=BEFORE)
    deal = deal_row(id=3, executed_at=BEFORE, created_at=BEFORE)
    assert await found(handed_on, orders=[order_row(id=9) | old], deals=[deal], positions=[position]) == []


async def test_a_fill_is_news_though_the_venue_traded_before_the_last_event(handed_on: HandedOn) -> None:
    handed_on.note(7, LAST_MS, event("deal_created", deal_row(id=3, executed_at=LAST)))
    early = deal_row(id=4, executed_at=BEFORE, created_at=AFTER)
    stamped = deal_row(id=5, executed_at=BEFORE, created_at="2026-11-20T10:59:58.000Z")
    other = deal_row(id=2, executed_at=BEFORE, created_at="2026-11-20T10:59:58.000Z")
    assert await found(handed_on, deals=[early, stamped, other]) == [("trade", 4), ("trade", 5)]


async def test_an_event_that_was_read_already_tells_no_news(handed_on: HandedOn) -> None:
    handed_on.note(7, LAST_MS, None)
    order = order_row(id=5, filled_qty="1", qty="2", status="PARTIALLY_FILLED", created_at=AFTER)
    deal = deal_row(id=6, executed_at=AFTER)
    await found(handed_on, orders=[order], deals=[deal])

    earlier = order | {"filled_qty": "0", "status": "SUBMITTED", "avg_fill_price": None}
    later = order | {"filled_qty": "2", "status": "FILLED"}
    told = [handed_on.tells_news(event("order_updated", row)) for row in (earlier, order, later, later)]
    assert told == [False, False, True, False]
    assert not handed_on.tells_news(event("deal_created", deal))
    assert handed_on.tells_news(event("deal_created", deal | {"id": 8}))
    balance = {"currency": "USDT", "free": "1", "used": "0", "total": "1"}
    assert handed_on.tells_news(event("balance_updated", balance))
    assert not handed_on.tells_news(event("balance_updated", balance))


@pytest.mark.parametrize("row", [{"id": [1]}, {"id": 3}, {}], ids=["id", "no status", "nothing"])
async def test_what_is_no_row_is_told_and_forgotten(handed_on: HandedOn, row: dict[str, Any]) -> None:
    change = event("order_updated", row)
    handed_on.note(7, LAST_MS, change)
    assert await found(handed_on) == []
    assert handed_on.tells_news(change)


def test_without_the_servers_time_nothing_is_known(handed_on: HandedOn) -> None:
    handed_on.note(7, None, None)
    assert handed_on.seq is None


async def test_what_is_given_once_more_to_a_watcher_that_is_behind_changes_nothing(
    handed_on: HandedOn,
) -> None:
    older, newer = (order_row(id=5, created_at=BEFORE, updated_at=moved) for moved in (BEFORE, LAST))
    for seq, row in ((6, older), (7, newer), (6, older)):
        handed_on.note(seq, LAST_MS, event("order_updated", row))
    assert handed_on.seq == 7
    assert await found(handed_on, orders=[newer]) == []


@pytest.mark.parametrize("seq, known", [(7, 7), (9, 7), (None, 7), (6, None)])
def test_events_that_begin_earlier_are_of_another_history(
    handed_on: HandedOn, seq: int | None, known: int | None
) -> None:
    handed_on.note(7, LAST_MS, None)
    handed_on.begin(seq)
    assert handed_on.seq == known


async def test_only_so_much_is_kept(handed_on: HandedOn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gap, "_MOST_KEPT", 2)
    rows = [order_row(id=number, created_at=LAST, updated_at=LAST) for number in (1, 2, 3)]
    for seq, row in enumerate((*rows, rows[0]), 4):
        handed_on.note(seq, LAST_MS, event("order_updated", row))
    assert [change.row["id"] for change in handed_on._latest.values()] == [3, 1]
    handed_on.forget()
    assert not handed_on._latest
    assert handed_on.seq is None


MOVES = {
    Kind.ORDER: (
        "order_updated",
        order_row(id=5, strategy_id=1, created_at=BEFORE, updated_at=BEFORE),
        {"status": "CANCELED"},
    ),
    Kind.POSITION: (
        "position_updated",
        position_row(id=5, strategy_id=1, opened_at=BEFORE, updated_at=BEFORE),
        {"state": "closed", "qty": "0"},
    ),
}


@pytest.mark.parametrize("kind", MOVES)
@pytest.mark.parametrize("was_read", [False, True])
async def test_what_goes_to_another_strategy_while_it_is_read_is_told_to_both_once(
    handed_on: HandedOn, kind: Kind, was_read: bool
) -> None:
    name, row, ended = MOVES[kind]
    handed_on.note(6, LAST_MS, event(name, row))
    got = row | {"strategy_id": 2, "updated_at": AFTER}
    leaves = event(name, row | ended | {"updated_at": AFTER, "reassigned_to": 2})
    read = got if was_read else row
    assert await found(handed_on, **_fresh(kind, read)._asdict()) == [(kind.value, 5)] * (
        2 if was_read else 0
    )
    assert [handed_on.tells_news(each) for each in (leaves, event(name, got))] == [not was_read] * 2
    moved = got | ({"price": "91"} if kind is Kind.ORDER else {"qty": "7"})
    assert handed_on.tells_news(event(name, moved))


@pytest.mark.parametrize("kind", MOVES)
async def test_a_row_goes_on_though_the_last_that_was_told_is_that_it_leaves_its_strategy(
    handed_on: HandedOn, kind: Kind
) -> None:
    name, row, ended = MOVES[kind]
    for seq, each in enumerate((row, row | ended | {"reassigned_to": 2}), 6):
        handed_on.note(seq, LAST_MS, event(name, each))
    got = row | {"strategy_id": 2, "updated_at": AFTER}
    handed_on._reader.fresh = _fresh(kind, got)  # type: ignore[attr-defined]
    assert handed_on.news(await handed_on.look(Kind))[-1].row == got


def _fresh(kind: Kind, row: dict[str, Any]) -> Fresh:
    return Fresh(orders=[row]) if kind is Kind.ORDER else Fresh(positions=[row])


async def test_what_changes_while_pages_are_read_moves_nothing_out_of_sight(monkeypatch: Any) -> None:
    """An old order that fills then comes before those that are looked for, and moves the last one on."""
    exchange = OmsCcxtExchange()
    rows = [{"id": number} for number in range(100, 1100)]

    async def page(endpoint: str, request: dict[str, Any]) -> Any:
        start = (request["page"] - 1) * 500
        body = {"items": rows[start : start + 500], "total": len(rows)}
        rows.insert(0, {"id": 1100 - len(rows)})
        return body

    monkeypatch.setattr(exchange, "_read_page", page)
    found = await AccountReader(exchange, 1)._changed("orders_history", LAST_MS)

    assert {row["id"] for row in found} >= {*range(100, 1100)}
