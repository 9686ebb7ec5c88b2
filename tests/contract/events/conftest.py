"""Each suite here runs over every way to keep and to hand out events."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from persistence.database import open_database
from persistence.events.feed import LogFeed
from persistence.events.log import SqlEventLog
from persistence.events.redis_stream import RedisFanOut
from tests.contract.events.stores import EventStore
from tests.servers.postgresql import PostgresqlDatabase

OpenFeed = Callable[[], Awaitable[LogFeed]]


class SetUp(NamedTuple):
    """Where the log is, and the Redis between processes, if any."""

    store_url: str
    redis_url: str | None = None
    prefix: str = ""


# Fixtures that pick others stay synchronous: they are asked for while no loop runs.


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return _store_url(request, request.param, tmp_path)


@pytest.fixture(params=["sqlite in process", "postgresql in process", "postgresql with redis"])
def set_up(request: pytest.FixtureRequest, tmp_path: Path) -> SetUp:
    url = _store_url(request, request.param.partition(" ")[0], tmp_path)
    if not request.param.endswith("redis"):
        return SetUp(url)
    return SetUp(url, request.getfixturevalue("redis_server").url, request.getfixturevalue("redis_prefix"))


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[EventStore]:
    """An empty event log, in every database that can keep one."""
    async for opened in _open(store_url):
        yield opened


@pytest.fixture
async def postgresql_store(postgresql_database: PostgresqlDatabase) -> AsyncIterator[EventStore]:
    """An empty event log where several may write at once."""
    async for opened in _open(postgresql_database.sqlalchemy_url):
        yield opened


@pytest.fixture
async def feed_store(set_up: SetUp) -> AsyncIterator[EventStore]:
    """An empty event log, for every way to hand out its events."""
    async for opened in _open(set_up.store_url):
        yield opened


@pytest.fixture
async def open_feed(set_up: SetUp, feed_store: EventStore) -> AsyncIterator[OpenFeed]:
    """Opens a feed as another process would, with connections of its own; all on SQLite are in one process."""
    async with AsyncExitStack() as stack:

        async def open_one() -> LogFeed:
            database = feed_store.database
            if feed_store.has_many_writers:
                database = await open_database(set_up.store_url)
                stack.push_async_callback(database.close)
            fan_out = RedisFanOut(set_up.redis_url, prefix=set_up.prefix) if set_up.redis_url else None
            return await stack.enter_async_context(LogFeed(SqlEventLog(database), fan_out=fan_out))

        yield open_one


def _store_url(request: pytest.FixtureRequest, database: str, folder: Path) -> str:
    if database == "sqlite":
        return f"sqlite+aiosqlite:///{folder}/store.db"
    found: PostgresqlDatabase = request.getfixturevalue("postgresql_database")
    return found.sqlalchemy_url


async def _open(url: str) -> AsyncIterator[EventStore]:
    opened = await EventStore.create(url)
    yield opened
    await opened.database.close()
