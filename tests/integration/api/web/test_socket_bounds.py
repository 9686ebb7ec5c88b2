"""Bounds on sockets, with short times: clients that say nothing, take nothing or want too much."""

import asyncio
import contextlib
import gc
from collections import Counter

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from api.web.socket_protocol import SocketProtocol
from tests.e2e.waiting import until
from tests.servers.clients import close_code
from tests.servers.served_view import Served, hear, limited, say, serve

_OURS = Subprotocol("graphql-transport-ws")


def subscribe(id: str, query: str) -> dict[str, object]:
    return {"type": "subscribe", "id": id, "payload": {"query": query}}


async def handshake(served: Served) -> ClientConnection:
    return await connect(f"ws://{served.address}/graphql", proxy=None, compression=None, subprotocols=[_OURS])


async def test_hundreds_without_an_initialisation():
    async with serve() as served, served.socket() as other:
        opened = await asyncio.gather(*(handshake(served) for _ in range(200)))
        codes = Counter(await asyncio.gather(*map(close_code, opened)))
        assert codes == {4408: 200}
        await say(other, type="ping")
        assert await hear(other) == {"type": "pong"}


async def test_no_more_sockets_and_streams_than_the_bound():
    async with serve(limits=limited(max_sockets=3)) as served:
        opened = [await handshake(served) for _ in range(3)]
        for _ in range(2):
            with pytest.raises(InvalidStatus) as refusal:
                await handshake(served)
            assert refusal.value.response.status_code == 503
            assert refusal.value.response.headers["Retry-After"]
            assert b"LIMIT_REACHED" in (refusal.value.response.body or b"")
        stream = await served.post({"query": "subscription { count(to: 1) }"}, accept="text/event-stream")
        assert stream.status_code == 503
        # A query needs no room, and who goes makes some.
        assert (await served.post({"query": "{ viewer }"})).status_code == 200
        await opened[0].close()
        async with served.socket() as again:
            await say(again, type="ping")
            assert await hear(again) == {"type": "pong"}


@pytest.mark.parametrize("query", ["{ forever }", "query A { forever }"])
async def test_queries_have_a_deadline(query: str):
    async with serve(limits=limited(operation_timeout_s=0.2)) as served, served.socket() as opened:
        await say(opened, **subscribe("s", "subscription { silent }"))
        await say(opened, **subscribe("q", query))
        refused = await hear(opened)
        assert (refused["type"], refused["id"]) == ("error", "q")
        assert refused["payload"][0]["extensions"]["code"] == "TIMED_OUT"
        assert served.journal.cancelled == 1
        assert served.journal.running == 1  # a subscription has no deadline


async def test_a_subscription_that_fails_fails_alone():
    async with serve() as served, served.socket() as opened:
        await say(opened, **subscribe("s", "subscription { silent }"))
        await say(opened, **subscribe("f", "subscription { failing }"))
        assert (await hear(opened))["id"] == "f"
        assert served.journal.running == 1


class Impatient(SocketProtocol):
    """Waits only shortly for those who do not take its close frame."""

    closing_s = 0.2


async def test_who_is_gone_without_a_word_is_noticed():
    """A half-open connection: the other side answers no ping, and takes not even the close frame."""
    pinging = {"ws": Impatient, "ws_ping_interval": 0.3, "ws_ping_timeout": 2.0}
    async with serve(**pinging) as served, served.socket() as alive:
        async with served.socket() as gone:
            await say(gone, **subscribe("s", "subscription { silent }"))
            await served.begun()
            gone.transport.pause_reading()
            await served.all_ended()
            gone.transport.resume_reading()
            assert await close_code(gone) == 1011
        await asyncio.sleep(3)  # several intervals: who answers stays
        await say(alive, type="ping")
        assert await hear(alive) == {"type": "pong"}


async def test_a_slow_reader_comes_back():
    """What takes nothing is closed with 1013, its operations end, and a new socket of the same client is served."""
    async with serve(limits=limited(stall_s=0.5)) as served:
        async with served.socket(max_queue=1) as opened, served.socket() as other:
            await say(opened, **subscribe("1", "subscription { endless(padding: 50000) }"))
            await served.begun()
            await served.all_ended()
            assert await close_code(opened) == 1013
            await say(other, type="ping")
            assert await hear(other) == {"type": "pong"}
        async with served.socket() as again:
            await say(again, **subscribe("1", "subscription { count(to: 1) }"))
            assert (await hear(again))["payload"] == {"data": {"count": 0}}


async def test_many_pings_keep_nobody_waiting_for_long():
    async with serve() as served, served.socket() as flooding, served.socket() as other:

        async def flood() -> None:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await asyncio.gather(*(flooding.ping() for _ in range(500)))

        async def drain() -> None:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await flooding.recv()

        tasks = [asyncio.create_task(flood()), asyncio.create_task(drain())]
        for _ in range(20):
            await say(other, type="ping")
            assert await hear(other) == {"type": "pong"}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_has_ended_is_not_kept():
    """Nothing of a closed connection is left, though it would have been dropped only much later."""

    def connections() -> int:
        gc.collect()
        return sum(issubclass(type(one), asyncio.Transport) for one in gc.get_objects())

    async with serve() as served:
        async with served.socket():
            pass
        before = connections()
        for _ in range(20):
            async with served.socket(init=False, subprotocols=[Subprotocol("graphql-ws")]) as opened:
                assert await close_code(opened) == 4406
        await until(lambda: connections() <= before, timeout_s=SocketProtocol.closing_s / 2)
