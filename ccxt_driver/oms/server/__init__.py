"""The embedded OMS over HTTP and WebSocket: `create_app(oms)` is an aiohttp application."""

from __future__ import annotations

from .application import create_app

__all__ = ["create_app"]
