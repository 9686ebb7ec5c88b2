"""Streams over HTTP with the clients that people use: graphql-sse, and Apollo Client's multipart subscriptions."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from tests.e2e.client import GraphqlClient
from tests.e2e.conftest import ADMIN_KEY
from tests.e2e.javascript import next_told, running, told_by
from tests.e2e.waiting import until
from tests.servers.headwater import HeadwaterServer
from tests.servers.served_view import serve

Transport = Literal["sse", "multipart"]

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.parametrize("transport", ["sse", "multipart"])]

QUERY = "{ dataSources { nodes { name } } }"
HEALTH = "subscription { health { name status } }"
EVENTS = """
subscription Events($after: Cursor) {
  events(after: $after, heartbeatSeconds: 1) { cursor event { __typename ... on DataSourceEvent { name } } }
}
"""
OPERATION = 'subscription { operation(id: "%s") { event { ... on OperationEvent { operation { state } } } } }'
REGISTER = """
mutation($name: String!, $path: String!) {
  registerDataSources(input: [{ name: $name, connection: { sqlite: { path: $path } } }]) { __typename }
}
"""
TEST = """
mutation($path: String!) {
  testConnection(target: { draft: { name: "d", connection: { sqlite: { path: $path } } } }, waitMs: 10000) {
    ... on Operation { id state }
  }
}
"""


async def run(
    transport: Transport, url: str, *operations: dict[str, Any], **options: Any
) -> list[list[dict[str, Any]]]:
    """What the client told of each operation, in order."""
    request = {"operations": operations, **options}
    told: list[list[dict[str, Any]]] = [[] for _ in operations]
    for message in await told_by("streams.js", transport, url, request=request):
        told[message.pop("operation")].append(message)
    return told


def source_names(told: list[dict[str, Any]]) -> list[str]:
    """The sources that events tell of, heartbeats left out."""
    events = [message["next"]["data"]["events"]["event"] for message in told if "next" in message]
    return [event["name"] for event in events if event["__typename"] == "DataSourceEvent"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A SQLite source."""
    with closing(sqlite3.connect(tmp_path / "source.sqlite")) as connection:
        connection.execute("CREATE TABLE t (id integer)")
    return tmp_path / "source.sqlite"


async def test_several_operations_at_once(transport: Transport, demo_server: HeadwaterServer):
    asked = [{"query": query, "first": 2} for query in (EVENTS, HEALTH, EVENTS, HEALTH)]
    for told in await run(transport, demo_server.graphql_url, *asked):
        assert [set(message) for message in told] == [{"next"}, {"next"}]
        assert all(message["next"]["data"] for message in told)


async def test_queries_and_mutations(transport: Transport, demo_server: HeadwaterServer):
    mutation = 'mutation { deleteDataSource(id: "none") { __typename } }'
    read, written = await run(transport, demo_server.graphql_url, {"query": QUERY}, {"query": mutation})
    assert read[0]["next"]["data"]["dataSources"]["nodes"]
    assert written[0]["next"]["data"] == {"deleteDataSource": {"__typename": "InvalidInputProblem"}}
    assert read[1:] == written[1:] == [{"complete": True}]


async def test_the_server_ends_a_stream(transport: Transport, demo_server: HeadwaterServer, file: Path):
    async with GraphqlClient(demo_server.graphql_url) as client:
        tested = (await client.mutate(TEST, path=str(file)))["testConnection"]
    assert tested["state"] == "SUCCEEDED"
    (told,) = await run(transport, demo_server.graphql_url, {"query": OPERATION % tested["id"]})
    *results, last = told
    assert last == {"complete": True}
    assert results[-1]["next"]["data"]["operation"]["event"]["operation"]["state"] == "SUCCEEDED"


@pytest.mark.parametrize("query", ["{ nothing }", "subscription { nothing }", OPERATION % "none"])
async def test_what_cannot_be_run(transport: Transport, demo_server: HeadwaterServer, query: str):
    (told,) = await run(transport, demo_server.graphql_url, {"query": query})
    assert [set(message) for message in told] == [{"next"}, {"complete"}]
    assert told[0]["next"]["errors"]
    assert not told[0]["next"].get("data")


@pytest.mark.parametrize("key", ["", "wrong-key-0123456789"])
async def test_without_the_key(transport: Transport, keyed_server: HeadwaterServer, key: str):
    for told in await run(transport, keyed_server.graphql_url, {"query": QUERY}, {"query": HEALTH}, key=key):
        assert [message["error"]["status"] for message in told] == [401]


async def test_with_the_key(transport: Transport, keyed_server: HeadwaterServer):
    ((told,),) = await run(transport, keyed_server.graphql_url, {"query": HEALTH, "first": 1}, key=ADMIN_KEY)
    assert told["next"]["data"]["health"]


async def test_resuming_behind_a_cursor(transport: Transport, server: HeadwaterServer, file: Path):
    ((first,),) = await run(transport, server.graphql_url, {"query": EVENTS, "first": 1})
    after = first["next"]["data"]["events"]["cursor"]
    names = [f"source-{number}" for number in range(4)]
    async with GraphqlClient(server.graphql_url) as client:
        for name in names:
            await client.mutate(REGISTER, name=name, path=str(file))
    resumed = {"query": EVENTS, "variables": {"after": after}, "first": 6}
    for told in await run(transport, server.graphql_url, resumed, resumed):
        seen = source_names(told)
        assert list(dict.fromkeys(seen)) == names[: len(dict.fromkeys(seen))]
        assert seen[0] == names[0]
    # From the middle: nothing of what was taken comes again.
    middle = told[1]["next"]["data"]["events"]["cursor"]
    ((next_one,),) = await run(
        transport, server.graphql_url, {"query": EVENTS, "variables": {"after": middle}, "first": 1}
    )
    assert next_one == told[2]


async def test_coming_back_after_a_restart(transport: Transport, server: HeadwaterServer, file: Path):
    """A stream that the server stops is no end: clients come back, and miss nothing of what happened meanwhile."""
    request = {"operations": [{"query": EVENTS}], "follow": True}
    async with running("streams.js", transport, server.graphql_url, request=request) as process:
        await next_told(process)
        seen: list[dict[str, Any]] = []
        for name in ("before", "after"):
            async with GraphqlClient(server.graphql_url) as client:
                await client.mutate(REGISTER, name=name, path=str(file))
            async with asyncio.timeout(20):
                while name not in source_names(seen):
                    seen.append(await next_told(process))
            if name == "before":
                await server.restart()
    assert any("error" in message for message in seen)
    assert not any("complete" in message for message in seen)
    cursors = [message["next"]["data"]["events"] for message in seen if "next" in message]
    told = [event["cursor"] for event in cursors if event["event"]["__typename"] != "Heartbeat"]
    assert len(told) == len(set(told))


@pytest.mark.parametrize("field", ["endless(padding: 1000)", "silent"])
async def test_what_a_client_disposes_of_leaves_nothing(transport: Transport, field: str):
    async with serve() as served:
        before = len(asyncio.all_tasks())
        request = {"operations": [{"query": f"subscription {{ {field} }}", "first": 3}]}
        async with running("streams.js", transport, served.url, request=request) as process:
            await served.begun()
            if field == "silent":
                process.terminate()
            await asyncio.wait_for(process.communicate(), 20)
            await served.all_ended()
        await until(lambda: len(asyncio.all_tasks()) <= before)


class TestOnTheWire:
    async def test_a_get_without_other_headers(self, transport: Transport, demo_server: HeadwaterServer):
        """As some gateways subscribe."""
        accept, boundary = {
            "sse": ("text/event-stream", b"\n\n"),
            "multipart": ("multipart/mixed;subscriptionSpec=1.0", b"\r\n--graphql"),
        }[transport]
        host, port = demo_server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        query = str(httpx.QueryParams({"query": HEALTH}))
        writer.write(f"GET /graphql?{query} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: {accept}\r\n\r\n".encode())
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode().lower()
        assert head.startswith("http/1.1 200 ")
        assert f"content-type: {accept.partition(';')[0]}" in head
        assert "cache-control: no-store" in head
        received = b""
        async with asyncio.timeout(10):
            while received.count(b"data") < 2 or not received.endswith(boundary):
                size = int(await reader.readline(), 16)
                received += await reader.readexactly(size)
                await reader.readexactly(2)
        writer.transport.abort()
        if transport == "sse":
            # Lines end with LF alone: one gateway drops events whose lines end with CRLF.
            assert b"\r" not in received
            assert received.startswith(b':\n\nevent: next\ndata: {"data":{"health":')
        else:
            assert received.startswith(
                b'\r\n--graphql\r\ncontent-type: application/json\r\n\r\n{"payload":{"data":{"health":'
            )
