"""Sources at revisions: which of them the viewer may see and are kept."""

from collections.abc import Collection, Sequence

from msgspec import Struct
from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.models.access import Viewer
from domain.models.catalog import Revision
from domain.ports.repositories.catalog import Pin
from persistence.catalog.sets import is_storable, key_table, texts
from persistence.database import Dialect
from persistence.tables.catalog import revisions
from persistence.tables.data_sources import data_sources
from persistence.visibility import visible

MAX_REVISION = 2**31 - 1


class Place(Struct, frozen=True):
    """Where an object is looked at."""

    data_source_id: str
    revision: int
    is_pinned: bool
    is_current: bool  # the published revision


async def load_pins(
    connection: AsyncConnection, dialect: Dialect, viewer: Viewer, data_source_ids: Sequence[str]
) -> dict[str, Pin]:
    """The published revisions of the visible ones."""
    keys = texts(dialect, [id for id in data_source_ids if is_storable(id)])
    found = await connection.execute(
        select(data_sources.c.id, data_sources.c.revision)
        .join(keys, keys.c.text == data_sources.c.id)
        .where(visible(viewer.scope))
    )
    return {id: Pin(id, revision) for id, revision in found}


async def load_places(
    connection: AsyncConnection, dialect: Dialect, viewer: Viewer, pins: Collection[Pin]
) -> dict[Pin, Place]:
    """Those of the pins that the viewer may look at and that are kept."""
    numbers = {
        (pin.data_source_id, pin.revision)
        for pin in pins
        if is_storable(pin.data_source_id) and 0 < pin.revision <= MAX_REVISION
    }
    rows = [{"source": id, "revision": number} for id, number in sorted(numbers)]
    keys = key_table(dialect, rows, "source", "revision")
    found = (
        await connection.execute(
            select(revisions.c.data_source_id, revisions.c.number, data_sources.c.revision)
            .join(
                keys,
                and_(keys.c.source == revisions.c.data_source_id, keys.c.revision == revisions.c.number),
            )
            .join(data_sources, data_sources.c.id == revisions.c.data_source_id)
            .where(visible(viewer.scope))
        )
    ).all()
    current = {(id, number): number == published for id, number, published in found}
    return {
        pin: Place(pin.data_source_id, pin.revision, pin.is_pinned, current[pin.data_source_id, pin.revision])
        for pin in pins
        if (pin.data_source_id, pin.revision) in current
    }


async def is_visible(connection: AsyncConnection, viewer: Viewer, data_source_id: str) -> bool:
    """Whether the viewer may see the source."""
    if not is_storable(data_source_id):
        return False
    found = await connection.execute(
        select(data_sources.c.id).where(data_sources.c.id == data_source_id, visible(viewer.scope))
    )
    return found.first() is not None


async def load_revisions(connection: AsyncConnection, viewer: Viewer, data_source_id: str) -> tuple[Revision, ...]:
    """All that are kept, oldest first."""
    if not is_storable(data_source_id):
        return ()
    found = await connection.execute(
        select(revisions)
        .join(data_sources, data_sources.c.id == revisions.c.data_source_id)
        .where(revisions.c.data_source_id == data_source_id, visible(viewer.scope))
        .order_by(revisions.c.number)
    )
    return tuple(
        Revision(row.data_source_id, row.number, row.published_at, row.operation_id, row.counts) for row in found
    )
