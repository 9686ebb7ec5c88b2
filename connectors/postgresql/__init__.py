"""PostgreSQL 12 to 18, spoken with through asyncpg."""
