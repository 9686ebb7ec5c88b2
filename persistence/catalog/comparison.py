"""What publishing a staged run would do: the staging against the current rows, set against set, by fingerprint."""

from collections import Counter
from datetime import datetime

from msgspec import Struct
from sqlalchemy import case, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.models.catalog import Namespace
from domain.models.discovery import Comparison, Coverage
from domain.rules import fqn
from domain.rules.coverage import covering, is_namespace_covered
from domain.rules.diff import diff_namespace
from persistence.catalog.bulk import whole_sets
from persistence.catalog.pacing import Pace
from persistence.catalog.staging import FOUND
from persistence.database import Dialect
from persistence.tables.catalog import namespaces, staged_namespaces, staged_tables, tables


class Known(Struct, frozen=True):
    """A current table or namespace."""

    id: str
    path: tuple[str, ...]
    first_seen_at: datetime
    namespace_id: str = ""  # of a table


class Plan(Struct, frozen=True):
    """What differs. New and changed tables are only counted: they are read when they are written."""

    current: int
    added: int
    modified: int
    removed: tuple[Known, ...]
    namespaces_added: tuple[Namespace, ...]
    namespaces_modified: tuple[tuple[Known, Namespace], ...]
    namespaces_removed: tuple[Known, ...]

    @property
    def comparison(self) -> Comparison:
        """The same in numbers."""
        return Comparison(
            current=self.current,
            added=self.added,
            modified=self.modified,
            removed=len(self.removed),
            namespaces_changed=(
                len(self.namespaces_added) + len(self.namespaces_modified) + len(self.namespaces_removed)
            ),
        )


async def plan(
    connection: AsyncConnection, dialect: Dialect, operation_id: str, data_source_id: str, coverage: Coverage
) -> Plan:
    """Compares the run's staging with the source's current rows. What the run did not cover stays."""
    async with whole_sets(connection, dialect):
        return await _plan(connection, operation_id, data_source_id, coverage)


async def _plan(connection: AsyncConnection, operation_id: str, data_source_id: str, coverage: Coverage) -> Plan:
    populations = await _populations(connection, data_source_id)
    added, modified = await _count_found(connection, operation_id, data_source_id)
    removed = await _removed(connection, operation_id, data_source_id, coverage)
    populations.subtract(table.namespace_id for table in removed)
    current = await _current_namespaces(connection, data_source_id)
    staged = await _staged_namespaces(connection, operation_id, current)
    used = await _used_namespaces(connection, operation_id)
    pace = Pace()
    new: list[Namespace] = []
    changed: list[tuple[Known, Namespace]] = []
    gone: list[Known] = []
    for name, namespace in staged.items():
        known = current.get(name)
        if known is None:
            new.append(namespace)
        elif diff_namespace(Namespace(known[0].path, known[1]), namespace):
            changed.append((known[0], namespace))
        await pace.breathe()
    for name, (known_namespace, _) in current.items():
        is_wanted = name in staged or name in used or populations[known_namespace.id] > 0
        if not is_wanted and is_namespace_covered(known_namespace.path, coverage):
            gone.append(known_namespace)
        await pace.breathe()
    return Plan(
        current=populations.total() + len(removed),
        added=added,
        modified=modified,
        removed=removed,
        namespaces_added=tuple(new),
        namespaces_modified=tuple(changed),
        namespaces_removed=tuple(gone),
    )


async def _populations(connection: AsyncConnection, data_source_id: str) -> Counter[str]:
    """How many current tables each namespace has."""
    found = await connection.execute(
        select(tables.c.namespace_id, func.count())
        .where(tables.c.data_source_id == data_source_id, tables.c.until_revision.is_(None))
        .group_by(tables.c.namespace_id)
    )
    return Counter({row.namespace_id: row[1] for row in found})


async def _count_found(connection: AsyncConnection, operation_id: str, data_source_id: str) -> tuple[int, int]:
    """How many staged tables are new, and how many are changed."""
    is_current = (
        (tables.c.data_source_id == data_source_id)
        & (tables.c.local_name == staged_tables.c.local_name)
        & tables.c.until_revision.is_(None)
    )
    found = await connection.execute(
        select(
            func.coalesce(func.sum(case((tables.c.id.is_(None), 1), else_=0)), 0),
            func.coalesce(func.sum(case((tables.c.fingerprint != staged_tables.c.fingerprint, 1), else_=0)), 0),
        )
        .select_from(staged_tables.outerjoin(tables, is_current))
        .where(staged_tables.c.operation_id == operation_id, staged_tables.c.outcome == FOUND)
    )
    added, modified = found.one()
    return int(added), int(modified)


async def _removed(
    connection: AsyncConnection, operation_id: str, data_source_id: str, coverage: Coverage
) -> tuple[Known, ...]:
    """Current tables that the run would have met and did not."""
    is_staged = exists(
        select(staged_tables.c.operation_id).where(
            staged_tables.c.operation_id == operation_id, staged_tables.c.local_name == tables.c.local_name
        )
    )
    missing = await connection.execute(
        select(tables.c.id, tables.c.path, tables.c.first_seen_at, tables.c.namespace_id).where(
            tables.c.data_source_id == data_source_id, tables.c.until_revision.is_(None), ~is_staged
        )
    )
    covers = covering(coverage)
    pace = Pace()
    removed: list[Known] = []
    for id, path, first_seen_at, namespace_id in missing:
        if covers(path):
            removed.append(Known(id, path, first_seen_at, namespace_id))
        await pace.breathe()
    return tuple(removed)


async def _current_namespaces(connection: AsyncConnection, data_source_id: str) -> dict[str, tuple[Known, str | None]]:
    found = await connection.execute(
        select(
            namespaces.c.local_name,
            namespaces.c.id,
            namespaces.c.path,
            namespaces.c.first_seen_at,
            namespaces.c.comment,
        ).where(namespaces.c.data_source_id == data_source_id, namespaces.c.until_revision.is_(None))
    )
    return {name: (Known(id, path, first_seen_at), comment) for name, id, path, first_seen_at, comment in found}


async def _staged_namespaces(
    connection: AsyncConnection, operation_id: str, current: dict[str, tuple[Known, str | None]]
) -> dict[str, Namespace]:
    """Those that the run listed, and those that it did not but found tables in."""
    found = await connection.execute(
        select(staged_namespaces.c.local_name, staged_namespaces.c.path, staged_namespaces.c.comment).where(
            staged_namespaces.c.operation_id == operation_id
        )
    )
    staged = {name: Namespace(path, comment) for name, path, comment in found}
    for name in await _used_namespaces(connection, operation_id, outcome=FOUND):
        if name not in staged and name not in current:
            staged[name] = Namespace(fqn.split(name) if name else ())
    return staged


async def _used_namespaces(connection: AsyncConnection, operation_id: str, outcome: str | None = None) -> set[str]:
    """The namespaces of the run's tables."""
    wanted = select(staged_tables.c.namespace_local_name).distinct().where(staged_tables.c.operation_id == operation_id)
    if outcome is not None:
        wanted = wanted.where(staged_tables.c.outcome == outcome)
    return set((await connection.execute(wanted)).scalars())
