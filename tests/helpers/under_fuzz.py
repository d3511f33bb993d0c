"""A served OMS to throw nonsense at, and what has to be as before when it is over."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ccxt_driver.oms import EmbeddedOms, maintenance
from ccxt_driver.oms.server.application import WEBSOCKETS
from ccxt_driver.oms.server.event_hub import Feed
from ccxt_driver.oms.server.limits import Limits
from ccxt_driver.oms.server.market_polls import MarketPolls
from ccxt_driver.oms.server.outbox import Outbox
from ccxt_driver.oms.server.websocket import Client
from tests.helpers.auditor import ACCOUNTS, SPOT, SWAP, Auditor
from tests.helpers.served import ServedOms, serve

_OF_A_CLIENT = (Client, Feed, MarketPolls, Outbox)
_PATIENCE_SECONDS = 10


@contextmanager
def attacked(db: Path, limits: Limits | None = None) -> Iterator[ServedOms]:
    """Serve an OMS that has traded already; in the end nothing may be left, and the books must balance.

    :param db: the file to keep it in
    """
    with _no_error_logged(), serve(traded(db), limits) as served:
        before = served.run(_footprint(served))
        yield served
        after = served.run(_settled(served, before))
        assert after == before, (before, after)
        Auditor(served.oms, start=None).check()
    problems = maintenance.check(db)
    assert problems == [], problems


def traded(db: Path | None = None) -> EmbeddedOms:
    """An OMS with resting orders, positions and deals on each account; its clock stands still."""
    oms = EmbeddedOms(accounts=ACCOUNTS, clock="manual", db=db)
    if db is not None:  # no power fails here, and there are thousands of commits
        oms._core.store._connection.execute("PRAGMA synchronous = OFF")  # type: ignore[attr-defined]
    for symbol in (SPOT, SWAP):
        oms.set_price(symbol, bid=100, ask=101, last=100)
        for account_id in (1, 2, 3):
            for payload in (
                {"side": "buy", "order_type": "market", "qty": "1"},
                {"side": "buy", "order_type": "limit", "qty": "1", "price": "90"},
                {"side": "sell", "order_type": "limit", "qty": "0.5", "price": "110"},
            ):
                command = {"symbol": symbol, **payload}
                body = {"account_id": account_id, "command": "send_order", "payload": command}
                reply = oms.handle("commands", {}, {}, body)
                assert reply.status == 200, reply.body
    return oms


@contextmanager
def _no_error_logged() -> Iterator[None]:
    """Whatever is sent: nothing the server has to log as an error, of its own or of the event loop."""
    errors: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            errors.append(logging.Formatter().format(record))

    handler = Handler(logging.ERROR)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
    assert errors == [], "\n".join(errors)


async def _settled(served: ServedOms, before: dict[str, Any]) -> dict[str, Any]:
    """What there is once it is as before, or after some seconds what there is instead."""
    until = time.monotonic() + _PATIENCE_SECONDS * 0.8
    # There is no event for all of it together.
    while (now := await _footprint(served)) != before and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return now


async def _footprint(served: ServedOms) -> dict[str, Any]:
    """What a client that has gone must not leave behind."""
    websockets = served.runner.app[WEBSOCKETS]
    assert served.runner.server is not None
    assert websockets._hub is not None
    gc.collect()
    kinds = Counter(type(each) for each in gc.get_objects())
    return {
        "connections": len(served.runner.server.connections),
        "clients": websockets.clients,
        "feeds": sum(map(len, websockets._hub._feeds.values())),
        "subscribers": len(served.oms._subscribers),
        "tasks": len(asyncio.all_tasks()),
        **{kind.__name__: kinds[kind] for kind in _OF_A_CLIENT},
    }
