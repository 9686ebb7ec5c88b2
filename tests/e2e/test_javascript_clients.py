"""The clients that people use: graphql-ws and graphql-sse on Node.js."""

import asyncio
import json
from typing import Any, Literal

import pytest

from tests.e2e.conftest import ADMIN_KEY
from tests.servers.headwater import HeadwaterServer
from tests.servers.node import CLIENTS, NODE

Transport = Literal["ws", "sse"]

pytestmark = pytest.mark.asyncio(loop_scope="session")

_QUERY = "{ dataSources { nodes { name kind } } }"
_MUTATION = 'mutation { deleteDataSource(id: "none") { __typename } }'
_EVENTS = "subscription { events(heartbeatSeconds: 1) { cursor event { __typename } } }"
_HEALTH = "subscription { health { name status } }"


async def run(transport: Transport, server: HeadwaterServer, **options: Any) -> list[dict[str, Any]]:
    """What the client told, in order."""
    process = await asyncio.create_subprocess_exec(
        NODE,
        "run.js",
        transport,
        server.graphql_url,
        json.dumps(options),
        cwd=CLIENTS,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, complaints = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaints.decode()
    return [json.loads(line) for line in output.splitlines()]


@pytest.mark.parametrize("transport", ["ws", "sse"])
class TestOperations:
    async def test_a_query(self, transport: Transport, demo_server: HeadwaterServer):
        told = [each for each in await run(transport, demo_server, query=_QUERY) if "connected" not in each]
        assert [list(each) for each in told] == [["next"], ["complete"]]
        nodes = told[0]["next"]["data"]["dataSources"]["nodes"]
        assert "SQLITE" in {node["kind"] for node in nodes}

    async def test_a_mutation(self, transport: Transport, demo_server: HeadwaterServer):
        told = await run(transport, demo_server, query=_MUTATION)
        answers = [each["next"] for each in told if "next" in each]
        assert answers == [{"data": {"deleteDataSource": {"__typename": "InvalidInputProblem"}}}]
        assert told[-1] == {"complete": True}

    @pytest.mark.parametrize("query", [_EVENTS, _HEALTH])
    async def test_a_subscription(self, transport: Transport, demo_server: HeadwaterServer, query: str):
        told = await run(transport, demo_server, query=query, first=3)
        results = [each["next"] for each in told if "next" in each]
        assert len(results) == 3
        assert all("errors" not in result for result in results)

    async def test_a_document_that_is_wrong(self, transport: Transport, demo_server: HeadwaterServer):
        told = await run(transport, demo_server, query="{ nothing }")
        assert "nothing" in json.dumps(told)
        assert {"complete": True} in told or "error" in told[-1]

    async def test_the_right_key(self, transport: Transport, keyed_server: HeadwaterServer):
        told = await run(transport, keyed_server, query=_QUERY, key=ADMIN_KEY)
        assert told[-1] == {"complete": True}


@pytest.mark.parametrize("key", [None, "wrong-key-0123456789"])
async def test_without_the_key_sockets_are_closed(keyed_server: HeadwaterServer, key: str | None):
    told = await run("ws", keyed_server, query=_QUERY, **({} if key is None else {"key": key}))
    assert told == [{"error": {"code": 4403, "reason": "Forbidden", "text": told[0]["error"]["text"]}}]


@pytest.mark.parametrize("key", [None, "wrong-key-0123456789"])
async def test_without_the_key_event_streams_are_refused(keyed_server: HeadwaterServer, key: str | None):
    told = await run("sse", keyed_server, query=_QUERY, **({} if key is None else {"key": key}))
    assert [each["error"]["status"] for each in told] == [401]
