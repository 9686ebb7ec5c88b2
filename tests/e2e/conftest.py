"""Headwater as people run it: a process of its own, spoken to over its sockets only."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.e2e.client import GraphqlClient
from tests.servers.headwater import HeadwaterServer

ADMIN_KEY = "e2e-admin-key-0123456789"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def demo_server() -> AsyncIterator[HeadwaterServer]:
    """A server with the demo shop that all tests share: read from it, never stop it."""
    server = HeadwaterServer(arguments=["--demo"], environment={"HEADWATER_HEALTH_INTERVAL_S": "1"})
    await server.start()
    yield server
    await server.discard()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def keyed_server() -> AsyncIterator[HeadwaterServer]:
    """A server that asks for a key, shared like the demo's."""
    server = HeadwaterServer(arguments=["--demo"], environment={"HEADWATER_ADMIN_KEY": ADMIN_KEY})
    await server.start()
    yield server
    await server.discard()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[HeadwaterServer]:
    """A server of the test's own, to fill, stop and kill."""
    server = HeadwaterServer(environment={"HEADWATER_HEALTH_INTERVAL_S": "1"})
    await server.start()
    yield server
    await server.discard()


@pytest_asyncio.fixture
async def client(server: HeadwaterServer) -> AsyncIterator[GraphqlClient]:
    """Speaks with the test's own server."""
    async with GraphqlClient(server.graphql_url) as client:
        yield client


@pytest_asyncio.fixture
async def demo_client(demo_server: HeadwaterServer) -> AsyncIterator[GraphqlClient]:
    """Speaks with the shared demo server."""
    async with GraphqlClient(demo_server.graphql_url) as client:
        yield client
