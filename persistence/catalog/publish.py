"""One revision: closes what is gone or changed, opens what is new, in bounded bulks within the caller's transaction."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Column as StoreColumn
from sqlalchemy import ColumnElement, Row, Select, and_, case, delete, exists, insert, or_, select, update
from sqlalchemy import Table as StoreTable
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.models.access import Viewer
from domain.models.discovery import Coverage, Published
from domain.models.fact import Fact
from domain.models.page import Page
from domain.rules import fqn, ids
from persistence.catalog.bulk import Bulk, whole_sets
from persistence.catalog.changes import derive_changes
from persistence.catalog.comparison import Known, Plan, plan
from persistence.catalog.pacing import Pace
from persistence.catalog.rows import (
    Identity,
    Opening,
    column_of,
    column_row,
    decode_document,
    foreign_key_of,
    foreign_keys,
    namespace_row,
    relationship_row,
    table_row,
)
from persistence.catalog.sets import key_table, texts
from persistence.catalog.sightings import Sightings, load_sightings
from persistence.catalog.staging import FOUND, UNCHANGED, discard
from persistence.database import Dialect
from persistence.repositories.statements import insert_into, locked
from persistence.tables.catalog import (
    columns,
    namespaces,
    observations,
    relationships,
    revisions,
    staged_tables,
    tables,
)
from persistence.tables.data_sources import data_sources
from persistence.visibility import visible

MAX_CHANGES = 500  # single changes that a publish tells of
_TABLES_AT_ONCE = 50
_STATISTICS = ("row_count", "row_count_exact", "size_bytes", "size_bytes_exact")


async def publish(
    connection: AsyncConnection,
    dialect: Dialect,
    viewer: Viewer,
    operation_id: str,
    data_source_id: str,
    coverage: Coverage,
    at: datetime,
) -> Published | None:
    """See `CatalogRepository.publish`. None too for a source that is not there."""
    revision = await connection.scalar(
        locked(
            select(data_sources.c.revision).where(data_sources.c.id == data_source_id, visible(viewer.scope)),
            data_sources,
        )
    )
    if revision is None:
        await discard(connection, operation_id)
        return None
    found = await plan(connection, dialect, operation_id, data_source_id, coverage)
    published = None
    if not found.comparison.is_empty:
        sightings = await load_sightings(connection, dialect, [data_source_id], before=coverage.at)
        bulk = Bulk(connection, dialect)
        opening = Opening(data_source_id, revision + 1, bulk.time(at))
        writing = _Publishing(connection, dialect, bulk, opening, operation_id, at, sightings[data_source_id])
        counts = await writing.write(found)
        published = Published(revision + 1, counts)
    async with whole_sets(connection, dialect):
        await _observe(connection, dialect, operation_id, data_source_id)
    await discard(connection, operation_id)
    if published is None or revision == 0:
        return published
    changed_objects = found.added + found.modified + len(found.removed) + found.comparison.namespaces_changed
    if changed_objects > MAX_CHANGES:
        return published
    changes = await derive_changes(connection, dialect, data_source_id, revision, revision + 1, Page(MAX_CHANGES))
    return published if changes.has_next else Published(published.revision, published.counts, changes.items)


class _Kind(Struct, frozen=True):
    """A kind of object below a table: its rows, by table and name, and what a row says."""

    rows: StoreTable
    owner: StoreColumn[Any]
    name: StoreColumn[Any]
    place: StoreColumn[Any]
    prefix: str
    value_of: Callable[[Row[Any]], Any]


_COLUMN = _Kind(columns, columns.c.table_id, columns.c.local_name, columns.c.ordinal, ids.COLUMN, column_of)
_RELATIONSHIP = _Kind(
    relationships,
    relationships.c.from_table_id,
    relationships.c.name,
    relationships.c.name,
    ids.RELATIONSHIP,
    foreign_key_of,
)


class _Below:
    """The objects of one kind below a bounded number of tables: as they are remembered, and what becomes of them."""

    def __init__(self, kind: _Kind) -> None:
        self.kind = kind
        self.current: defaultdict[str, dict[tuple[str, int], tuple[Identity, Any]]] = defaultdict(dict)
        self.gone: defaultdict[tuple[str, str], list[Identity]] = defaultdict(list)
        self.removed: list[tuple[str, datetime]] = []
        self.replaced: list[tuple[str, datetime]] = []
        self.added = 0

    def compare(
        self, table_id: str, named: Iterable[tuple[str, Any]], seen_at: datetime, opening: Opening
    ) -> list[tuple[Identity, str, Any]]:
        """What is to be opened of a table. One that comes back has the id that it had."""
        current = self.current.pop(table_id, {})
        opened = []
        counts: Counter[str] = Counter()
        for name, value in named:
            known = current.pop((name, counts[name]), None)
            counts[name] += 1
            if known is None:
                returning = self.gone.get((table_id, name))
                identity = returning.pop() if returning else opening.identity(self.kind.prefix)
                opened.append((identity, name, value))
                self.added += 1
            elif known[1] != value:
                opened.append((known[0], name, value))
                self.replaced.append((known[0].id, seen_at))
        self.removed.extend((identity.id, seen_at) for identity, _ in current.values())
        return opened


class _Publishing:
    """The writing of one revision."""

    def __init__(
        self,
        connection: AsyncConnection,
        dialect: Dialect,
        bulk: Bulk,
        opening: Opening,
        operation_id: str,
        at: datetime,
        sightings: Sightings,
    ) -> None:
        self._connection = connection
        self._dialect = dialect
        self._bulk = bulk
        self._opening = opening
        self._operation_id = operation_id
        self._at = at
        self._sightings = sightings
        self._pace = Pace()
        self._namespace_ids: dict[str, str] = {}
        self._columns_added = 0
        self._columns_removed = 0
        self._columns_modified = 0

    async def write(self, found: Plan) -> tuple[Fact, ...]:
        """All rows of the revision; how many objects of which kind were added, removed, modified."""
        await self._remove_tables(found.removed)
        await self._write_namespaces(found)
        await self._modify_tables()
        await self._add_tables()
        counts = (
            Fact("namespaces_added", str(len(found.namespaces_added))),
            Fact("namespaces_removed", str(len(found.namespaces_removed))),
            Fact("namespaces_modified", str(len(found.namespaces_modified))),
            Fact("tables_added", str(found.added)),
            Fact("tables_removed", str(len(found.removed))),
            Fact("tables_modified", str(found.modified)),
            Fact("columns_added", str(self._columns_added)),
            Fact("columns_removed", str(self._columns_removed)),
            Fact("columns_modified", str(self._columns_modified)),
        )
        source, revision = self._opening.data_source_id, self._opening.revision
        await self._connection.execute(
            insert(revisions).values(
                data_source_id=source,
                number=revision,
                published_at=self._at,
                operation_id=self._operation_id,
                counts=counts,
            )
        )
        await self._connection.execute(
            update(data_sources).where(data_sources.c.id == source).values(revision=revision)
        )
        return counts

    # ── namespaces and tables that are gone ──────────────────────────────────────────────────────────────────────────

    async def _remove_tables(self, removed: Sequence[Known]) -> None:
        ended = []
        for table in removed:
            ended.append((table.id, self._sightings.of_table(table.path, table.first_seen_at)))
            await self._pace.breathe()
        await self._close(tables, tables.c.id, ended, is_removal=True)
        await self._close(relationships, relationships.c.from_table_id, ended, is_removal=True)
        self._columns_removed += await self._close(columns, columns.c.table_id, ended, is_removal=True)
        for start in range(0, len(ended), _TABLES_AT_ONCE):
            gone = texts(self._dialect, [id for id, _ in ended[start : start + _TABLES_AT_ONCE]])
            await self._connection.execute(delete(observations).where(observations.c.table_id.in_(select(gone.c.text))))

    async def _write_namespaces(self, found: Plan) -> None:
        modified = [known for known, _ in found.namespaces_modified]
        await self._close_namespaces(found.namespaces_removed, is_removal=True)
        await self._close_namespaces(modified, is_removal=False)
        known = await self._known_before(namespaces, [fqn.join(new.path) for new in found.namespaces_added])
        rows = [
            namespace_row(self._opening, Identity(was.id, self._bulk.time(was.first_seen_at)), now)
            for was, now in found.namespaces_modified
        ]
        for new in found.namespaces_added:
            identity = known.get(fqn.join(new.path)) or self._opening.identity(ids.NAMESPACE)
            rows.append(namespace_row(self._opening, identity, new))
            await self._pace.breathe()
        await self._bulk.insert(namespaces, rows)
        valid = await self._connection.execute(
            select(namespaces.c.local_name, namespaces.c.id).where(
                namespaces.c.data_source_id == self._opening.data_source_id, namespaces.c.until_revision.is_(None)
            )
        )
        self._namespace_ids = {row.local_name: row.id for row in valid}

    async def _close_namespaces(self, ended: Iterable[Known], *, is_removal: bool) -> None:
        seen = [(known.id, self._sightings.of_namespace(known.path, known.first_seen_at)) for known in ended]
        await self._close(namespaces, namespaces.c.id, seen, is_removal=is_removal)

    # ── tables that changed, and new ones ────────────────────────────────────────────────────────────────────────────

    async def _modify_tables(self) -> None:
        changed = select(staged_tables.c.local_name, tables.c.id, tables.c.path, tables.c.first_seen_at)
        async for chunk in self._chunks(
            changed.join(tables, _is_current(self._opening.data_source_id)).where(
                tables.c.fingerprint != staged_tables.c.fingerprint
            )
        ):
            known = {row.local_name: self._identity(row) for row in chunk}
            below = [_Below(_COLUMN), _Below(_RELATIONSHIP)]
            owners = [identity.id for identity in known.values()]
            for each in below:
                await self._load_current(each, owners)
                await self._load_gone(each, owners)
            ended = [(row.id, self._sightings.of_table(row.path, row.first_seen_at)) for row in chunk]
            await self._close(tables, tables.c.id, ended, is_removal=False)
            await self._open_tables([row.local_name for row in chunk], known, dict(ended), *below)

    async def _add_tables(self) -> None:
        is_current = exists(select(tables.c.id).where(_is_current(self._opening.data_source_id)))
        async for chunk in self._chunks(select(staged_tables.c.local_name).where(~is_current)):
            names = [row.local_name for row in chunk]
            known = await self._known_before(tables, names)
            below = [_Below(_COLUMN), _Below(_RELATIONSHIP)]
            if known:
                for each in below:
                    await self._load_gone(each, [identity.id for identity in known.values()])
            await self._open_tables(names, known, {}, *below)

    async def _chunks(self, wanted: Select[Any]) -> AsyncIterator[Sequence[Row[Any]]]:
        """What is wanted of the found tables, in bounded pieces: all of it is known before the first is written."""
        async with whole_sets(self._connection, self._dialect):
            found = await self._connection.execute(
                wanted.where(staged_tables.c.operation_id == self._operation_id, staged_tables.c.outcome == FOUND)
            )
        rows = []
        for row in found:
            rows.append(row)
            await self._pace.breathe()
        for start in range(0, len(rows), _TABLES_AT_ONCE):
            yield rows[start : start + _TABLES_AT_ONCE]

    async def _documents(self, names: Sequence[str]) -> Sequence[Any]:
        """The staged tables of these names."""
        keys = key_table(
            self._dialect, [{"operation": self._operation_id, "name": name} for name in names], "operation", "name"
        )
        found = await self._connection.execute(
            select(staged_tables.c.local_name, staged_tables.c.fingerprint, staged_tables.c.document).join(
                keys,
                and_(keys.c.operation == staged_tables.c.operation_id, keys.c.name == staged_tables.c.local_name),
            )
        )
        return found.all()

    async def _open_tables(
        self,
        names: Sequence[str],
        known: Mapping[str, Identity],
        seen: Mapping[str, datetime],
        below_columns: _Below,
        below_keys: _Below,
    ) -> None:
        """Writes the staged tables: those of `known` under their ids, with what changed below them."""
        opening = self._opening
        table_rows, column_rows, key_rows = [], [], []
        for row in await self._documents(names):
            name, table = row.local_name, decode_document(row.document)
            identity = known.get(name) or opening.identity(ids.TABLE)
            seen_at = seen.get(identity.id, self._at)
            namespace_id = self._namespace_ids[fqn.join(table.path[:-1])]
            table_rows.append(table_row(opening, identity, namespace_id, name, row.fingerprint, table))
            named = ((fqn.join(column.path), column) for column in table.columns)
            for opened, column_name, column in below_columns.compare(identity.id, named, seen_at, opening):
                column_rows.append(column_row(opening, opened, identity.id, column_name, column))
            keys = ((key.name, key) for key in foreign_keys(table))
            for opened, _, key in below_keys.compare(identity.id, keys, seen_at, opening):
                key_rows.append(relationship_row(opening, opened, identity.id, name, table.path, key))
            await self._pace.breathe()
        for below, rows in ((below_columns, column_rows), (below_keys, key_rows)):
            await self._close(below.kind.rows, below.kind.rows.c.id, below.removed, is_removal=True)
            await self._close(below.kind.rows, below.kind.rows.c.id, below.replaced, is_removal=False)
            await self._bulk.insert(below.kind.rows, rows)
        await self._bulk.insert(tables, table_rows)
        self._columns_added += below_columns.added
        self._columns_removed += len(below_columns.removed)
        self._columns_modified += len(below_columns.replaced)

    # ── what is remembered ───────────────────────────────────────────────────────────────────────────────────────────

    async def _load_current(self, below: _Below, table_ids: Sequence[str]) -> None:
        kind, owners = below.kind, texts(self._dialect, table_ids)
        found = await self._connection.execute(
            select(kind.rows)
            .join(owners, owners.c.text == kind.owner)
            .where(kind.rows.c.until_revision.is_(None))
            .order_by(kind.owner, kind.place, kind.name)
        )
        counts: Counter[tuple[str, str]] = Counter()
        for row in found:
            owner, name = row._mapping[kind.owner], row._mapping[kind.name]
            below.current[owner][name, counts[owner, name]] = (self._identity(row), kind.value_of(row))
            counts[owner, name] += 1
            await self._pace.breathe()

    async def _load_gone(self, below: _Below, table_ids: Sequence[str]) -> None:
        kind, owners = below.kind, texts(self._dialect, table_ids)
        found = await self._connection.execute(
            select(kind.owner, kind.name, kind.rows.c.id, kind.rows.c.first_seen_at)
            .distinct()
            .join(owners, owners.c.text == kind.owner)
            .where(kind.rows.c.removed_at.is_not(None), ~self._is_back(kind.rows))
        )
        for row in found:
            below.gone[row[0], row[1]].append(self._identity(row))

    async def _known_before(self, rows: StoreTable, names: Sequence[str]) -> dict[str, Identity]:
        """The objects of these names that are gone, so that they come back under their ids."""
        if self._opening.revision == 1:
            return {}
        # The source among the keys: with it as a constant SQLite walks through all of the source for each key.
        source = self._opening.data_source_id
        wanted = key_table(self._dialect, [{"source": source, "name": name} for name in names], "source", "name")
        found = await self._connection.execute(
            select(rows.c.local_name, rows.c.id, rows.c.first_seen_at)
            .distinct()
            .join(wanted, and_(wanted.c.source == rows.c.data_source_id, wanted.c.name == rows.c.local_name))
            .where(rows.c.removed_at.is_not(None))
        )
        return {row.local_name: self._identity(row) for row in found}

    def _is_back(self, rows: StoreTable) -> ColumnElement[bool]:
        valid = rows.alias()
        return exists(select(valid.c.id).where(valid.c.id == rows.c.id, valid.c.until_revision.is_(None)))

    def _identity(self, row: Any) -> Identity:
        return Identity(row.id, self._bulk.time(row.first_seen_at))

    async def _close(
        self, rows: StoreTable, by: StoreColumn[Any], ended: Sequence[tuple[str, datetime]], *, is_removal: bool
    ) -> int:
        return await self._bulk.close(
            rows, by, ended, revision=self._opening.revision, removed_at=self._at if is_removal else None
        )


def _is_current(data_source_id: str) -> ColumnElement[bool]:
    """Over a staged table and a remembered one: that this is it, as it is now."""
    return and_(
        tables.c.data_source_id == data_source_id,
        tables.c.local_name == staged_tables.c.local_name,
        tables.c.until_revision.is_(None),
    )


async def _observe(connection: AsyncConnection, dialect: Dialect, operation_id: str, data_source_id: str) -> None:
    """Brings signatures and statistics of the read tables up to date. A table found unchanged keeps its signature."""
    kept = observations.alias()
    signature = case(
        (
            staged_tables.c.outcome == UNCHANGED,
            select(kept.c.signature).where(kept.c.table_id == tables.c.id).scalar_subquery(),
        ),
        else_=staged_tables.c.signature,
    )
    observed = (
        select(
            tables.c.id,
            tables.c.data_source_id,
            signature,
            *(staged_tables.c[name] for name in _STATISTICS),
        )
        .join(tables, tables.c.local_name == staged_tables.c.local_name)
        .where(
            staged_tables.c.operation_id == operation_id,
            staged_tables.c.outcome.in_((FOUND, UNCHANGED)),
            tables.c.data_source_id == data_source_id,
            tables.c.until_revision.is_(None),
        )
    )
    names = ("signature", *_STATISTICS)
    statement = insert_into(observations, dialect).from_select(("table_id", "data_source_id", *names), observed)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[observations.c.table_id],
            set_={name: statement.excluded[name] for name in names},
            where=or_(*(observations.c[name].is_distinct_from(statement.excluded[name]) for name in names)),
        )
    )
