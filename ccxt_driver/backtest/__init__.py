"""Runs an unmodified live script over history, in virtual time."""
