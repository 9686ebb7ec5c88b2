"""How each foreign system speaks: one folder per system, the same five rooms in each.

`spec.py` (settings, capabilities; loads no driver), `connector.py` (the conversation), `queries.py` (what is asked),
`mapping.py` (native → domain; pure and total), `errors.py` (driver errors → our taxonomy). Connectors never see each
other; what all need is in `shared`. To add one: write the five rooms, list it in `registry.py`, pass the contract
suite.
"""
