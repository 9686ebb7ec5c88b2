"""The catalog as it is read: each call on a snapshot of its own."""

from collections.abc import Sequence

from sqlalchemy import select

from domain.models.access import Viewer
from domain.models.catalog import CatalogEntry, ColumnEntry, NamespaceEntry, Revision, TableEntry
from domain.models.change import ChangeEntry
from domain.models.page import Page, Slice
from domain.models.relationship import RelationshipEntry
from domain.ports.repositories.catalog import CatalogFilter, ObjectAt, Pin, RelationshipFilter
from persistence.catalog.changes import count_changes, derive_change, derive_changes, source_of_change
from persistence.catalog.objects import ObjectReader
from persistence.catalog.pacing import Pace
from persistence.catalog.pins import is_visible, load_pins, load_revisions
from persistence.catalog.relationships import RelationshipReader
from persistence.database import Database
from persistence.tables.catalog import observations, tables


class SqlCatalogReader:
    """Reads of whole sets. See `CatalogReader` for what each answers and in which order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pins(self, viewer: Viewer, data_source_ids: Sequence[str]) -> dict[str, Pin]:
        """The published revisions, by source; 0 where nothing was published yet."""
        async with self._database.read() as connection:
            return await load_pins(connection, self._database.dialect, viewer, data_source_ids)

    async def revisions(self, viewer: Viewer, data_source_id: str) -> tuple[Revision, ...]:
        """All revisions that are kept, oldest first."""
        async with self._database.read() as connection:
            return await load_revisions(connection, viewer, data_source_id)

    async def by_ids(self, viewer: Viewer, objects: Sequence[tuple[str, int | None]]) -> list[CatalogEntry | None]:
        """Namespaces, tables and columns by id, at a revision (and then pinned) or at the published one (None)."""
        async with self._database.read() as connection:
            return await ObjectReader(connection, self._database.dialect, viewer).by_ids(objects)

    async def by_paths(self, viewer: Viewer, pin: Pin, paths: Sequence[tuple[str, ...]]) -> list[CatalogEntry | None]:
        """The namespace, table or column of each full path below the source."""
        async with self._database.read() as connection:
            return await ObjectReader(connection, self._database.dialect, viewer).by_paths(pin, paths)

    async def namespaces(
        self, viewer: Viewer, sources: Sequence[Pin], wanted: CatalogFilter, page: Page
    ) -> list[Slice[NamespaceEntry]]:
        """Those of each source."""
        async with self._database.read() as connection:
            return await ObjectReader(connection, self._database.dialect, viewer).namespaces(sources, wanted, page)

    async def tables(
        self, viewer: Viewer, parents: Sequence[Pin | ObjectAt], wanted: CatalogFilter, page: Page
    ) -> list[Slice[TableEntry]]:
        """Those of each source (Pin) or namespace (ObjectAt)."""
        async with self._database.read() as connection:
            return await ObjectReader(connection, self._database.dialect, viewer).tables(parents, wanted, page)

    async def columns(
        self, viewer: Viewer, tables: Sequence[ObjectAt], wanted: CatalogFilter, page: Page
    ) -> list[Slice[ColumnEntry]]:
        """Those of each table."""
        async with self._database.read() as connection:
            return await ObjectReader(connection, self._database.dialect, viewer).columns(tables, wanted, page)

    async def columns_named(
        self, viewer: Viewer, wanted: Sequence[tuple[ObjectAt, tuple[str, ...]]]
    ) -> list[tuple[ColumnEntry, ...]]:
        """The top-level columns of these names of each table, in the order of the names; missing ones are left out."""
        async with self._database.read() as connection:
            return await ObjectReader(connection, self._database.dialect, viewer).columns_named(wanted)

    async def relationships(
        self, viewer: Viewer, tables: Sequence[ObjectAt], wanted: RelationshipFilter, page: Page
    ) -> list[Slice[RelationshipEntry]]:
        """Those from (UPSTREAM) or towards (DOWNSTREAM) each table."""
        async with self._database.read() as connection:
            return await RelationshipReader(connection, self._database.dialect, viewer).of_tables(tables, wanted, page)

    async def relationships_by_ids(
        self, viewer: Viewer, objects: Sequence[tuple[str, int | None]]
    ) -> list[RelationshipEntry | None]:
        """As `by_ids`, but one that is gone is None: a relationship has no tombstone."""
        async with self._database.read() as connection:
            return await RelationshipReader(connection, self._database.dialect, viewer).by_ids(objects)

    async def count_namespaces(self, viewer: Viewer, sources: Sequence[Pin], wanted: CatalogFilter) -> list[int]:
        """How many each slice walk would give."""
        async with self._database.read() as connection:
            return await ObjectReader(connection, self._database.dialect, viewer).count_namespaces(sources, wanted)

    async def count_tables(self, viewer: Viewer, parents: Sequence[Pin | ObjectAt], wanted: CatalogFilter) -> list[int]:
        """How many each slice walk would give."""
        async with self._database.read() as connection:
            return await ObjectReader(connection, self._database.dialect, viewer).count_tables(parents, wanted)

    async def count_columns(self, viewer: Viewer, tables: Sequence[ObjectAt], wanted: CatalogFilter) -> list[int]:
        """How many each slice walk would give."""
        async with self._database.read() as connection:
            return await ObjectReader(connection, self._database.dialect, viewer).count_columns(tables, wanted)

    async def count_relationships(
        self, viewer: Viewer, tables: Sequence[ObjectAt], wanted: RelationshipFilter
    ) -> list[int]:
        """How many each slice walk would give."""
        async with self._database.read() as connection:
            return await RelationshipReader(connection, self._database.dialect, viewer).counts(tables, wanted)

    async def changes(
        self, viewer: Viewer, data_source_id: str, from_revision: int, to_revision: int, page: Page
    ) -> Slice[ChangeEntry]:
        """What differs between two revisions. From may be after to."""
        async with self._database.read() as connection:
            if not await is_visible(connection, viewer, data_source_id):
                return Slice((), (), False)
            return await derive_changes(
                connection, self._database.dialect, data_source_id, from_revision, to_revision, page
            )

    async def count_changes(
        self, viewer: Viewer, data_source_id: str, from_revision: int, to_revision: int, *, at_most: int
    ) -> int:
        """How many differ; stops at `at_most`."""
        async with self._database.read() as connection:
            if not await is_visible(connection, viewer, data_source_id):
                return 0
            return await count_changes(
                connection, self._database.dialect, data_source_id, from_revision, to_revision, at_most=at_most
            )

    async def change(self, viewer: Viewer, id: str) -> ChangeEntry | None:
        """One change by its id; None for an id that was never one."""
        data_source_id = source_of_change(id)
        if data_source_id is None:
            return None
        async with self._database.read() as connection:
            if not await is_visible(connection, viewer, data_source_id):
                return None
            return await derive_change(connection, self._database.dialect, id)

    async def signatures(self, viewer: Viewer, data_source_id: str) -> dict[str, str]:
        """Local name → signature of every current table that has one."""
        pace = Pace()
        known: dict[str, str] = {}
        async with self._database.read() as connection:
            if not await is_visible(connection, viewer, data_source_id):
                return known
            for row in await connection.execute(
                select(tables.c.local_name, observations.c.signature)
                .join(observations, observations.c.table_id == tables.c.id)
                .where(
                    tables.c.data_source_id == data_source_id,
                    tables.c.until_revision.is_(None),
                    observations.c.signature.is_not(None),
                )
            ):
                known[row.local_name] = row.signature
                await pace.breathe()
        return known
