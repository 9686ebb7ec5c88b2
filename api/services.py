"""The use cases of the house, as `bootstrap` opens them and everything above uses them."""

from dataclasses import dataclass

from domain.services.catalog import Catalog
from domain.services.connection_tests import ConnectionTests
from domain.services.data_sources import DataSources
from domain.services.discoveries import Discoveries
from domain.services.events import Events
from domain.services.health import HealthService
from domain.services.operations import Operations
from domain.services.pages import Pages


@dataclass(frozen=True)
class Services:
    """What the schema and the demo speak to."""

    data_sources: DataSources
    catalog: Catalog
    operations: Operations
    connection_tests: ConnectionTests
    discoveries: Discoveries
    health: HealthService
    events: Events
    pages: Pages
