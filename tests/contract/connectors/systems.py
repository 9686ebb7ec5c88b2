"""The systems that the contract suite runs against, each with the shop in it and ways to look behind the connector."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from msgspec.structs import replace

from api.demo.shop import write_demo_shop
from connectors.registry import ConnectorRegistry
from connectors.shared.dialer import DialPolicy, GuardedDialer
from domain.models.catalog import Table, TableKind
from domain.models.data_source import DataSourceKind, Pool
from domain.ports.connector import Connector, Target
from domain.ports.dialer import Dialer
from tests.servers.ports import free_port
from tests.servers.postgresql import PostgresqlDatabase

HERE = Path(__file__).parent
SECRET = "s3cr3t & 'quoted' ünder \"wraps\""

REGISTRY = ConnectorRegistry()


class System(Protocol):
    """One kind of system with the shop in it."""

    kind: DataSourceKind
    namespace: tuple[str, ...]  # where the shop lies
    golden: str  # the name of the file with the expected catalog
    target: Target
    absent: Target  # the same, but where nothing is
    dialer: Dialer
    confidential: tuple[str, ...]  # what no step, problem or repr may show

    async def execute(self, statement: str) -> None:
        """Changes the shop. Tables are named as in `quoted`."""
        ...

    def quoted(self, table: str) -> str:
        """The shop's table as a statement names it."""
        ...

    async def leftovers(self) -> list[str]:
        """Connections, files and threads of the connector that are still there."""
        ...

    def comparable(self, table: Table) -> Table:
        """Without what differs between versions that share a golden file."""
        ...


def connector_of(system: System) -> Connector:
    return REGISTRY.connector(system.kind)


def table_named(system: System, name: str) -> tuple[str, ...]:
    return (*system.namespace, name)


class SqliteShop:
    """A file of its own."""

    kind = DataSourceKind.SQLITE
    namespace = ("main",)
    golden = "sqlite.json"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "shop #1?.db"
        write_demo_shop(self._path)
        self.target = _target(self.kind, {"path": str(self._path)}, {})
        self.absent = _target(self.kind, {"path": str(folder / "absent.db")}, {})
        self.dialer = GuardedDialer(DialPolicy(allow_private=True, file_roots=(folder,)))
        self.confidential = (str(folder),)

    async def execute(self, statement: str) -> None:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute(statement)

    def quoted(self, table: str) -> str:
        return f'"{table}"'

    async def leftovers(self) -> list[str]:
        threads = [thread.name for thread in threading.enumerate() if thread.name == "sqlite"]
        files = Path("/proc/self/fd")
        if not files.exists():
            return threads
        opened = [str(file.readlink()) for file in files.iterdir() if file.is_symlink()]
        return threads + [name for name in opened if name.startswith(str(self._path))]

    def comparable(self, table: Table) -> Table:
        """Since 3.41 an expression in a view has a type of its own, before none."""
        if table.kind is not TableKind.VIEW:
            return table
        untyped = {"", "ANY", "BLOB", "INT", "NUM", "REAL"}
        return replace(
            table,
            columns=tuple(
                replace(column, native_type="", data_type=table.columns[0].data_type)
                if column.native_type in untyped
                else column
                for column in table.columns
            ),
        )


class PostgresqlShop:
    """A database of its own on the server that all tests share."""

    kind = DataSourceKind.POSTGRESQL

    def __init__(self, database: PostgresqlDatabase, version: int) -> None:
        self.namespace = (database.name, "shop")
        self.golden = f"postgresql-{version}.json"
        self._database = database
        settings = {
            "host": database.host,
            "port": database.port,
            "user": database.user,
            "database": database.name,
            "tls": {"mode": "DISABLED"},
        }
        self.target = _target(self.kind, settings, {"password": database.password})
        self.absent = _target(self.kind, settings | {"port": free_port()}, {"password": SECRET})
        self.dialer = GuardedDialer(DialPolicy(allow_private=True))
        self.confidential = (SECRET, database.password)

    @classmethod
    async def create(cls, database: PostgresqlDatabase) -> "PostgresqlShop":
        await database.execute((HERE / "shop" / "postgresql.sql").read_text("utf-8"))
        connection = await database.connect()
        try:
            version = connection.get_server_version().major
        finally:
            await connection.close()
        return cls(database, version)

    async def execute(self, statement: str) -> None:
        await self._database.execute(statement)

    def quoted(self, table: str) -> str:
        return f'shop."{table}"'

    async def leftovers(self) -> list[str]:
        connection = await self._database.connect()
        try:
            rows = await connection.fetch(
                "SELECT state, query FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        finally:
            await connection.close()
        return [f"{row['state']}: {row['query']}" for row in rows]

    def comparable(self, table: Table) -> Table:
        return replace(
            table, path=("shop database", *table.path[1:]), constraints=tuple(map(self._named, table.constraints))
        )

    def _named(self, constraint: Any) -> Any:
        """The database has another name in each run."""
        target = constraint.references
        if target is None:
            return constraint
        return replace(constraint, references=replace(target, table_path=("shop database", *target.table_path[1:])))


def _target(kind: DataSourceKind, settings: dict[str, Any], secrets: dict[str, str]) -> Target:
    return Target(REGISTRY.spec(kind).parse(settings), secrets, Pool())
