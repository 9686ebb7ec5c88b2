"""When objects were last seen: derived from what the runs of their source have covered."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.models.discovery import Coverage
from domain.rules.coverage import covering, last_seen_at
from persistence.catalog.sets import texts
from persistence.database import Dialect
from persistence.tables.data_sources import coverages


class Sightings:
    """Of one source. `default`: when no kept run has covered the object."""

    def __init__(self, runs: Sequence[Coverage]) -> None:
        self._runs = runs
        self._covering = [(run.at, covering(run)) for run in runs]
        self._known: dict[tuple[str, ...], datetime | None] = {}

    def of_table(self, path: tuple[str, ...], default: datetime) -> datetime:
        """A column's: its table's path."""
        if path not in self._known:
            self._known[path] = next((at for at, covers in self._covering if covers(path)), None)
        return self._known[path] or default

    def of_namespace(self, path: tuple[str, ...], default: datetime) -> datetime:
        return last_seen_at(path, self._runs, default, is_namespace=True)


async def load_sightings(
    connection: AsyncConnection, dialect: Dialect, data_source_ids: Collection[str], *, before: datetime | None = None
) -> dict[str, Sightings]:
    """Those of each source, from the runs that ended earlier than `before`."""
    runs: dict[str, list[Coverage]] = {id: [] for id in data_source_ids}
    keys = texts(dialect, sorted(runs))
    found = await connection.execute(
        select(coverages.c.data_source_id, coverages.c.coverage)
        .join(keys, keys.c.text == coverages.c.data_source_id)
        .order_by(coverages.c.number.desc())
    )
    for id, run in found:
        if before is None or run.at < before:
            runs[id].append(run)
    return {id: Sightings(kept) for id, kept in runs.items()}
