"""What a run has found so far, by operation: rows that nobody reads until they are published."""

from typing import Any

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.models.discovery import DiscoveryBatch
from domain.rules import fqn
from domain.rules.fingerprint import fingerprint, normalise
from persistence.catalog.bulk import Bulk
from persistence.catalog.pacing import Pace
from persistence.catalog.rows import encode_document, encode_path, statistics_row
from persistence.database import Dialect
from persistence.tables.catalog import staged_namespaces, staged_tables

FOUND = "FOUND"
UNCHANGED = "UNCHANGED"
_UNREADABLE = "UNREADABLE"
_LISTED = "LISTED"

_NOTHING_OBSERVED = (None, None, None, None)


async def stage(connection: AsyncConnection, dialect: Dialect, operation_id: str, batch: DiscoveryBatch) -> None:
    """Adds a batch. What was said last of a path counts; that it is listed says the least."""
    pace = Pace()
    bulk = Bulk(connection, dialect)
    namespaces = [
        (operation_id, fqn.join(found.path), encode_path(found.path), found.comment) for found in batch.namespaces
    ]
    await bulk.insert(staged_namespaces, _last_of_each(namespaces), "replace")

    listed = []
    for path in batch.listed:
        listed.append(_row(operation_id, path, _LISTED))
        await pace.breathe()
    await bulk.insert(staged_tables, _last_of_each(listed), "keep")

    rows = [_row(operation_id, missed.path, _UNREADABLE) for missed in batch.unreadable]
    for unchanged in batch.unchanged:
        rows.append(_row(operation_id, unchanged.path, UNCHANGED, observed=statistics_row(unchanged.statistics)))
    for found in batch.found:
        table = normalise(found.table)
        rows.append(
            _row(
                operation_id,
                table.path,
                FOUND,
                content=(fingerprint(table), encode_document(table), found.signature),
                observed=statistics_row(found.statistics),
            )
        )
        await pace.breathe()
    await bulk.insert(staged_tables, _last_of_each(rows), "replace")


async def discard(connection: AsyncConnection, operation_id: str) -> None:
    """Forgets all that a run has staged."""
    for table in (staged_tables, staged_namespaces):
        await connection.execute(delete(table).where(table.c.operation_id == operation_id))


def _row(
    operation_id: str,
    path: tuple[str, ...],
    outcome: str,
    *,
    content: tuple[Any, Any, Any] = (None, None, None),
    observed: tuple[Any, Any, Any, Any] = _NOTHING_OBSERVED,
) -> tuple[Any, ...]:
    return (operation_id, fqn.join(path), outcome, fqn.join(path[:-1]), *content, *observed)


def _last_of_each(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list({row[:2]: row for row in rows}.values())
