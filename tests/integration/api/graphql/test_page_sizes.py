"""Page sizes are settings, and bound pages only."""

import contextlib
import sqlite3
from pathlib import Path

from api.bootstrap import open_headwater
from api.settings import Settings
from tests.integration.api.graphql.conftest import DISCOVER, REGISTER, Client

COUNT = 30


async def test_a_small_page_hides_no_reference(tmp_path: Path):
    path = tmp_path / "wide.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE target (id INTEGER PRIMARY KEY)")
        columns = ", ".join(f"c{number:02} INTEGER REFERENCES target (id)" for number in range(COUNT))
        connection.execute(f"CREATE TABLE pointing ({columns})")
    settings = Settings(data_dir=tmp_path / "data", max_page_size=10, max_page_columns=COUNT)
    (tmp_path / "data").mkdir()
    async with open_headwater(settings, port=1) as headwater:
        client = Client(headwater)
        registered = await client.run(REGISTER, name="wide", path=str(path))
        await client.run(DISCOVER, id=registered["registerDataSources"][0]["dataSource"]["id"])
        document = """query ($first: Int) {
          table(fqn: "wide.main.pointing") { columns(first: $first) { nodes { references { to { tableFqn } } } } } }"""
        found = (await client.run(document, first=COUNT))["table"]["columns"]["nodes"]
        assert [len(column["references"]) for column in found] == [1] * COUNT
        assert await client.code(document, first=COUNT + 1) == "INVALID_INPUT"
        assert await client.code("{ dataSources(first: 11) { nodes { id } } }") == "INVALID_INPUT"
