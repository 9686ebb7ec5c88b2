"""The metadata store on a PostgreSQL that is killed, stopped, held still, or ends our connections."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, text

from domain.errors import Unavailable
from persistence.database import Database, open_database
from tests.servers.postgresql import PostgresqlDatabase, PostgresqlServer

numbers = Table("numbers", MetaData(), Column("n", Integer, primary_key=True))


async def create(url: str) -> Database:
    database = await open_database(url, pool_size=3)
    async with database.write() as connection:
        await connection.run_sync(numbers.metadata.create_all)
    return database


@pytest.fixture
async def database(postgresql_database: PostgresqlDatabase) -> AsyncIterator[Database]:
    opened = await create(postgresql_database.sqlalchemy_url)
    yield opened
    await opened.close()


@pytest.fixture
async def breakable(private_postgresql: PostgresqlServer) -> AsyncIterator[Database]:
    opened = await create(private_postgresql.endpoint.database().sqlalchemy_url)
    yield opened
    await opened.close()


async def add(database: Database, n: int) -> None:
    async with database.write() as connection:
        await connection.execute(insert(numbers).values(n=n))


async def stored(database: Database) -> list[int]:
    async with database.read() as connection:
        return list((await connection.scalars(select(numbers.c.n).order_by(numbers.c.n))).all())


async def test_a_read_sees_one_snapshot_and_cannot_write(database: Database) -> None:
    await add(database, 1)
    async with database.read() as connection:
        assert (await connection.scalars(select(numbers.c.n))).all() == [1]
        await add(database, 2)
        assert (await connection.scalars(select(numbers.c.n))).all() == [1]
    assert await stored(database) == [1, 2]
    with pytest.raises(Unavailable):
        async with database.read() as connection:
            await connection.execute(insert(numbers).values(n=3))
    assert await stored(database) == [1, 2]


async def test_connections_have_a_name_and_a_bound(database: Database, postgresql_database: PostgresqlDatabase) -> None:
    await asyncio.gather(*(stored(database) for _ in range(20)))
    connection = await postgresql_database.connect()
    try:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'headwater' AND datname = $1"
        assert 1 <= await connection.fetchval(query, postgresql_database.name) <= 3
    finally:
        await connection.close()


async def test_connections_that_the_server_ended_are_replaced_unnoticed(
    database: Database, postgresql_database: PostgresqlDatabase
) -> None:
    await asyncio.gather(*(stored(database) for _ in range(3)))
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'headwater'"
    await postgresql_database.execute(query + f" AND datname = '{postgresql_database.name}'")
    await asyncio.sleep(0.1)  # the ends of the streams arrive
    assert await asyncio.gather(*(stored(database) for _ in range(3))) == [[], [], []]
    await add(database, 1)


async def test_a_kill_in_the_middle_of_a_transaction_undoes_it(
    breakable: Database, private_postgresql: PostgresqlServer
) -> None:
    await add(breakable, 1)

    async def write_through_a_kill() -> None:
        async with breakable.write() as connection:
            await connection.execute(insert(numbers).values(n=2))
            private_postgresql.kill()
            await connection.execute(insert(numbers).values(n=3))

    with pytest.raises(Unavailable, match="STORE_UNAVAILABLE"):
        await write_through_a_kill()
    for attempt in (stored(breakable), add(breakable, 4)):
        with pytest.raises(Unavailable, match="STORE_UNAVAILABLE"):
            await attempt
    await private_postgresql.start()
    assert await stored(breakable) == [1]
    await add(breakable, 5)
    assert await stored(breakable) == [1, 5]


async def test_a_server_that_says_nothing_is_given_up_in_bounded_time(
    private_postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persistence.database.STATEMENT_TIMEOUT_S", 0.5)
    monkeypatch.setattr("persistence.database.CONNECT_TIMEOUT_S", 0.5)
    database = await create(private_postgresql.endpoint.database().sqlalchemy_url)
    private_postgresql.pause()
    try:
        for _ in range(2):  # over an open connection, over a new one
            async with asyncio.timeout(8):
                with pytest.raises(Unavailable, match="STORE_UNAVAILABLE"):
                    await stored(database)
    finally:
        private_postgresql.resume()
    assert await stored(database) == []
    await database.close()


async def test_a_server_that_is_away_and_a_wrong_password_are_unavailable(
    postgresql_database: PostgresqlDatabase,
) -> None:
    url = postgresql_database.sqlalchemy_url
    for wrong in (
        url.replace(f":{postgresql_database.port}/", ":1/"),
        url.replace(":" + url.split(":")[2].split("@")[0] + "@", ":wrong@"),
        url.replace(postgresql_database.name, "missing"),
    ):
        with pytest.raises(Unavailable, match="STORE_UNAVAILABLE") as caught:
            await open_database(wrong)
        assert "127.0.0.1" not in str(caught.value)


async def test_a_deadlock_is_broken_and_may_be_tried_again(database: Database) -> None:
    await add(database, 1)
    await add(database, 2)
    both_hold_one = asyncio.Barrier(2)

    async def lock(first: int, second: int) -> None:
        async with database.write() as connection:
            await connection.execute(select(numbers).where(numbers.c.n == first).with_for_update())
            await both_hold_one.wait()
            await connection.execute(select(numbers).where(numbers.c.n == second).with_for_update())

    outcomes = await asyncio.gather(lock(1, 2), lock(2, 1), return_exceptions=True)
    failures = [outcome for outcome in outcomes if outcome is not None]
    assert len(failures) == 1
    assert isinstance(failures[0], Unavailable)
    assert failures[0].problem.retryable


async def test_the_pgbouncer_recipe_remembers_no_statement(postgresql_database: PostgresqlDatabase) -> None:
    database = await open_database(postgresql_database.sqlalchemy_url, pool_size=2, behind_pgbouncer=True)
    async with database.read() as connection:
        for _ in range(3):
            await connection.execute(select(text("1")))
        driver: asyncpg.Connection = (await connection.get_raw_connection()).driver_connection
        named = "SELECT count(*) FROM pg_prepared_statements WHERE statement NOT LIKE '%pg_prepared_statements%'"
        assert await driver.fetchval(named) == 0
        assert await driver.fetchval("SHOW idle_in_transaction_session_timeout") == "0"
    await database.close()
