"""`python -m ccxt_driver` is `ccxt-driver`."""

from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    main()
