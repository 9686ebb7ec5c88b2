"""What has to happen by itself: due discoveries, forgotten confirmations, and forgetting what is no longer kept."""

import logging
from datetime import datetime, timedelta

from domain.errors import ProblemError
from domain.models.access import system_viewer
from domain.models.data_source import DataSource
from domain.models.operation import OperationKind
from domain.models.page import Page
from domain.models.registration import WriteOptions
from domain.ports.clock import Clock
from domain.ports.repositories.data_sources import DataSourceFilter, DataSourceReader
from domain.ports.repositories.operations import OperationReader
from domain.ports.unit_of_work import UnitOfWork
from domain.rules.scan import is_due, may_start
from domain.services.discoveries import Discoveries, DiscoverInput
from domain.services.idempotency import KEPT
from domain.services.operations import Operations

log = logging.getLogger(__name__)

_PAGE = 100
_ROWS_AT_ONCE = 5_000


class Upkeep:
    """Each method is one round, safe to run anywhere and at any time."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWork,
        data_sources: DataSourceReader,
        operation_reader: OperationReader,
        operations: Operations,
        discoveries: Discoveries,
        clock: Clock,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._data_sources = data_sources
        self._operation_reader = operation_reader
        self._operations = operations
        self._discoveries = discoveries
        self._clock = clock
        self._viewer = system_viewer("schedule")

    async def discover_due(self) -> None:
        """Starts the discoveries that the scan frequencies ask for."""
        after: tuple[str, ...] | None = None
        while True:
            page = await self._data_sources.page(self._viewer, DataSourceFilter(), Page(first=_PAGE, after=after))
            newest = await self._operation_reader.pages(
                self._viewer, [source.id for source in page.items], [OperationKind.DISCOVERY], Page(first=1)
            )
            for source in page.items:
                tried = newest[source.id].items
                last = tried[0] if tried else None
                if may_start(source.status, last.state if last else None) and is_due(
                    source.scan_frequency, last.created_at if last else None, self._clock.now()
                ):
                    await self._discover(source)
            if not page.has_next:
                return
            after = page.keys[-1]

    async def forget(self) -> None:
        """Ends what nobody confirmed, removes rows of deleted sources and old idempotency keys, in bounded pieces."""
        await self._operations.expire(self._viewer)
        now: datetime = self._clock.now()
        removed = _ROWS_AT_ONCE
        while removed >= _ROWS_AT_ONCE:
            async with self._unit_of_work(self._viewer) as tx:
                removed = await tx.data_sources.sweep_deleted(at_most_rows=_ROWS_AT_ONCE)
        async with self._unit_of_work(self._viewer) as tx:
            await tx.requests.prune(now - KEPT - timedelta(hours=1))

    async def _discover(self, source: DataSource) -> None:
        try:
            await self._discoveries.start(self._viewer, DiscoverInput(source.id), WriteOptions())
        except ProblemError as error:
            log.warning("scheduled discovery of %s not started: %s", source.id, error.problem.code)
