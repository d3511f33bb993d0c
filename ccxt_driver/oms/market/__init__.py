"""Price feeds of the paper venue: seeded synthetic or recorded prices, and prices set by hand over them.

`MarketData` is what the service uses; a new kind of feed implements `Feed` and is given to it.
Prices are made, or recorded, for any moment; nothing here reads a clock.
"""
