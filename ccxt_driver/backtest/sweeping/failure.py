"""Why a sweep is no more."""

from __future__ import annotations


class SweepError(RuntimeError):
    """A sweep that could not begin or go on; the message says why."""
