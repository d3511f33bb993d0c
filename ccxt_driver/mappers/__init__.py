"""Rows of the contract as ccxt's unified structures: pure functions, no I/O, no clock.

Each mapper reads a row as it came from JSON, checks what it uses, and keeps the row as `info`. A row
that is not of the contract raises `ValueError` naming the field: the caller makes it `BadResponse`.
They do not go through the pydantic models, which say the same: validating and mapping an order row
by hand costs about a third of `model_validate` plus mapping, and a test holds that both accept the
same rows.
"""
