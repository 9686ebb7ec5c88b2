"""The temporal catalog: staging and publishing within transactions, reading outside of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from domain.models.access import Viewer
from domain.models.catalog import CatalogEntry, ColumnEntry, NamespaceEntry, Revision, TableEntry, TableKind
from domain.models.change import ChangeEntry
from domain.models.discovery import Comparison, Coverage, DiscoveryBatch, Published
from domain.models.page import Page, Slice
from domain.models.relationship import Direction, Evidence, RelationshipEntry


class CatalogRepository(Protocol):
    """Staging, comparing, publishing. Whole sets; no object at a time."""

    async def stage(self, operation_id: str, batch: DiscoveryBatch) -> None:
        """Adds to the run's staging; staging the same path again replaces it."""
        ...

    async def compare(self, operation_id: str, data_source_id: str, coverage: Coverage) -> Comparison:
        """What publishing would do. Current objects that the run did not cover (`rules.coverage`) are left alone."""
        ...

    async def publish(
        self, operation_id: str, data_source_id: str, coverage: Coverage, at: datetime
    ) -> Published | None:
        """Closes what is gone or changed, opens what is new, counts up the source's revision; None if nothing differs.

        Statistics and signatures of read tables are brought up to date in any case. Staging is gone afterwards.
        """
        ...

    async def discard(self, operation_id: str) -> None:
        """Forgets the run's staging."""
        ...

    async def prune_revisions(self, data_source_id: str, *, older_than: datetime, keep: int) -> int:
        """Forgets revisions that are older and not among the newest `keep`; the oldest revision that is still kept."""
        ...


class Pin(Struct, frozen=True):
    """A source at a revision. `is_pinned`: asked for through `at`, so that what is read below keeps it."""

    data_source_id: str
    revision: int
    is_pinned: bool = False


class ObjectAt(Struct, frozen=True):
    """A catalog object (by stable id) at a revision of its source."""

    id: str
    pin: Pin


class CatalogFilter(Struct, frozen=True):
    """Which objects are wanted. `match`: see `rules.match`. `kinds` and `include_removed` are for tables."""

    match: str | None = None
    kinds: tuple[TableKind, ...] | None = None
    include_removed: bool = False


class RelationshipFilter(Struct, frozen=True):
    """Which relationships are wanted, seen from a table."""

    direction: Direction = Direction.BOTH
    evidence: tuple[Evidence, ...] | None = None
    min_confidence: float = 0.0


class CatalogReader(Protocol):
    """Reads of whole sets, a bounded number of statements per call whatever the number of keys.

    What the viewer may not see is absent. Answers are in the order of the keys. Keyset orders: namespaces by local
    name, tables by local name, columns by ordinal (zero-padded text) and path, relationships by the from-table's local
    name and constraint name, changes by `rules.diff.sort_key`.
    """

    async def pins(self, viewer: Viewer, data_source_ids: Sequence[str]) -> dict[str, Pin]:
        """The published revisions, by source."""
        ...

    async def revisions(self, viewer: Viewer, data_source_id: str) -> tuple[Revision, ...]:
        """All revisions that are kept, oldest first."""
        ...

    async def by_ids(self, viewer: Viewer, objects: Sequence[tuple[str, int | None]]) -> list[CatalogEntry | None]:
        """Namespaces, tables and columns by id, at a revision (and then pinned) or at the published one (None).

        At the published revision a removed object is found as its tombstone.
        """
        ...

    async def by_paths(self, viewer: Viewer, pin: Pin, paths: Sequence[tuple[str, ...]]) -> list[CatalogEntry | None]:
        """The namespace, table or column of each full path below the source."""
        ...

    async def namespaces(
        self, viewer: Viewer, sources: Sequence[Pin], wanted: CatalogFilter, page: Page
    ) -> list[Slice[NamespaceEntry]]:
        """Those of each source."""
        ...

    async def tables(
        self, viewer: Viewer, parents: Sequence[Pin | ObjectAt], wanted: CatalogFilter, page: Page
    ) -> list[Slice[TableEntry]]:
        """Those of each source (Pin) or namespace (ObjectAt)."""
        ...

    async def columns(
        self, viewer: Viewer, tables: Sequence[ObjectAt], wanted: CatalogFilter, page: Page
    ) -> list[Slice[ColumnEntry]]:
        """Those of each table."""
        ...

    async def columns_named(
        self, viewer: Viewer, wanted: Sequence[tuple[ObjectAt, tuple[str, ...]]]
    ) -> list[tuple[ColumnEntry, ...]]:
        """The top-level columns of these names of each table, in the order of the names; missing ones are left out."""
        ...

    async def relationships(
        self, viewer: Viewer, tables: Sequence[ObjectAt], wanted: RelationshipFilter, page: Page
    ) -> list[Slice[RelationshipEntry]]:
        """Those from (UPSTREAM) or towards (DOWNSTREAM) each table."""
        ...

    async def relationships_by_ids(
        self, viewer: Viewer, objects: Sequence[tuple[str, int | None]]
    ) -> list[RelationshipEntry | None]:
        """As `by_ids`."""
        ...

    async def count_namespaces(self, viewer: Viewer, sources: Sequence[Pin], wanted: CatalogFilter) -> list[int]:
        """How many each slice walk would give."""
        ...

    async def count_tables(self, viewer: Viewer, parents: Sequence[Pin | ObjectAt], wanted: CatalogFilter) -> list[int]:
        """How many each slice walk would give."""
        ...

    async def count_columns(self, viewer: Viewer, tables: Sequence[ObjectAt], wanted: CatalogFilter) -> list[int]:
        """How many each slice walk would give."""
        ...

    async def count_relationships(
        self, viewer: Viewer, tables: Sequence[ObjectAt], wanted: RelationshipFilter
    ) -> list[int]:
        """How many each slice walk would give."""
        ...

    async def changes(
        self, viewer: Viewer, data_source_id: str, from_revision: int, to_revision: int, page: Page
    ) -> Slice[ChangeEntry]:
        """What differs between two revisions, derived from the temporal rows by `rules.diff`. From may be after to."""
        ...

    async def count_changes(
        self, viewer: Viewer, data_source_id: str, from_revision: int, to_revision: int, *, at_most: int
    ) -> int:
        """How many differ; stops at `at_most`."""
        ...

    async def change(self, viewer: Viewer, id: str) -> ChangeEntry | None:
        """One change by its id."""
        ...

    async def signatures(self, viewer: Viewer, data_source_id: str) -> dict[str, str]:
        """Local name → signature of every current table that has one, for `DiscoveryRequest.known`."""
        ...
