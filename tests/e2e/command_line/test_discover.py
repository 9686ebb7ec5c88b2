"""`headwater discover`: the bar, the endings, and ctrl-C."""

import contextlib
import json
import re
import secrets
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.client import GraphqlClient
from tests.e2e.command_line.databases import COLUMNS, TABLES, sqlite_file
from tests.e2e.command_line.running import Command, Terminal, run, run_here
from tests.e2e.waiting import until
from tests.servers.fault_proxy import Blackhole, FaultProxy, Healthy, Latency
from tests.servers.headwater import HeadwaterServer
from tests.servers.postgresql import PostgresqlDatabase

_CATALOG = """
query($name: String!) {
  dataSource(by: { name: $name }) {
    revision tables(first: 0) { totalCount { value } }
    operations(first: 1) { nodes { state publishedRevision } }
  }
}
"""


@pytest.fixture
async def network(wide_database: PostgresqlDatabase) -> AsyncIterator[FaultProxy]:
    """What the database of 1,000 tables × 12 columns is reached over: it takes its time."""
    async with FaultProxy(wide_database.host, wide_database.port) as proxy:
        await proxy.set_fault(Latency(0.03))
        yield proxy


@pytest.fixture
def slow(at_server: dict[str, str], wide_database: PostgresqlDatabase, network: FaultProxy) -> str:
    """The name of a source: that database, over that network."""
    name = f"slow {secrets.token_hex(4)}"
    added = run_here(
        *("sources", "add", name, "--kind", "postgresql", "--host", "127.0.0.1", "--port", str(network.port)),
        *("--database", wide_database.name, "--user", wide_database.user, "--password-stdin"),
        env=at_server,
        stdin=wide_database.password,
    )
    assert added.code == 0, added.err
    return name


async def _catalog(client: GraphqlClient, name: str) -> dict:
    return (await client.query(_CATALOG, name=name))["dataSource"]


async def test_a_bar_moves_while_a_thousand_tables_are_read(slow: str, at_server: dict[str, str]):
    async with Terminal(["discover", slow], env=at_server) as terminal:
        code = await terminal.ended(timeout_s=100)
    assert code == 0, terminal.text
    counts = [int(done.replace(",", "")) for done in re.findall(r"([\d,]+) of 1,000 tables", terminal.text)]
    assert len(set(counts)) > 3
    assert counts == sorted(counts)
    assert " % " in terminal.text
    assert " to go" in terminal.text
    assert "━" in terminal.text
    assert f"Published revision 1 of {slow}: 1 namespace added, {TABLES:,} tables added" in terminal.text
    assert f"{TABLES * COLUMNS:,} columns" in terminal.text
    assert "Traceback" not in terminal.text

    # On a narrow terminal it keeps to one line.
    narrow = ["discover", slow, "--mode", "full"]
    async with Terminal(narrow, columns=40, env=at_server) as terminal:
        await terminal.shows(" of 1,000")
        terminal.interrupt()
        assert await terminal.ended() == 130
    bars = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]+", terminal.text) if "━" in line]
    assert bars
    assert max(map(len, bars)) <= 40


async def test_a_first_ctrl_c_cancels_it(slow: str, at_server: dict[str, str], shared_client: GraphqlClient):
    async with Terminal(["discover", slow], env=at_server) as terminal:
        await terminal.shows("of 1,000 tables")
        terminal.interrupt()
        assert await terminal.ended() == 130
    assert "Cancelled: nothing was published" in terminal.text
    assert "Traceback" not in terminal.text
    catalog = await _catalog(shared_client, slow)
    assert catalog["operations"]["nodes"] == [{"state": "CANCELLED", "publishedRevision": None}]
    assert catalog["revision"] == 0


async def test_a_second_ctrl_c_leaves_at_once(slow: str, shared_server: HeadwaterServer, at_server: dict[str, str]):
    async with Terminal(["discover", slow], env=at_server) as terminal:
        await terminal.shows("of 1,000 tables")
        shared_server.pause()  # so that nobody answers the first one
        try:
            terminal.interrupt()
            await terminal.shows("Cancelling the discovery")
            terminal.interrupt()
            assert await terminal.ended(timeout_s=10) == 130
        finally:
            shared_server.resume()
    assert "Traceback" not in terminal.text


async def test_detached_it_goes_on_and_can_be_joined(
    slow: str, network: FaultProxy, at_server: dict[str, str], shared_client: GraphqlClient
):
    detached = run_here("discover", slow, "--detach", "--json", env=at_server)
    assert detached.code == 0, detached.err
    async with Command("discover", slow, "--json", env=at_server) as joining:
        await until(lambda: "this joins it" in joining.err, timeout_s=30)
        await network.set_fault(Healthy())
        joined = await joining.ended()
    assert joined.code == 0, joined.err
    assert json.loads(joined.out)["id"] == json.loads(detached.out)["id"]
    assert json.loads(joined.out)["state"] == "SUCCEEDED"
    assert (await _catalog(shared_client, slow))["tables"]["totalCount"]["value"] == TABLES


async def test_without_a_terminal_nothing_is_animated(at_server: dict[str, str], tmp_path: Path):
    path = sqlite_file(tmp_path / "few.sqlite", 3)
    assert (run_here("sources", "add", "few", "--kind", "sqlite", "--path", str(path), env=at_server)).code == 0
    first = await run("discover", "few", env=at_server | {"FORCE_COLOR": "1"})
    assert first.code == 0
    assert first.out.startswith("Published revision 1 of few: 1 namespace added, 3 tables added, 36 columns added")
    assert not {"\r", "\x1b"} & set(first.out + first.err)
    again = run_here("discover", "few", env=at_server)
    assert again.code == 0
    assert again.out.startswith("Nothing changed in few")


async def test_many_removals_are_asked_about(at_server: dict[str, str], shared_client: GraphqlClient, tmp_path: Path):
    path = sqlite_file(tmp_path / "many.sqlite", 30, columns=2)
    run_here("sources", "add", "many", "--kind", "sqlite", "--path", str(path), env=at_server)
    assert (run_here("discover", "many", env=at_server)).code == 0
    with sqlite3.connect(path) as connection:
        for number in range(20):
            connection.execute(f"DROP TABLE t{number:04}")
    connection.close()

    nobody = run_here("discover", "many", env=at_server)
    assert nobody.code == 1
    assert "20 of 30 tables" in nobody.err
    assert "--confirm" in nobody.err

    async with Terminal(["discover", "many"], env=at_server) as terminal:
        await terminal.shows("Publish it all the same? [y/N]")
        terminal.type("n\n")
        assert await terminal.ended() == 1
    assert "Nothing was published" in terminal.text
    catalog = await _catalog(shared_client, "many")
    assert catalog["operations"]["nodes"][0]["state"] == "CANCELLED"
    assert catalog["tables"]["totalCount"]["value"] == 30

    async with Terminal(["discover", "many"], env=at_server) as terminal:
        await terminal.shows("Publish it all the same? [y/N]")
        terminal.type("y\n")
        assert await terminal.ended() == 0
    assert "20 tables removed" in terminal.text

    with sqlite3.connect(path) as connection:
        for number in range(20, 30):
            connection.execute(f"DROP TABLE t{number:04}")
    connection.close()
    agreed = run_here("discover", "many", "--confirm", env=at_server)
    assert agreed.code == 0, agreed.err
    assert "10 tables removed" in agreed.out


async def test_what_cannot_be_read_is_listed(slow: str, network: FaultProxy, at_server: dict[str, str]):
    budget_s, text, code = 1, "", 0
    # Until the budget is enough to read the first tables, on a machine that is busy.
    while " of 1,000 tables" not in text and budget_s < 60:
        budget_s *= 4
        await network.set_fault(Latency(0.03))
        async with Terminal(["discover", slow, "--budget", str(budget_s)], env=at_server) as terminal:
            with contextlib.suppress(TimeoutError):
                await terminal.shows(" of 1,000 tables", timeout_s=budget_s)
            await network.set_fault(Blackhole())
            code = await terminal.ended(timeout_s=budget_s + 30)
            text = terminal.text
    assert code == 3, text
    assert f"The budget of {budget_s}000 ms ran out" in text
    assert "Not read, and left in the catalog as it was" in text
    assert ".public.t0" in text
    assert "more: `headwater sources show` lists all." in text


async def test_a_discovery_that_fails_says_why(at_server: dict[str, str], tmp_path: Path):
    missing = str(tmp_path / "none.sqlite")
    run_here("sources", "add", "missing", "--kind", "sqlite", "--path", missing, env=at_server)
    ended = run_here("discover", "missing", env=at_server)
    assert ended.code == 1
    assert ended.out.startswith("The discovery of missing failed")
    assert len(ended.out.splitlines()) > 1  # and why
    told = run_here("discover", "missing", "--json", env=at_server)
    assert told.code == 1
    assert json.loads(told.out)["problems"][0]["message"] in ended.out
