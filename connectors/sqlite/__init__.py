"""SQLite: a file, read on a thread of its own. `ddl.py` reads what only the SQL text tells."""
