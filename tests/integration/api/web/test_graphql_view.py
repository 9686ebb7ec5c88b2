"""The view behind a real server, with a schema of the test's own."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from api.web.auth import Gate
from api.web.graphql_view import GraphqlView, WebLimits
from api.web.http_protocol import ConnectionLimits, http_protocol
from api.web.middleware import RequestIds, SecurityHeaders
from api.web.socket import MAX_FRAME_BYTES, SocketLimits
from api.web.socket_protocol import SocketProtocol

GRAPHQL_JSON = "application/graphql-response+json"
LIMITS = WebLimits(
    max_body_bytes=10_000,
    body_timeout_s=0.5,
    operation_timeout_s=1.0,
    socket=SocketLimits(init_timeout_s=0.5, max_operations=5, stall_s=0.5),
)
CONNECTION_LIMITS = ConnectionLimits(head_timeout_s=0.5, stall_s=0.5)
KEY = "a-key-of-sixteen-characters-or-more"


class Journal:
    """What resolvers did."""

    def __init__(self) -> None:
        self.running = 0
        self.cancelled = 0


@strawberry.type
class Query:
    @strawberry.field
    def viewer(self, info: strawberry.Info[Any, None]) -> str:
        return str(info.context["viewer"].name)

    @strawberry.field
    def echo(self, text: str) -> str:
        return text

    @strawberry.field
    async def forever(self, info: strawberry.Info[Any, None]) -> str:
        journal = info.context["journal"]
        journal.running += 1
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            journal.cancelled += 1
            raise
        finally:
            journal.running -= 1
        return "never"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> str:
        return "changed"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, to: int) -> AsyncGenerator[int]:
        for number in range(to):
            yield number

    @strawberry.subscription
    async def endless(self, info: strawberry.Info[Any, None], padding: int = 0) -> AsyncGenerator[str]:
        journal = info.context["journal"]
        journal.running += 1
        try:
            while True:
                yield "x" * padding
        finally:
            journal.running -= 1

    @strawberry.subscription
    async def silent(self, info: strawberry.Info[Any, None]) -> AsyncGenerator[int]:
        journal = info.context["journal"]
        journal.running += 1
        try:
            await asyncio.sleep(3600)
            yield 1
        finally:
            journal.running -= 1


SCHEMA = strawberry.Schema(Query, Mutation, Subscription)


class Served:
    """One running server."""

    def __init__(self, view: GraphqlView, journal: Journal, port: int) -> None:
        self.view = view
        self.journal = journal
        self.address = f"127.0.0.1:{port}"
        self.url = f"http://{self.address}/graphql"

    async def post(self, body: Any, *, accept: str = GRAPHQL_JSON, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": "application/json", "accept": accept} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=10) as client:  # noqa: S501
            return await client.post(self.url, content=content, headers=given)

    async def get(self, accept: str = GRAPHQL_JSON, **parameters: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=10) as client:  # noqa: S501
            return await client.get(self.url, params=parameters, headers={"accept": accept})

    @contextlib.asynccontextmanager
    async def socket(self, *, init: bool = True, **options: Any) -> AsyncIterator[ClientConnection]:
        options.setdefault("subprotocols", [Subprotocol("graphql-transport-ws")])
        async with connect(f"ws://{self.address}/graphql", proxy=None, compression=None, **options) as opened:
            if init:
                await say(opened, type="connection_init")
                assert await hear(opened) == {"type": "connection_ack"}
            yield opened

    async def all_ended(self) -> None:
        await _until(lambda: not self.journal.running)

    async def begun(self) -> None:
        await _until(lambda: self.journal.running > 0)


@contextlib.asynccontextmanager
async def serve(admin_key: str | None = None) -> AsyncIterator[Served]:
    journal = Journal()
    view = GraphqlView(
        schema=SCHEMA,
        gate=Gate(admin_key),
        new_context=lambda viewer: {"viewer": viewer, "journal": journal},
        limits=LIMITS,
    )
    app = Starlette(routes=view.routes(), middleware=[Middleware(RequestIds), Middleware(SecurityHeaders)])
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            server_header=False,
            proxy_headers=False,
            http=http_protocol(CONNECTION_LIMITS),
            ws=SocketProtocol,
            ws_max_size=MAX_FRAME_BYTES,
            timeout_graceful_shutdown=2,
        )
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        serving = asyncio.create_task(server._serve([listener]))
        yield Served(view, journal, listener.getsockname()[1])
        server.should_exit = True
        await asyncio.wait_for(serving, 10)


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    async with serve() as running:
        yield running


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
        while not holds():  # noqa: ASYNC110  # resolvers run in the server, which knows no event of ours
            await asyncio.sleep(0.01)


async def say(opened: ClientConnection, **message: Any) -> None:
    await opened.send(json.dumps(message))


async def hear(opened: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(opened.recv(), 5))


async def close_code(opened: ClientConnection) -> int:
    """The code that the server closes the socket with."""
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await opened.recv()
    assert opened.close_code is not None
    return opened.close_code


def subscribe(id: str, query: str, **payload: Any) -> dict[str, Any]:
    return {"type": "subscribe", "id": id, "payload": {"query": query, **payload}}


class TestHttp:
    async def test_a_query(self, served: Served):
        answer = await served.post({"query": "query($t: String!) { echo(text: $t) viewer }", "variables": {"t": "ü"}})
        assert (answer.status_code, answer.headers["content-type"]) == (200, f"{GRAPHQL_JSON}; charset=utf-8")
        assert answer.json() == {"data": {"echo": "ü", "viewer": "local admin"}}

    async def test_a_query_by_get(self, served: Served):
        answer = await served.get(
            "application/json", query="query($t: String!) { echo(text: $t) }", variables='{"t":"a"}'
        )
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json; charset=utf-8")
        assert answer.json() == {"data": {"echo": "a"}}

    async def test_mutations_are_sent_by_post_alone(self, served: Served):
        assert (await served.post({"query": "mutation { change }"})).json() == {"data": {"change": "changed"}}
        refused = await served.get(query="mutation { change }")
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
        assert (await served.get("text/event-stream", query="mutation { change }")).text.count("changed") == 0

    @pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
    async def test_forms_of_other_pages_are_refused(self, served: Served, content_type: str):
        assert (await served.post({"query": "{ viewer }"}, content_type=content_type)).status_code == 415

    @pytest.mark.parametrize(
        "query", ["{", "", "{ nothing }", "query A { viewer }", "query($t: String!) { echo(text: $t) }"]
    )
    async def test_what_cannot_be_executed(self, served: Served, query: str):
        asked = {"query": query, "operationName": "B" if "A" in query else None}
        refused = await served.post(asked)
        assert refused.status_code == 400
        assert set(refused.json()) == {"errors"}
        # A client that knows only application/json is told by the errors.
        assert (await served.post(asked, accept="application/json")).status_code == 200

    @pytest.mark.parametrize("body", [b"{", b'"x"', b"[]", b"{}", b'{"query":"\xff"}', b"[" * 9_000])
    async def test_malformed_bodies(self, served: Served, body: bytes):
        refused = await served.post(body)
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"

    async def test_a_body_is_bounded(self, served: Served):
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b" " * 1_000

        refused = await served.post(b" " * 10_001)
        assert refused.status_code == 413
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:  # noqa: S501
            streamed = await client.post(served.url, content=chunks(), headers={"content-type": "application/json"})
        assert streamed.status_code == 413

    async def test_a_body_has_a_deadline(self, served: Served):
        host, _, port = served.address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /graphql HTTP/1.1\r\nHost: {served.address}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{{".encode())
        assert (await asyncio.wait_for(reader.readline(), 3)).startswith(b"HTTP/1.1 408")
        writer.close()
        await writer.wait_closed()

    async def test_an_operation_has_a_deadline(self, served: Served):
        refused = await served.post({"query": "mutation A { change } query B { forever }", "operationName": "B"})
        assert refused.status_code == 503
        assert refused.json()["errors"][0]["extensions"]["code"] == "TIMED_OUT"
        await served.all_ended()

    async def test_a_query_ends_with_its_client(self, served: Served):
        asking = asyncio.create_task(served.post({"query": "{ forever }"}))
        await served.begun()
        asking.cancel()
        await served.all_ended()
        assert served.journal.cancelled == 1

    async def test_subscriptions_are_not_served_as_json(self, served: Served):
        refused = await served.post({"query": "subscription { count(to: 1) }"})
        assert refused.status_code == 406
        assert "text/event-stream" in refused.json()["errors"][0]["message"]

    async def test_pages_of_other_origins_and_rebound_names_are_refused(self, served: Served):
        for headers in ({"origin": "http://evil.example"}, {"host": "rebound.example"}):
            refused = await served.post({"query": "{ viewer }"}, **headers)
            assert refused.status_code == 403
            assert refused.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"
            assert "access-control-allow-origin" not in refused.headers

    async def test_headers(self, served: Served):
        answer = await served.post({"query": "{ viewer }"}, x_request_id="mine-1")
        assert answer.headers["x-request-id"] == "mine-1"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
        assert len((await served.post({"query": "{ viewer }"}, x_request_id="not well")).headers["x-request-id"]) == 24

    async def test_the_key(self):
        async with serve(KEY) as served:
            assert (await served.post({"query": "{ viewer }"})).status_code == 401
            assert (await served.post({"query": "{ viewer }"}, authorization="Bearer wrong")).status_code == 401
            answer = await served.post({"query": "{ viewer }"}, authorization=f"Bearer {KEY}")
            assert answer.json() == {"data": {"viewer": "admin"}}


class TestEventStream:
    async def test_a_subscription(self, served: Served):
        answer = await served.post({"query": "subscription { count(to: 2) }"}, accept="text/event-stream")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert answer.text == (
            ':\n\nevent: next\ndata: {"data":{"count":0}}\n\n'
            'event: next\ndata: {"data":{"count":1}}\n\nevent: complete\ndata:\n\n'
        )

    async def test_by_get(self, served: Served):
        answer = await served.get("text/event-stream", query="subscription { count(to: 1) }")
        assert answer.text.endswith("event: complete\ndata:\n\n")

    async def test_errors_of_the_document_are_events(self, served: Served):
        answer = await served.post({"query": "{ nothing }"}, accept="text/event-stream")
        assert answer.status_code == 200
        assert '"errors"' in answer.text
        assert answer.text.endswith("event: complete\ndata:\n\n")

    async def test_refusals_are_json(self, served: Served):
        refused = await served.post(b"{", accept="text/event-stream")
        assert (refused.status_code, refused.headers["content-type"]) == (400, "application/json; charset=utf-8")

    @pytest.mark.parametrize("field", ["endless", "silent"])
    async def test_ends_with_its_client(self, served: Served, field: str):
        query = {"query": f"subscription {{ {field} }}"}
        async with (
            httpx.AsyncClient(trust_env=False, verify=False) as client,  # noqa: S501
            client.stream("GET", served.url, params=query, headers={"accept": "text/event-stream"}) as answer,
        ):
            assert answer.status_code == 200
            await served.begun()
        await served.all_ended()

    async def test_ends_when_the_server_stops(self, served: Served):
        following = asyncio.create_task(served.get("text/event-stream", query="subscription { silent }"))
        await served.begun()
        served.view.stop()
        assert (await following).text == ":\n\n"
        await served.all_ended()

    async def test_a_client_that_takes_nothing_is_let_go(self, served: Served):
        host, _, port = served.address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1)
        writer.write(
            f"GET /graphql?query=subscription{{endless(padding:50000)}} HTTP/1.1\r\nHost: {served.address}\r\n"
            "Accept: text/event-stream\r\n\r\n".encode()
        )
        await served.begun()
        await served.all_ended()
        writer.transport.abort()
        del reader


class TestSocket:
    async def test_many_operations(self, served: Served):
        async with served.socket() as opened:
            await say(opened, **subscribe("q", "{ viewer }"))
            assert await hear(opened) == {"type": "next", "id": "q", "payload": {"data": {"viewer": "local admin"}}}
            assert await hear(opened) == {"type": "complete", "id": "q"}
            await say(opened, **subscribe("q", "mutation { change }"))
            assert (await hear(opened))["payload"] == {"data": {"change": "changed"}}
            assert (await hear(opened))["type"] == "complete"
            await say(opened, **subscribe("s", "subscription { count(to: 3) }"))
            assert [(await hear(opened))["payload"]["data"]["count"] for _ in range(3)] == [0, 1, 2]
            assert await hear(opened) == {"type": "complete", "id": "s"}

    async def test_pings_are_echoed(self, served: Served):
        async with served.socket(init=False) as opened:
            await say(opened, type="ping", payload={"a": 1})
            assert await hear(opened) == {"type": "pong", "payload": {"a": 1}}
            await say(opened, type="ping")
            assert await hear(opened) == {"type": "pong"}
            await say(opened, type="pong")
            await say(opened, type="connection_init", payload=None)
            assert await hear(opened) == {"type": "connection_ack"}

    @pytest.mark.parametrize("query", ["{", "{ nothing }", "query($t: String!) { echo(text: $t) }", ""])
    async def test_errors_end_their_operation_alone(self, served: Served, query: str):
        async with served.socket() as opened:
            await say(opened, **subscribe("s", "subscription { silent }"))
            await say(opened, **subscribe("bad", query))
            refused = await hear(opened)
            assert (refused["type"], refused["id"]) == ("error", "bad")
            assert refused["payload"][0]["message"]
            await say(opened, **subscribe("bad", "{ viewer }"))
            assert (await hear(opened))["type"] == "next"
            assert served.journal.running == 1

    async def test_complete_cancels(self, served: Served):
        async with served.socket() as opened:
            await say(opened, **subscribe("s", "subscription { silent }"))
            await served.begun()
            await say(opened, type="complete", id="s")
            await served.all_ended()
            await say(opened, type="complete", id="never was")
            await say(opened, **subscribe("s", "{ viewer }"))
            assert (await hear(opened))["type"] == "next"

    @pytest.mark.parametrize("field", ["endless", "silent"])
    async def test_operations_end_with_their_socket(self, served: Served, field: str):
        async with served.socket() as opened:
            await say(opened, **subscribe("1", f"subscription {{ {field} }}"))
            await served.begun()
            opened.transport.abort()
        await served.all_ended()

    @pytest.mark.parametrize(
        ("message", "code"),
        [
            ("[]", 4400),
            ("{", 4400),
            (b"{}", 4400),
            ('{"type":"nothing"}', 4400),
            ('{"type":"subscribe","id":"1","payload":{"query":1}}', 4400),
            ('{"type":"connection_init"}', 4429),
            ('{"type":"subscribe","id":"s","payload":{"query":"{ viewer }"}}', 4409),
            ("x" * (MAX_FRAME_BYTES + 1), 1009),
            ("[" * 60_000, 4400),
        ],
    )
    async def test_what_closes_the_socket(self, served: Served, message: str | bytes, code: int):
        async with served.socket() as opened:
            await say(opened, **subscribe("s", "subscription { silent }"))
            await opened.send(message)
            assert await close_code(opened) == code
        await served.all_ended()

    async def test_subscribing_before_the_acknowledgement(self, served: Served):
        async with served.socket(init=False) as opened:
            await say(opened, **subscribe("1", "{ viewer }"))
            assert await close_code(opened) == 4401

    async def test_initialisation_has_a_deadline(self, served: Served):
        async with served.socket(init=False) as opened:
            await say(opened, type="ping")
            assert await close_code(opened) == 4408

    async def test_a_socket_lives_on_after_its_initialisation(self, served: Served):
        async with served.socket() as opened:
            await asyncio.sleep(0.8)
            await say(opened, type="ping")
            assert await hear(opened) == {"type": "pong"}

    async def test_other_subprotocols(self, served: Served):
        async with served.socket(init=False, subprotocols=[Subprotocol("graphql-ws")]) as opened:
            assert await close_code(opened) == 4406

    async def test_operations_are_bounded(self, served: Served):
        async with served.socket() as opened:
            for number in range(6):
                await say(opened, **subscribe(str(number), "subscription { silent }"))
            refused = await hear(opened)
            assert (refused["type"], refused["id"]) == ("error", "5")
            assert refused["payload"][0]["extensions"]["code"] == "LIMIT_REACHED"
            assert served.journal.running == 5
        await served.all_ended()

    async def test_a_socket_that_takes_nothing_is_closed(self, served: Served):
        async with served.socket(max_queue=1) as opened:
            await say(opened, **subscribe("1", "subscription { endless(padding: 50000) }"))
            await served.begun()
            await served.all_ended()
            # Once it reads again, it is told why.
            assert await close_code(opened) == 1013

    async def test_the_server_stops(self, served: Served):
        async with served.socket() as opened:
            await say(opened, **subscribe("1", "subscription { silent }"))
            await served.begun()
            served.view.stop()
            assert await close_code(opened) == 1012
        await served.all_ended()

    async def test_pages_of_other_origins_are_refused(self, served: Served):
        with pytest.raises(InvalidStatus) as refusal:
            async with served.socket(origin=Origin("http://evil.example")):
                pass
        assert refusal.value.response.status_code == 403
        async with served.socket(origin=Origin(f"http://{served.address}")):
            pass

    async def test_the_key(self):
        async with serve(KEY) as served:
            async with served.socket(init=False) as opened:
                await say(opened, type="connection_init", payload={"authorization": f"Bearer {KEY}"})
                assert await hear(opened) == {"type": "connection_ack"}
                await say(opened, **subscribe("1", "{ viewer }"))
                assert (await hear(opened))["payload"] == {"data": {"viewer": "admin"}}
            async with served.socket(additional_headers={"Authorization": f"Bearer {KEY}"}):
                pass
            for payload in (None, {"authorization": "Bearer wrong"}):
                async with served.socket(init=False) as opened:
                    await say(opened, type="connection_init", payload=payload)
                    assert await close_code(opened) == 4403
