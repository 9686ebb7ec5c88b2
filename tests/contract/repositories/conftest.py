"""Each suite here runs on SQLite and on PostgreSQL.

Both stores are migrated once: making a database and its tables takes longer than most tests.
"""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from persistence.database import open_database
from persistence.migrations import migrate
from tests.contract.repositories.stores import Store, emptied, open_store
from tests.servers.postgresql import PostgresqlEndpoint


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store to copy."""
    path = tmp_path_factory.mktemp("migrated") / "store.db"
    await _migrate(f"sqlite+aiosqlite:///{path}")
    return path


async def _migrate(url: str) -> None:
    database = await open_database(url)
    await migrate(database)
    await database.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_url(postgresql_server: PostgresqlEndpoint) -> AsyncIterator[str]:
    """A PostgreSQL store to empty."""
    database = await postgresql_server.create_database()
    await _migrate(database.sqlalchemy_url)
    yield database.sqlalchemy_url
    await postgresql_server.drop_database(database)


# Synchronous: it picks another fixture, which can be asked for only while no loop runs.
@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "store.db")
        return f"sqlite+aiosqlite:///{tmp_path}/store.db"
    url: str = request.getfixturevalue("migrated_url")
    return url


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """An empty metadata store."""
    async with open_store(store_url) as opened:
        await emptied(opened.database)
        yield opened
