"""What every test can ask for: seeds, and real servers that start when the first test wants them.

SEED repeats a run (order of the tests and all generated cases); N says how many cases a generator makes.
TEST_POSTGRESQL_URL and TEST_REDIS_URL name servers to use instead of our own. A server that is not there skips its
tests with the reason, and fails them where CI=true.
"""

import os
import secrets
from collections.abc import AsyncIterator

import hypothesis
import pytest
import pytest_asyncio

from tests.servers import postgresql, redis
from tests.servers.postgresql import PostgresqlDatabase, PostgresqlEndpoint, PostgresqlServer
from tests.servers.redis import RedisEndpoint, RedisServer

_DEFAULT_CASES = 300


@pytest.hookimpl(tryfirst=True)  # before pytest-randomly and Hypothesis read their seeds
def pytest_configure(config: pytest.Config) -> None:
    # Into the environment, because the workers of a parallel run inherit it.
    seed = int(os.environ.setdefault("SEED", str(secrets.randbelow(2**32))))
    if config.getoption("randomly_seed", None) == "default":
        config.option.randomly_seed = seed
    if config.getoption("--hypothesis-seed") is None:
        config.option.hypothesis_seed = str(seed)
    hypothesis.settings.register_profile("headwater", max_examples=_cases(), deadline=None, print_blob=True)
    hypothesis.settings.load_profile("headwater")


def pytest_report_header() -> str:
    return f"repeat with: SEED={os.environ['SEED']} N={_cases()}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "cases" in getattr(item, "fixturenames", ()):
            item.add_marker("generated")


@pytest.fixture(scope="session")
def seed() -> int:
    """Where a generator of the tests' own begins."""
    return int(os.environ["SEED"])


@pytest.fixture(scope="session")
def cases() -> int:
    """How many cases a generator of the tests' own makes."""
    return _cases()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgresql_server() -> AsyncIterator[PostgresqlEndpoint]:
    """A PostgreSQL server that all tests share: make databases on it, never stop it."""
    url = os.environ.get("TEST_POSTGRESQL_URL")
    if url:
        yield PostgresqlEndpoint.from_url(url)
        return
    _require_postgresql()
    server = PostgresqlServer()
    await server.start()
    yield server.endpoint
    await server.discard()


@pytest_asyncio.fixture
async def postgresql_database(postgresql_server: PostgresqlEndpoint) -> AsyncIterator[PostgresqlDatabase]:
    """An empty database of the test's own."""
    database = await postgresql_server.create_database()
    yield database
    await postgresql_server.drop_database(database)


@pytest_asyncio.fixture
async def private_postgresql() -> AsyncIterator[PostgresqlServer]:
    """A running PostgreSQL server of the test's own, to stop, kill and hold still."""
    _require_postgresql()
    server = PostgresqlServer()
    await server.start()
    yield server
    await server.discard()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis_server() -> AsyncIterator[RedisEndpoint]:
    """A Redis server that all tests share: keep to keys of your own, never stop it."""
    url = os.environ.get("TEST_REDIS_URL")
    if url:
        yield RedisEndpoint.from_url(url)
        return
    _require_redis()
    server = RedisServer()
    await server.start()
    yield server.endpoint
    await server.discard()


@pytest_asyncio.fixture
async def redis_prefix(redis_server: RedisEndpoint) -> AsyncIterator[str]:
    """A beginning for key names that no other test uses; what is left under it is deleted."""
    prefix = f"test-{secrets.token_hex(6)}:"
    yield prefix
    await redis_server.delete_keys(prefix)


@pytest_asyncio.fixture
async def private_redis() -> AsyncIterator[RedisServer]:
    """A running Redis server of the test's own that keeps its data over a kill."""
    _require_redis()
    server = RedisServer(is_durable=True)
    await server.start()
    yield server
    await server.discard()


def _cases() -> int:
    return int(os.environ.get("N", _DEFAULT_CASES))


def _require_postgresql() -> None:
    if postgresql.find_binaries() is None:
        _missing("PostgreSQL", "TEST_POSTGRESQL_URL")


def _require_redis() -> None:
    if redis.find_binary() is None:
        _missing("Redis", "TEST_REDIS_URL")


def _missing(what: str, variable: str) -> None:
    reason = f"{what} is not installed: run tests/servers/setup, or set {variable}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
