"""How often a process that is an OMS's own looks for cyclic garbage."""

from __future__ import annotations

import gc


def collect_seldom() -> None:
    """Look for cyclic garbage less often than usual, and never at what is there already.

    Each look goes over all open orders, and nearly all that is made stays: it costs a tenth of an order at
    the interpreter's own thresholds.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
