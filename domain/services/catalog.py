"""Navigating the catalog: from any object to its neighbours, now or at a revision of the past. Whole sets at a time."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from domain.errors import InvalidInput, NotFound
from domain.models.access import Permission, Viewer
from domain.models.catalog import CatalogEntry, ColumnEntry, NamespaceEntry, Revision, TableEntry
from domain.models.change import ChangeEntry
from domain.models.data_source import DataSource
from domain.models.discovery import Unreadable
from domain.models.operation import Operation
from domain.models.page import Page, Slice
from domain.models.relationship import RelationshipEntry
from domain.ports.repositories.catalog import (
    CatalogFilter,
    CatalogReader,
    ObjectAt,
    Pin,
    RelationshipFilter,
)
from domain.ports.repositories.data_sources import DataSourceReader
from domain.ports.repositories.operations import OperationReader
from domain.rules import coverage, fqn, ids
from domain.rules.decide_access import require
from domain.services.pages import Cursor, PageRequest, Pages, Window

T = TypeVar("T")
P = TypeVar("P", bound=Pin | ObjectAt)

MAX_NODES = 100
MAX_REFERENCES = 500  # of one table, that its columns' references are picked from
MAX_COUNTED_CHANGES = 10_000


class At(Struct, frozen=True):
    """A point of the past: one of the two is set."""

    revision: int | None = None
    time: datetime | None = None


class PinnedSource(Struct, frozen=True):
    """A source and the revision at which everything below it is read."""

    data_source: DataSource
    pin: Pin


class SchemaDiff(Struct, frozen=True):
    """Two revisions to compare. `incomplete`: what was not read in the latest run, and may have changed unseen."""

    data_source_id: str
    from_revision: int
    to_revision: int
    incomplete: tuple[Unreadable, ...]


Node = PinnedSource | CatalogEntry | RelationshipEntry | Operation | ChangeEntry


class Catalog:
    """All reads of what discoveries found. What the viewer may not see is absent."""

    def __init__(
        self,
        *,
        reader: CatalogReader,
        data_sources: DataSourceReader,
        operations: OperationReader,
        pages: Pages,
    ) -> None:
        self._reader = reader
        self._data_sources = data_sources
        self._operations = operations
        self._pages = pages

    # where in time

    async def pinned(self, viewer: Viewer, sources: Sequence[DataSource], at: At | None) -> list[PinnedSource]:
        """Each source at the point in time. Raises `InvalidInput` for a revision that never was or is not kept."""
        require(viewer, Permission.SOURCE_READ)
        if at is None:
            return [PinnedSource(source, Pin(source.id, source.revision)) for source in sources]
        if at.revision is not None and len(sources) > 1:
            raise InvalidInput("A revision belongs to one source; say a time to read several.", path=("at", "revision"))
        return [
            PinnedSource(source, Pin(source.id, await self._revision_at(viewer, source, at), is_pinned=True))
            for source in sources
        ]

    async def _revision_at(self, viewer: Viewer, source: DataSource, at: At) -> int:
        kept = await self._reader.revisions(viewer, source.id)
        return revision_at(kept, source.revision, at)

    # by name and id

    async def nodes(self, viewer: Viewer, global_ids: Sequence[str], at: At | None) -> list[Node | None]:
        """The object of each id, or None. An id may itself be pinned to a revision; `at` goes before that.

        A bounded number of statements, whatever the number of ids.
        """
        require(viewer, Permission.SOURCE_READ)
        if len(global_ids) > MAX_NODES:
            raise InvalidInput(f"Ask for at most {MAX_NODES} ids at a time.", path=("ids",), constraint="maxItems")
        parsed = [ids.parse(id) for id in global_ids]
        by_prefix: dict[str, list[int]] = {}
        for index, (prefix, _, _) in enumerate(parsed):
            by_prefix.setdefault(prefix, []).append(index)
        found: list[Node | None] = [None] * len(parsed)
        for prefix, places in by_prefix.items():
            wanted = [(parsed[place][1], parsed[place][2]) for place in places]
            for place, node in zip(places, await self._of_kind(viewer, prefix, wanted, at), strict=True):
                found[place] = node
        return found

    async def _of_kind(
        self, viewer: Viewer, prefix: str, wanted: Sequence[tuple[str, int | None]], at: At | None
    ) -> Sequence[Node | None]:
        if prefix == ids.DATA_SOURCE:
            return await self._sources(viewer, wanted, at)
        if prefix == ids.OPERATION:
            operations = await self._operations.by_ids(viewer, [id for id, _ in wanted])
            return [operations.get(id) for id, _ in wanted]
        if prefix == ids.CHANGE:
            return [await self._reader.change(viewer, id) for id, _ in wanted]
        if prefix == ids.RELATIONSHIP:
            relationships = await self._reader.relationships_by_ids(viewer, wanted)
            return relationships if at is None else await self._moved(viewer, relationships, at, self._relationships_at)
        entries = await self._reader.by_ids(viewer, wanted)
        return entries if at is None else await self._moved(viewer, entries, at, self._reader.by_ids)

    async def _relationships_at(
        self, viewer: Viewer, wanted: Sequence[tuple[str, int | None]]
    ) -> Sequence[RelationshipEntry | None]:
        return await self._reader.relationships_by_ids(viewer, wanted)

    async def _moved(
        self,
        viewer: Viewer,
        entries: Sequence[Any],
        at: At,
        read: Callable[[Viewer, Sequence[tuple[str, int | None]]], Awaitable[Sequence[Any]]],
    ) -> Sequence[Any]:
        """The same objects at another point in time."""
        source_ids = list(dict.fromkeys(entry.data_source_id for entry in entries if entry is not None))
        sources = await self._data_sources.by_ids(viewer, source_ids)
        pins = {one.pin.data_source_id: one.pin for one in await self.pinned(viewer, list(sources.values()), at)}
        known = [entry for entry in entries if entry is not None and entry.data_source_id in pins]
        moved = await read(viewer, [(entry.id, pins[entry.data_source_id].revision) for entry in known])
        by_id = {entry.id: new for entry, new in zip(known, moved, strict=True)}
        return [None if entry is None else by_id.get(entry.id) for entry in entries]

    async def _sources(
        self, viewer: Viewer, wanted: Sequence[tuple[str, int | None]], at: At | None
    ) -> list[PinnedSource | None]:
        found = await self._data_sources.by_ids(viewer, [id for id, _ in wanted])
        if at is not None:
            pinned = {one.data_source.id: one for one in await self.pinned(viewer, list(found.values()), at)}
            return [pinned.get(id) for id, _ in wanted]
        answers: list[PinnedSource | None] = []
        for id, revision in wanted:
            source = found.get(id)
            ask = None if revision is None else At(revision=revision)
            answers.append(None if source is None else (await self.pinned(viewer, [source], ask))[0])
        return answers

    async def by_fqns(
        self, viewer: Viewer, names: Sequence[str], at: At | None
    ) -> list[PinnedSource | CatalogEntry | None]:
        """The source, namespace, table or column of each fully qualified name."""
        require(viewer, Permission.SOURCE_READ)
        paths = [fqn.split(name) for name in names]
        sources = await self._data_sources.by_names(viewer, list(dict.fromkeys(path[0] for path in paths)))
        pinned = {one.data_source.name: one for one in await self.pinned(viewer, list(sources.values()), at)}
        answers: list[PinnedSource | CatalogEntry | None] = [None] * len(paths)
        for name, source in pinned.items():
            places = [index for index, path in enumerate(paths) if path[0] == name]
            below = [index for index in places if len(paths[index]) > 1]
            entries = await self._reader.by_paths(viewer, source.pin, [paths[index][1:] for index in below])
            for index in places:
                answers[index] = source
            for index, entry in zip(below, entries, strict=True):
                answers[index] = entry
        return answers

    async def entries(self, viewer: Viewer, wanted: Sequence[tuple[str, Pin]]) -> list[CatalogEntry | None]:
        """Objects by stable id, each at the revision (and pinned or not) of the object that led to it."""
        require(viewer, Permission.SOURCE_READ)
        found = await self._reader.by_ids(viewer, [(id, pin.revision) for id, pin in wanted])
        return [
            None if entry is None else msgspec.structs.replace(entry, is_pinned=pin.is_pinned)
            for entry, (_, pin) in zip(found, wanted, strict=True)
        ]

    async def current(self, viewer: Viewer, object_ids: Sequence[str]) -> list[CatalogEntry | None]:
        """Objects as they are now; None for what is gone."""
        found = await self._reader.by_ids(viewer, [(id, None) for id in object_ids])
        return [entry if entry is not None and entry.removed_at is None else None for entry in found]

    # neighbours; each answers in the order of the parents, with an error in the place of a parent whose cursor is wrong

    async def namespaces(
        self, viewer: Viewer, sources: Sequence[Pin], wanted: CatalogFilter, request: PageRequest
    ) -> list[Window[NamespaceEntry] | InvalidInput]:
        """The namespaces of each source."""

        async def read(pins: Sequence[Pin], page: Page) -> list[Slice[NamespaceEntry]]:
            return await self._reader.namespaces(viewer, pins, wanted, page)

        return await self._windows(viewer, "namespaces", sources, wanted, request, read)

    async def tables(
        self, viewer: Viewer, parents: Sequence[Pin | ObjectAt], wanted: CatalogFilter, request: PageRequest
    ) -> list[Window[TableEntry] | InvalidInput]:
        """The tables of each source or namespace."""

        async def read(at: Sequence[Pin | ObjectAt], page: Page) -> list[Slice[TableEntry]]:
            return await self._reader.tables(viewer, at, wanted, page)

        return await self._windows(viewer, "tables", parents, wanted, request, read)

    async def columns(
        self, viewer: Viewer, tables: Sequence[ObjectAt], wanted: CatalogFilter, request: PageRequest
    ) -> list[Window[ColumnEntry] | InvalidInput]:
        """The columns of each table."""

        async def read(at: Sequence[ObjectAt], page: Page) -> list[Slice[ColumnEntry]]:
            return await self._reader.columns(viewer, at, wanted, page)

        return await self._windows(
            viewer, "columns", tables, wanted, request, read, max_first=self._pages.limits.columns
        )

    async def relationships(
        self, viewer: Viewer, tables: Sequence[ObjectAt], wanted: RelationshipFilter, request: PageRequest
    ) -> list[Window[RelationshipEntry] | InvalidInput]:
        """The relationships of each table."""

        async def read(at: Sequence[ObjectAt], page: Page) -> list[Slice[RelationshipEntry]]:
            return await self._reader.relationships(viewer, at, wanted, page)

        return await self._windows(viewer, "relationships", tables, wanted, request, read)

    async def columns_named(
        self, viewer: Viewer, wanted: Sequence[tuple[ObjectAt, tuple[str, ...]]]
    ) -> list[tuple[ColumnEntry, ...]]:
        """The named columns of each table, such as its primary key."""
        require(viewer, Permission.SOURCE_READ)
        return await self._reader.columns_named(viewer, wanted)

    async def all_relationships(
        self, viewer: Viewer, tables: Sequence[ObjectAt], wanted: RelationshipFilter
    ) -> list[tuple[RelationshipEntry, ...]]:
        """As `relationships`, up to 500 and without cursors: what a column's references are picked from."""
        require(viewer, Permission.SOURCE_READ)
        slices = await self._reader.relationships(viewer, tables, wanted, Page(first=MAX_REFERENCES))
        return [one.items for one in slices]

    async def count_namespaces(self, viewer: Viewer, sources: Sequence[Pin], wanted: CatalogFilter) -> list[int]:
        """How many namespaces each source has."""
        return await self._reader.count_namespaces(viewer, sources, wanted)

    async def count_tables(self, viewer: Viewer, parents: Sequence[Pin | ObjectAt], wanted: CatalogFilter) -> list[int]:
        """How many tables each source or namespace has."""
        return await self._reader.count_tables(viewer, parents, wanted)

    async def count_columns(self, viewer: Viewer, tables: Sequence[ObjectAt], wanted: CatalogFilter) -> list[int]:
        """How many columns each table has."""
        return await self._reader.count_columns(viewer, tables, wanted)

    async def count_relationships(
        self, viewer: Viewer, tables: Sequence[ObjectAt], wanted: RelationshipFilter
    ) -> list[int]:
        """How many relationships each table has."""
        return await self._reader.count_relationships(viewer, tables, wanted)

    async def _windows(
        self,
        viewer: Viewer,
        name: str,
        parents: Sequence[P],
        wanted: CatalogFilter | RelationshipFilter,
        request: PageRequest,
        read: Callable[[Sequence[P], Page], Awaitable[list[Slice[T]]]],
        *,
        max_first: int | None = None,
    ) -> list[Window[T] | InvalidInput]:
        require(viewer, Permission.SOURCE_READ)
        understood: list[tuple[P, Cursor] | InvalidInput] = []
        for parent in parents:
            try:
                cursor = self._pages.read(request, (name, _shape(parent), wanted), max_first=max_first)
                understood.append((await self._began_on(viewer, parent, cursor), cursor))
            except InvalidInput as error:
                understood.append(error)
        good = [one for one in understood if not isinstance(one, InvalidInput)]
        # One request for all parents: the pages of all that are good are the same.
        slices = iter(await read([parent for parent, _ in good], good[0][1].page) if good else [])
        return [
            one if isinstance(one, InvalidInput) else self._pages.window(next(slices), one[1], _pin(one[0]).revision)
            for one in understood
        ]

    async def _began_on(self, viewer: Viewer, parent: P, cursor: Cursor) -> P:
        """The parent at the revision that the walk through the list began on."""
        pin = _pin(parent)
        if cursor.revision is None or cursor.revision == pin.revision or pin.is_pinned:
            return parent
        kept = await self._reader.revisions(viewer, pin.data_source_id)
        if not any(revision.number == cursor.revision for revision in kept):
            raise InvalidInput(
                "The revision that this list began on is no longer kept: begin again without a cursor.",
                path=("after",),
                code="CURSOR_EXPIRED",
            )
        return _with_pin(parent, msgspec.structs.replace(pin, revision=cursor.revision))

    # history

    async def schema_diff(self, viewer: Viewer, data_source_id: str, since: At, until: At | None) -> SchemaDiff:
        """Which revisions are compared; `changes` pages through what differs. Raises `NotFound`, `InvalidInput`."""
        require(viewer, Permission.SOURCE_READ)
        source = (await self._data_sources.by_ids(viewer, [data_source_id])).get(data_source_id)
        if source is None:
            raise NotFound("There is no data source with this id.", path=("dataSource",))
        kept = await self._reader.revisions(viewer, source.id)
        runs = await self._data_sources.coverage(viewer, [source.id])
        return SchemaDiff(
            data_source_id=source.id,
            from_revision=revision_at(kept, source.revision, since, argument="from"),
            to_revision=source.revision if until is None else revision_at(kept, source.revision, until, argument="to"),
            incomplete=coverage.freshness(runs.get(source.id, ())).unread,
        )

    async def changes(self, viewer: Viewer, diff: SchemaDiff, request: PageRequest) -> Window[ChangeEntry]:
        """What differs between the two revisions, by name."""
        require(viewer, Permission.SOURCE_READ)
        cursor = self._pages.read(request, ("changes", diff.data_source_id, diff.from_revision, diff.to_revision))
        found = await self._reader.changes(
            viewer, diff.data_source_id, diff.from_revision, diff.to_revision, cursor.page
        )
        return self._pages.window(found, cursor)

    async def count_changes(self, viewer: Viewer, diff: SchemaDiff) -> tuple[int, bool]:
        """How many differ, and whether all were counted."""
        count = await self._reader.count_changes(
            viewer, diff.data_source_id, diff.from_revision, diff.to_revision, at_most=MAX_COUNTED_CHANGES
        )
        return count, count < MAX_COUNTED_CHANGES


def revision_at(kept: Sequence[Revision], published: int, at: At, *, argument: str = "at") -> int:
    """The revision at a point of the past; 0, the empty catalog, before the first one. `kept`: oldest first.

    Raises `InvalidInput`: UNKNOWN_REVISION for one that never was, REVISION_EXPIRED for one that is no longer kept.
    """
    oldest = kept[0].number if kept else 0
    if at.revision is not None:
        if not 0 <= at.revision <= published:
            raise InvalidInput(
                f"There are revisions 0 to {published}.", path=(argument, "revision"), code="UNKNOWN_REVISION"
            )
        found = at.revision
    else:
        assert at.time is not None  # one of the two is set
        found = max((one.number for one in kept if one.published_at <= at.time), default=oldest - 1 if oldest else 0)
    if found < oldest and oldest > 1:
        raise InvalidInput(
            f"That revision is no longer kept; the oldest is {oldest}.", path=(argument,), code="REVISION_EXPIRED"
        )
    return found


def _pin(parent: Pin | ObjectAt) -> Pin:
    return parent if isinstance(parent, Pin) else parent.pin


def _with_pin(parent: P, pin: Pin) -> P:
    return pin if isinstance(parent, Pin) else msgspec.structs.replace(parent, pin=pin)  # type: ignore[return-value]


def _shape(parent: Pin | ObjectAt) -> tuple[Any, ...]:
    """What makes the list of this parent the same list: the revision only where it was asked for."""
    pin = _pin(parent)
    at = pin.revision if pin.is_pinned else None
    return (pin.data_source_id if isinstance(parent, Pin) else parent.id, at)
