"""What goes wrong from outside: a typed problem in bounded time, nothing lost, and nothing told that is nobody's."""

import base64
import contextlib
import json
import secrets
import shutil
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.client import GraphqlClient, GraphqlErrors
from tests.servers.fault_proxy import Blackhole, CloseAfter, Drip, Fault, FaultProxy, Garbage, Refuse
from tests.servers.headwater import HeadwaterServer
from tests.servers.postgresql import PostgresqlDatabase
from tests.servers.process import ServerError

BUDGET_S = 2.0
SLACK_S = 0.5  # beyond the budget of an operation, by its own record
HANGING_S = 5.0  # beyond any bound, by our clock: it runs on a machine that is busy with other tests
PASSWORD = "pa55-never-to-be-seen"

_REGISTER = """
mutation($input: [DataSourceInput!]!) {
  registerDataSources(input: $input) {
    __typename
    ... on DataSourcePayload { dataSource { id name fqn } }
    ... on Problem { code message path retryable fix { title detail statement } }
  }
}
"""
_TEST = """
mutation($target: TargetInput!, $budget: Int!) {
  testConnection(target: $target, budgetMs: $budget, waitMs: 60000) {
    __typename
    ... on Operation {
      state startedAt endedAt
      problems {
        __typename code message path fix { title detail statement } ... on UnreachableProblem { phase vendorCode }
      }
      steps { name state durationMs facts { name value } problem { code message } fix { title detail statement } }
    }
    ... on Problem { code message path fix { title detail statement } }
  }
}
"""
_DISCOVER = """
mutation($id: ID!, $budget: Int) {
  discover(input: { dataSource: $id, mode: FULL, budgetMs: $budget }, waitMs: 60000) {
    __typename
    ... on Operation { state startedAt endedAt publishedRevision problems { code message } }
    ... on Problem { code message path }
  }
}
"""
_TABLES = """
query($name: String!) {
  dataSource(by: { name: $name }) { revision tables(first: 100) { nodes { name fqn removedAt } } }
}
"""
_SIGNS_OF_A_LEAK = (PASSWORD, "Traceback", "site-packages", ".py", "asyncpg", "sqlalchemy", "File \\")


class Asker:
    """Asks, and looks at each answer for what must not be in it."""

    def __init__(self, client: GraphqlClient, *secrets: str) -> None:
        self._client = client
        self._secrets = (*_SIGNS_OF_A_LEAK, *secrets)

    async def ask(self, document: str, *, within_s: float, **variables: Any) -> dict[str, Any]:
        """The whole answer, `errors` too."""
        began_s = time.monotonic()
        answer = await self._client.request(document, variables)
        taken_s = time.monotonic() - began_s
        assert taken_s <= within_s + HANGING_S
        for secret in self._secrets:
            assert secret not in answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def test(self, **connection: Any) -> dict[str, Any]:
        """Tests a draft of a PostgreSQL connection."""
        draft = {"name": "draft", "connection": {"postgresql": {"password": {"literal": PASSWORD}} | connection}}
        told = await self.ask(_TEST, within_s=BUDGET_S, target={"draft": draft}, budget=int(BUDGET_S * 1_000))
        tested: dict[str, Any] = told["data"]["testConnection"]
        if tested["__typename"] == "Operation":
            assert duration_s(tested) <= BUDGET_S + SLACK_S
        return tested

    async def register(self, *entries: dict[str, Any]) -> list[dict[str, Any]]:
        told = await self.ask(_REGISTER, within_s=5, input=entries)
        results: list[dict[str, Any]] = told["data"]["registerDataSources"]
        return results


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HeadwaterServer]:
    """A server for all tests of this file that leave it as it was."""
    secret_dir = tmp_path_factory.mktemp("secrets")
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_text(PASSWORD)
    (secret_dir / "link").symlink_to(outside)
    environment = {"HEADWATER_SECRET_DIR": str(secret_dir), "OUTSIDE_THE_PREFIX": PASSWORD}
    server = HeadwaterServer(environment=environment)
    await server.start()
    yield server
    assert PASSWORD not in server.log
    await server.discard()


@pytest_asyncio.fixture
async def asker(shared: HeadwaterServer) -> AsyncIterator[Asker]:
    async with GraphqlClient(shared.graphql_url, timeout_s=60) as client:
        yield Asker(client, str(shared.data_dir))


@pytest_asyncio.fixture
async def shop(postgresql_database: PostgresqlDatabase) -> PostgresqlDatabase:
    """A database with a user of its own, whose password is PASSWORD."""
    name = postgresql_database.name
    await postgresql_database.execute(
        f"""
        DROP ROLE IF EXISTS "{name}_user";
        CREATE ROLE "{name}_user" LOGIN PASSWORD '{PASSWORD}';
        CREATE TABLE customers (id integer PRIMARY KEY, name text);
        CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer REFERENCES customers);
        """
    )
    return postgresql_database


def way(database: PostgresqlDatabase, /, **changes: Any) -> dict[str, Any]:
    """How the user of `shop` gets there."""
    return {
        "host": database.host,
        "port": database.port,
        "database": database.name,
        "user": f"{database.name}_user",
    } | changes


def duration_s(operation: dict[str, Any]) -> float:
    """How long an operation ran, by its own record."""
    began, ended = (datetime.fromisoformat(operation[name]) for name in ("startedAt", "endedAt"))
    return (ended - began).total_seconds()


def failed_step(tested: dict[str, Any]) -> tuple[str, str]:
    """Which step failed, and the code of its problem."""
    assert tested["__typename"] == "Operation", tested
    assert tested["state"] == "FAILED", tested
    ((name, problem),) = [(step["name"], step["problem"]) for step in tested["steps"] if step["state"] == "FAILED"]
    return name, problem["code"]


class TestConnections:
    async def test_an_unknown_host(self, asker: Asker):
        tested = await asker.test(host="no-such-host.invalid", database="shop", user="ada")
        assert failed_step(tested) == ("resolve", "HOST_NOT_FOUND")

    async def test_a_refused_port(self, asker: Asker):
        async with FaultProxy("127.0.0.1", 1) as proxy:
            await proxy.set_fault(Refuse())
            tested = await asker.test(host=proxy.host, port=proxy.port, database="shop", user="ada")
        assert failed_step(tested) == ("connect", "CONNECTION_REFUSED")

    async def test_a_wrong_password(self, asker: Asker, shop: PostgresqlDatabase):
        tested = await asker.test(**way(shop, password={"literal": "wrong"}))
        assert failed_step(tested) == ("authenticate", "AUTHENTICATION_FAILED")
        assert tested["problems"][0]["vendorCode"] == "28P01"

    async def test_a_wrong_database(self, asker: Asker, shop: PostgresqlDatabase):
        tested = await asker.test(**way(shop, database="no such database"))
        assert failed_step(tested)[1] == "DATABASE_NOT_FOUND"

    async def test_a_missing_privilege(self, asker: Asker, shop: PostgresqlDatabase):
        await shop.execute(f'REVOKE CONNECT ON DATABASE "{shop.name}" FROM PUBLIC')
        tested = await asker.test(**way(shop))
        assert failed_step(tested)[1] == "PERMISSION_DENIED"
        statements = [fix["statement"] for problem in tested["problems"] for fix in problem["fix"]]
        assert statements == [f'GRANT CONNECT ON DATABASE "{shop.name}" TO "{shop.name}_user";']
        await shop.execute(statements[0])
        assert (await asker.test(**way(shop)))["state"] == "SUCCEEDED"

    @pytest.mark.parametrize(
        "fault",
        [Blackhole(), Drip(bytes_per_second=5), CloseAfter(1), CloseAfter(40), CloseAfter(400), Garbage()],
        ids=lambda fault: type(fault).__name__,
    )
    async def test_a_server_that_misbehaves(self, asker: Asker, shop: PostgresqlDatabase, fault: Fault):
        async with FaultProxy(shop.host, shop.port) as proxy:
            await proxy.set_fault(fault)
            tested = await asker.test(**way(shop, port=proxy.port))
            assert tested["__typename"] == "Operation", tested
            assert tested["state"] == "FAILED"
            assert tested["problems"][0]["__typename"] == "UnreachableProblem"
            await proxy.heal()
            assert (await asker.test(**way(shop, port=proxy.port)))["state"] == "SUCCEEDED"

    @pytest.mark.parametrize(
        "fault", [Blackhole(), Drip(5), CloseAfter(3_000), Garbage()], ids=lambda f: type(f).__name__
    )
    async def test_a_discovery_that_is_cut_loses_nothing(self, asker: Asker, shop: PostgresqlDatabase, fault: Fault):
        async with FaultProxy(shop.host, shop.port) as proxy:
            connection = way(shop, port=proxy.port) | {"password": {"literal": PASSWORD}}
            (registered,) = await asker.register({"name": shop.name, "connection": {"postgresql": connection}})
            source_id = registered["dataSource"]["id"]
            first = await asker.ask(_DISCOVER, within_s=30, id=source_id, budget=30_000)
            assert first["data"]["discover"]["state"] == "SUCCEEDED", first
            before = await asker.ask(_TABLES, within_s=5, name=shop.name)
            await proxy.set_fault(fault)
            cut = await asker.ask(_DISCOVER, within_s=BUDGET_S, id=source_id, budget=int(BUDGET_S * 1_000))
            assert cut["data"]["discover"]["state"] in {"FAILED", "PARTIAL"}, cut
            assert cut["data"]["discover"]["problems"]
            assert duration_s(cut["data"]["discover"]) <= BUDGET_S + SLACK_S
            assert await asker.ask(_TABLES, within_s=5, name=shop.name) == before
            await proxy.heal()
            again = await asker.ask(_DISCOVER, within_s=30, id=source_id, budget=30_000)
            assert again["data"]["discover"]["state"] == "SUCCEEDED", again
            assert await asker.ask(_TABLES, within_s=5, name=shop.name) == before


class TestNames:
    @pytest.mark.parametrize("name", ['q"uote', "it's", "a.b", "größe ☃ 数据", '"', ".", "..", "a" * 255, "select"])
    async def test_awkward_names_come_back_as_they_are(self, asker: Asker, tmp_path: Path, name: str):
        path = tmp_path / "awkward.sqlite"
        quoted = name.replace('"', '""')
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute(f'CREATE TABLE "{quoted}" ("{quoted}" integer)')
        (registered,) = await asker.register({"name": name, "connection": {"sqlite": {"path": str(path)}}})
        assert registered["dataSource"]["name"] == name
        told = await asker.ask(_DISCOVER, within_s=10, id=registered["dataSource"]["id"], budget=10_000)
        assert told["data"]["discover"]["state"] == "SUCCEEDED"
        (table,) = (await asker.ask(_TABLES, within_s=5, name=name))["data"]["dataSource"]["tables"]["nodes"]
        assert table["name"] == name
        document = "query($f: String!) { table(fqn: $f) { name columns { nodes { name fqn } } } }"
        found = (await asker.ask(document, within_s=5, f=table["fqn"]))["data"]["table"]
        assert [column["name"] for column in found["columns"]["nodes"]] == [name]
        column = await asker.ask(
            "query($f: String!) { byFqn(fqn: $f) { __typename name } }",
            within_s=5,
            f=found["columns"]["nodes"][0]["fqn"],
        )
        assert column["data"]["byFqn"] == {"__typename": "Column", "name": name}

    @pytest.mark.parametrize("name", ["", " ", "line\nbreak", "nul\0", "x" * 256, "x" * 900_000])
    async def test_names_that_cannot_be(self, asker: Asker, name: str):
        (refused,) = await asker.register({"name": name, "connection": {"sqlite": {"path": "/nowhere"}}})
        assert refused["__typename"] == "InvalidInputProblem", refused
        assert refused["path"][-1] == "name"
        assert len(refused["message"]) < 1_000

    async def test_a_megabyte_in_one_request_is_too_much(self, shared: HeadwaterServer):
        async with GraphqlClient(shared.graphql_url) as client:
            answer = await client.request(_REGISTER, {"input": [{"name": "x" * 1024 * 1024}]})
        assert answer.status_code == 413

    async def test_a_table_with_a_megabyte_of_name(self, asker: Asker, tmp_path: Path):
        path = tmp_path / "long.sqlite"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute(f'CREATE TABLE "{"x" * 1_000_000}" (id integer)')
            connection.execute("CREATE TABLE short (id integer)")
        (registered,) = await asker.register({"name": "long", "connection": {"sqlite": {"path": str(path)}}})
        told = await asker.ask(_DISCOVER, within_s=10, id=registered["dataSource"]["id"], budget=10_000)
        assert told["data"]["discover"]["state"] in {"SUCCEEDED", "PARTIAL"}, told
        tables = (await asker.ask(_TABLES, within_s=5, name="long"))["data"]["dataSource"]["tables"]["nodes"]
        assert "short" in {table["name"] for table in tables}

    @pytest.mark.parametrize("port", [0, -1, 65_536, 70_000])
    async def test_ports_that_are_none(self, asker: Asker, port: int):
        connection = {"host": "localhost", "port": port, "database": "shop", "user": "ada"}
        (refused,) = await asker.register({"name": "ports", "connection": {"postgresql": connection}})
        assert refused["__typename"] == "InvalidInputProblem", refused
        assert refused["path"][-1] == "port"
        tested = await asker.test(**connection)
        assert tested["__typename"] == "InvalidInputProblem", tested

    @pytest.mark.parametrize("count", [0, 1_001])
    async def test_lists_that_are_empty_or_too_long(self, asker: Asker, count: int):
        entries = [{"name": f"n{number}", "connection": {"sqlite": {"path": "/x"}}} for number in range(count)]
        (refused,) = await asker.register(*entries)
        assert refused["__typename"] in {"InvalidInputProblem", "LimitedProblem"}, refused
        listed = await asker.ask('{ dataSources(match: "n0") { nodes { name } } }', within_s=5)
        assert listed["data"]["dataSources"]["nodes"] == []


class TestCursors:
    async def test_cursors_of_others_and_forged_ones(self, asker: Asker, tmp_path: Path):
        path = tmp_path / "cursors.sqlite"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            for number in range(3):
                connection.execute(f"CREATE TABLE t{number} (id integer)")
        (registered,) = await asker.register({"name": "cursors", "connection": {"sqlite": {"path": str(path)}}})
        await asker.ask(_DISCOVER, within_s=10, id=registered["dataSource"]["id"], budget=10_000)
        document = """
        query($after: String, $match: String) {
          dataSource(by: { name: "cursors" }) { tables(first: 1, after: $after, match: $match) { edges { cursor } } }
        }
        """
        page = await asker.ask(document, within_s=5)
        cursor = page["data"]["dataSource"]["tables"]["edges"][0]["cursor"]
        assert "errors" not in await asker.ask(document, within_s=5, after=cursor)
        other = "query($after: String) { dataSources(after: $after) { nodes { name } } }"
        for refused in (
            await asker.ask(other, within_s=5, after=cursor),
            await asker.ask(document, within_s=5, after=cursor, match="t1*"),
            await asker.ask(document, within_s=5, after=_forged(cursor)),
            await asker.ask(document, within_s=5, after="x"),
            await asker.ask(document, within_s=5, after=""),
            await asker.ask("query($c: Cursor) { eventLog(after: $c) { next } }", within_s=5, c=cursor),
            await asker.ask("query($c: Cursor) { eventLog(after: $c) { next } }", within_s=5, c="\u2603" * 1_000),
        ):
            assert [error["extensions"]["code"] for error in refused["errors"]] == ["INVALID_CURSOR"], refused

    async def test_a_subscription_with_a_forged_cursor(self, shared: HeadwaterServer):
        async with GraphqlClient(shared.graphql_url) as client:
            with pytest.raises(GraphqlErrors) as refusal:
                await client.collect('subscription { events(after: "forged") { cursor } }', 1)
        assert refusal.value.codes == ["INVALID_CURSOR"]

    async def test_revisions_that_never_were(self, asker: Asker, tmp_path: Path):
        await _publish(asker, tmp_path / "revisions.sqlite", "CREATE TABLE t (id integer)")
        document = 'query($at: At) { dataSource(by: { name: "revisions" }) { tables(at: $at) { nodes { name } } } }'
        for number in (2, 99, -1):
            told = await asker.ask(document, within_s=5, at={"revision": number})
            assert [error["extensions"]["code"] for error in told["errors"]] == ["UNKNOWN_REVISION"]
        before_all = await asker.ask(document, within_s=5, at={"time": "2001-01-01T00:00:00Z"})
        assert before_all == {"data": {"dataSource": {"tables": {"nodes": []}}}}

    async def test_revisions_that_are_no_longer_kept(self, server: HeadwaterServer, tmp_path: Path):
        path = tmp_path / "expired.sqlite"
        document = """
        query($after: String, $at: At) {
          dataSource(by: { name: "expired" }) { tables(first: 1, after: $after, at: $at) { edges { cursor } } }
        }
        """
        async with GraphqlClient(server.graphql_url) as client:
            asker = Asker(client)
            await _publish(asker, path, "CREATE TABLE t0 (id integer); CREATE TABLE t1 (id integer)")
            page = await asker.ask(document, within_s=5)
            cursor = page["data"]["dataSource"]["tables"]["edges"][0]["cursor"]
            await _publish(asker, path, "CREATE TABLE t2 (id integer)")
            assert "errors" not in await asker.ask(document, within_s=5, after=cursor)
            await server.stop()
            # As if 90 days had passed.
            with contextlib.closing(
                sqlite3.connect(server.data_dir / "headwater.sqlite", isolation_level=None)
            ) as store:
                assert store.execute("DELETE FROM catalog_revisions WHERE number = 1").rowcount == 1
            await server.start()
            expired = await asker.ask(document, within_s=5, after=cursor)
            assert [error["extensions"]["code"] for error in expired["errors"]] == ["CURSOR_EXPIRED"]
            expired = await asker.ask(document, within_s=5, at={"revision": 1})
            assert [error["extensions"]["code"] for error in expired["errors"]] == ["REVISION_EXPIRED"]


async def _publish(asker: Asker, path: Path, script: str) -> None:
    """Changes a SQLite database and discovers it, under the name of its file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    (registered,) = await asker.register({"name": path.stem, "connection": {"sqlite": {"path": str(path)}}})
    told = await asker.ask(_DISCOVER, within_s=10, id=registered["dataSource"]["id"], budget=10_000)
    assert told["data"]["discover"]["state"] == "SUCCEEDED", told


class TestReferences:
    @pytest.mark.parametrize(
        "reference",
        [
            {"store": "env", "locator": "OUTSIDE_THE_PREFIX"},
            {"store": "env", "locator": "HEADWATER_ADMIN_KEY"},
            {"store": "env", "locator": "HEADWATER_SECRET_DIR"},
            {"store": "file", "locator": "../outside0/secret"},
            {"store": "file", "locator": "/etc/passwd"},
            {"store": "vault", "locator": "x"},
        ],
        ids=lambda reference: reference["locator"].replace("/", "_"),
    )
    async def test_outside_of_what_is_allowed(self, asker: Asker, reference: dict[str, str]):
        connection = {"host": "localhost", "database": "d", "user": "u", "password": {"reference": reference}}
        (refused,) = await asker.register({"name": "refers", "connection": {"postgresql": connection}})
        assert refused["__typename"] == "InvalidInputProblem", refused

    @pytest.mark.parametrize("locator", ["link", "missing"])
    async def test_through_a_link_or_into_nothing(self, asker: Asker, shop: PostgresqlDatabase, locator: str):
        tested = await asker.test(**way(shop, password={"reference": {"store": "file", "locator": locator}}))
        if tested["__typename"] == "Operation":
            assert tested["state"] == "FAILED"
            assert [problem["code"] for problem in tested["problems"]] == ["SECRET_UNAVAILABLE"]
        else:
            assert tested["code"] == "SECRET_UNAVAILABLE"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def used_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a server that ran; take a copy."""
    folder = tmp_path_factory.mktemp("used") / "data"
    server = HeadwaterServer(data_dir=folder)
    await server.start()
    await server.stop()
    await server.discard()
    return folder


class TestStart:
    """The message goes to the operator; it holds no secret and no traceback."""

    async def test_another_key_file(self, used_folder: Path, tmp_path: Path):
        data = shutil.copytree(used_folder, tmp_path / "data")
        (data / "headwater.key").write_text(base64.b64encode(secrets.token_bytes(32)).decode())
        log = await self._refused(data)
        assert "key" in log

    @pytest.mark.parametrize("content", [b"", b"A" * 43 + b"=\n"])
    async def test_a_broken_key_file(self, used_folder: Path, tmp_path: Path, content: bytes):
        data = shutil.copytree(used_folder, tmp_path / "data")
        (data / "headwater.key").write_bytes(content)
        assert "key" in await self._refused(data)

    async def test_a_lost_key_file_is_not_made_anew(self, used_folder: Path, tmp_path: Path):
        data = shutil.copytree(used_folder, tmp_path / "data")
        (data / "headwater.key").unlink()
        await self._refused(data)
        assert not (data / "headwater.key").exists()

    async def test_a_store_of_a_newer_version(self, used_folder: Path, tmp_path: Path):
        data = shutil.copytree(used_folder, tmp_path / "data")
        with contextlib.closing(sqlite3.connect(data / "headwater.sqlite", isolation_level=None)) as connection:
            connection.execute("UPDATE schema_version SET version_num = '9999'")
        assert "newer" in await self._refused(data)

    async def test_a_store_that_is_none(self, used_folder: Path, tmp_path: Path):
        data = shutil.copytree(used_folder, tmp_path / "data")
        for leftover in data.glob("headwater.sqlite*"):
            leftover.unlink()
        (data / "headwater.sqlite").write_bytes(b"this is no database " * 500)
        await self._refused(data)

    @pytest.mark.parametrize(
        ("arguments", "environment"),
        [
            (["--host", "0.0.0.0"], {}),  # noqa: S104
            (["--host", "no-such-host.invalid"], {"HEADWATER_ADMIN_KEY": PASSWORD}),
            ([], {"HEADWATER_ADMIN_KEY": "short"}),
            (["--port", "70000"], {}),
            ([], {"HEADWATER_HEALTH_INTERVAL_S": "often"}),
            ([], {"HEADWATER_DATABASE_URL": f"postgresql+asyncpg://u:{PASSWORD}@127.0.0.1:1/x"}),
            ([], {"HEADWATER_DATABASE_URL": f"nonsense://{PASSWORD}"}),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "".join(value),
    )
    async def test_settings_that_cannot_be(self, tmp_path: Path, arguments: list[str], environment: dict[str, str]):
        await self._refused(tmp_path / "data", arguments, environment)

    async def test_two_servers_on_one_folder(self, tmp_path: Path):
        server = HeadwaterServer(data_dir=tmp_path / "data")
        await server.start()
        try:
            await self._refused(tmp_path / "data")
            async with GraphqlClient(server.graphql_url) as client:
                assert await client.query("{ dataSources { nodes { name } } }")
        finally:
            await server.discard()

    async def _refused(
        self, data: Path, arguments: list[str] | None = None, environment: dict[str, str] | None = None
    ) -> str:
        """The log of a start that must be refused."""
        server = HeadwaterServer(data_dir=data, arguments=arguments or [], environment=environment)
        try:
            with pytest.raises(ServerError) as refusal:
                await server.start(timeout_s=60)
            assert refusal.value.exit_code in {2, 69, 78}, refusal.value.log
            assert "Traceback" not in server.log
            assert PASSWORD not in server.log
            return server.log
        finally:
            await server.discard()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a full disk needs the right to mount a small one")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


async def test_a_full_disk(small_disk: Path):
    server = HeadwaterServer(data_dir=small_disk / "data")
    await server.start()
    try:
        async with GraphqlClient(server.graphql_url) as client:
            asker = Asker(client, str(server.data_dir))
            entry = {"name": "before", "connection": {"sqlite": {"path": "/nowhere"}}}
            assert (await asker.register(entry))[0]["__typename"] == "DataSourcePayload"
            _fill(small_disk / "ballast")
            # The store writes into what its files already take for a while; then it is told.
            for number in range(2_000):
                padding = {"name": f"n{number}", "description": "x" * 9_000}
                (result,) = await asker.register(entry | padding)
                if result["__typename"] != "DataSourcePayload":
                    break
            assert (result["__typename"], result["code"]) == ("UnavailableProblem", "DISK_FULL")
            assert result["retryable"]
            assert "errors" not in await asker.ask("{ dataSources { nodes { name } } }", within_s=5)
            (small_disk / "ballast").unlink()
            assert (await asker.register(entry | {"name": "after"}))[0]["__typename"] == "DataSourcePayload"
            await server.restart()
            names = await asker.ask("{ dataSources(first: 100) { nodes { name } } }", within_s=5)
            listed = json.dumps(names)
            assert '"before"' in listed
    finally:
        await server.discard()


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while ballast.write(b"\0" * 4096):
            pass


def _forged(cursor: str) -> str:
    middle = len(cursor) // 2
    return cursor[:middle] + ("A" if cursor[middle] != "A" else "B") + cursor[middle + 1 :]
