"""The driver: ccxt's Exchange on the OMS contract. `_sync.py` is generated from `_async.py`."""
