"""Kill -9 of the server at random moments of a discovery, with a reader and a subscriber that watch all the time."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx

from tests.e2e.client import GraphqlClient
from tests.e2e.follower import Follower, logged_cursors
from tests.e2e.waiting import until
from tests.servers.headwater import HeadwaterServer
from tests.servers.postgresql import PostgresqlDatabase

COLUMNS = 12
_DISCOVER = """
mutation($id: ID!) { discover(input: { dataSource: $id, mode: FULL, maxRemovalShare: 1 }) { ... on Operation { id } } }
"""
_OPERATION = "query($id: ID!) { operation(id: $id) { state publishedRevision problems { code } } }"
_SEEN = """
query($id: ID!) {
  dataSource(by: { id: $id }) {
    revision
    tables(first: 100, match: "extra_*") {
      totalCount { value } nodes { name columns(first: 500) { totalCount { value } } }
    }
    all: tables(first: 0) { totalCount { value } }
  }
}
"""
FINAL = {"SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED"}


@dataclass
class Report:
    """What happened over all rounds."""

    kills: int = 0
    interrupted: int = 0  # kills that hit an operation that had not ended
    finished: int = 0
    failed: int = 0
    reads: int = 0
    wrong: list[str] = field(default_factory=list)
    events: int = 0
    undisturbed_s: float = 0.0


class Watch:
    """What each revision must hold, learnt from the database that was discovered."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.allowed: list[tuple[set[str], int]] = []  # states of the database that a revision may show
        self.of_revision: dict[int, set[str]] = {}

    def check(self, source: dict[str, Any]) -> None:
        self._report.reads += 1
        tables = source["tables"]["nodes"]
        names = {table["name"] for table in tables}
        revision = source["revision"]
        wrong = self._report.wrong
        if revision == 0:
            if source["all"]["totalCount"]["value"]:
                wrong.append("tables are seen before the first revision")
            return
        if not any(names == extra and source["all"]["totalCount"]["value"] == total for extra, total in self.allowed):
            wrong.append(f"revision {revision} shows {sorted(names)} of {source['all']['totalCount']['value']} tables")
        if self.of_revision.setdefault(revision, names) != names:
            wrong.append(f"revision {revision} has changed")
        wrong += [
            f"{table['name']} has {table['columns']['totalCount']['value']} columns in revision {revision}"
            for table in tables
            if table["columns"]["totalCount"]["value"] != COLUMNS
        ]


def create(name: str) -> str:
    columns = ", ".join(f"c{number} text" for number in range(COLUMNS))
    return f"CREATE TABLE {name} ({columns});"


async def run(database: PostgresqlDatabase, folder: Path, *, tables: int, kills: int, seed: int) -> Report:
    """Rounds of: change the database, discover, kill the server at a random moment, start it again, look."""
    rng = random.Random(seed)
    report = Report()
    await database.execute("".join(create(f"t{number:05}") for number in range(tables)))
    server = HeadwaterServer(data_dir=folder / "data", environment={"HEADWATER_HEALTH_INTERVAL_S": "3600"})
    await server.start()
    follower = Follower(server.graphql_url)
    following = asyncio.create_task(follower.follow())
    watch = Watch(report)
    try:
        await until(lambda: follower.cursor is not None)
        source_id = await register_victim(server, database)
        watch.allowed.append((set(), tables))
        began_s = perf_counter()
        await _finished(server, await _discover(server, source_id))
        report.undisturbed_s = perf_counter() - began_s
        extra: set[str] = set()
        for number in range(kills):
            extra = await _change(database, extra, number)
            watch.allowed = [watch.allowed[-1], (extra, tables + len(extra))]
            operation_id = await _discover(server, source_id)
            looking = asyncio.create_task(_look(server, source_id, watch))
            await asyncio.sleep(rng.uniform(0, report.undisturbed_s * 1.1))
            server.kill()
            report.kills += 1
            await looking
            await server.start()
            await _settle(server, source_id, operation_id, watch, report)
        async with GraphqlClient(server.graphql_url) as client:
            logged = await logged_cursors(client.query)
        await until(lambda: len(follower.cursors) >= len(logged), timeout_s=30)
        report.events = len(logged)
        if follower.cursors != logged:
            report.wrong.append("the subscriber's events are not those of the log")
        if "Gap" in follower.kinds:
            report.wrong.append("the subscriber was told of a gap")
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await server.discard()
    return report


async def _settle(server: HeadwaterServer, source_id: str, operation_id: str, watch: Watch, report: Report) -> None:
    """After the restart: the operation ends honestly, and the catalog is whole before, meanwhile and afterwards."""
    async with GraphqlClient(server.graphql_url) as client:
        state = (await client.query(_OPERATION, id=operation_id))["operation"]["state"]
        report.interrupted += state not in FINAL
        looking = asyncio.create_task(_look(server, source_id, watch, times=5))
        operation = await _finished(server, operation_id)
        await looking
        report.finished += operation["state"] == "SUCCEEDED"
        report.failed += operation["state"] != "SUCCEEDED"
        if operation["state"] == "SUCCEEDED":
            watch.allowed = watch.allowed[-1:]
        elif not operation["problems"]:
            report.wrong.append(f"{operation['state']} without a problem")
        watch.check((await client.query(_SEEN, id=source_id))["dataSource"])


async def _look(server: HeadwaterServer, source_id: str, watch: Watch, times: int = 1_000) -> None:
    """Reads over and over, until the server is gone or often enough."""
    with suppress(httpx.HTTPError):
        async with GraphqlClient(server.graphql_url, timeout_s=10) as client:
            for _ in range(times):
                watch.check((await client.query(_SEEN, id=source_id))["dataSource"])
                await asyncio.sleep(0.02)


async def _change(database: PostgresqlDatabase, extra: set[str], number: int) -> set[str]:
    """One table more, and the oldest of many less."""
    names = extra | {f"extra_{number:03}"}
    statement = create(f"extra_{number:03}")
    if len(names) > 3:
        gone = min(names)
        names = names - {gone}
        statement += f"DROP TABLE {gone};"
    await database.execute(statement)
    return names


async def register_victim(server: HeadwaterServer, database: PostgresqlDatabase) -> str:
    connection = {
        "postgresql": {
            "host": database.host,
            "port": database.port,
            "database": database.name,
            "user": database.user,
            "password": {"literal": database.password},
            "tls": {"mode": "DISABLED"},
        }
    }
    async with GraphqlClient(server.graphql_url) as client:
        answer = await client.mutate(
            "mutation($input: [DataSourceInput!]!) { registerDataSources(input: $input) "
            "{ ... on DataSourcePayload { dataSource { id } } ... on Problem { code message } } }",
            input=[{"name": "victim", "connection": connection}],
        )
    source_id: str = answer["registerDataSources"][0]["dataSource"]["id"]
    return source_id


async def _discover(server: HeadwaterServer, source_id: str) -> str:
    async with GraphqlClient(server.graphql_url) as client:
        operation_id: str = (await client.mutate(_DISCOVER, id=source_id))["discover"]["id"]
    return operation_id


async def _finished(server: HeadwaterServer, operation_id: str) -> dict[str, Any]:
    async with GraphqlClient(server.graphql_url) as client, asyncio.timeout(60):
        while True:
            operation: dict[str, Any] = (await client.query(_OPERATION, id=operation_id))["operation"]
            if operation["state"] in FINAL:
                return operation
            await asyncio.sleep(0.05)
