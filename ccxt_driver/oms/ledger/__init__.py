"""The books: positions, balances and reservations. Pure: times and prices are passed in."""
