"""Other people's databases are found as they are: everything equals what the database itself says."""

from pathlib import Path
from typing import Any

from tests.e2e.client import GraphqlClient
from tests.samples.conftest import Counts
from tests.samples.loading import Sample, load_into_postgresql, load_into_sqlite
from tests.samples.postgresql_says import postgresql_says
from tests.samples.sqlite_says import sqlite_says, without_made_up_names
from tests.samples.statements import Statements, counts, differences
from tests.samples.walk import Found, walk
from tests.servers.postgresql import PostgresqlDatabase

_REGISTER = """
mutation($input: [DataSourceInput!]!) {
  registerDataSources(input: $input) {
    __typename ... on DataSourcePayload { dataSource { id } } ... on Problem { code message path }
  }
}
"""
_DISCOVER = """
mutation($source: ID!, $mode: SyncMode!) {
  discover(input: { dataSource: $source, mode: $mode }, waitMs: 60000) {
    __typename ... on Operation { state publishedRevision problems { code message } } ... on Problem { code message }
  }
}
"""
_REVISION = """
query($source: ID!) {
  dataSource(by: { id: $source }) { revision freshness { coverage unread { fqn reason } } }
}
"""


async def test_postgresql_samples_are_found_as_they_are(
    postgresql_sample: Sample, client: GraphqlClient, postgresql_database: PostgresqlDatabase, all_counts: Counts
):
    load_into_postgresql(postgresql_sample, postgresql_database)
    name = str(postgresql_sample)
    connection = {
        "host": postgresql_database.host,
        "port": postgresql_database.port,
        "database": postgresql_database.name,
        "user": postgresql_database.user,
        "password": {"literal": postgresql_database.password},
    }
    found = await _discovered(client, name, {"postgresql": connection})
    _compare(found.statements, await postgresql_says(postgresql_database, name))
    all_counts[name] = counts(found.statements, len(found.unknown_types))


async def test_sqlite_samples_are_found_as_they_are(
    sqlite_sample: Sample, client: GraphqlClient, tmp_path: Path, all_counts: Counts
):
    file = load_into_sqlite(sqlite_sample, tmp_path)
    name = str(sqlite_sample)
    found = await _discovered(client, name, {"sqlite": {"path": str(file)}})
    _compare(without_made_up_names(found.statements), sqlite_says(file, name))
    all_counts[name] = counts(found.statements, len(found.unknown_types))


def _compare(found: Statements, expected: Statements) -> None:
    told = differences(found, expected)
    assert not told, told


async def _discovered(client: GraphqlClient, name: str, connection: dict[str, Any]) -> Found:
    """What is found; found again, incrementally and in full, nothing has changed."""
    registered = await client.mutate(_REGISTER, input=[{"name": name, "connection": connection}])
    (result,) = registered["registerDataSources"]
    assert result["__typename"] == "DataSourcePayload", result
    source_id: str = result["dataSource"]["id"]
    await _discover(client, source_id, "FULL")
    found = await walk(client, source_id)
    for mode in ("INCREMENTAL", "FULL"):
        await _discover(client, source_id, mode)
    return found


async def _discover(client: GraphqlClient, source_id: str, mode: str) -> None:
    """Raises AssertionError unless all was read and the first revision is still the newest."""
    operation = (await client.mutate(_DISCOVER, source=source_id, mode=mode))["discover"]
    source = (await client.query(_REVISION, source=source_id))["dataSource"]
    assert operation.get("state") == "SUCCEEDED", (operation, source)
    assert source == {"revision": 1, "freshness": {"coverage": 1.0, "unread": []}}
