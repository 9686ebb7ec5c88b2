"""The suites here run on SQLite and on PostgreSQL."""

from pathlib import Path

import pytest

from tests.servers.postgresql import PostgresqlDatabase


# Synchronous: it picks another fixture, which can be asked for only while no loop runs.
@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty database is."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/store.db"
    database: PostgresqlDatabase = request.getfixturevalue("postgresql_database")
    return database.sqlalchemy_url
