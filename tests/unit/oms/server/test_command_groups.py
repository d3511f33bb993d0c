from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.server import create_app
from ccxt_driver.oms.server.command_groups import CommandGroups
from ccxt_driver.oms.service import CommandRequest

BODY = {
    "account_id": 1,
    "command": "send_order",
    "payload": {"symbol": "BTC/USDT", "side": "buy", "order_type": "limit", "qty": "0.01", "price": "1000"},
}


def _commits(oms: Any) -> list[str]:
    """Each write to the disk that somebody waits for."""
    statements: list[str] = []
    oms._core.store._connection.set_trace_callback(
        lambda text: statements.append(text) if text.startswith("INSERT INTO journal") else None
    )
    return statements


async def test_requests_that_wait_together_are_written_together(tmp_path: Path) -> None:
    with EmbeddedOms(db=tmp_path / "oms.sqlite", clock="manual") as oms:
        groups, commits = CommandGroups(oms), _commits(oms)
        replies = await asyncio.gather(*(groups.run(CommandRequest({}, BODY)) for _ in range(300)))
        assert sorted(reply.body["results"][0]["order_id"] for reply in replies) == list(range(1, 301))
        assert len(commits) == 3  # the first alone, and a group is not endless


async def test_a_group_waits_while_more_come_but_not_for_long(tmp_path: Path) -> None:
    async def run_after(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await groups.run(CommandRequest({}, BODY))

    with EmbeddedOms(db=tmp_path / "oms.sqlite", clock="manual") as oms:
        groups, commits = CommandGroups(oms), _commits(oms)
        await asyncio.gather(*(run_after(turns) for turns in (0, 0, 1, 2)))
        assert len(commits) == 2  # the first alone
        await asyncio.gather(*(run_after(turns) for turns in range(12)))
        assert 4 <= len(commits) <= 6
        await asyncio.gather(run_after(0), run_after(0))
        commits.clear()
        await asyncio.gather(run_after(0), run_after(5))
        assert len(commits) == 2


async def test_over_http_and_the_websocket(tmp_path: Path) -> None:
    with EmbeddedOms(db=tmp_path / "oms.sqlite", clock="manual") as oms:
        _, secret = oms.keys.create()
        commits = _commits(oms)
        async with TestClient(TestServer(create_app(oms)), headers={"x-api-key": secret}) as client:
            socket = await client.ws_connect("/ws")
            await socket.receive_json()

            async def post() -> int:
                async with client.post("/oms/commands", json=BODY) as response:
                    return response.status

            asked = [post() for _ in range(20)]
            await socket.send_json({"id": 1, "action": "command", "payload": BODY})
            assert await asyncio.gather(*asked) == [200] * 20
            assert (await socket.receive_json())["payload"]["ok"] is True
        assert 1 <= len(commits) < 21


async def test_who_has_gone_before_its_turn_is_not_served(tmp_path: Path) -> None:
    with EmbeddedOms(db=tmp_path / "oms.sqlite", clock="manual") as oms:
        groups = CommandGroups(oms)
        first = asyncio.create_task(groups.run(CommandRequest({}, BODY)))
        gone = asyncio.create_task(groups.run(CommandRequest({}, BODY)))
        asyncio.get_running_loop().call_soon(gone.cancel)
        stayed = asyncio.create_task(groups.run(CommandRequest({}, BODY)))
        await asyncio.wait({first, gone, stayed})
        assert gone.cancelled()
        assert first.result().body["results"][0]["order_id"] == 1
        assert stayed.result().body["results"][0]["order_id"] == 2


async def test_one_at_a_time_waits_for_no_turn(tmp_path: Path) -> None:
    """And those that come beside it are written together."""
    with EmbeddedOms(db=tmp_path / "oms.sqlite", clock="manual") as oms:
        groups, commits = CommandGroups(oms), _commits(oms)
        for number in (1, 2, 3):
            run = groups.run(CommandRequest({}, BODY))
            with pytest.raises(StopIteration):  # it has ended without waiting for anything
                run.send(None)
            assert len(commits) == number
            await asyncio.sleep(0)
        for _ in range(2):
            commits.clear()
            await asyncio.gather(*(groups.run(CommandRequest({}, BODY)) for _ in range(5)))
            assert len(commits) <= 2
        assert len(commits) == 1


def listen_to_faults() -> list[dict[str, Any]]:
    """What the event loop is told of from now on."""
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    return heard


async def test_a_fault_reaches_everybody_who_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    heard = listen_to_faults()
    with EmbeddedOms(db=tmp_path / "oms.sqlite", clock="manual") as oms:
        groups = CommandGroups(oms)
        monkeypatch.setattr(oms, "run_together", fail)
        asked = (groups.run(CommandRequest({}, BODY)) for _ in range(3))
        first, *others = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(first, ZeroDivisionError)
    assert [str(error) for error in others] == ["the group was not run: ZeroDivisionError"] * 2
    assert isinstance(heard[0]["exception"], ZeroDivisionError)


class Broken:
    def is_gone(self) -> bool:
        return False

    def tell(self, reply: object) -> None:
        raise ZeroDivisionError

    def fail(self, error: BaseException) -> None:
        raise LookupError


async def test_one_who_cannot_be_told_of_a_fault_keeps_it_from_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OverflowError

    heard = listen_to_faults()
    with EmbeddedOms(db=tmp_path / "oms.sqlite", clock="manual") as oms:
        groups = CommandGroups(oms)
        await groups.run(CommandRequest({}, BODY))
        monkeypatch.setattr(oms, "run_together", fail)
        groups.begin(CommandRequest({}, BODY), Broken())
        with pytest.raises(RuntimeError, match="OverflowError"):
            await asyncio.wait_for(groups.run(CommandRequest({}, BODY)), 5)
    assert [type(context["exception"]) for context in heard] == [LookupError, OverflowError]


async def test_one_who_cannot_be_told_keeps_no_answer_from_others(tmp_path: Path) -> None:
    heard = listen_to_faults()
    with EmbeddedOms(db=tmp_path / "oms.sqlite", clock="manual") as oms:
        groups = CommandGroups(oms)
        first = asyncio.create_task(groups.run(CommandRequest({}, BODY)))
        await asyncio.sleep(0)
        groups.begin(CommandRequest({}, BODY), Broken())
        last = asyncio.create_task(groups.run(CommandRequest({}, BODY)))
        assert (await last).body["results"][0]["order_id"] == 3
        assert first.result().status == 200
    assert [type(context["exception"]) for context in heard] == [ZeroDivisionError]
