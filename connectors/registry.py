"""The one visible list of the systems that Headwater speaks with: kind → folder under `connectors`.

Importing this module loads no connector; asking for a spec loads no driver; asking for a connector does.
"""

import importlib
from functools import cache

from msgspec import Struct

from domain.models.data_source import DataSourceKind
from domain.ports.connector import Connector, ConnectorSpec


class _Room(Struct, frozen=True):
    """A folder, and what its classes are called in `spec.py` and `connector.py`."""

    folder: str
    spec: str
    connector: str


_ROOMS = {
    DataSourceKind.POSTGRESQL: _Room("postgresql", "PostgresqlSpec", "PostgresqlConnector"),
    DataSourceKind.SQLITE: _Room("sqlite", "SqliteSpec", "SqliteConnector"),
}


class ConnectorRegistry:
    """All kinds that can be spoken with: satisfies `domain.ports.connector.Connectors`."""

    def spec(self, kind: DataSourceKind) -> ConnectorSpec:
        """What can be said without a driver."""
        return _spec(kind)

    def connector(self, kind: DataSourceKind) -> Connector:
        """The connector; loads its driver on first use."""
        return _connector(kind)


@cache
def _spec(kind: DataSourceKind) -> ConnectorSpec:
    room = _ROOMS[kind]
    made: ConnectorSpec = getattr(importlib.import_module(f"connectors.{room.folder}.spec"), room.spec)()
    return made


@cache
def _connector(kind: DataSourceKind) -> Connector:
    room = _ROOMS[kind]
    made: Connector = getattr(importlib.import_module(f"connectors.{room.folder}.connector"), room.connector)()
    return made
