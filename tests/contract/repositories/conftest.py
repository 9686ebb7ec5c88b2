"""Each suite here runs on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.repositories.stores import Store, open_store
from tests.servers.postgresql import PostgresqlDatabase


# Synchronous: it picks another fixture, which can be asked for only while no loop runs.
@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/store.db"
    database: PostgresqlDatabase = request.getfixturevalue("postgresql_database")
    return database.sqlalchemy_url


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """An empty metadata store."""
    async with open_store(store_url) as opened:
        yield opened
