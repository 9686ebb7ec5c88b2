"""Status codes, refusals and broken messages, at the real server."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from tests.e2e.client import SUBPROTOCOL, GraphqlClient
from tests.e2e.conftest import ADMIN_KEY
from tests.servers.headwater import HeadwaterServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

_QUERY = "{ dataSources { nodes { name } } }"
_SILENT = 'subscription { operation(id: "none") { id } }'
_EVENTS = "subscription { events(heartbeatSeconds: 300) { cursor } }"


@pytest_asyncio.fixture(loop_scope="session")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=10) as client:  # noqa: S501
        yield client


class TestHttp:
    async def test_what_an_answer_carries(self, demo_server: HeadwaterServer, http: httpx.AsyncClient):
        answer = await http.post(demo_server.graphql_url, json={"query": _QUERY})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-request-id"]
        assert "server" not in answer.headers
        assert not any(name.startswith("access-control-") for name in answer.headers)

    @pytest.mark.parametrize(
        ("content", "status"),
        [
            (b"{", 400),
            (b'"x"', 400),
            (b'{"query":"\xff"}', 400),
            (b"[]", 400),
            (b'{"query":1}', 400),
            (b'{"query":"{a}","variables":"{}"}', 400),
            (b'{"query":"' + b" " * 1024 * 1024 + b'"}', 413),
            (b"[" * 500_000, 400),
        ],
    )
    async def test_bodies_that_are_wrong(
        self, demo_server: HeadwaterServer, http: httpx.AsyncClient, content: bytes, status: int
    ):
        answer = await http.post(demo_server.graphql_url, content=content, headers={"content-type": "application/json"})
        assert answer.status_code == status
        assert answer.json()["errors"][0]["extensions"]["code"]
        assert "Traceback" not in answer.text

    async def test_which_of_several_operations_is_said(self, demo_server: HeadwaterServer, http: httpx.AsyncClient):
        request = {"query": "query A { a: __typename } query B { b: __typename }"}
        unclear = (await http.post(demo_server.graphql_url, json=request)).json()
        assert "data" not in unclear
        assert "operationName" in unclear["errors"][0]["message"]
        said = (await http.post(demo_server.graphql_url, json=request | {"operationName": "B"})).json()
        assert said == {"data": {"b": "Query"}}

    async def test_forms_and_mutations_by_get_are_refused(self, demo_server: HeadwaterServer, http: httpx.AsyncClient):
        assert (await http.post(demo_server.graphql_url, data={"query": _QUERY})).status_code == 415
        mutation = 'mutation { deleteDataSource(id: "none") { __typename } }'
        assert (await http.get(demo_server.graphql_url, params={"query": mutation})).status_code == 405
        assert (await http.get(demo_server.graphql_url, params={"query": _QUERY})).status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {"host": "rebound.example"},
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"x-forwarded-for": "203.0.113.7"},
        ],
    )
    async def test_other_pages_and_names_are_refused(
        self, demo_server: HeadwaterServer, http: httpx.AsyncClient, headers: dict[str, str]
    ):
        answer = await http.post(demo_server.graphql_url, json={"query": _QUERY}, headers=headers)
        assert answer.status_code == 403
        assert "data" not in answer.json()

    @pytest.mark.parametrize("key", [None, "x", "wrong-key-0123456789", ADMIN_KEY + "x"])
    async def test_the_key_is_asked_for(self, keyed_server: HeadwaterServer, http: httpx.AsyncClient, key: str | None):
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        for accept in ("application/json", "text/event-stream"):
            answer = await http.post(
                keyed_server.graphql_url, json={"query": _QUERY}, headers=headers | {"accept": accept}
            )
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        assert ADMIN_KEY not in keyed_server.log

    async def test_probes_need_no_key(self, keyed_server: HeadwaterServer, http: httpx.AsyncClient):
        assert (await http.get(f"{keyed_server.url}/livez")).status_code == 200
        ready = await http.get(f"{keyed_server.url}/readyz")
        assert ready.status_code == 200
        assert ready.json()["ready"] is True
        assert all(check["ok"] for check in ready.json()["checks"].values())

    async def test_an_event_stream_as_curl_reads_it(self, demo_server: HeadwaterServer, http: httpx.AsyncClient):
        query = "subscription { events(heartbeatSeconds: 1) { event { __typename } } }"
        async with http.stream(
            "POST", demo_server.graphql_url, json={"query": query}, headers={"accept": "text/event-stream"}
        ) as answer:
            assert answer.status_code == 200
            received = b""
            async for chunk in answer.aiter_raw():
                received += chunk
                if received.count(b"event: next\ndata: ") >= 2:
                    break
        assert b"\r" not in received
        assert received.startswith(b":\n\nevent: next\ndata: {")


class TestSocket:
    async def open(self, server: HeadwaterServer, **options: Any) -> ClientConnection:
        socket = await connect(server.websocket_url, subprotocols=[SUBPROTOCOL], proxy=None, **options)
        await socket.send('{"type":"connection_init"}')
        assert json.loads(await socket.recv()) == {"type": "connection_ack"}
        return socket

    @pytest.mark.parametrize(
        ("message", "code"),
        [
            ("[]", 4400),
            ("{", 4400),
            ("null", 4400),
            (b"\x00", 4400),
            ('{"type":"start"}', 4400),
            ('{"type":"subscribe","id":"","payload":{"query":"{a}"}}', 4400),
            ('{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":"x"}}', 4400),
            ('{"type":"connection_init"}', 4429),
            ("x" * 65_537, 1009),
            ("[" * 60_000, 4400),
        ],
    )
    async def test_messages_that_are_wrong(self, demo_server: HeadwaterServer, message: str | bytes, code: int):
        socket = await self.open(demo_server)
        await socket.send(message)
        with pytest.raises(ConnectionClosed) as closing:
            await asyncio.wait_for(socket.recv(), 5)
        assert closing.value.rcvd is not None
        assert closing.value.rcvd.code == code
        async with GraphqlClient(demo_server.graphql_url) as client:
            assert await client.query(_QUERY)

    async def test_a_wrong_operation_leaves_the_others_alone(self, demo_server: HeadwaterServer):
        socket = await self.open(demo_server)
        for id, query in (("1", _EVENTS), ("2", "{ nothing }"), ("3", _SILENT), ("4", "{")):
            await socket.send(json.dumps({"type": "subscribe", "id": id, "payload": {"query": query}}))
        await socket.send(json.dumps({"type": "subscribe", "id": "5", "payload": {"query": _QUERY}}))
        ended: dict[str, str] = {}
        while len(ended) < 4:
            message = json.loads(await asyncio.wait_for(socket.recv(), 5))
            if message["type"] in {"error", "complete"}:
                ended[message["id"]] = message["type"]
        assert ended == {"2": "error", "3": "error", "4": "error", "5": "complete"}
        await socket.close()

    async def test_pages_of_other_origins_are_refused(self, demo_server: HeadwaterServer):
        with pytest.raises(InvalidStatus) as refusal:
            await self.open(demo_server, origin=Origin("http://evil.example"))
        assert refusal.value.response.status_code == 403

    async def test_the_server_says_goodbye(self, server: HeadwaterServer):
        socket = await self.open(server)
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": _EVENTS}}))
        await server.stop()
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.wait_for(socket.recv(), 5)
        assert socket.close_code in {1001, 1012}
