"""`OmsCcxtExchange` with coroutines."""

from __future__ import annotations

from .exchange._async import OmsCcxtExchange

__all__ = ["OmsCcxtExchange"]
