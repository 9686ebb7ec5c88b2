"""`system`: every kind of system in turn, with the shop in it. A kind without a harness here fails the suite."""

from pathlib import Path

import pytest
import pytest_asyncio

from domain.models.data_source import DataSourceKind
from tests.contract.connectors.systems import PostgresqlShop, SqliteShop, System
from tests.servers.postgresql import PostgresqlDatabase

HARNESSES = {DataSourceKind.POSTGRESQL: "postgresql_shop", DataSourceKind.SQLITE: "sqlite_shop"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write what is found as what is expected; review it as a diff"
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden", default=False))


@pytest.fixture
def sqlite_shop(tmp_path: Path) -> SqliteShop:
    return SqliteShop(tmp_path)


@pytest_asyncio.fixture
async def postgresql_shop(postgresql_database: PostgresqlDatabase) -> PostgresqlShop:
    return await PostgresqlShop.create(postgresql_database)


@pytest.fixture(params=sorted(DataSourceKind), ids=str.lower)
def system(request: pytest.FixtureRequest) -> System:
    found: System = request.getfixturevalue(HARNESSES[request.param])
    return found
