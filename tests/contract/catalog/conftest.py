"""The suite runs over every database that can keep a catalog."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.catalog.stores import CatalogStore
from tests.servers.postgresql import PostgresqlDatabase


# Fixtures that pick others stay synchronous: they are asked for while no loop runs.
@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/store.db"
    found: PostgresqlDatabase = request.getfixturevalue("postgresql_database")
    return found.sqlalchemy_url


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[CatalogStore]:
    """An empty store."""
    opened = await CatalogStore.create(store_url)
    yield opened
    await opened.database.close()


@pytest.fixture
async def source(store: CatalogStore) -> str:
    """A source in it."""
    return await store.add_source()
