"""A PostgreSQL server that offers TLS, for the tests of the connector."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.servers.postgresql import PostgresqlServer, Tls


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def encrypting_server() -> AsyncIterator[PostgresqlServer]:
    """Offers TLS and takes connections without."""
    server = PostgresqlServer(tls=Tls())
    await server.start()
    yield server
    await server.discard()
