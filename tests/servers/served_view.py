"""Our view behind a real server within the test's process, with a schema that tells what its resolvers do."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, TypeVar

import httpx
import msgspec
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from strawberry.schema import BaseSchema
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from api.limits import ConnectionLimits, SocketLimits, WebLimits
from api.web.auth import Gate
from api.web.graphql_view import GraphqlView
from api.web.http_protocol import http_protocol
from api.web.middleware import RequestIds, SecurityHeaders
from api.web.socket_protocol import SocketProtocol
from tests.e2e.waiting import until
from tests.servers.clients import http_client

GRAPHQL_JSON = "application/graphql-response+json"
# Client and server share a loop, and that a core with other tests: what tests a time makes that one shorter.
LIMITS = WebLimits(
    max_body_bytes=10_000,
    body_timeout_s=2.0,
    operation_timeout_s=2.0,
    heartbeat_s=0.2,
    socket=SocketLimits(init_timeout_s=2.0, max_operations=5),
    connection=ConnectionLimits(head_timeout_s=2.0, stall_s=2.0),
)
Part = TypeVar("Part", bound=msgspec.Struct)
KEY = "a-key-of-sixteen-characters-or-more"


def limited(**bounds: float) -> WebLimits:
    """`LIMITS` with other bounds, each by its own name."""

    def changed(part: Part) -> Part:
        return msgspec.structs.replace(
            part, **{name: bounds.pop(name) for name in part.__struct_fields__ if name in bounds}
        )

    web, sockets, connections = map(changed, (LIMITS, LIMITS.socket, LIMITS.connection))
    assert not bounds
    return msgspec.structs.replace(web, socket=sockets, connection=connections)


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
    def large(self) -> str:
        return "x" * 50_000_000

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

    @strawberry.mutation
    async def change_slowly(self, info: strawberry.Info[Any, None]) -> str:
        journal = info.context["journal"]
        journal.running += 1
        try:
            await asyncio.sleep(0.3)
        except asyncio.CancelledError:
            journal.cancelled += 1
            raise
        finally:
            journal.running -= 1
        return "changed"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, to: int) -> AsyncGenerator[int]:
        for number in range(to):
            yield number

    @strawberry.subscription
    async def failing(self) -> AsyncGenerator[int]:
        raise RuntimeError("nobody's business")
        yield 1

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
        async with http_client() as client:
            return await client.post(self.url, content=content, headers=given)

    async def get(self, accept: str = GRAPHQL_JSON, **parameters: str) -> httpx.Response:
        async with http_client() as client:
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
        await until(lambda: not self.journal.running)

    async def begun(self) -> None:
        await until(lambda: self.journal.running > 0)


@contextlib.asynccontextmanager
async def serve(
    admin_key: str | None = None,
    *,
    limits: WebLimits = LIMITS,
    schema: BaseSchema = SCHEMA,
    context: Any = None,
    **config: Any,
) -> AsyncIterator[Served]:
    """With another schema, `context` is that of all its operations. `config` is uvicorn's."""
    journal = Journal()
    view = GraphqlView(
        schema=schema,
        gate=Gate(admin_key),
        new_context=lambda viewer: context or {"viewer": viewer, "journal": journal},
        limits=limits,
    )
    app = Starlette(routes=view.routes(), middleware=[Middleware(RequestIds), Middleware(SecurityHeaders)])
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            server_header=False,
            proxy_headers=False,
            http=http_protocol(limits.connection),
            ws_max_size=limits.socket.max_frame_bytes,
            timeout_graceful_shutdown=5,
            **({"ws": SocketProtocol} | config),
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


async def say(opened: ClientConnection, **message: Any) -> None:
    await opened.send(json.dumps(message))


async def hear(opened: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(opened.recv(), 10))
