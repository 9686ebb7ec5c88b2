"""Event logs to test with: an empty store, and facts to put into it."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from contextvars import Context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import insert

from domain.models.access import Scope, Viewer, system_viewer
from domain.models.change import ChangeAction
from domain.models.data_source import Connection, DataSource, DataSourceKind, Sensitivity, SourceEnvironment
from domain.models.event import (
    ChangeEvent,
    DataSourceAction,
    DataSourceEvent,
    Event,
    EventFilter,
    Gap,
    LoggedEvent,
    OperationEvent,
)
from domain.models.operation import OperationKind, OperationState
from persistence.database import Database, open_database
from persistence.events.log import append_events, new_event
from persistence.tables.events import event_log, events, new_epoch

T = TypeVar("T")

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
EVERYTHING = EventFilter()
SYSTEM = system_viewer("test")


def source(
    name: str = "shop",
    environment: SourceEnvironment = SourceEnvironment.TEST,
    sensitivity: Sensitivity = Sensitivity.INTERNAL,
) -> DataSource:
    return DataSource(
        f"src_{name}",
        name,
        Connection(DataSourceKind.SQLITE, {}),
        AT,
        AT,
        environment=environment,
        sensitivity=sensitivity,
    )


SHOP = source()


def fact(n: int, data_source: DataSource = SHOP) -> DataSourceEvent:
    """A fact with a number in it."""
    return DataSourceEvent(data_source.id, str(n), DataSourceAction.UPDATED)


def change(data_source: DataSource, *path: str) -> ChangeEvent:
    return ChangeEvent(data_source.id, data_source.name, path, 2, ChangeAction.ADDED, "chg_1")


def operation(data_source: DataSource | None, actor: str = "bob") -> OperationEvent:
    source_id = data_source and data_source.id
    return OperationEvent("op_1", OperationKind.CONNECTION_TEST, OperationState.RUNNING, actor, source_id)


def viewer(name: str = "ann", scope: Scope | None = None) -> Viewer:
    return Viewer(name, "key", frozenset(), scope or Scope())


@dataclass
class EventStore:
    """A metadata store that has only the event tables."""

    url: str
    database: Database

    @classmethod
    async def create(cls, url: str) -> "EventStore":
        database = await open_database(url)
        async with database.write() as connection:
            await connection.run_sync(lambda sync: events.metadata.create_all(sync, tables=[events, event_log]))
            await connection.execute(insert(event_log).values(id=1, epoch=new_epoch(), head=0, tail=1))
        return cls(url, database)

    @property
    def has_many_writers(self) -> bool:
        return self.database.dialect == "postgresql"

    async def write(
        self, *facts: Event, data_source: DataSource | None = SHOP, actor: str = "ann", at: datetime = AT
    ) -> None:
        """One transaction."""
        async with self.database.write() as connection:
            rows = [new_event(event, at, actor, data_source) for event in facts]
            await append_events(connection, self.database.dialect, rows)

    async def write_numbers(self, numbers: Sequence[int]) -> None:
        """One transaction each."""
        for n in numbers:
            await self.write(fact(n))


async def elsewhere(coroutine: Coroutine[object, object, T]) -> T:
    """Done as another process would do it: outside of the transaction that is open here."""
    async with asyncio.timeout(5):
        return await asyncio.create_task(coroutine, context=Context())


def numbers(found: Sequence[LoggedEvent | Gap | None]) -> list[int]:
    """The numbers of facts, in order; fails for anything else."""
    told = []
    for logged in found:
        assert isinstance(logged, LoggedEvent)
        assert isinstance(logged.event, DataSourceEvent)
        told.append(int(logged.event.name))
    return told


async def take(
    stream: AsyncGenerator[LoggedEvent | Gap | None], count: int, *, timeout_s: float = 10.0
) -> list[LoggedEvent | Gap]:
    """The next `count` of a stream, without heartbeats; the stream stays open."""
    found: list[LoggedEvent | Gap] = []
    async with asyncio.timeout(timeout_s):
        while len(found) < count:
            item = await anext(stream)
            if item is not None:
                found.append(item)
    return found


async def take_from(
    stream: AsyncGenerator[LoggedEvent | Gap | None], count: int, *, timeout_s: float = 10.0
) -> list[LoggedEvent | Gap]:
    """The next `count` of a stream, which is closed afterwards."""
    async with aclosing(stream):
        return await take(stream, count, timeout_s=timeout_s)
