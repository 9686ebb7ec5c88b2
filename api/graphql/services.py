"""What the schema needs of the house."""

from typing import Protocol

from domain.services.catalog import Catalog
from domain.services.connection_tests import ConnectionTests
from domain.services.data_sources import DataSources
from domain.services.discoveries import Discoveries
from domain.services.events import Events
from domain.services.health import HealthService
from domain.services.operations import Operations
from domain.services.pages import Pages


class Services(Protocol):
    """The use cases that the schema speaks to."""

    @property
    def data_sources(self) -> DataSources:
        """Registering, changing, reading sources."""

    @property
    def catalog(self) -> Catalog:
        """Navigating what discoveries found."""

    @property
    def operations(self) -> Operations:
        """Long jobs."""

    @property
    def connection_tests(self) -> ConnectionTests:
        """Testing connections."""

    @property
    def discoveries(self) -> Discoveries:
        """Discovering what is inside."""

    @property
    def health(self) -> HealthService:
        """How sources are doing."""

    @property
    def events(self) -> Events:
        """The event log."""

    @property
    def pages(self) -> Pages:
        """Page cursors."""
