"""How we remember: one metadata store in SQLite or PostgreSQL, its events and jobs. Takes and gives domain values."""
