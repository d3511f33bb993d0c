"""Matching: who trades with whom, at which price. Pure functions of books and orders."""
