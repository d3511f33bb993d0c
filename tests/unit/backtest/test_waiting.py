"""Waiting beside threads: what looking at them leaves behind."""

from __future__ import annotations

import gc
import queue
import threading
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from ccxt_driver.backtest.other_threads import OtherThreads
from ccxt_driver.backtest.waiting import SimpleQueue


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


@pytest.mark.parametrize("kind", [queue.SimpleQueue, SimpleQueue])
def test_a_simple_queue_is_as_the_one_of_the_standard_library(kind: Any) -> None:
    todo: Any = kind[int] and kind()
    todo.put(1)
    todo.put(2, False)
    todo.put_nowait(3)

    assert (todo.qsize(), todo.empty()) == (3, False)
    assert [todo.get(), todo.get(timeout=0), todo.get(False)] == [1, 2, 3]
    assert (todo.qsize(), todo.empty()) == (0, True)
    for get in (todo.get_nowait, lambda: todo.get(timeout=0.01), lambda: todo.get(False, -1)):
        with pytest.raises(queue.Empty):
            get()
    with pytest.raises(ValueError, match="non-negative"):
        todo.get(timeout=-1)
    threading.Timer(0.01, todo.put, ["late"]).start()
    assert todo.get(timeout=10) == "late"
