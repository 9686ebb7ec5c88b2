"""The connection test against a real server: what passes, each way to fail, and the remedy that mends it."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from domain.models.data_source import Pool, PoolMode
from tests.integration.connectors.postgresql.support import (
    CONNECTOR,
    DIALER,
    check,
    facts,
    failure,
    nothing_left_behind,
    role,
    statements,
    states,
    target,
)
from tests.servers.postgresql import PostgresqlDatabase, PostgresqlServer, Tls

PASSED = ["PASSED"] * 7


async def test_everything_passes_and_is_measured(postgresql_database: PostgresqlDatabase) -> None:
    await postgresql_database.execute("CREATE TABLE a (id int); CREATE VIEW v AS SELECT * FROM a")
    async with nothing_left_behind():
        steps = await check(target(postgresql_database))
    assert states(steps) == PASSED
    assert all(step.duration_ms is not None and step.duration_ms > 0 for step in steps.values())
    assert sum(step.budget_ms for step in steps.values()) == 10_000
    found = facts(steps)
    assert found["address"] == f"{postgresql_database.host}:{postgresql_database.port}"
    assert found["tls_version"] == "none"
    assert int(found["server_version"].split(".")[0]) >= 12
    assert datetime.fromisoformat(found["server_end_of_life"])
    assert 0 < int(found["connections_in_use"]) < int(found["max_connections"])
    assert (found["is_superuser"], found["in_recovery"]) == ("yes", "no")
    assert found["privileges.public"] == "USAGE, SELECT on 2 of 2 tables"
    assert (found["namespaces"], found["tables"], found["tables_read"]) == ("1", "2", "2")
    assert 0 < float(found["latency_p50"]) <= float(found["latency_p95"])
    assert float(found["latency_jitter"]) >= 0


async def test_through_transaction_pooling_no_statement_is_kept(postgresql_database: PostgresqlDatabase) -> None:
    steps = await check(target(postgresql_database, pool=Pool(mode=PoolMode.PGBOUNCER)))
    assert states(steps) == PASSED


async def test_wrong_password(postgresql_database: PostgresqlDatabase) -> None:
    async with nothing_left_behind():
        steps = await check(target(postgresql_database, password="hunter2 wrong"))
    assert failure(steps) == ("authenticate", "AUTHENTICATION_FAILED", "28P01")
    assert "hunter2" not in repr(steps)


async def test_unknown_user(postgresql_database: PostgresqlDatabase) -> None:
    steps = await check(target(postgresql_database, user="nobody"))
    assert failure(steps) == ("authenticate", "AUTHENTICATION_FAILED", "28P01")


async def test_wrong_database(postgresql_database: PostgresqlDatabase) -> None:
    steps = await check(target(postgresql_database, database='no"such'))
    assert failure(steps) == ("authorize", "DATABASE_NOT_FOUND", "3D000")


async def test_the_remedy_for_a_role_that_may_not_log_in(postgresql_database: PostgresqlDatabase) -> None:
    async with role(postgresql_database, "NOLOGIN") as (user, password):
        as_user = target(postgresql_database, user=user, password=password)
        steps = await check(as_user)
        assert failure(steps) == ("authenticate", "AUTHENTICATION_FAILED", "28000")
        (statement,) = statements(steps)
        await postgresql_database.execute(statement)
        assert states(await check(as_user)) == PASSED


async def test_the_remedy_for_a_closed_database(postgresql_database: PostgresqlDatabase) -> None:
    await postgresql_database.execute(f'REVOKE CONNECT ON DATABASE "{postgresql_database.name}" FROM PUBLIC')
    async with role(postgresql_database) as (user, password):
        as_user = target(postgresql_database, user=user, password=password)
        steps = await check(as_user)
        assert failure(steps) == ("authorize", "PERMISSION_DENIED", "42501")
        (statement,) = statements(steps)
        quoted = user.replace('"', '""')
        assert statement == f'GRANT CONNECT ON DATABASE "{postgresql_database.name}" TO "{quoted}";'
        await postgresql_database.execute(statement)
        assert states(await check(as_user)) == PASSED


async def test_the_remedies_for_closed_schemas_and_tables(postgresql_database: PostgresqlDatabase) -> None:
    await postgresql_database.execute(
        'CREATE SCHEMA "a ""b"""; CREATE TABLE "a ""b""".t (id int); CREATE TABLE u (id int)'
    )
    async with role(postgresql_database) as (user, password):
        as_user = target(postgresql_database, user=user, password=password)
        steps = await check(as_user)
        assert steps["authorize"].state == "WARNED"
        assert steps["authorize"].problem is not None
        assert steps["authorize"].problem.code == "PRIVILEGES_MISSING"
        assert steps["read_catalog"].state == "PASSED"  # structure is read without any of it
        assert facts(steps)['privileges.a "b"'] == "no USAGE, SELECT on 0 of 1 tables"
        assert facts(steps)["privileges.public"] == "USAGE, SELECT on 0 of 1 tables"
        assert len(statements(steps)) == 3
        assert all(set(remedy.rests_on) <= facts(steps).keys() and remedy.rests_on for remedy in steps["authorize"].fix)
        for statement in statements(steps):
            await postgresql_database.execute(statement)
        assert states(await check(as_user)) == PASSED


async def test_the_remedy_for_hidden_catalogs(postgresql_database: PostgresqlDatabase) -> None:
    await postgresql_database.execute(
        "REVOKE SELECT ON pg_catalog.pg_constraint, pg_catalog.pg_enum, pg_catalog.pg_class FROM PUBLIC"
    )
    async with role(postgresql_database) as (user, password):
        as_user = target(postgresql_database, user=user, password=password)
        steps = await check(as_user)
        assert failure(steps) == ("read_catalog", "PERMISSION_DENIED", "42501")
        (statement,) = statements(steps)
        await postgresql_database.execute(statement)
        assert states(await check(as_user)) == PASSED


async def test_refused_port_and_unknown_host(postgresql_database: PostgresqlDatabase) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        steps = await check(target(postgresql_database, port=closed.getsockname()[1]))
    assert failure(steps) == ("connect", "CONNECTION_REFUSED", "ECONNREFUSED")
    steps = await check(target(postgresql_database, host="no-such-host.invalid"))
    assert failure(steps)[:2] == ("resolve", "HOST_NOT_FOUND")


async def test_tls_where_there_is_none(postgresql_database: PostgresqlDatabase) -> None:
    async with nothing_left_behind():
        steps = await check(target(postgresql_database, tls={"mode": "REQUIRED"}))
    assert failure(steps) == ("tls", "TLS_NOT_OFFERED", None)
    assert statements(steps) == ["ALTER SYSTEM SET ssl = on;"]
    health = await CONNECTOR.ping(target(postgresql_database, tls={"mode": "REQUIRED"}), DIALER, timeout_s=5)
    assert health.problem is not None
    assert health.problem.code == "TLS_NOT_OFFERED"


async def test_tls_is_verified_for_the_name_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    server = PostgresqlServer(tls=Tls(mode="required", names=("db.example",), expires_in=timedelta(days=3)))
    assert server.certificate_authority_file is not None
    authority = server.certificate_authority_file.read_text()
    ask = socket.getaddrinfo

    def resolve(host: str, *arguments: object, **options: object) -> object:
        return ask("127.0.0.1" if host == "db.example" else host, *arguments, **options)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    await server.start()
    try:
        database = server.endpoint.database()
        named = {"host": "db.example"}
        async with nothing_left_behind():
            steps = await check(target(database, **named, tls={"mode": "VERIFY_FULL", "ca_pem": authority}))
            assert states(steps) == PASSED
            expiry = datetime.fromisoformat(facts(steps)["certificate_expires_at"])
            assert timedelta(days=2) < expiry - datetime.now(UTC) <= timedelta(days=3)
            assert facts(steps)["tls_version"] == "TLSv1.3"
            assert facts(steps)["tls_cipher"]
            health = await CONNECTOR.ping(
                target(database, **named, tls={"mode": "VERIFY_FULL", "ca_pem": authority}), DIALER, timeout_s=5
            )
            assert health.ok
            assert health.certificate_expires_at == expiry

            assert states(await check(target(database, tls={"mode": "REQUIRED"}))) == PASSED
            assert states(await check(target(database, tls={"mode": "VERIFY_CA", "ca_pem": authority}))) == PASSED
            by_address = await check(target(database, tls={"mode": "VERIFY_FULL", "ca_pem": authority}))
            assert failure(by_address) == ("tls", "CERTIFICATE_REJECTED", "X509_64")
            other = trustme.CA().cert_pem.bytes().decode()
            for tls in ({"mode": "VERIFY_FULL", "ca_pem": other}, {"mode": "VERIFY_FULL"}):
                steps = await check(target(database, **named, tls=tls))
                assert failure(steps)[:2] == ("tls", "CERTIFICATE_REJECTED")
                health = await CONNECTOR.ping(target(database, **named, tls=tls), DIALER, timeout_s=5)
                assert health.problem is not None
                assert (health.problem.code, health.problem.phase) == ("CERTIFICATE_REJECTED", "tls")

            without = await check(target(database, tls={"mode": "DISABLED"}))
            assert failure(without) == ("authenticate", "AUTHENTICATION_FAILED", "28000")
            assert "pg_hba" in repr(without["authenticate"].fix)
    finally:
        await server.discard()


async def test_a_client_key_that_does_not_fit(postgresql_database: PostgresqlDatabase) -> None:
    certificate = trustme.CA().issue_cert("headwater").cert_chain_pems[0].bytes().decode()
    steps = await check(target(postgresql_database, tls={"mode": "REQUIRED", "client_certificate_pem": certificate}))
    assert failure(steps)[:2] == ("tls", "INVALID_INPUT")


async def test_nothing_is_taken_from_the_environment(
    postgresql_database: PostgresqlDatabase, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    password_file, service_file = tmp_path / "pgpass", tmp_path / "pg_service.conf"
    password_file.write_text(f"*:*:*:*:{postgresql_database.password}\n")
    password_file.chmod(0o600)
    service_file.write_text(f"[shop]\npassword={postgresql_database.password}\n")
    for name, value in {
        "PGPASSWORD": postgresql_database.password,
        "PGPASSFILE": str(password_file),
        "PGSERVICE": "shop",
        "PGSERVICEFILE": str(service_file),
        "PGHOST": "192.0.2.1",
        "PGPORT": "1",
        "PGUSER": "nobody",
        "PGDATABASE": "nowhere",
        "PGSSLMODE": "verify-full",
        "PGSSLNEGOTIATION": "direct",
        "PGTARGETSESSIONATTRS": "standby",
    }.items():
        monkeypatch.setenv(name, value)
    without_password = target(postgresql_database, password="")
    without_password.secrets.clear()
    assert failure(await check(without_password))[:2] == ("authenticate", "AUTHENTICATION_FAILED")
    assert not (await CONNECTOR.ping(without_password, DIALER, timeout_s=5)).ok
    assert states(await check(target(postgresql_database))) == PASSED
