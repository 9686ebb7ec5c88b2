"""What things mean: nouns (models), decisions (rules), needs (ports), use cases (services). Standard library + msgspec only."""
