"""Metadata stores to test with: empty ones, and values to put into them."""

import asyncio
import itertools
import types
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from domain.models.access import Scope, Viewer, system_viewer
from domain.models.data_source import Connection, DataSource, DataSourceKind, Sensitivity, SourceEnvironment
from domain.models.operation import Operation, OperationKind, OperationState
from persistence.database import Database, open_database
from persistence.repositories.data_sources import SqlDataSourceReader
from persistence.repositories.health import SqlHealthReader
from persistence.repositories.operations import SqlOperationReader
from persistence.tables import metadata
from persistence.tables.events import event_log
from persistence.tables.secrets import instance
from persistence.unit_of_work import SqlUnitOfWork
from tests.strategies import text

T = TypeVar("T")

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
SYSTEM = system_viewer("test")

# Half a dozen structs on two databases: each takes a share of N. Every example undoes what it wrote.
ROUND_TRIPS = settings(
    max_examples=max(10, settings.default.max_examples // 5),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

_numbers = itertools.count(1)


class StillClock:
    """A clock that shows one time."""

    def now(self) -> datetime:
        return AT

    def monotonic_s(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody waits in a transaction")


class Store:
    """One empty metadata store, with all that reads and writes it."""

    def __init__(self, url: str, database: Database) -> None:
        self.url = url
        self.database = database
        self.nudges = 0
        self.unit_of_work = SqlUnitOfWork(database, StillClock(), self._nudge)
        self.data_sources = SqlDataSourceReader(database)
        self.operations = SqlOperationReader(database)
        self.health = SqlHealthReader(database)

    def _nudge(self) -> None:
        self.nudges += 1

    async def add(self, *sources: DataSource) -> None:
        async with self.unit_of_work(SYSTEM) as tx:
            for source in sources:
                await tx.data_sources.add(source)

    async def add_operations(self, *operations: Operation) -> None:
        async with self.unit_of_work(SYSTEM) as tx:
            for operation in operations:
                await tx.operations.add(operation)


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[Store]:
    """A store that was migrated."""
    database = await open_database(url)
    try:
        yield Store(url, database)
    finally:
        await database.close()


async def emptied(database: Database) -> None:
    """Removes all but what the migration wrote."""
    made_once = {event_log, instance}
    async with database.write() as connection:
        for table in reversed(metadata.sorted_tables):
            if table not in made_once:
                await connection.execute(delete(table))
        await connection.execute(update(event_log).values(head=0, tail=1))


class Undone(Exception):
    """Raised to leave a transaction without a trace."""


def source(name: str | None = None, **attributes: Any) -> DataSource:
    n = next(_numbers)
    given = {
        "id": f"src_{n}",
        "name": name or f"source {n}",
        "connection": Connection(DataSourceKind.SQLITE, {"path": "/data/shop.db"}),
        "created_at": AT,
        "updated_at": AT,
    }
    return DataSource(**(given | attributes))


def operation(data_source_id: str | None, **attributes: Any) -> Operation:
    n = next(_numbers)
    given = {
        "id": f"op_{n:06}",
        "kind": OperationKind.CONNECTION_TEST,
        "state": OperationState.QUEUED,
        "actor": "ann",
        "created_at": AT,
        "data_source_id": data_source_id,
    }
    return Operation(**(given | attributes))


def viewer(scope: Scope | None = None, name: str = "ann") -> Viewer:
    return Viewer(name, "key", frozenset(), scope or Scope())


def hiding(source: DataSource) -> list[Viewer]:
    """Viewers that may see much, but not this source: one for each bound that a scope has."""
    others = frozenset(SourceEnvironment) - {source.environment}
    scopes = [
        Scope(data_sources=frozenset({"src_other"})),
        Scope(data_sources=frozenset()),
        Scope(environments=others),
        Scope(data_sources=frozenset({source.id}), environments=others),
    ]
    if source.sensitivity.rank:
        scopes.append(Scope(sensitivity_ceiling=list(Sensitivity)[source.sensitivity.rank - 1]))
    return [viewer(scope) for scope in scopes]


async def elsewhere(coroutine: Coroutine[object, object, T]) -> T:
    """Done as another process would do it: outside of the transaction that is open here."""
    return await asyncio.create_task(coroutine, context=Context())


_TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (they become aware)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: text,
    int: st.integers(-(2**31), 2**31 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=40),
    datetime: _TIMES,
    dict[str, Any]: st.dictionaries(text, _JSON, max_size=3),
}


def values(of: Any) -> st.SearchStrategy[Any]:
    """Any value of a type of the domain."""
    if of in _PLAIN:
        return _PLAIN[of]
    arguments = get_args(of)
    if get_origin(of) in (Union, types.UnionType):
        return st.one_of(st.none() if argument is type(None) else values(argument) for argument in arguments)
    if get_origin(of) is tuple:
        if arguments[-1] is Ellipsis:
            return st.lists(values(arguments[0]), max_size=3).map(tuple)
        return st.tuples(*(values(argument) for argument in arguments))
    if issubclass(of, Enum):
        return st.sampled_from(of)
    assert issubclass(of, msgspec.Struct)
    hints = get_type_hints(of)
    return st.builds(
        of, **{field: st.deferred(lambda field=field: values(hints[field])) for field in of.__struct_fields__}
    )
