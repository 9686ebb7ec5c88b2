"""A running house with one discovered shop, and a client that speaks GraphQL to its schema without a wire."""

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache, wraps
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from strawberry.types.execution import ExecutionResult

from api.bootstrap import Headwater, open_headwater
from api.graphql.context import Context
from api.graphql.schema import HeadwaterSchema, build_schema
from api.limits import DocumentLimits
from api.settings import Settings
from domain.models.access import Permission, Scope, Viewer

EVERYTHING = Viewer(name="ada", kind="local", permissions=frozenset(Permission), scope=Scope())

SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, "e.mail" TEXT NOT NULL UNIQUE);
CREATE TABLE "order lines" (
    id INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    "next line" INTEGER REFERENCES "order lines" (id),
    quantity INTEGER DEFAULT 1 CHECK (quantity > 0)
);
CREATE INDEX lines_of_customer ON "order lines" (customer);
CREATE VIEW "big lines" AS SELECT * FROM "order lines" WHERE quantity > 100;
INSERT INTO customers VALUES (1, 'a@example.org'), (2, 'b@example.org');
"""

REGISTER = """mutation ($name: String!, $path: String!) {
  registerDataSources(input: [{name: $name, connection: {sqlite: {path: $path}}}]) {
    ... on DataSourcePayload { dataSource { id } }
    ... on Problem { code message path }
  }
}"""
DISCOVER = """mutation ($id: ID!) {
  discover(input: {dataSource: $id, mode: FULL}, waitMs: 20000) {
    ... on Operation { id state publishedRevision }
    ... on Problem { code message path }
  }
}"""


@cache
def served_schema(limits: DocumentLimits) -> HeadwaterSchema:
    """Built once for all tests: it keeps nothing between operations but documents."""
    return build_schema(limits)


class Counted:
    """A service whose calls are counted by name."""

    def __init__(self, service: Any, calls: Counter[str]) -> None:
        self._service = service
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._service, name)

        @wraps(found)
        def call(*arguments: Any, **options: Any) -> Any:
            self._calls[name] += 1
            return found(*arguments, **options)

        return call


class CountedServices:
    """The services of the house, each counting its calls."""

    def __init__(self, services: Any, calls: Counter[str]) -> None:
        self._services = services
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        return Counted(getattr(self._services, name), self._calls)


@dataclass
class Client:
    """Asks the schema as one viewer."""

    headwater: Headwater
    viewer: Viewer = EVERYTHING
    calls: Counter[str] = field(default_factory=Counter)
    limits: DocumentLimits = field(default_factory=DocumentLimits)

    @property
    def schema(self) -> HeadwaterSchema:
        return served_schema(self.limits)

    async def ask(self, query: str, **variables: Any) -> ExecutionResult:
        """The answer with its errors."""
        return await self.schema.execute(query, variable_values=variables, context_value=self.context())

    async def run(self, query: str, **variables: Any) -> Any:
        """The data of an answer without errors."""
        answer = await self.ask(query, **variables)
        assert not answer.errors, answer.errors
        return answer.data

    async def code(self, query: str, **variables: Any) -> Any:
        """The code of the only error."""
        answer = await self.ask(query, **variables)
        assert answer.errors is not None
        assert len(answer.errors) == 1, answer.errors
        return answer.errors[0].extensions["code"]

    async def follow(self, query: str, **variables: Any) -> AsyncIterator[ExecutionResult]:
        """What a subscription brings."""
        return await self.schema.subscribe(query, variable_values=variables, context_value=self.context())

    def context(self) -> Context:
        """One for each operation."""
        return Context(CountedServices(self.headwater.services, self.calls), self.viewer, self.limits)  # type: ignore[arg-type]

    def seen_by(self, viewer: Viewer) -> "Client":
        """The same house, somebody else."""
        return Client(self.headwater, viewer, self.calls, self.limits)


@dataclass
class Shop:
    """A registered and discovered SQLite database."""

    id: str
    name: str
    path: Path

    def change(self, script: str) -> None:
        """Changes the database itself."""
        connection = sqlite3.connect(self.path)
        connection.executescript(script)
        connection.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Headwater]:
    folder = tmp_path_factory.mktemp("house")
    settings = Settings(data_dir=folder, health_interval_s=3_600)
    async with open_headwater(settings, port=1) as headwater:
        yield headwater


@pytest.fixture
def client(house: Headwater) -> Client:
    return Client(house)


MakeShop = Callable[[str], Awaitable[Shop]]


@pytest.fixture(scope="session")
def make_shop(house: Headwater, tmp_path_factory: pytest.TempPathFactory) -> MakeShop:
    """Makes, registers and discovers a shop."""

    async def make(name: str) -> Shop:
        path = tmp_path_factory.mktemp("shop") / f"{name}.db"
        shop = Shop("", name, path)
        shop.change(SHOP)
        client = Client(house)
        (registered,) = (await client.run(REGISTER, name=name, path=str(path)))["registerDataSources"]
        shop.id = registered["dataSource"]["id"]
        discovered = (await client.run(DISCOVER, id=shop.id))["discover"]
        assert discovered["state"] == "SUCCEEDED", discovered
        return shop

    return make


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shop(make_shop: MakeShop) -> Shop:
    """One that nobody changes."""
    return await make_shop("shop")
