"""Items of which only the newest of each kind counts: prices, books, candles."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from .watching import Watcher


class Box:
    """The place of one item in a watcher's queue: what is in it is the newest until it is taken out."""

    __slots__ = ("_open", "key", "value")

    def __init__(self, key: Any, value: Any, open_boxes: dict[Hashable, Box]) -> None:
        self.key = key
        self.value = value
        self._open: dict[Hashable, Box] | None = open_boxes

    def take(self) -> Any:
        """What is in it, the same for all who ask. From now on newer items get a box of their own."""
        if self._open is not None:
            self._open.pop(self.key, None)
            self._open = None
            if callable(self.value):
                self.value = self.value()
        return self.value


class Latest:
    """Fills a watcher so that at most one item of each key waits in it.

    :param watcher: whose queue
    """

    def __init__(self, watcher: Watcher[Box]) -> None:
        self.watcher = watcher
        self._boxes: dict[Hashable, Box] = {}

    def put(self, key: Hashable, value: Any | Callable[[], Any]) -> None:
        """Keep an item in the place of the older one that nobody has asked for.

        :param key: one item of each is kept
        :param value: never changed afterwards, or what makes it when it is taken
        """
        box = self._boxes.get(key)
        if box is not None:
            box.value = value
            return
        box = self._boxes[key] = Box(key, value, self._boxes)
        self.watcher.offer(box)
