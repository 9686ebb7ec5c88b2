"""Migrations: the schema that they make is the one the code uses, and no store is touched that is not understood."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, select, text

from domain.errors import StartRefused
from persistence.database import Database, open_database
from persistence.migrations import VERSION_TABLE, migrate
from persistence.tables import metadata
from persistence.tables.events import event_log
from persistence.tables.secrets import instance


@pytest.fixture
async def database(store_url: str) -> AsyncIterator[Database]:
    opened = await open_database(store_url)
    yield opened
    await opened.close()


async def tables(database: Database) -> set[str]:
    async with database.read() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


async def versions(database: Database) -> list[str]:
    async with database.read() as connection:
        return list((await connection.scalars(text(f"SELECT version_num FROM {VERSION_TABLE}"))).all())


async def test_the_migrated_schema_is_the_one_the_code_uses(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))

    def outlines(connection: Connection) -> dict[str, object]:
        """What Alembic does not compare: checks, keys, predicates of indexes, collations."""
        found = inspect(connection)
        return {
            name: (
                sorted((check["name"], check["sqltext"]) for check in found.get_check_constraints(name)),
                found.get_pk_constraint(name),
                sorted((key["name"], key["referred_table"]) for key in found.get_foreign_keys(name)),
                sorted(map(index_outline, found.get_indexes(name))),
                [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(name)],
            )
            for name in found.get_table_names()
            if name != VERSION_TABLE
        }

    await migrate(database)
    async with database.read() as connection:
        assert await connection.run_sync(differences) == []
        migrated = await connection.run_sync(outlines)
    async with database.write() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        assert migrated == await connection.run_sync(outlines)


def index_outline(index: Mapping[str, Any]) -> str:
    """Its name, columns and predicate; reflected predicates are clauses, which compare by identity."""
    options = sorted((option, str(value)) for option, value in index.get("dialect_options", {}).items())
    return f"{index['name']} {index['column_names']} {index['unique']} {options}"


async def test_a_second_migration_changes_nothing(database: Database) -> None:
    await migrate(database)
    before = await made_once(database)
    await migrate(database)
    assert await made_once(database) == before
    assert len(await versions(database)) == 1


async def made_once(database: Database) -> tuple[str, str]:
    async with database.read() as connection:
        epoch = (await connection.execute(select(event_log.c.epoch))).scalar_one()
        return epoch, (await connection.execute(select(instance.c.instance_id))).scalar_one()


async def test_every_store_gets_an_epoch_and_an_instance_of_its_own(database: Database) -> None:
    await migrate(database)
    epoch, instance_id = await made_once(database)
    async with database.write() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))
    await migrate(database)
    again = await made_once(database)
    assert again[0] != epoch
    assert again[1] != instance_id
    assert min(len(epoch), len(instance_id)) >= 16


async def test_an_empty_store_gets_all_tables(database: Database) -> None:
    assert await tables(database) == set()
    await migrate(database)
    assert await tables(database) == {*metadata.tables, VERSION_TABLE}


async def test_a_store_of_a_newer_version_is_refused_and_not_touched(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) PRIMARY KEY)"))
        await connection.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES ('9999')"))
    with pytest.raises(StartRefused, match="newer version"):
        await migrate(database)
    assert await tables(database) == {VERSION_TABLE}
    assert await versions(database) == ["9999"]


async def test_of_many_that_migrate_at_once_one_does(database: Database) -> None:
    await asyncio.gather(*(migrate(database) for _ in range(4)))
    assert len(await versions(database)) == 1


async def test_a_migration_that_fails_leaves_nothing(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE secrets (somebody_elses INTEGER)"))
    with pytest.raises(Exception, match="already exists"):
        await migrate(database)
    assert await tables(database) == {"secrets"}
