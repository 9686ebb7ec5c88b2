"""Registered sources."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Table,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Conflict, NotFound
from domain.models.access import Viewer
from domain.models.data_source import Connection, DataSource
from domain.models.discovery import Coverage
from domain.models.page import Page, Slice
from domain.ports.repositories.data_sources import DataSourceFilter
from domain.rules.coverage import remember
from domain.rules.match import fold, like_pattern
from persistence.database import Database, Dialect
from persistence.repositories.statements import delete_some, insert_into, locked
from persistence.store_errors import is_unique_violation
from persistence.tables.base import metadata
from persistence.tables.catalog import staged_namespaces, staged_tables
from persistence.tables.data_sources import coverages, data_source_tags, data_sources
from persistence.tables.events import events
from persistence.tables.operations import operations
from persistence.tables.secrets import secrets
from persistence.visibility import visible

_is_deleted = data_sources.c.deleted_at.is_not(None)


class SqlDataSourceReader:
    """Reads outside of any transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_ids(self, viewer: Viewer, ids: Sequence[str]) -> dict[str, DataSource]:
        """The visible ones of these, by id."""
        return {source.id: source for source in await self._where(viewer, data_sources.c.id.in_(ids))}

    async def by_names(self, viewer: Viewer, names: Sequence[str]) -> dict[str, DataSource]:
        """The visible ones of these, by name."""
        return {source.name: source for source in await self._where(viewer, data_sources.c.name.in_(names))}

    async def page(self, viewer: Viewer, wanted: DataSourceFilter, page: Page) -> Slice[DataSource]:
        """Keyset (name)."""
        statement = (
            select(data_sources)
            .where(visible(viewer.scope), *_wanted(wanted))
            .order_by(data_sources.c.name)
            .limit(page.first + 1)
        )
        if page.after is not None:
            statement = statement.where(data_sources.c.name > page.after[0])
        found = await self._all(statement)
        items = tuple(found[: page.first])
        return Slice(items=items, keys=tuple((item.name,) for item in items), has_next=len(found) > page.first)

    async def count(self, viewer: Viewer, wanted: DataSourceFilter) -> int:
        """How many `page` would walk through."""
        statement = select(func.count()).select_from(data_sources).where(visible(viewer.scope), *_wanted(wanted))
        async with self._database.read() as connection:
            return (await connection.execute(statement)).scalar_one()

    async def coverage(self, viewer: Viewer, ids: Sequence[str]) -> dict[str, tuple[Coverage, ...]]:
        """The runs that `rules.coverage` judges freshness from, newest first, by source id."""
        statement = (
            select(coverages.c.data_source_id, coverages.c.coverage)
            .join(data_sources, data_sources.c.id == coverages.c.data_source_id)
            .where(visible(viewer.scope), coverages.c.data_source_id.in_(ids))
            .order_by(coverages.c.number.desc())
        )
        runs: dict[str, list[Coverage]] = {}
        async with self._database.read() as connection:
            for id, run in await connection.execute(statement):
                runs.setdefault(id, []).append(run)
        return {id: tuple(of_source) for id, of_source in runs.items()}

    async def _where(self, viewer: Viewer, condition: ColumnElement[bool]) -> list[DataSource]:
        return await self._all(select(data_sources).where(visible(viewer.scope), condition))

    async def _all(self, statement: Select[Any]) -> list[DataSource]:
        async with self._database.read() as connection:
            return [from_row(row) for row in await connection.execute(statement)]


class SqlDataSourceRepository:
    """Reads and writes within a transaction."""

    def __init__(self, connection: AsyncConnection, dialect: Dialect, viewer: Viewer) -> None:
        self._connection = connection
        self._dialect: Dialect = dialect
        self._visible = visible(viewer.scope)

    async def get(self, id: str) -> DataSource | None:
        """The source, if the viewer may see it; locked until the end."""
        return await self._one(data_sources.c.id == id)

    async def by_name(self, name: str) -> DataSource | None:
        """The source of that name, if the viewer may see it; locked until the end."""
        return await self._one(data_sources.c.name == name)

    async def name_is_taken(self, name: str) -> bool:
        """Whether any source has that name, visible or not."""
        statement = select(exists().where(data_sources.c.name == name, ~_is_deleted))
        return bool((await self._connection.execute(statement)).scalar_one())

    async def add(self, source: DataSource) -> None:
        """A new source. Raises `Conflict` (NAME_TAKEN) when another transaction was first with the name."""
        statement = (
            insert_into(data_sources, self._dialect)
            .values(revision=source.revision, **_to_row(source))
            .on_conflict_do_nothing(index_elements=[data_sources.c.name], index_where=~_is_deleted)
            .returning(data_sources.c.id)
        )
        if (await self._connection.execute(statement)).first() is None:
            raise _name_taken()
        await self._write_tags(source)

    async def save(self, source: DataSource) -> None:
        """The source as it is now, except for its revision, which the publish of a catalog counts.

        Raises `Conflict` (NAME_TAKEN): the transaction can then only be given up; `NotFound` for one not to be seen.
        """
        statement = update(data_sources).where(data_sources.c.id == source.id, self._visible).values(_to_row(source))
        try:
            saved = await self._connection.execute(statement)
        except IntegrityError as error:
            if is_unique_violation(error):
                raise _name_taken() from error
            raise
        if not saved.rowcount:
            raise NotFound("There is no such data source.")
        await self._connection.execute(delete(data_source_tags).where(data_source_tags.c.data_source_id == source.id))
        await self._write_tags(source)

    async def delete(self, id: str, at: datetime) -> None:
        """Frees the name, erases the secrets and hides all else that belongs to the source."""
        statement = update(data_sources).where(data_sources.c.id == id, self._visible).values(deleted_at=at)
        if (await self._connection.execute(statement)).rowcount:
            await self._connection.execute(delete(secrets).where(secrets.c.owner_id == id))

    async def add_coverage(self, id: str, coverage: Coverage) -> None:
        """Remembers what a run saw; those that tell nothing more (`rules.coverage.remember`) are forgotten."""
        statement = (
            select(coverages.c.number, coverages.c.coverage)
            .where(coverages.c.data_source_id == id)
            .order_by(coverages.c.number.desc())
        )
        stored = [(row.number, row.coverage) for row in await self._connection.execute(statement)]
        kept = remember([run for _, run in stored], coverage)
        forgotten = [number for number, run in stored if not any(run is keeper for keeper in kept)]
        if forgotten:
            await self._connection.execute(
                delete(coverages).where(coverages.c.data_source_id == id, coverages.c.number.in_(forgotten))
            )
        number = stored[0][0] + 1 if stored else 1
        await self._connection.execute(insert(coverages).values(data_source_id=id, number=number, coverage=coverage))

    async def sweep_deleted(self, *, at_most_rows: int) -> int:
        """Removes rows of deleted sources, what refers to others first; how many were removed."""
        removed = 0
        for table, condition in _rows_of_deleted():
            if removed == at_most_rows:
                break
            removed += await delete_some(self._connection, table, condition, at_most_rows=at_most_rows - removed)
        return removed

    async def _one(self, condition: ColumnElement[bool]) -> DataSource | None:
        statement = locked(select(data_sources).where(self._visible, condition), data_sources)
        row = (await self._connection.execute(statement)).first()
        return None if row is None else from_row(row)

    async def _write_tags(self, source: DataSource) -> None:
        if source.tags:
            rows = [{"data_source_id": source.id, "tag": tag} for tag in dict.fromkeys(source.tags)]
            await self._connection.execute(insert(data_source_tags), rows)


def from_row(row: Row[Any]) -> DataSource:
    """A row of `data_sources` as the domain knows it."""
    return DataSource(
        id=row.id,
        name=row.name,
        connection=Connection(row.kind, row.settings),
        created_at=row.created_at,
        updated_at=row.updated_at,
        status=row.status,
        version=row.version,
        revision=row.revision,
        location=row.location,
        environment=row.environment,
        criticality=row.criticality,
        sensitivity=row.sensitivity,
        scan_frequency=row.scan_frequency,
        pool=row.pool,
        scope=row.scope,
        cloud_provider=row.cloud_provider,
        region=row.region,
        owner=row.owner,
        team=row.team,
        description=row.description,
        tags=row.tags,
        properties=row.properties,
        credential=row.credential,
        created_by=row.created_by,
        last_tested_at=row.last_tested_at,
        last_discovered_at=row.last_discovered_at,
    )


def _to_row(source: DataSource) -> dict[str, Any]:
    """All columns but the revision."""
    return {
        "id": source.id,
        "name": source.name,
        "name_folded": fold(source.name),
        "kind": source.connection.kind,
        "settings": source.connection.settings,
        "status": source.status,
        "version": source.version,
        "location": source.location,
        "environment": source.environment,
        "criticality": source.criticality,
        "sensitivity": source.sensitivity,
        "scan_frequency": source.scan_frequency,
        "pool": source.pool,
        "scope": source.scope,
        "cloud_provider": source.cloud_provider,
        "region": source.region,
        "owner": source.owner,
        "team": source.team,
        "description": source.description,
        "tags": source.tags,
        "properties": source.properties,
        "credential": source.credential,
        "created_by": source.created_by,
        "created_at": source.created_at,
        "updated_at": source.updated_at,
        "last_tested_at": source.last_tested_at,
        "last_discovered_at": source.last_discovered_at,
    }


def _wanted(wanted: DataSourceFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.kinds is not None:
        conditions.append(data_sources.c.kind.in_(wanted.kinds))
    if wanted.environments is not None:
        conditions.append(data_sources.c.environment.in_(wanted.environments))
    if wanted.statuses is not None:
        conditions.append(data_sources.c.status.in_(wanted.statuses))
    if wanted.match is not None:
        conditions.append(data_sources.c.name_folded.like(like_pattern(wanted.match), escape="\\"))
    if wanted.tag is not None:
        tagged = select(data_source_tags.c.data_source_id).where(data_source_tags.c.tag == wanted.tag)
        conditions.append(data_sources.c.id.in_(tagged))
    return conditions


def _rows_of_deleted() -> list[tuple[Table, ColumnElement[bool]]]:
    """All that belongs to deleted sources, in an order in which it can go. Facts in the event log stay."""
    sources = select(data_sources.c.id).where(_is_deleted)
    runs = select(operations.c.id).where(operations.c.data_source_id.in_(sources))
    owned = [table for table in reversed(metadata.sorted_tables) if "data_source_id" in table.c and table is not events]
    return [
        *((table, table.c.operation_id.in_(runs)) for table in (staged_tables, staged_namespaces)),
        *((table, table.c.data_source_id.in_(sources)) for table in owned),
        (data_sources, _is_deleted),
    ]


def _name_taken() -> Conflict:
    return Conflict("NAME_TAKEN", "Another data source has this name; names are unique.", path=("name",))
