"""A server, and a wide database, that the tests of the command line share: each test has sources of its own."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.e2e.client import GraphqlClient
from tests.e2e.command_line.databases import fill
from tests.servers.headwater import HeadwaterServer
from tests.servers.postgresql import PostgresqlDatabase, PostgresqlEndpoint


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_server() -> AsyncIterator[HeadwaterServer]:
    """Empty at first; never to be stopped."""
    server = HeadwaterServer(environment={"HEADWATER_HEALTH_INTERVAL_S": "3600"})
    await server.start()
    yield server
    await server.discard()


@pytest_asyncio.fixture
async def shared_client(shared_server: HeadwaterServer) -> AsyncIterator[GraphqlClient]:
    """Speaks with it."""
    async with GraphqlClient(shared_server.graphql_url) as client:
        yield client


@pytest_asyncio.fixture
async def at_server(shared_server: HeadwaterServer) -> dict[str, str]:
    """The environment of a command that is to speak with it."""
    return {"HEADWATER_URL": shared_server.url}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def wide_database(postgresql_server: PostgresqlEndpoint) -> AsyncIterator[PostgresqlDatabase]:
    """1,000 tables × 12 columns."""
    database = await postgresql_server.create_database()
    await fill(database)
    yield database
    await postgresql_server.drop_database(database)
