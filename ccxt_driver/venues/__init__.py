"""Prices of real exchanges for the embedded OMS, through ccxt: see `LiveFeed`."""

from .live import LiveFeed

__all__ = ["LiveFeed"]
