"""The driver: ccxt's Exchange on the OMS contract. `_sync` is generated from `_async`."""
