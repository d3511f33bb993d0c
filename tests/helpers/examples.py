"""How many examples a slow property tries."""

from __future__ import annotations

from hypothesis import settings

_DEFAULT = 100
"""Of Hypothesis, and so of every profile that names no number."""


def examples(usual: int) -> settings:
    """A decorator: so many examples, or as many as the profile says when it says a number.

    A number that is fixed at the test would hide the one of the profile `thorough`.
    """
    chosen = settings().max_examples
    return settings(max_examples=usual if chosen == _DEFAULT else chosen)
