"""The view behind a real server."""

import asyncio
import contextlib
import json
import socket
import struct
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.e2e.waiting import until, until_async
from tests.servers.clients import close_code, http_client
from tests.servers.served_view import GRAPHQL_JSON, KEY, LIMITS, Served, hear, limited, say, serve

_TCP_CLOSE = 7  # of the states in Linux' tcp_states.h
MULTIPART = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    async with serve() as running:
        yield running


@pytest_asyncio.fixture
async def hasty() -> AsyncIterator[Served]:
    """Ends soon what takes nothing."""
    async with serve(limits=limited(stall_s=0.5)) as running:
        yield running


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
        for accept in ("text/event-stream", MULTIPART):
            refused = await served.get(accept, query="mutation { change }")
            assert (refused.status_code, refused.headers["allow"]) == (405, "POST")

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
        async with http_client() as client:
            streamed = await client.post(served.url, content=chunks(), headers={"content-type": "application/json"})
        assert streamed.status_code == 413

    async def test_a_body_has_a_deadline(self, served: Served):
        host, _, port = served.address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /graphql HTTP/1.1\r\nHost: {served.address}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{{".encode())
        assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 408")
        writer.close()
        await writer.wait_closed()

    async def test_an_operation_has_a_deadline(self, served: Served):
        refused = await served.post({"query": "mutation A { change } query B { forever }", "operationName": "B"})
        assert refused.status_code == 503
        assert refused.json()["errors"][0]["extensions"]["code"] == "TIMED_OUT"
        await served.all_ended()

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

    async def test_queries_and_mutations_as_events(self, served: Served):
        for query, data in (
            ("{ viewer }", '{"viewer":"local admin"}'),
            ("mutation { change }", '{"change":"changed"}'),
        ):
            answer = await served.post({"query": query}, accept="text/event-stream")
            assert answer.text == f':\n\nevent: next\ndata: {{"data":{data}}}\n\nevent: complete\ndata:\n\n'
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            preferred = await served.post({"query": query}, accept="text/event-stream, application/json")
            assert preferred.headers["content-type"] == "application/json; charset=utf-8"


def parts(answer: httpx.Response) -> list[Any]:
    """What is in the parts of a stream that has ended as it should."""
    assert (answer.status_code, answer.headers["content-type"]) == (200, MULTIPART)
    preamble, *between, epilogue = answer.text.split("\r\n--graphql")
    assert (preamble, epilogue) == ("", "--\r\n")
    assert all(part.startswith("\r\ncontent-type: application/json\r\n\r\n") for part in between)
    return [json.loads(part) for part in (part.split("\r\n\r\n", 1)[1] for part in between)]


class TestMultipart:
    async def test_a_subscription(self, served: Served):
        answer = await served.post({"query": "subscription { count(to: 2) }"}, accept=f"{MULTIPART}, application/json")
        assert parts(answer) == [{"payload": {"data": {"count": 0}}}, {"payload": {"data": {"count": 1}}}]

    async def test_errors_of_the_operation_are_in_the_payload(self, served: Served):
        for query in ("subscription { nothing }", "subscription { count(to: 1) ", "subscription { failing }"):
            answer = await served.post({"query": query}, accept=MULTIPART)
            (part,) = parts(answer)
            assert set(part) == {"payload"}
            assert part["payload"]["errors"]

    @pytest.mark.parametrize("query", ["{ viewer }", "mutation { change }"])
    async def test_one_result_is_json_where_json_is_taken(self, served: Served, query: str):
        answer = await served.post({"query": query}, accept=f"{MULTIPART}, application/json")
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        (part,) = parts(await served.post({"query": query}, accept=MULTIPART))
        assert part == {"payload": answer.json()}

    async def test_other_multiparts_are_not_this_one(self, served: Served):
        query = {"query": "subscription { count(to: 1) }"}
        assert (
            await served.post(query, accept="multipart/mixed;deferSpec=20220824, application/json")
        ).status_code == 406
        assert (await served.post(query, accept="multipart/mixed")).status_code == 406

    async def test_heartbeats(self, served: Served):
        async with (
            http_client() as client,
            client.stream(
                "GET", served.url, params={"query": "subscription { silent }"}, headers={"accept": MULTIPART}
            ) as answer,
        ):
            received = b""
            async for chunk in answer.aiter_raw():
                received += chunk
                if received.count(b"{}") == 2:
                    break
        assert received == b"\r\n--graphql" + b"\r\ncontent-type: application/json\r\n\r\n{}\r\n--graphql" * 2
        await served.all_ended()


@pytest.mark.parametrize("accept", ["text/event-stream", MULTIPART])
class TestStreams:
    @pytest.mark.parametrize("field", ["endless", "silent"])
    async def test_ends_with_its_client(self, served: Served, accept: str, field: str):
        query = {"query": f"subscription {{ {field} }}"}
        before = len(asyncio.all_tasks())
        async with (
            http_client() as client,
            client.stream("GET", served.url, params=query, headers={"accept": accept}) as answer,
        ):
            assert answer.status_code == 200
            await served.begun()
        await served.all_ended()
        await until(lambda: len(asyncio.all_tasks()) <= before)

    async def test_ends_when_the_server_stops(self, served: Served, accept: str):
        following = asyncio.create_task(served.get(accept, query="subscription { silent }"))
        await served.begun()
        served.view.stop()
        # Without its closing, so that the client comes back.
        ended = await following
        assert "complete" not in ended.text
        assert not ended.text.endswith("--\r\n")
        await served.all_ended()

    async def test_a_head_without_a_body(self, served: Served, accept: str):
        async with http_client() as client:
            answer = await client.head(
                served.url, params={"query": "subscription { silent }"}, headers={"accept": accept}
            )
        assert answer.status_code == 200
        assert served.journal.running == 0

    async def test_a_client_that_takes_nothing_is_dropped(self, hasty: Served, accept: str):
        stuck = Stuck(hasty, f"GET /graphql?query=subscription{{endless(padding:50000)}} HTTP/1.1\r\nAccept: {accept}")
        async with stuck:
            await hasty.begun()
            await hasty.all_ended()
            await stuck.dropped()

    async def test_a_client_that_takes_nothing_does_not_hold_up_the_end(self, accept: str):
        async with serve(limits=limited(stall_s=60)) as served:
            stuck = Stuck(
                served, f"GET /graphql?query=subscription{{endless(padding:50000)}} HTTP/1.1\r\nAccept: {accept}"
            )
            await stuck.__aenter__()
            await served.begun()
            await asyncio.sleep(0.3)  # until all buffers are full
            served.view.stop()
            began_s = time.monotonic()
        assert time.monotonic() - began_s < 4  # of the five seconds that are given to requests
        await stuck.__aexit__()


async def test_an_answer_that_is_not_taken_is_dropped(hasty: Served):
    async with Stuck(hasty, "GET /graphql?query={large} HTTP/1.1") as stuck:
        await stuck.dropped()


class Stuck:
    """A client that asks, and then takes nothing."""

    def __init__(self, served: Served, head: str) -> None:
        self._address = served.address
        self._head = head

    async def __aenter__(self) -> "Stuck":
        host, _, port = self._address.partition(":")
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self._socket.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, (host, int(port)))
        await loop.sock_sendall(self._socket, f"{self._head}\r\nHost: {self._address}\r\n\r\n".encode())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._socket.close()

    async def dropped(self) -> None:
        """Returns once the server has reset the connection, without that a byte of it was read."""
        state = struct.Struct("B")
        await until(lambda: self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == state.pack(_TCP_CLOSE))


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
            ("x" * (LIMITS.socket.max_frame_bytes + 1), 1009),
        ],
    )
    async def test_what_closes_the_socket_ends_its_operations(self, served: Served, message: str, code: int):
        async with served.socket() as opened:
            await say(opened, **subscribe("s", "subscription { silent }"))
            await opened.send(message)
            assert await close_code(opened) == code
        await served.all_ended()

    async def test_a_socket_lives_on_after_its_initialisation(self):
        async with serve(limits=limited(init_timeout_s=1)) as served, served.socket() as opened:
            await asyncio.sleep(1.5)
            await say(opened, type="ping")
            assert await hear(opened) == {"type": "pong"}

    async def test_operations_are_bounded(self, served: Served):
        async with served.socket() as opened:
            for number in range(6):
                await say(opened, **subscribe(str(number), "subscription { silent }"))
            refused = await hear(opened)
            assert (refused["type"], refused["id"]) == ("error", "5")
            assert refused["payload"][0]["extensions"]["code"] == "LIMIT_REACHED"
            assert served.journal.running == 5
        await served.all_ended()

    async def test_the_server_stops(self, served: Served):
        async with served.socket() as opened:
            await say(opened, **subscribe("1", "subscription { silent }"))
            await served.begun()
            served.view.stop()
            assert await close_code(opened) == 1012
        await served.all_ended()

    async def test_the_key_may_stand_in_the_handshake(self):
        async with serve(KEY) as served:
            async with served.socket(additional_headers={"Authorization": f"Bearer {KEY}"}) as opened:
                await say(opened, **subscribe("1", "{ viewer }"))
                assert (await hear(opened))["payload"] == {"data": {"viewer": "admin"}}
            async with served.socket(init=False, additional_headers={"Authorization": "Bearer wrong"}) as opened:
                await say(opened, type="connection_init")
                assert await close_code(opened) == 4403


class TestBodies:
    """What is held of them at a time has a bound."""

    async def test_large_ones_beyond_the_bound_are_refused_and_small_ones_are_not(self):
        large = json.dumps({"query": "{ viewer }", "extensions": {"x": "x" * 30_000}}).encode()
        async with serve(limits=limited(max_body_bytes=50_000, max_bodies_bytes=70_000, body_timeout_s=20)) as served:
            async with unfinished(served, large), unfinished(served, large):
                await until_async(lambda: served.post(large), lambda answer: answer.status_code == 503)
                refused = await served.post(large)
                assert refused.headers["retry-after"]
                assert refused.json()["errors"][0]["extensions"]["code"] == "LIMIT_REACHED"
                assert (await served.post({"query": "{ viewer }"})).status_code == 200
            # Who goes makes room.
            await until_async(lambda: served.post(large), lambda answer: answer.status_code == 200)

    async def test_one_alone_may_be_larger_than_the_bound(self):
        async with serve(limits=limited(max_body_bytes=50_000, max_bodies_bytes=1)) as served:
            body = json.dumps({"query": "{ viewer }", "extensions": {"x": "x" * 40_000}}).encode()
            for _ in range(3):
                assert (await served.post(body)).status_code == 200


@contextlib.asynccontextmanager
async def unfinished(served: Served, body: bytes) -> AsyncIterator[None]:
    """A request whose last byte does not come."""
    host, _, port = served.address.partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /graphql HTTP/1.1\r\nHost: {served.address}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:-1])
    yield
    writer.transport.abort()
