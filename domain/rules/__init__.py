"""Decisions: pure functions from values to values. No clock, no randomness, no I/O: those come in as arguments."""
