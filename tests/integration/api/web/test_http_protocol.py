"""What a connection may not do for ever; the limits are those of `served_view`: some seconds each."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.e2e.waiting import until_async
from tests.servers.served_view import Served, limited, serve

GET = "GET /graphql?query={{viewer}} HTTP/1.1\r\nHost: {host}\r\n"
POST = "POST /graphql HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    async with serve() as running:
        yield running


class Slow:
    """A client that sends `first`, and then a byte of `rest` now and then, for ever."""

    def __init__(self, served: Served, first: str, rest: str) -> None:
        self._served = served
        self._first = first.format(host=served.address).encode()
        self._rest = rest.encode()

    async def told(self) -> bytes:
        """All that the server says until it closes."""
        host, _, port = self._served.address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(self._first)
        dripping = asyncio.create_task(self._drip(writer))
        try:
            async with asyncio.timeout(30):
                received = b""
                # What drips into a closed connection is answered with a reset.
                with contextlib.suppress(ConnectionResetError):
                    while chunk := await reader.read(65_536):
                        received += chunk
                if self._rest:
                    await _lost(writer)
                return received
        finally:
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)
            writer.transport.abort()

    async def _drip(self, writer: asyncio.StreamWriter) -> None:
        while self._rest:
            for byte in self._rest:
                await asyncio.sleep(0.05)
                writer.write(bytes([byte]))


async def _lost(writer: asyncio.StreamWriter) -> None:
    """Returns once the other side takes nothing any more."""
    while not writer.transport.is_closing():  # noqa: ASYNC110  # a transport announces it to its protocol alone
        await asyncio.sleep(0.01)


# What is sent at once, what then drips for ever, and the status of the one answer; None: closed without a word.
SLOW: list[tuple[str, str, int | None]] = [
    ("", "", None),
    ("GET", "", 408),
    ("", "GET /" + "x" * 10_000, 408),
    (GET, "", 408),
    (GET, "X: y\r\n", 408),
    (GET + "X: ", "y", 408),
    ("", "\r\n", 408),
    (POST + "Content-Length: 100\r\n\r\n", "", 408),
    (POST + "Content-Length: 100\r\n\r\n", " ", 408),
    (POST + "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 408),
    # Answered before its body is there: the rest is thrown away, but not for ever.
    ("POST /graphql HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\n", "x", 415),
    (POST + "Content-Length: 100000\r\n\r\n", "x", 413),
    ("POST /nothing HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 404),
    # A second request that never becomes one.
    (GET + "\r\n", "", 200),
    (GET + "\r\nGET", "", 200),
    (GET + "\r\n", "GET /" + "x" * 10_000, 200),
]


async def test_nothing_takes_for_ever(served: Served):
    began_s = time.monotonic()
    told = await asyncio.gather(*(Slow(served, first, rest).told() for first, rest, _ in SLOW))
    # 2 s for the head or the body, 2 s for the last word to be read; the machine may be busy.
    assert time.monotonic() - began_s < 20
    assert [int(one.split()[1]) if one else None for one in told] == [status for _, _, status in SLOW]


async def test_many_slow_ones_harm_nobody(served: Served):
    slow = [asyncio.create_task(Slow(served, GET, "X: y\r\n").told()) for _ in range(200)]
    for _ in range(5):
        began_s = time.monotonic()
        assert (await served.post({"query": "{ viewer }"})).status_code == 200
        assert time.monotonic() - began_s < 2
    # On a busy machine one's time may be over before its first byte is seen: it is closed as one that said nothing.
    ends = [told[:12] for told in await asyncio.gather(*slow)]
    assert set(ends) <= {b"HTTP/1.1 408", b""}
    assert ends.count(b"HTTP/1.1 408") > len(ends) // 2


async def test_a_connection_may_be_used_again(served: Served):
    host, _, port = served.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    # The body of a refused request is not the beginning of the next one.
    refused = (
        f"POST /graphql HTTP/1.1\r\nHost: {served.address}\r\nContent-Length: 24\r\n\r\n"
        + "GET /nothing HTTP/1.1\r\n\r\n"
    )
    for request, status in (
        (GET.format(host=served.address) + "\r\n", 200),
        (refused, 415),
        (GET.format(host=served.address) + "\r\n", 200),
    ):
        writer.write(request.encode())
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode().lower()
        assert int(head.split()[1]) == status
        await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
        await asyncio.sleep(0.9)  # together longer than one head may take
    writer.close()


async def test_a_slow_reader_that_reads_is_not_dropped():
    async with serve(limits=limited(stall_s=1)) as served:
        host, _, port = served.address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=65_536)
        writer.write(f"GET /graphql?query={{large}} HTTP/1.1\r\nHost: {served.address}\r\n\r\n".encode())
        began_s = time.monotonic()
        received = 0
        while received < 50_000_000:
            taken = await asyncio.wait_for(reader.read(1_000_000), 10)
            assert taken
            received += len(taken)
            if time.monotonic() - began_s < 3:  # three times as long as it may take nothing
                await asyncio.sleep(0.1)
        writer.close()


async def test_no_more_connections_than_the_bound():
    async with (
        serve(limits=limited(max_connections=3, head_timeout_s=60)) as served,
        contextlib.AsyncExitStack() as some,
    ):
        for _ in range(3):
            await some.enter_async_context(connected(served))
        async with connected(served) as (reader, writer):
            writer.write(GET.format(host=served.address).encode() + b"\r\n")
            told = await asyncio.wait_for(reader.read(), 10)
        head = told.partition(b"\r\n\r\n")[0].lower()
        assert head.startswith(b"http/1.1 503 ")
        assert b"retry-after: " in head
        # Who goes makes room.
        await some.aclose()
        await until_async(lambda: served.post({"query": "{ viewer }"}), lambda answer: answer.status_code == 200)


async def test_far_more_connections_than_the_bound_are_reset():
    async with (
        serve(limits=limited(max_connections=3, head_timeout_s=60)) as served,
        contextlib.AsyncExitStack() as some,
    ):
        opened = [await some.enter_async_context(connected(served)) for _ in range(150)]
        await asyncio.sleep(0.5)
        ends = [await ended(reader) for reader, _ in opened]
    assert ends[:3] == [None] * 3
    assert ends.count(b"HTTP/1.1 503") >= 90
    assert ends.count(b"") > 10


async def ended(reader: asyncio.StreamReader) -> bytes | None:
    """The first bytes of what it was told until its end; None: it goes on."""
    try:
        return (await asyncio.wait_for(reader.read(12), 0.01)) if not reader.exception() else b""
    except ConnectionResetError:
        return b""
    except TimeoutError:
        return None


@contextlib.asynccontextmanager
async def connected(served: Served) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that says nothing by itself."""
    host, _, port = served.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
