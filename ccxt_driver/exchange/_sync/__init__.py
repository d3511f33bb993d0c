# Generated from `_async/__init__.py` by `_generate.py`: change that file, not this one.
"""Every unified method, written once. `_sync` is generated from this package: see `_generate.py`."""

from __future__ import annotations

from .exchange import OmsCcxtExchange

__all__ = ["OmsCcxtExchange"]
