"""`headwater test`: steps with what was measured, advice with the statement to run, exit code 0 or 1."""

import json

from tests.e2e.client import GraphqlClient
from tests.e2e.command_line.running import Terminal, run, run_here
from tests.servers.fault_proxy import Blackhole, FaultProxy
from tests.servers.headwater import HeadwaterServer
from tests.servers.postgresql import PostgresqlDatabase


async def test_it_passes_step_by_step(demo_server: HeadwaterServer):
    env = {"HEADWATER_URL": demo_server.url}
    ended = await run("test", "demo_shop", env=env)
    assert ended.code == 0, ended.err
    first, *steps, last = ended.out.splitlines()
    assert first == "Testing demo_shop"
    assert [line.split()[0] for line in steps] == [
        *("resolve", "connect", "tls", "authenticate", "authorize", "read_catalog", "latency")
    ]
    assert " ms" in steps[0]
    assert last.startswith("Passed after ")
    told = run_here("test", "demo_shop", "--json", env=env)
    assert json.loads(told.out)["state"] == "SUCCEEDED"
    async with Terminal(["test", "demo_shop"], columns=40, env=env) as terminal:
        assert await terminal.ended() == 0
    assert "Passed" in terminal.text


async def test_a_missing_grant_is_named(at_server: dict[str, str], postgresql_database: PostgresqlDatabase):
    reader = f"reader_{postgresql_database.name}"
    await postgresql_database.execute(
        f"CREATE TABLE hidden (id int); CREATE ROLE {reader} LOGIN PASSWORD 'reader'; REVOKE ALL ON hidden FROM PUBLIC"
    )
    try:
        added = run_here(
            *("sources", "add", reader, "--kind", "postgresql", "--host", postgresql_database.host),
            *("--port", str(postgresql_database.port), "--database", postgresql_database.name, "--user", reader),
            "--password-stdin",
            env=at_server,
            stdin="reader",
        )
        assert added.code == 0, added.err
        ended = run_here("test", reader, env=at_server)
        assert ended.code == 0, ended
        assert "warned" in ended.out
        assert "Advice:" in ended.out
        assert "GRANT SELECT ON" in ended.out
        wrong = run_here(
            *("sources", "add", reader, "--kind", "postgresql", "--host", postgresql_database.host),
            *("--port", str(postgresql_database.port), "--database", postgresql_database.name, "--user", reader),
            "--password-stdin",
            env=at_server,
            stdin="wrong",
        )
        assert wrong.code == 0
        failed = run_here("test", reader, env=at_server)
        assert failed.code == 1
        assert "authenticate  failed" in failed.out
        assert "Failed after" in failed.out
    finally:
        await postgresql_database.execute(f"DROP OWNED BY {reader}; DROP ROLE {reader}")


async def test_ctrl_c_ends_it(
    at_server: dict[str, str], shared_client: GraphqlClient, postgresql_database: PostgresqlDatabase
):
    async with FaultProxy(postgresql_database.host, postgresql_database.port) as proxy:
        await proxy.set_fault(Blackhole())
        run_here(
            *("sources", "add", "silent", "--kind", "postgresql", "--host", "127.0.0.1", "--port", str(proxy.port)),
            *("--database", "d", "--user", "u", "--tls", "disabled"),
            env=at_server,
        )
        async with Terminal(["test", "silent"], env=at_server) as terminal:
            await terminal.shows("resolve")
            terminal.interrupt()
            assert await terminal.ended() == 130
        assert "Cancelled: the test has ended." in terminal.text
        query = '{ dataSource(by: { name: "silent" }) { operations(first: 1) { nodes { state } } } }'
        (last,) = (await shared_client.query(query))["dataSource"]["operations"]["nodes"]
        assert last["state"] == "CANCELLED"
