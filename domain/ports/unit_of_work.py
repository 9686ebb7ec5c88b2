"""The one way to write: a short transaction of one viewer. None may be open while a foreign system is spoken to."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from domain.models.access import Viewer
from domain.models.data_source import DataSource
from domain.models.event import Event
from domain.ports.repositories.catalog import CatalogRepository
from domain.ports.repositories.data_sources import DataSourceRepository
from domain.ports.repositories.health import HealthRepository
from domain.ports.repositories.operations import OperationRepository
from domain.ports.repositories.requests import RequestRepository
from domain.ports.repositories.secrets import SecretRepository


class Transaction(Protocol):
    """Everything that can be written, as one viewer, together or not at all."""

    data_sources: DataSourceRepository
    secrets: SecretRepository
    operations: OperationRepository
    catalog: CatalogRepository
    health: HealthRepository
    requests: RequestRepository

    def record(self, event: Event, data_source: DataSource | None) -> None:
        """Writes the event with the change, last in the transaction; the source says who may see it."""
        ...


class UnitOfWork(Protocol):
    """Opens transactions."""

    def __call__(self, viewer: Viewer) -> AbstractAsyncContextManager[Transaction]:
        """Commits at the end of the block, rolls back on an exception, then nudges the event feed.

        Raises `Unavailable` when the store is away (STORE_UNAVAILABLE) or its disk is full (DISK_FULL).
        """
        ...
