"""Streams that lose nothing: `watch_*` on the OMS's events."""
