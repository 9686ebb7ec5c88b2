"""Relationships as entries: by id, and those from or towards a table."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, exists, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.models.access import Viewer
from domain.models.page import Page, Slice
from domain.models.relationship import Direction, RelationshipEntry
from domain.ports.repositories.catalog import ObjectAt, RelationshipFilter
from domain.rules import ids
from persistence.catalog.pacing import Pace
from persistence.catalog.pins import MAX_REVISION, load_places
from persistence.catalog.rows import relationship_entry
from persistence.catalog.sets import is_storable, key_table, unindexed, valid_at
from persistence.catalog.walks import Key, Narrow, behind, count_each, first_of_each, narrowed
from persistence.database import Dialect
from persistence.tables.catalog import relationships, revisions, tables
from persistence.tables.data_sources import data_sources
from persistence.visibility import visible

_ORDER = ("from_local_name", "name", "id")
_far = tables.alias("far")


class RelationshipReader:
    """Reads over one snapshot."""

    def __init__(self, connection: AsyncConnection, dialect: Dialect, viewer: Viewer) -> None:
        self._connection = connection
        self._dialect = dialect
        self._viewer = viewer
        self._pace = Pace()

    async def of_tables(
        self, parents: Sequence[ObjectAt], wanted: RelationshipFilter, page: Page
    ) -> list[Slice[RelationshipEntry]]:
        """Those of each table."""
        keys = await self._keys(parents)
        found: list[list[Any]] = [[] for _ in parents]
        if keys:
            narrow = narrowed(self._dialect, keys, _of_table(wanted, page))
            first = first_of_each(narrow, _ORDER, first=page.first, is_single=len(keys) == 1)
            for row in await self._connection.execute(_wide(first)):
                found[row.n].append(row)
                await self._pace.breathe()
        slices = []
        for parent, rows in zip(parents, found, strict=True):
            entries = tuple(
                relationship_entry(row, parent.pin.revision, parent.pin.is_pinned) for row in rows[: page.first]
            )
            sort_keys = tuple((row.from_local_name, row.name, row.id) for row in rows[: page.first])
            slices.append(Slice(entries, sort_keys, len(rows) > page.first))
            await self._pace.breathe()
        return slices

    async def counts(self, parents: Sequence[ObjectAt], wanted: RelationshipFilter) -> list[int]:
        """How many each table has."""
        keys = await self._keys(parents)
        if not keys:
            return [0] * len(parents)
        return await count_each(self._connection, narrowed(self._dialect, keys, _of_table(wanted, None)), len(parents))

    async def by_ids(self, objects: Sequence[tuple[str, int | None]]) -> list[RelationshipEntry | None]:
        """One that is gone from the published revision is None: a relationship has no tombstone."""
        wanted = [
            {"n": n, "id": id, "revision": revision}
            for n, (id, revision) in enumerate(objects)
            if id.startswith(f"{ids.RELATIONSHIP}_")
            and is_storable(id)
            and (revision is None or 0 < revision <= MAX_REVISION)
        ]
        entries: list[RelationshipEntry | None] = [None] * len(objects)
        if wanted:
            for row in await self._connection.execute(self._by_id(wanted)):
                entries[row.n] = relationship_entry(row, row.revision, objects[row.n][1] is not None)
                await self._pace.breathe()
        return entries

    def _by_id(self, wanted: Sequence[dict[str, Any]]) -> Select[Any]:
        keys = key_table(self._dialect, wanted, "n", "id", "revision")
        revision = func.coalesce(keys.c.revision, data_sources.c.revision)
        is_kept = exists(
            select(revisions.c.number).where(
                revisions.c.data_source_id == relationships.c.data_source_id, revisions.c.number == revision
            )
        )
        source = keys.join(relationships, relationships.c.id == keys.c.id).join(
            data_sources, data_sources.c.id == relationships.c.data_source_id
        )
        return (
            select(keys.c.n, revision.label("revision"), relationships, _far.c.id.label("to_table_id"))
            .select_from(_with_far_end(source, revision))
            .where(visible(self._viewer.scope), valid_at(relationships, revision), is_kept)
        )

    async def _keys(self, parents: Sequence[ObjectAt]) -> list[dict[str, Any]]:
        places = await load_places(self._connection, self._dialect, self._viewer, {each.pin for each in parents})
        return [
            {"n": n, "parent": each.id, "source": each.pin.data_source_id, "revision": each.pin.revision}
            for n, each in enumerate(parents)
            if each.pin in places and is_storable(each.id)
        ]


def _of_table(wanted: RelationshipFilter, page: Page | None) -> Narrow:
    def narrow(key: Key) -> Select[Any]:
        conditions: list[ColumnElement[bool]] = [relationships.c.confidence >= wanted.min_confidence]
        if wanted.evidence is not None:
            conditions.append(relationships.c.evidence.in_(wanted.evidence))
        if page is not None:
            conditions.extend(behind([relationships.c.from_local_name, relationships.c.name, relationships.c.id], page))
        ways = []
        if wanted.direction is not Direction.DOWNSTREAM:
            ways.append(_upstream(key).where(*conditions))
        if wanted.direction is not Direction.UPSTREAM:
            downstream = _downstream(key).where(*conditions)
            if wanted.direction is Direction.BOTH:  # a table that references itself is met only once
                downstream = downstream.where(relationships.c.from_table_id != key("parent"))
            ways.append(downstream)
        return select(union_all(*ways).subquery())

    return narrow


def _selected(key: Key) -> Select[Any]:
    return select(
        key("n").label("n"),
        key("revision").label("revision"),
        relationships.c.id,
        relationships.c.since_revision,
        relationships.c.from_local_name,
        relationships.c.name,
    ).where(valid_at(relationships, key("revision")))


def _upstream(key: Key) -> Select[Any]:
    return _selected(key).where(
        relationships.c.from_table_id == key("parent"),
        unindexed(relationships.c.data_source_id) == key("source"),
    )


def _downstream(key: Key) -> Select[Any]:
    return (
        _selected(key)
        .join_from(
            tables,
            relationships,
            and_(
                relationships.c.data_source_id == tables.c.data_source_id,
                relationships.c.to_local_name == tables.c.local_name,
            ),
        )
        .where(
            tables.c.id == key("parent"),
            unindexed(tables.c.data_source_id) == key("source"),
            valid_at(tables, key("revision")),
        )
    )


def _wide(first: FromClause) -> Select[Any]:
    source = first.join(
        relationships,
        and_(relationships.c.id == first.c.id, relationships.c.since_revision == first.c.since_revision),
    )
    return (
        select(first.c.n, relationships, _far.c.id.label("to_table_id"))
        .select_from(_with_far_end(source, first.c.revision))
        .order_by(first.c.n, *(first.c[name] for name in _ORDER))
    )


def _with_far_end(source: FromClause, revision: ColumnElement[int]) -> FromClause:
    """Together with the table that is referenced, if it is in the catalog at the revision."""
    return source.outerjoin(
        _far,
        and_(
            _far.c.data_source_id == relationships.c.data_source_id,
            _far.c.local_name == relationships.c.to_local_name,
            valid_at(_far, revision),
        ),
    )
