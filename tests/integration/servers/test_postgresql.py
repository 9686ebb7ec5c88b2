import ssl

import asyncpg
import pytest

from tests.servers.postgresql import PostgresqlDatabase, PostgresqlEndpoint, PostgresqlServer, Tls
from tests.servers.process import ServerError


async def test_databases_are_apart(postgresql_server: PostgresqlEndpoint, postgresql_database: PostgresqlDatabase):
    await postgresql_database.execute("CREATE TABLE shop (id int); CREATE TABLE item (id int)")
    other = await postgresql_server.create_database()
    try:
        connection = await other.connect()
        assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
        await connection.close()
    finally:
        await postgresql_server.drop_database(other)


async def test_dropping_a_database_ends_its_sessions(postgresql_server: PostgresqlEndpoint):
    database = await postgresql_server.create_database()
    connection = await database.connect()
    await postgresql_server.drop_database(database)
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.InterfaceError)):
        await connection.fetchval("SELECT 1")
    connection.terminate()


async def test_asks_for_a_password(postgresql_server: PostgresqlEndpoint):
    with pytest.raises(asyncpg.InvalidPasswordError):
        await postgresql_server.database().connect(password="wrong")


async def test_keeps_its_data_over_a_restart_and_a_kill(private_postgresql: PostgresqlServer):
    database = private_postgresql.endpoint.database()
    await database.execute("CREATE TABLE shop (id int); INSERT INTO shop VALUES (1)")
    await private_postgresql.restart()
    await database.execute("INSERT INTO shop VALUES (2)")
    private_postgresql.kill()
    with pytest.raises(ConnectionRefusedError):
        await database.execute("SELECT 1")
    await private_postgresql.start()
    connection = await database.connect()
    assert await connection.fetchval("SELECT count(*) FROM shop") == 2
    await connection.close()


async def test_says_nothing_while_paused(private_postgresql: PostgresqlServer):
    private_postgresql.pause()
    with pytest.raises(TimeoutError):
        await private_postgresql.endpoint.database().connect(timeout=0.3)
    private_postgresql.resume()
    await private_postgresql.endpoint.database().execute("SELECT 1")


async def test_requires_tls_when_told_to():
    server = PostgresqlServer(tls=Tls(mode="required"))
    try:
        await server.start()
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await server.endpoint.database().connect(ssl=False)
        assert server.certificate_authority_file
        trusted = ssl.create_default_context(cafile=server.certificate_authority_file)
        connection = await server.endpoint.database().connect(ssl=trusted)
        assert await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        await connection.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            await server.endpoint.database().connect(ssl=ssl.create_default_context())
    finally:
        await server.discard()


async def test_a_server_that_cannot_start_says_why():
    server = PostgresqlServer(settings={"no_such_setting": "on"})
    with pytest.raises(ServerError, match="no_such_setting") as failure:
        await server.start()
    assert failure.value.exit_code == 1
    await server.discard()
