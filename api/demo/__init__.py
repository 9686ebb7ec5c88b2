"""The demo: a small shop as a SQLite file, registered and discovered at the first start."""
