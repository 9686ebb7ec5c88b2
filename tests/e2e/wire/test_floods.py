"""Clients that send without end, or open without end: memory stays flat, and the others are served."""

import asyncio
import contextlib
import json
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from tests.e2e.client import GraphqlClient
from tests.e2e.waiting import until
from tests.e2e.wire.raw_socket import CONTINUATION, INIT, PING, TEXT, RawSocket, frame, raw_socket, text
from tests.servers.headwater import HeadwaterServer
from tests.servers.ports import LOOPBACK
from tests.servers.process import memory_mib

pytestmark = pytest.mark.asyncio(loop_scope="session")

_ROUNDS = 4
_FLOOD_S = 0.5  # of one round
_INIT_S = 2  # until a socket must have said who it is
# What a round may leave behind of itself in the allocator. What is kept for each message, or each socket, adds up to
# more: a round sends megabytes.
_GROWTH_MIB = 8
# For a query that comes in the middle of a flood. Far above what it takes on an idle machine, and far below the
# seconds that a megabyte of pings would take.
_OTHERS_S = 0.5
_HELD_MIB = 160  # 64 of bodies, and what connections hold that have been refused
_EVENTS = {"query": "subscription { events(heartbeatSeconds: 300) { cursor } }"}
_HEALTH = {"query": "subscription { health { name } }"}

Attack = Callable[[HeadwaterServer], Awaitable[None]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def flooded() -> AsyncIterator[HeadwaterServer]:
    """A server that only this file uses, so that its memory tells of nothing else."""
    server = HeadwaterServer(arguments=["--demo"], environment={"HEADWATER_SOCKET_INIT_TIMEOUT_S": str(_INIT_S)})
    await server.start()
    yield server
    await server.discard()


async def flood(server: HeadwaterServer, *frames: bytes, is_reading: bool, first: bytes = b"") -> None:
    """Sends the frames again and again, with or without taking what is answered, and vanishes."""
    async with raw_socket(server, init=True) as socket:
        reading = asyncio.create_task(socket.drop_what_comes()) if is_reading else None
        piece = b"".join(frames)
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(_FLOOD_S):
                await socket.send(first)
                while True:
                    await socket.send(piece)
                    await asyncio.sleep(0)
        socket.vanish()
        if reading:
            await reading


async def pings_unread(server: HeadwaterServer) -> None:
    await flood(server, frame(PING, b"x" * 125) * 500, is_reading=False)


async def pings_read(server: HeadwaterServer) -> None:
    await flood(server, frame(PING) * 5_000, is_reading=True)


async def empty_fragments(server: HeadwaterServer) -> None:
    piece = frame(CONTINUATION, is_final=False) * 5_000
    await flood(server, piece, is_reading=True, first=frame(TEXT, is_final=False))


async def ping_messages_unread(server: HeadwaterServer) -> None:
    await flood(server, text({"type": "ping", "payload": {"a": "x" * 1_000}}) * 50, is_reading=False)


async def ping_messages_read(server: HeadwaterServer) -> None:
    await flood(server, text({"type": "ping"}) * 1_000, is_reading=True)


async def pongs(server: HeadwaterServer) -> None:
    await flood(server, text({"type": "pong"}) * 1_000, is_reading=True)


async def subscribed_and_completed(server: HeadwaterServer) -> None:
    both = text({"type": "subscribe", "id": "1", "payload": _HEALTH}) + text({"type": "complete", "id": "1"})
    await flood(server, both * 100, is_reading=True)


async def queries_unread(server: HeadwaterServer) -> None:
    asked = {"query": "{ dataSources { nodes { name status capabilities { name reason } } } }"}
    many = [text({"type": "subscribe", "id": str(number), "payload": asked}) for number in range(200)]
    await flood(server, *many, is_reading=False)


async def sockets_without_init(server: HeadwaterServer) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(raw_socket(server)) for _ in range(100)))


async def sockets_that_vanish_with_their_subscriptions(server: HeadwaterServer) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(30):
            socket = await stack.enter_async_context(raw_socket(server, init=True))
            for number in range(5):
                await socket.send(text({"type": "subscribe", "id": str(number), "payload": _EVENTS}))


@pytest.mark.parametrize(
    "attack",
    [
        pings_unread,
        pings_read,
        empty_fragments,
        ping_messages_unread,
        ping_messages_read,
        pongs,
        subscribed_and_completed,
        queries_unread,
        sockets_without_init,
        sockets_that_vanish_with_their_subscriptions,
    ],
    ids=lambda attack: attack.__name__,
)
async def test_memory_stays_flat_and_others_are_served(flooded: HeadwaterServer, attack: Attack):
    held_mib, taken_s = [], []
    async with GraphqlClient(flooded.graphql_url) as other:
        for _ in range(_ROUNDS):
            attacking = asyncio.create_task(attack(flooded))
            while not attacking.done():
                began_s = time.perf_counter()
                await other.query("{ __typename }")
                taken_s.append(time.perf_counter() - began_s)
                await asyncio.wait({attacking}, timeout=0.02)
            await attacking
            held_mib.append(memory_mib(flooded.pid))
    # The first rounds show how much is needed; the rest need no more.
    assert min(held_mib[2:]) - max(held_mib[:2]) <= _GROWTH_MIB, held_mib
    assert statistics.median(taken_s) <= _OTHERS_S, taken_s
    assert "Traceback" not in flooded.log


async def test_300_subscriptions_on_one_socket(flooded: HeadwaterServer):
    """As many as are allowed run; each of the others is refused by itself."""
    async with raw_socket(flooded, init=True) as socket:
        for number in range(300):
            await socket.send(text({"type": "subscribe", "id": str(number), "payload": _EVENTS}))
        refused: Counter[str] = Counter()
        for _ in range(200):
            message = json.loads((await socket.hear())[1])
            refused[message["payload"][0]["extensions"]["code"]] += message["type"] == "error"
        assert refused == {"LIMIT_REACHED": 200}
        # Each one that is ended makes room for another.
        await socket.send(text({"type": "complete", "id": "0"}))
        await _until_served(socket)
    await until(lambda: '"operations_begun": 101' in flooded.log)
    (told,) = [line for line in flooded.log.splitlines() if '"operations_begun": 101' in line]
    assert json.loads(told)["operations_left"] == 0


async def _until_served(socket: RawSocket) -> None:
    """A query is answered on it; it is refused as long as the operation that was ended still tidies up."""
    while True:
        await socket.send(text({"type": "subscribe", "id": "q", "payload": {"query": "{ __typename }"}}))
        if json.loads((await socket.hear())[1])["type"] == "next":
            assert json.loads((await socket.hear())[1])["type"] == "complete"
            return


async def test_a_socket_that_says_nothing_is_closed_in_time(flooded: HeadwaterServer):
    async with raw_socket(flooded) as silent, raw_socket(flooded) as chatting:
        began_s = time.monotonic()

        async def chat() -> None:
            """Words before the initialisation win no time: with them it would never be closed."""
            while True:
                await chatting.send(text({"type": "ping"}))
                await asyncio.sleep(_INIT_S / 4)

        talking = asyncio.create_task(chat())
        codes = await asyncio.gather(silent.close_code(), chatting.close_code())
        assert time.monotonic() - began_s > _INIT_S / 2
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
    assert codes == [4408, 4408]
    async with raw_socket(flooded) as late:
        await late.send(INIT)
        assert (await late.hear())[0] == TEXT


async def test_bodies_without_an_end_fill_no_memory(flooded: HeadwaterServer):
    """Of hundreds of megabytes no more than the bound is held, and requests of a usual size are served meanwhile."""
    head = f"POST /graphql HTTP/1.1\r\nHost: {LOOPBACK}:{flooded.port}\r\nContent-Type: application/json\r\n"
    unfinished = f"{head}Content-Length: 1000001\r\n\r\n".encode() + b" " * 1_000_000
    before_mib = memory_mib(flooded.pid)
    statuses: Counter[bytes] = Counter()

    async def begin() -> None:
        reader, writer = await asyncio.open_connection(LOOPBACK, flooded.port)
        try:
            writer.write(unfinished)
            statuses[(await reader.readline())[9:12]] += 1
            await asyncio.Event().wait()
        finally:
            writer.transport.abort()

    tasks = [asyncio.create_task(begin()) for _ in range(300)]
    try:
        await until(lambda: statuses.total() > 220, timeout_s=30)
        assert set(statuses) == {b"503"}
        assert memory_mib(flooded.pid) - before_mib < _HELD_MIB
        async with GraphqlClient(flooded.graphql_url) as other:
            await other.query("{ __typename }")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
