"""Time passes by itself while nobody has anything to do, and stands still while bytes are under way."""

from __future__ import annotations

import asyncio
import time

from tests.helpers.virtual_loop import VirtualLoop, run_virtually


def test_an_hour_is_over_at_once() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(3600)
        return loop.time()

    started = time.perf_counter()
    assert 3600 <= run_virtually(main()) < 3601
    assert time.perf_counter() - started < 5


def test_bytes_under_way_take_no_time() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    async def main() -> float:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for _ in range(500):
            writer.write(b"?")
            assert await asyncio.wait_for(reader.read(1), 0.5) == b"?"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) < 0.5


def test_another_thread_is_waited_for() -> None:
    async def main() -> str:
        return await asyncio.to_thread(lambda: "there")

    assert run_virtually(main()) == "there"


def test_its_clock_tells_the_same_time() -> None:
    loop = VirtualLoop(start_ms=1_000)
    loop.run_until_complete(asyncio.sleep(2))
    assert 3_000 <= loop.now_ms() < 3_100
    loop.close()


def test_time_passes_for_who_waits_for_next_to_nothing() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(6.5)
        before = loop.time()
        for _ in range(10):
            await asyncio.sleep(1e-16)
        assert loop.time() > before

    run_virtually(main())
