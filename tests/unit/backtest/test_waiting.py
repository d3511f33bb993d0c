"""Waiting beside threads: what looking at them leaves behind."""

from __future__ import annotations

import gc
import threading
import weakref
from types import SimpleNamespace
from typing import Any

from ccxt_driver.backtest.waiting import Waiting


class Held:
    """Something that a thread has in its hands."""


def test_what_threads_were_at_is_not_kept_for_the_collector() -> None:
    replay: Any = SimpleNamespace(threads=SimpleNamespace(main=threading.get_ident()))
    waiting = Waiting(replay)
    holds, let_go, kept = threading.Event(), threading.Event(), []

    def work() -> None:
        held = Held()
        kept.append(weakref.ref(held))
        holds.set()
        let_go.wait(10)

    gc.collect()
    gc.disable()
    try:
        thread = threading.Thread(target=work)
        thread.start()
        assert holds.wait(10)
        assert not waiting._are_idle()
        let_go.set()
        thread.join(10)
        assert kept[0]() is None
    finally:
        gc.enable()
