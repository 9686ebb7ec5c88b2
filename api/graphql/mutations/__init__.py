"""Roots of writing. Each answers a union: what was done, or the problem that was in the way."""
