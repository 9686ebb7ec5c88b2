"""Catalogs to test with: a store with sources, runs that publish states of them, and what is read back."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from msgspec.structs import replace
from sqlalchemy import event
from sqlalchemy.engine import Engine

from domain.models.access import Viewer, system_viewer
from domain.models.catalog import (
    Column,
    ColumnEntry,
    Constraint,
    ConstraintKind,
    DataTypeFamily,
    Index,
    Namespace,
    Statistics,
    Table,
    TableEntry,
    TableKind,
)
from domain.models.data_source import Connection, DataSource, DataSourceKind, DiscoveryScope, SourceEnvironment
from domain.models.discovery import Coverage, DiscoveryBatch, FoundTable, Published, Unreadable
from domain.models.operation import SyncMode
from domain.models.page import Page, Slice
from domain.models.relationship import Reference
from domain.ports.repositories.catalog import CatalogFilter, ObjectAt, Pin
from domain.rules.fingerprint import normalise
from persistence.catalog.reader import SqlCatalogReader
from persistence.catalog.repository import SqlCatalogRepository
from persistence.database import Database, open_database
from persistence.repositories.data_sources import SqlDataSourceRepository
from persistence.tables import metadata

T = TypeVar("T")

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
SYSTEM = system_viewer("test")
EVERYTHING = CatalogFilter()
ALL = Page(1_000)
NOTHING_OBSERVED = Statistics()


@dataclass
class CatalogStore:
    """A metadata store with all tables, and a clock that goes on by a minute with each run."""

    database: Database
    reader: SqlCatalogReader
    runs: int = 0
    sources: list[str] = field(default_factory=list)

    @classmethod
    async def create(cls, url: str) -> "CatalogStore":
        database = await open_database(url)
        async with database.write() as connection:
            await connection.run_sync(metadata.create_all)
        return cls(database, SqlCatalogReader(database))

    async def add_source(self, environment: SourceEnvironment = SourceEnvironment.TEST) -> str:
        id = f"src_{len(self.sources)}"
        self.sources.append(id)
        source = DataSource(id, id, Connection(DataSourceKind.SQLITE, {}), AT, AT, environment=environment)
        async with self.database.write() as connection:
            await SqlDataSourceRepository(connection, self.database.dialect, SYSTEM).add(source)
        return id

    @property
    def now(self) -> datetime:
        return AT + timedelta(minutes=self.runs)

    def coverage(
        self,
        *unread: tuple[str, ...],
        include: tuple[str, ...] = (),
        exclude: tuple[str, ...] = (),
        mode: SyncMode = SyncMode.FULL,
    ) -> Coverage:
        return Coverage(
            at=self.now,
            mode=mode,
            scope=DiscoveryScope(include, exclude),
            unread=tuple(Unreadable(path, "denied") for path in unread),
            share=1.0,
        )

    async def stage(self, *batches: DiscoveryBatch, operation_id: str = "op_1") -> None:
        """One transaction each."""
        for batch in batches:
            async with self.database.write() as connection:
                await self.repository(connection).stage(operation_id, batch)

    async def publish(
        self,
        source: str,
        *batches: DiscoveryBatch,
        coverage: Coverage | None = None,
        operation_id: str = "op_1",
        viewer: Viewer = SYSTEM,
    ) -> Published | None:
        """A whole run, a minute after the last one."""
        self.runs += 1
        coverage = replace(coverage or self.coverage(), at=self.now)
        await self.stage(*batches, operation_id=operation_id)
        async with self.database.write() as connection:
            published = await self.repository(connection, viewer).publish(operation_id, source, coverage, self.now)
            sources = SqlDataSourceRepository(connection, self.database.dialect, SYSTEM)
            await sources.add_coverage(source, coverage)
        return published

    def repository(self, connection: Any, viewer: Viewer = SYSTEM) -> SqlCatalogRepository:
        return SqlCatalogRepository(connection, self.database.dialect, viewer)

    async def pin(self, source: str, revision: int | None = None) -> Pin:
        """The published revision, or another one, which is then asked for."""
        if revision is not None:
            return Pin(source, revision, is_pinned=True)
        return (await self.reader.pins(SYSTEM, [source]))[source]

    async def tables(self, parent: Pin | ObjectAt, wanted: CatalogFilter = EVERYTHING) -> tuple[TableEntry, ...]:
        (found,) = await self.reader.tables(SYSTEM, [parent], wanted, ALL)
        return found.items

    async def table(self, source: str, *path: str, revision: int | None = None) -> TableEntry:
        (found,) = await self.reader.by_paths(SYSTEM, await self.pin(source, revision), [path])
        assert isinstance(found, TableEntry)
        return found

    async def columns(self, table: TableEntry) -> tuple[ColumnEntry, ...]:
        (found,) = await self.reader.columns(SYSTEM, [at(table)], EVERYTHING, ALL)
        return found.items

    async def state(self, source: str, revision: int) -> tuple[dict[tuple[str, ...], Table], set[Namespace]]:
        """All tables by path, and the namespaces, as they are read back."""
        pin = await self.pin(source, revision)
        (namespaces,) = await self.reader.namespaces(SYSTEM, [pin], EVERYTHING, ALL)
        entries = await self.tables(pin)
        columns = await self.reader.columns(SYSTEM, [at(entry) for entry in entries], EVERYTHING, ALL)
        tables = {
            entry.path: normalise(
                Table(
                    path=entry.path,
                    kind=entry.kind,
                    columns=tuple(found.column for found in below.items),
                    indexes=entry.indexes,
                    constraints=entry.constraints,
                    comment=entry.comment,
                    definition=entry.definition,
                    facts=entry.facts,
                )
            )
            for entry, below in zip(entries, columns, strict=True)
        }
        return tables, {Namespace(entry.path, entry.comment) for entry in namespaces.items}


def at(entry: Any) -> ObjectAt:
    """Where an entry was read."""
    return ObjectAt(entry.id, Pin(entry.data_source_id, entry.revision, entry.is_pinned))


def run(*tables: Table, namespaces: Iterable[Namespace] | None = None) -> DiscoveryBatch:
    """What a discovery that reads everything finds."""
    if namespaces is None:
        namespaces = [Namespace(path) for path in dict.fromkeys(table.path[:-1] for table in tables)]
    return DiscoveryBatch(
        namespaces=tuple(namespaces),
        listed=tuple(table.path for table in tables),
        found=tuple(FoundTable(table, None, NOTHING_OBSERVED) for table in tables),
    )


def column(name: str, ordinal: int = 1, **more: Any) -> Column:
    return Column(
        path=(name,),
        ordinal=ordinal,
        **{"native_type": "bigint", "data_type": DataTypeFamily.INTEGER, "nullable": False} | more,
    )


def table(
    *path: str,
    columns: Sequence[str] = ("id",),
    key: Sequence[str] = ("id",),
    references: dict[str, tuple[str, ...]] | None = None,
    unique: Sequence[str] = (),
    **more: Any,
) -> Table:
    """A table with bigint columns, a primary key, and a foreign key per column of `references`."""
    constraints = [Constraint("pk", ConstraintKind.PRIMARY_KEY, tuple(key))] if key else []
    for name, far in (references or {}).items():
        constraints.append(
            Constraint(f"{name}_fk", ConstraintKind.FOREIGN_KEY, (name,), references=Reference(far, ("id",)))
        )
    return Table(
        path=path,
        kind=more.pop("kind", TableKind.TABLE),
        columns=tuple(column(name, ordinal) for ordinal, name in enumerate(columns, 1)),
        constraints=tuple(sorted(constraints, key=lambda constraint: constraint.name)),
        indexes=tuple(Index(f"{name}_ux", unique=True, columns=(name,)) for name in unique),
        **more,
    )


async def walk(read: Callable[[Page], Awaitable[Slice[T]]], first: int) -> list[T]:
    """All items, page by page; fails when a page is out of order or longer than asked for."""
    items: list[T] = []
    after: tuple[str, ...] | None = None
    while True:
        found = await read(Page(first, after))
        assert len(found.items) == len(found.keys) <= first
        keys = [*([] if after is None else [after]), *found.keys]
        assert keys == sorted(set(keys))
        items.extend(found.items)
        if not found.has_next:
            return items
        assert len(found.items) == first
        after = found.keys[-1]


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """The statements that are sent meanwhile, without those that begin and end transactions."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)
