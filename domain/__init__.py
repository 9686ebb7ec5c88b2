"""What things mean: nouns (models), decisions (rules), needs (ports), use cases (services).

The standard library and msgspec only.
"""
