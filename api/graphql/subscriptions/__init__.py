"""Roots of watching: authorise, follow, map, yield."""
