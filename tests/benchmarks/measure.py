"""Medians of two callables run in turns, so that a noisy machine disturbs both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any


def microseconds(function: Callable[[], Any], rounds: int = 300) -> float:
    """The median time of one call in µs."""
    return compare({"only": function}, rounds)["only"]


def compare(functions: dict[str, Callable[[], Any]], rounds: int = 300) -> dict[str, float]:
    """The median time of one call of each in µs; the calls take turns."""
    times: dict[str, list[int]] = {name: [] for name in functions}
    for turn in range(rounds + rounds // 10):
        for name, function in functions.items():
            start = time.perf_counter_ns()
            function()
            if turn >= rounds // 10:
                times[name].append(time.perf_counter_ns() - start)
    return {name: statistics.median(each) / 1000 for name, each in times.items()}


def report(title: str, ours: float, baseline: float, goal: str) -> None:
    """One line: what was measured, both figures, the ratio, the goal."""
    print(f"\n{title}: {ours:.1f} µs, baseline {baseline:.1f} µs, ratio {ours / baseline:.2f} (goal: {goal})")
