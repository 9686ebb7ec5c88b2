"""How far back a source's catalog is remembered."""

from datetime import datetime

from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.models.access import Viewer
from persistence.tables.catalog import columns, namespaces, relationships, revisions, tables
from persistence.tables.data_sources import data_sources
from persistence.visibility import visible


async def prune_revisions(
    connection: AsyncConnection, viewer: Viewer, data_source_id: str, *, older_than: datetime, keep: int
) -> int:
    """See `CatalogRepository.prune_revisions`. The published revision always stays; 0 where there is none."""
    newest = await connection.scalar(
        select(data_sources.c.revision).where(data_sources.c.id == data_source_id, visible(viewer.scope))
    )
    if not newest:
        return 0
    # Revisions are numbered without gaps: what is kept goes from one number to the newest.
    oldest = await connection.scalar(
        select(func.min(revisions.c.number)).where(
            revisions.c.data_source_id == data_source_id,
            or_(revisions.c.number > newest - max(keep, 1), revisions.c.published_at >= older_than),
        )
    )
    if oldest is None:
        return 0
    await connection.execute(
        delete(revisions).where(revisions.c.data_source_id == data_source_id, revisions.c.number < oldest)
    )
    for rows in (namespaces, tables, columns, relationships):
        await connection.execute(
            delete(rows).where(rows.c.data_source_id == data_source_id, rows.c.until_revision <= oldest)
        )
    return int(oldest)
