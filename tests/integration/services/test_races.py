"""Many who ask for the same at the same moment, on a store with many writers."""

import asyncio
import secrets
import sqlite3
from base64 import b64encode
from contextlib import closing
from pathlib import Path

from pydantic import SecretStr

from api.bootstrap import open_headwater
from api.settings import Settings
from domain.models.access import Permission, Scope, Viewer
from domain.models.data_source import DataSourceKind
from domain.models.problem import Problem
from domain.models.registration import ConnectionInput, DataSourceInput, DataSourcePatch, WriteOptions
from domain.services.data_sources import Registered
from domain.services.discoveries import DiscoverInput
from tests.servers.postgresql import PostgresqlDatabase

ADMIN = Viewer("admin", "key", frozenset(Permission), Scope())
AT_ONCE = 12


async def test_one_source_and_one_discovery_come_of_it(postgresql_database: PostgresqlDatabase, tmp_path: Path) -> None:
    shop = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(shop)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    settings = Settings(
        data_dir=tmp_path,
        database_url=SecretStr(postgresql_database.sqlalchemy_url),
        encryption_key=SecretStr(b64encode(secrets.token_bytes(32)).decode()),
        file_roots=(tmp_path,),
    )
    way = ConnectionInput(DataSourceKind.SQLITE, {"path": str(shop)})
    entry = DataSourceInput("shop", DataSourcePatch(connection=way))
    async with open_headwater(settings, port=1) as headwater:
        sources, discoveries = headwater.services.data_sources, headwater.services.discoveries

        async def register(write: WriteOptions) -> Registered:
            (registered,) = await sources.register(ADMIN, [entry], write)
            assert not isinstance(registered, Problem), registered
            return registered

        registered = await asyncio.gather(*(register(WriteOptions()) for _ in range(AT_ONCE)))
        assert [one.created for one in registered].count(True) == 1
        assert len({one.data_source.id for one in registered}) == 1
        with_a_key = WriteOptions(idempotency_key="once")
        again = await asyncio.gather(*(register(with_a_key) for _ in range(AT_ONCE)))
        assert all(one == again[0] for one in again)
        asked = DiscoverInput(registered[0].data_source.id)
        for _ in range(5):
            started = await asyncio.gather(
                *(discoveries.start(ADMIN, asked, WriteOptions()) for _ in range(AT_ONCE)),
            )
            await headwater.services.operations.wait(ADMIN, started[0], 10_000)
