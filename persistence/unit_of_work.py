"""The one way to write: a short transaction of one viewer, with the facts that tell of it written last."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.models.access import Viewer
from domain.models.data_source import DataSource
from domain.models.event import Event
from domain.ports.clock import Clock
from domain.ports.repositories.catalog import CatalogRepository
from domain.ports.repositories.data_sources import DataSourceRepository
from domain.ports.repositories.health import HealthRepository
from domain.ports.repositories.operations import OperationRepository
from domain.ports.repositories.requests import RequestRepository
from domain.ports.repositories.secrets import SecretRepository
from domain.ports.unit_of_work import Transaction
from persistence.catalog.repository import SqlCatalogRepository
from persistence.database import Database, Dialect
from persistence.events.log import NewEvent, append_events, new_event
from persistence.repositories.data_sources import SqlDataSourceRepository
from persistence.repositories.health import SqlHealthRepository
from persistence.repositories.operations import SqlOperationRepository
from persistence.repositories.requests import SqlRequestRepository
from persistence.repositories.secrets import SqlSecretRepository


class SqlTransaction:
    """Everything that can be written, as one viewer, together or not at all."""

    def __init__(self, connection: AsyncConnection, dialect: Dialect, viewer: Viewer, clock: Clock) -> None:
        self.data_sources: DataSourceRepository = SqlDataSourceRepository(connection, dialect, viewer)
        self.secrets: SecretRepository = SqlSecretRepository(connection, dialect, viewer)
        self.operations: OperationRepository = SqlOperationRepository(connection, viewer)
        self.catalog: CatalogRepository = SqlCatalogRepository(connection, dialect, viewer)
        self.health: HealthRepository = SqlHealthRepository(connection, dialect, viewer)
        self.requests: RequestRepository = SqlRequestRepository(connection, dialect)
        self.events: list[NewEvent] = []
        self._viewer = viewer
        self._clock = clock

    def record(self, event: Event, data_source: DataSource | None) -> None:
        """Writes the event with the change, last in the transaction; the source says who may see it."""
        self.events.append(new_event(event, self._clock.now(), self._viewer.name, data_source))


class SqlUnitOfWork:
    """Opens transactions. `on_commit` (the feed's nudge) is called after one that recorded events; it must not fail."""

    def __init__(self, database: Database, clock: Clock, on_commit: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._on_commit = on_commit

    def __call__(self, viewer: Viewer) -> AbstractAsyncContextManager[Transaction]:
        """Commits at the end of the block, rolls back on an exception, then nudges the event feed.

        Raises `Unavailable` when the store is away (STORE_UNAVAILABLE) or its disk is full (DISK_FULL).
        """
        return self._open(viewer)

    @asynccontextmanager
    async def _open(self, viewer: Viewer) -> AsyncIterator[Transaction]:
        async with self._database.write() as connection:
            transaction = SqlTransaction(connection, self._database.dialect, viewer, self._clock)
            yield transaction
            await append_events(connection, self._database.dialect, transaction.events)
        if transaction.events:
            self._on_commit()
