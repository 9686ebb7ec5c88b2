"""Namespaces, tables and columns as entries: by id, by path, and those below a parent."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Row,
    Select,
    Table,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.models.access import Viewer
from domain.models.catalog import CatalogEntry, ColumnEntry, NamespaceEntry, TableEntry
from domain.models.page import Page, Slice
from domain.ports.repositories.catalog import CatalogFilter, ObjectAt, Pin
from domain.rules import fqn, ids
from domain.rules.match import like_pattern
from persistence.catalog.pacing import Pace
from persistence.catalog.pins import MAX_REVISION, Place, load_places
from persistence.catalog.rows import column_entry, namespace_entry, statistics_of, table_entry
from persistence.catalog.sets import is_storable, key_table, tombstone_at, unindexed, valid_at
from persistence.catalog.sightings import Sightings, load_sightings
from persistence.catalog.walks import Key, Narrow, behind, count_each, first_of_each, narrowed
from persistence.database import Dialect
from persistence.tables.catalog import columns, namespaces, observations, revisions, tables
from persistence.tables.data_sources import data_sources
from persistence.visibility import visible

_OBSERVED = (
    observations.c.row_count,
    observations.c.row_count_exact,
    observations.c.size_bytes,
    observations.c.size_bytes_exact,
)
# A column is read with the row of its table: for the path, and for the primary key.
_TABLE_OF_COLUMN = (tables.c.path.label("table_path"), tables.c.primary_key)


class ObjectReader:
    """Reads over one snapshot. A set of keys that nothing can match costs nothing and is answered with nothing."""

    def __init__(self, connection: AsyncConnection, dialect: Dialect, viewer: Viewer) -> None:
        self._connection = connection
        self._dialect = dialect
        self._viewer = viewer
        self._pace = Pace()

    # ── by id and by path ────────────────────────────────────────────────────────────────────────────────────────────

    async def by_ids(self, objects: Sequence[tuple[str, int | None]]) -> list[CatalogEntry | None]:
        """A statement per kind of object."""
        keys: dict[str, list[dict[str, Any]]] = {ids.NAMESPACE: [], ids.TABLE: [], ids.COLUMN: []}
        for n, (id, revision) in enumerate(objects):
            prefix = id.partition("_")[0]
            if prefix in keys and is_storable(id) and (revision is None or 0 < revision <= MAX_REVISION):
                keys[prefix].append({"n": n, "id": id, "revision": revision})
        rows: list[tuple[str, Row[Any]]] = []
        for prefix, wanted in keys.items():
            if wanted:
                found = await self._connection.execute(self._by_id(prefix, wanted))
                rows.extend((prefix, row) for row in found)
        sightings = await self._sightings({row.data_source_id for _, row in rows})
        entries: list[CatalogEntry | None] = [None] * len(objects)
        for prefix, row in rows:
            place = Place(
                row.data_source_id, row.revision, objects[row.n][1] is not None, row.revision == row.published
            )
            entries[row.n] = _ENTRIES[prefix](row, place, sightings[row.data_source_id])
            await self._pace.breathe()
        return entries

    def _by_id(self, prefix: str, wanted: Sequence[Mapping[str, Any]]) -> Select[Any]:
        rows = _ROWS[prefix]
        keys = key_table(self._dialect, wanted, "n", "id", "revision")
        published = data_sources.c.revision
        is_kept = exists(
            select(revisions.c.number).where(
                revisions.c.data_source_id == rows.c.data_source_id, revisions.c.number == keys.c.revision
            )
        )
        source = keys.join(rows, rows.c.id == keys.c.id).join(data_sources, data_sources.c.id == rows.c.data_source_id)
        place = (keys.c.n, func.coalesce(keys.c.revision, published).label("revision"), published.label("published"))
        is_wanted = and_(
            visible(self._viewer.scope),
            or_(
                and_(keys.c.revision.is_(None), or_(rows.c.until_revision.is_(None), tombstone_at(rows, published))),
                and_(valid_at(rows, keys.c.revision), is_kept),
            ),
        )
        return _with_neighbours(prefix, source, place, func.coalesce(keys.c.revision, published)).where(is_wanted)

    async def by_paths(self, pin: Pin, paths: Sequence[tuple[str, ...]]) -> list[CatalogEntry | None]:
        """A namespace before a table before a column, where a path could be several."""
        entries: list[CatalogEntry | None] = [None] * len(paths)
        place = (await self._places([pin])).get(pin)
        wanted = [
            (n, path) for n, path in enumerate(paths) if 0 < len(path) <= fqn.MAX_PARTS and all(map(is_storable, path))
        ]
        if place is None or not wanted:
            return entries
        sightings = (await self._sightings({pin.data_source_id}))[pin.data_source_id]
        splits = [
            {"n": n, "source": pin.data_source_id, "parent": fqn.join(path[:at]), "name": fqn.join(path[at:])}
            for n, path in wanted
            for at in range(len(path), 0, -1)
        ]
        whole = [split for split in splits if not split["name"]]
        for prefix, keys in ((ids.NAMESPACE, whole), (ids.TABLE, whole), (ids.COLUMN, splits)):
            for row in await self._connection.execute(self._by_path(prefix, place, keys)):
                if entries[row.n] is None:
                    entries[row.n] = _ENTRIES[prefix](row, place, sightings)
                await self._pace.breathe()
        return entries

    def _by_path(self, prefix: str, place: Place, wanted: Sequence[Mapping[str, Any]]) -> Select[Any]:
        rows = _ROWS[prefix]
        keys = key_table(self._dialect, wanted, "n", "source", "parent", "name")
        revision = literal(place.revision, Integer)
        at = (keys.c.n,)
        if prefix != ids.COLUMN:
            source = keys.join(rows, _is_named(rows, keys))
            return _with_neighbours(prefix, source, at, revision).where(valid_at(rows, revision))
        return (
            select(*at, columns, *_TABLE_OF_COLUMN)
            .select_from(
                keys.join(tables, _is_named(tables, keys)).join(
                    columns, and_(columns.c.table_id == tables.c.id, columns.c.local_name == keys.c.name)
                )
            )
            .where(
                valid_at(tables, revision),
                valid_at(columns, revision),
            )
        )

    # ── below a parent ───────────────────────────────────────────────────────────────────────────────────────────────

    async def namespaces(
        self, sources: Sequence[Pin], wanted: CatalogFilter, page: Page
    ) -> list[Slice[NamespaceEntry]]:
        """Those of each source."""
        places = await self._places(sources)
        keys = _keys(sources, places)
        narrow = _of_source(namespaces, wanted, page)
        return await self._slices(
            ids.NAMESPACE, sources, places, [(keys, narrow)], ("local_name",), page, _by_local_name
        )

    async def tables(
        self, parents: Sequence[Pin | ObjectAt], wanted: CatalogFilter, page: Page
    ) -> list[Slice[TableEntry]]:
        """Those of each source or namespace."""
        pins = [_pin(parent) for parent in parents]
        places = await self._places(pins)
        groups = self._table_groups(parents, places, wanted, page)
        return await self._slices(ids.TABLE, pins, places, groups, ("local_name",), page, _by_local_name)

    async def columns(self, parents: Sequence[ObjectAt], wanted: CatalogFilter, page: Page) -> list[Slice[ColumnEntry]]:
        """Those of each table; of one that is gone those that went with it."""
        pins = [parent.pin for parent in parents]
        places = await self._places(pins)
        groups = [(_keys(parents, places), _of_table(wanted, page))]
        order = ("ordinal", "local_name", "id")
        return await self._slices(ids.COLUMN, pins, places, groups, order, page, _by_ordinal)

    async def columns_named(self, wanted: Sequence[tuple[ObjectAt, tuple[str, ...]]]) -> list[tuple[ColumnEntry, ...]]:
        """The top-level columns of these names of each table."""
        pins = [table.pin for table, _ in wanted]
        places = await self._places(pins)
        keys = [
            {"n": n, "m": m, "parent": table.id, "source": table.pin.data_source_id, "revision": table.pin.revision}
            | {"name": fqn.quote(name)}
            for n, (table, names) in enumerate(wanted)
            if table.pin in places and is_storable(table.id)
            for m, name in enumerate(names)
            if is_storable(name)
        ]
        found: list[dict[int, ColumnEntry]] = [{} for _ in wanted]
        if keys:
            table = key_table(self._dialect, keys, "n", "m", "parent", "source", "revision", "name")
            statement = _columns_at(lambda name: table.c[name], table.c.n, table.c.m, columns, *_TABLE_OF_COLUMN)
            rows = (await self._connection.execute(statement.where(columns.c.local_name == table.c.name))).all()
            sightings = await self._sightings({row.data_source_id for row in rows})
            for row in rows:
                found[row.n].setdefault(row.m, _column(row, places[pins[row.n]], sightings[row.data_source_id]))
                await self._pace.breathe()
        return [tuple(by_place[m] for m in sorted(by_place)) for by_place in found]

    async def count_namespaces(self, sources: Sequence[Pin], wanted: CatalogFilter) -> list[int]:
        keys = _keys(sources, await self._places(sources))
        return await self._counts([(keys, _of_source(namespaces, wanted, None))], len(sources))

    async def count_tables(self, parents: Sequence[Pin | ObjectAt], wanted: CatalogFilter) -> list[int]:
        places = await self._places([_pin(parent) for parent in parents])
        return await self._counts(self._table_groups(parents, places, wanted, None), len(parents))

    async def count_columns(self, parents: Sequence[ObjectAt], wanted: CatalogFilter) -> list[int]:
        places = await self._places([parent.pin for parent in parents])
        return await self._counts([(_keys(parents, places), _of_table(wanted, None))], len(parents))

    def _table_groups(
        self, parents: Sequence[Pin | ObjectAt], places: Mapping[Pin, Place], wanted: CatalogFilter, page: Page | None
    ) -> list[tuple[list[dict[str, Any]], Narrow]]:
        keys = _keys(parents, places)
        return [
            ([key for key in keys if "parent" not in key], _of_source(tables, wanted, page)),
            ([key for key in keys if "parent" in key], _of_namespace(wanted, page)),
        ]

    async def _slices(
        self,
        prefix: str,
        pins: Sequence[Pin],
        places: Mapping[Pin, Place],
        groups: Sequence[tuple[list[dict[str, Any]], Narrow]],
        order: tuple[str, ...],
        page: Page,
        sort_key: Callable[[Row[Any]], tuple[str, ...]],
    ) -> list[Slice[Any]]:
        found: list[list[Row[Any]]] = [[] for _ in pins]
        for keys, narrow in groups:
            if keys:
                first = first_of_each(
                    narrowed(self._dialect, keys, narrow), order, first=page.first, is_single=len(keys) == 1
                )
                for row in await self._connection.execute(_wide(prefix, first, order)):
                    found[row.n].append(row)
                    await self._pace.breathe()
        sightings = await self._sightings({rows[0].data_source_id for rows in found if rows})
        slices = []
        for pin, rows in zip(pins, found, strict=True):
            entries = []
            for row in rows[: page.first]:
                entries.append(_ENTRIES[prefix](row, places[pin], sightings[row.data_source_id]))
                await self._pace.breathe()
            keys_of_rows = tuple(sort_key(row) for row in rows[: page.first])
            slices.append(Slice(tuple(entries), keys_of_rows, len(rows) > page.first))
        return slices

    async def _counts(self, groups: Sequence[tuple[list[dict[str, Any]], Narrow]], sets: int) -> list[int]:
        counts = [0] * sets
        for keys, narrow in groups:
            if keys:
                found = await count_each(self._connection, narrowed(self._dialect, keys, narrow), sets)
                counts = [one + other for one, other in zip(counts, found, strict=True)]
        return counts

    async def _places(self, pins: Sequence[Pin]) -> dict[Pin, Place]:
        return await load_places(self._connection, self._dialect, self._viewer, set(pins))

    async def _sightings(self, data_source_ids: set[str]) -> dict[str, Sightings]:
        if not data_source_ids:
            return {}
        return await load_sightings(self._connection, self._dialect, data_source_ids)


# ── rows → entries ───────────────────────────────────────────────────────────────────────────────────────────────────


def _namespace(row: Row[Any], place: Place, sightings: Sightings) -> NamespaceEntry:
    seen = row.last_seen_at or sightings.of_namespace(row.path, row.first_seen_at)
    return namespace_entry(row, place.revision, place.is_pinned, seen)


def _table(row: Row[Any], place: Place, sightings: Sightings) -> TableEntry:
    seen = row.last_seen_at or sightings.of_table(row.path, row.first_seen_at)
    is_observed = place.is_current and row.until_revision is None
    return table_entry(row, place.revision, place.is_pinned, seen, statistics_of(row) if is_observed else None)


def _column(row: Row[Any], place: Place, sightings: Sightings) -> ColumnEntry:
    seen = row.last_seen_at or sightings.of_table(row.table_path, row.first_seen_at)
    return column_entry(row, place.revision, place.is_pinned, seen, row.table_path, row.primary_key)


_ROWS: dict[str, Table] = {ids.NAMESPACE: namespaces, ids.TABLE: tables, ids.COLUMN: columns}
_ENTRIES: dict[str, Callable[[Row[Any], Place, Sightings], CatalogEntry]] = {
    ids.NAMESPACE: _namespace,
    ids.TABLE: _table,
    ids.COLUMN: _column,
}


def _by_local_name(row: Row[Any]) -> tuple[str, ...]:
    return (row.local_name,)


def _by_ordinal(row: Row[Any]) -> tuple[str, ...]:
    return (f"{row.ordinal:010}", row.local_name, row.id)


# ── statements ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _pin(parent: Pin | ObjectAt) -> Pin:
    return parent if isinstance(parent, Pin) else parent.pin


def _is_named(rows: Table, keys: FromClause) -> ColumnElement[bool]:
    # The source from the keys too: with it as a constant SQLite walks through all of the source for each key.
    return and_(rows.c.data_source_id == keys.c.source, rows.c.local_name == keys.c.parent)


def _keys(parents: Sequence[Pin | ObjectAt], places: Mapping[Pin, Place]) -> list[dict[str, Any]]:
    """The parents that can be looked at, each with its place in the answer."""
    keys: list[dict[str, Any]] = []
    for n, parent in enumerate(parents):
        pin = _pin(parent)
        if pin in places:
            key: dict[str, Any] = {"n": n, "source": pin.data_source_id, "revision": pin.revision}
            if isinstance(parent, Pin):
                keys.append(key)
            elif is_storable(parent.id):
                keys.append(key | {"parent": parent.id})
    return keys


def _of_source(rows: Table, wanted: CatalogFilter, page: Page | None) -> Narrow:
    def narrow(key: Key) -> Select[Any]:
        return _named(rows, key, wanted, page).where(rows.c.data_source_id == key("source"))

    return narrow


def _of_namespace(wanted: CatalogFilter, page: Page | None) -> Narrow:
    def narrow(key: Key) -> Select[Any]:
        return _named(tables, key, wanted, page).where(
            tables.c.namespace_id == key("parent"), unindexed(tables.c.data_source_id) == key("source")
        )

    return narrow


def _named(rows: Table, key: Key, wanted: CatalogFilter, page: Page | None) -> Select[Any]:
    """What is ordered by local name: namespaces and tables."""
    is_there = valid_at(rows, key("revision"))
    conditions = _matching(rows, wanted)
    if rows is tables:
        if wanted.include_removed:
            is_there = or_(is_there, tombstone_at(tables, key("revision")))
        if wanted.kinds is not None:
            conditions.append(tables.c.kind.in_(wanted.kinds))
    if page is not None:
        conditions.extend(behind([rows.c.local_name], page))
    return select(key("n").label("n"), rows.c.id, rows.c.since_revision, rows.c.local_name).where(is_there, *conditions)


def _of_table(wanted: CatalogFilter, page: Page | None) -> Narrow:
    def narrow(key: Key) -> Select[Any]:
        conditions = _matching(columns, wanted)
        if page is not None:
            conditions.extend(behind([columns.c.ordinal, columns.c.local_name, columns.c.id], page))
        return _columns_at(
            key,
            key("n").label("n"),
            columns.c.id,
            columns.c.since_revision,
            columns.c.ordinal,
            columns.c.local_name,
            tables.c.since_revision.label("table_since"),
        ).where(*conditions)

    return narrow


def _columns_at(key: Key, *selected: Any) -> Select[Any]:
    """The columns of each table at its revision; those of a table that is gone are the last it had."""
    revision = key("revision")
    return (
        select(*selected)
        .select_from(tables.join(columns, columns.c.table_id == tables.c.id))
        .where(
            tables.c.id == key("parent"),
            unindexed(tables.c.data_source_id) == key("source"),
            or_(valid_at(tables, revision), tombstone_at(tables, revision)),
            valid_at(columns, _last_valid(tables, revision)),
        )
    )


def _matching(rows: Table, wanted: CatalogFilter) -> list[ColumnElement[bool]]:
    if wanted.match is None:
        return []
    pattern = like_pattern(wanted.match)
    return [rows.c.name_folded.like(pattern, escape="\\") if is_storable(pattern) else false()]


def _wide(prefix: str, first: FromClause, order: Sequence[str]) -> Select[Any]:
    """All of the chosen rows, set after set, in order."""
    rows = _ROWS[prefix]
    source = first.join(rows, and_(rows.c.id == first.c.id, rows.c.since_revision == first.c.since_revision))
    if prefix == ids.COLUMN:
        whole = source.join(
            tables, and_(tables.c.id == columns.c.table_id, tables.c.since_revision == first.c.table_since)
        )
        statement = select(first.c.n, columns, *_TABLE_OF_COLUMN).select_from(whole)
    elif prefix == ids.TABLE:
        statement = select(first.c.n, tables, *_OBSERVED).select_from(
            source.outerjoin(observations, observations.c.table_id == tables.c.id)
        )
    else:
        statement = select(first.c.n, namespaces).select_from(source)
    return statement.order_by(first.c.n, *(first.c[name] for name in order))


def _with_neighbours(
    prefix: str, source: FromClause, place: tuple[ColumnElement[Any], ...], revision: ColumnElement[int]
) -> Select[Any]:
    """The rows of a kind with what an entry needs besides."""
    if prefix == ids.TABLE:
        observed = source.outerjoin(observations, observations.c.table_id == tables.c.id)
        return select(*place, tables, *_OBSERVED).select_from(observed)
    if prefix == ids.COLUMN:
        whole = source.join(
            tables, and_(tables.c.id == columns.c.table_id, valid_at(tables, _last_valid(columns, revision)))
        )
        return select(*place, columns, *_TABLE_OF_COLUMN).select_from(whole)
    return select(*place, namespaces).select_from(source)


def _last_valid(rows: Table, revision: ColumnElement[int]) -> ColumnElement[int]:
    """The revision itself for a row that is valid there, else the last one at which it was."""
    until = rows.c.until_revision
    return case((or_(until.is_(None), until > revision), revision), else_=until - 1)
