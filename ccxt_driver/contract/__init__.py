"""The OMS wire contract as data: endpoints, commands, rows, events, codes, features.

Pure: no I/O, no clock, no ccxt. The driver and the embedded OMS both read it, so that neither
can drift from the other.
"""
