"""The version of the package: the build reads it here, and so does `ccxt_driver.__version__`."""

from __future__ import annotations

__version__ = "0.1.0"
