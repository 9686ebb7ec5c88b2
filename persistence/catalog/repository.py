"""The catalog within a transaction."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.models.access import Viewer
from domain.models.discovery import Comparison, Coverage, DiscoveryBatch, Published
from persistence.catalog import history, publish, staging
from persistence.catalog.comparison import plan
from persistence.database import Dialect


class SqlCatalogRepository:
    """Staging, comparing, publishing. The caller has fenced the operation in the same transaction."""

    def __init__(self, connection: AsyncConnection, dialect: Dialect, viewer: Viewer) -> None:
        self._connection = connection
        self._dialect = dialect
        self._viewer = viewer

    async def stage(self, operation_id: str, batch: DiscoveryBatch) -> None:
        """Adds to the run's staging; staging the same path again replaces it."""
        await staging.stage(self._connection, self._dialect, operation_id, batch)

    async def compare(self, operation_id: str, data_source_id: str, coverage: Coverage) -> Comparison:
        """What publishing would do. Current objects that the run did not cover (`rules.coverage`) are left alone."""
        return (await plan(self._connection, self._dialect, operation_id, data_source_id, coverage)).comparison

    async def publish(
        self, operation_id: str, data_source_id: str, coverage: Coverage, at: datetime
    ) -> Published | None:
        """Closes what is gone or changed, opens what is new, counts up the source's revision; None if nothing differs.

        Statistics and signatures of read tables are brought up to date in any case. Staging is gone afterwards.
        """
        return await publish.publish(
            self._connection, self._dialect, self._viewer, operation_id, data_source_id, coverage, at
        )

    async def discard(self, operation_id: str) -> None:
        """Forgets the run's staging."""
        await staging.discard(self._connection, operation_id)

    async def prune_revisions(self, data_source_id: str, *, older_than: datetime, keep: int) -> int:
        """Forgets revisions that are older and not among the newest `keep`; the oldest revision that is still kept."""
        return await history.prune_revisions(
            self._connection, self._viewer, data_source_id, older_than=older_than, keep=keep
        )
