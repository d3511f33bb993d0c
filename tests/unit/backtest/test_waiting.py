"""Waiting beside threads: what looking at them leaves behind."""

from __future__ import annotations

import gc
import threading
import weakref
from types import SimpleNamespace
from typing import Any

from ccxt_driver.backtest.other_threads import OtherThreads


class Held:
    """Something that a thread has in its hands."""


def test_what_threads_were_at_is_not_kept_for_the_collector() -> None:
    threads: Any = SimpleNamespace(main=threading.get_ident(), for_ever={})
    others = OtherThreads(threads)
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
        assert not others.are_idle()
        let_go.set()
        thread.join(10)
        assert kept[0]() is None
    finally:
        gc.enable()
