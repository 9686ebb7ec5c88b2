"""Deep queries cost as many SQL statements for many tables as for one."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.integration.api.graphql.conftest import DISCOVER, REGISTER, Client

pytestmark = pytest.mark.asyncio(loop_scope="session")

DOWN = """query ($name: String!) { dataSource(by: {name: $name}) {
  health { status checks(last: 3) { ok } } freshness { coverage }
  operations(first: 3) { totalCount { value } nodes { state } }
  namespaces { totalCount { value } nodes { fqn tables(first: 100) { totalCount { value } nodes {
    fqn primaryKey { name } indexes { name } constraints { name } namespace { name } dataSource { name }
    columns { totalCount { value } edges { cursor node { fqn nativeType
      references { to { table { fqn } columns { fqn } } } referencedBy { from { table { fqn } columns { fqn } } } } } }
    relationships { totalCount { value } nodes {
      from { table { name } } to { table { name columns(first: 2) { nodes { name } } } } } }
  } } } } } }"""
UP = """query ($name: String!) { dataSource(by: {name: $name}) { tables(first: 100) { nodes { columns { nodes {
    table { namespace { dataSource { name } } current { fqn } } references { from { table { fqn } } } } } } } } }"""
# One statement per level and kind of thing; none of them depends on how many there are.
BOUND = {"DOWN": 40, "UP": 16}


_is_ours = ContextVar("is_ours", default=False)


@contextmanager
def statements() -> Iterator[list[str]]:
    """The reading SQL of this task and those that it starts: not that of the monitor, the feed and the worker."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if _is_ours.get() and statement.lstrip().upper().startswith(("SELECT", "WITH")):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    token = _is_ours.set(True)
    try:
        yield seen
    finally:
        _is_ours.reset(token)
        event.remove(Engine, "before_cursor_execute", note)


async def shop_of(client: Client, folder: Path, tables: int) -> str:
    path = folder / f"shop-{tables}.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t0 (id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
        for number in range(1, tables):
            connection.execute(
                f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, up INTEGER REFERENCES t{number - 1} (id), b, c)"
            )
    registered = await client.run(REGISTER, name=path.stem, path=str(path))
    id = registered["registerDataSources"][0]["dataSource"]["id"]
    assert (await client.run(DISCOVER, id=id))["discover"]["state"] == "SUCCEEDED"
    return path.stem


@pytest.mark.parametrize(("name", "query"), [("DOWN", DOWN), ("UP", UP)])
async def test_no_level_costs_a_statement_per_object(client: Client, tmp_path: Path, name: str, query: str):
    counts = []
    for tables in (5, 12):  # more than one turn of a budget begins anew at each level
        shop = await shop_of(client, tmp_path, tables)
        with statements() as seen:
            data = await client.run(query, name=shop)
        assert shop in str(data)
        counts.append(len(seen))
    assert counts[0] == counts[1], counts
    assert counts[1] <= BOUND[name], counts
