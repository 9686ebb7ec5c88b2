"""Secrets at rest and in other stores: the operator's key, the box sealed under it, tokens, stores of others.

`opening.open_secrets` is the way in. What lives here shows nothing in `repr`, logs nothing, and names no path.
"""
