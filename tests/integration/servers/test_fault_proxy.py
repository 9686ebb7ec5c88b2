import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.servers.fault_proxy import (
    Blackhole,
    CloseAfter,
    CutAfter,
    Drip,
    FaultProxy,
    Garbage,
    Latency,
    Refuse,
)
from tests.servers.ports import LOOPBACK, free_port

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(4096):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest_asyncio.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    """A healthy proxy before a server that sends back what it gets."""
    server = await asyncio.start_server(_echo, LOOPBACK, 0)
    async with FaultProxy(LOOPBACK, server.sockets[0].getsockname()[1]) as proxy:
        yield proxy
    server.close()


@pytest_asyncio.fixture
async def streams(proxy: FaultProxy) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    assert await _ask((reader, writer), b"hello") == b"hello"
    yield reader, writer
    writer.close()


async def _ask(streams: Streams, question: bytes, *, timeout_s: float = 5.0) -> bytes:
    """The answer of the same length, or what came before the end."""
    reader, writer = streams
    writer.write(question)
    await writer.drain()
    try:
        return await asyncio.wait_for(reader.readexactly(len(question)), timeout_s)
    except asyncio.IncompleteReadError as ended:
        return ended.partial


async def test_passes_everything_and_counts(proxy: FaultProxy, streams: Streams):
    question = b"x" * 100_000
    assert await _ask(streams, question) == question
    assert (proxy.accepted, proxy.open_connections) == (1, 1)
    assert (proxy.request_bytes, proxy.answer_bytes) == (100_005, 100_005)
    streams[1].write_eof()
    assert await streams[0].read() == b""
    await asyncio.sleep(0.05)
    assert proxy.open_connections == 0


async def test_latency_in_both_directions(proxy: FaultProxy, streams: Streams):
    await proxy.set_fault(Latency(0.05))
    began = time.monotonic()
    assert await _ask(streams, b"hello") == b"hello"
    assert time.monotonic() - began >= 0.1


async def test_drip(proxy: FaultProxy, streams: Streams):
    await proxy.set_fault(Drip(bytes_per_second=100))
    began = time.monotonic()
    assert await _ask(streams, b"0123456789") == b"0123456789"
    assert time.monotonic() - began >= 0.09


async def test_blackhole_holds_back_until_healed(proxy: FaultProxy, streams: Streams):
    await proxy.set_fault(Blackhole())
    with pytest.raises(TimeoutError):
        await _ask(streams, b"hello", timeout_s=0.1)
    later = await asyncio.open_connection(proxy.host, proxy.port)
    with pytest.raises(TimeoutError):
        await _ask(later, b"hello", timeout_s=0.1)
    await proxy.heal()
    assert await streams[0].readexactly(5) == b"hello"
    assert await later[0].readexactly(5) == b"hello"
    later[1].close()


async def test_refuse_until_healed(proxy: FaultProxy, streams: Streams):
    await proxy.set_fault(Refuse())
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(proxy.host, proxy.port)
    assert await _ask(streams, b"hello") == b"hello"
    await proxy.heal()
    again = await asyncio.open_connection(proxy.host, proxy.port)
    assert await _ask(again, b"hello") == b"hello"
    again[1].close()


async def test_garbage_in_place_of_an_answer(proxy: FaultProxy, streams: Streams):
    await proxy.set_fault(Garbage(b"\x00\xff"))
    assert await _ask(streams, b"hello") == b"\x00\xff"


async def test_close_amid_an_answer(proxy: FaultProxy, streams: Streams):
    await proxy.set_fault(CloseAfter(3))
    assert await _ask(streams, b"hello") == b"hel"


async def test_reset_amid_an_answer(proxy: FaultProxy, streams: Streams):
    await proxy.set_fault(CutAfter(3))
    with pytest.raises(ConnectionResetError):
        await _ask(streams, b"hello")


async def test_reset_of_all_connections(proxy: FaultProxy, streams: Streams):
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        await streams[0].read()
    again = await asyncio.open_connection(proxy.host, proxy.port)
    assert await _ask(again, b"hello") == b"hello"
    again[1].close()


async def test_close_of_all_connections(proxy: FaultProxy, streams: Streams):
    proxy.close()
    assert await streams[0].read() == b""


async def test_resets_when_the_server_is_gone():
    async with FaultProxy(LOOPBACK, free_port()) as proxy:
        with pytest.raises(ConnectionResetError):
            await _ask(await asyncio.open_connection(proxy.host, proxy.port), b"hello")


async def test_leaves_no_task_behind(proxy: FaultProxy, streams: Streams):
    async with FaultProxy(proxy.host, proxy.port) as outer:
        further = await asyncio.open_connection(outer.host, outer.port)
        assert await _ask(further, b"hello") == b"hello"
        before = len(asyncio.all_tasks())
    assert len(asyncio.all_tasks()) < before
    further[1].close()
