"""Nouns: immutable values, one file per noun group. References are by key, never by object cycles."""
