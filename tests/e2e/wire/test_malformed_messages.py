"""Messages of every wrong kind: the right close code, at once, and nobody else notices."""

import asyncio
import contextlib
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.e2e.client import SUBPROTOCOL
from tests.e2e.wire.raw_socket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    RawSocket,
    frame,
    handshake_lines,
    raw_socket,
    text,
)
from tests.servers.headwater import HeadwaterServer
from tests.servers.process import worked_s

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT_ONCE_S = 0.05  # of the server's own time, which is all that a client waits for on a machine with nothing else to do
# The best of them counts: caches and clocks are shared with whatever else runs.
_ATTEMPTS = 5
_BIT_1, _BIT_2, _BIT_3 = 0x40, 0x20, 0x10  # reserved ones of a frame's first byte
_EVENTS = "subscription { events(heartbeatSeconds: 1) { cursor } }"


def subscribe(**payload: object) -> str:
    return json.dumps({"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"} | payload})


# What cannot be a message of the protocol: closed with 4400.
MESSAGES = {
    "an empty text": "",
    "blanks": " \n ",
    "a list": "[]",
    "a list of messages": '[{"type":"ping"}]',
    "null": "null",
    "true": "true",
    "a number": "1",
    "a text": '"connection_init"',
    "an object": "{}",
    "two messages": '{"type":"ping"}{"type":"ping"}',
    "truncated": '{"type":"pi',
    "a comma too many": '{"type":"ping",}',
    "single quotes": "{'type':'ping'}",
    "NaN": '{"type":"ping","payload":{"a":NaN}}',
    "a number out of range": '{"type":"ping","payload":{"a":1e999}}',
    "half a surrogate": '{"type":"ping","payload":{"a":"\\ud800"}}',
    "a byte order mark": '\ufeff{"type":"ping"}',
    "a null type": '{"type":null}',
    "a numeric type": '{"type":1}',
    "no type": '{"id":"1"}',
    "an unknown type": '{"type":"shout"}',
    "a type in capitals": '{"type":"PING"}',
    "a message of the legacy protocol": '{"type":"start","id":"1","payload":{"query":"{ __typename }"}}',
    "a message of the server": '{"type":"next","id":"1","payload":{"data":{}}}',
    "another message of the server": '{"type":"connection_ack"}',
    "a text as ping payload": '{"type":"ping","payload":"x"}',
    "a list as pong payload": '{"type":"pong","payload":[]}',
    "no id": '{"type":"subscribe","payload":{"query":"{ __typename }"}}',
    "an empty id": '{"type":"subscribe","id":"","payload":{"query":"{ __typename }"}}',
    "a numeric id": '{"type":"subscribe","id":1,"payload":{"query":"{ __typename }"}}',
    "no payload": '{"type":"subscribe","id":"1"}',
    "a null payload": '{"type":"subscribe","id":"1","payload":null}',
    "a text as payload": '{"type":"subscribe","id":"1","payload":"{ __typename }"}',
    "no query": '{"type":"subscribe","id":"1","payload":{}}',
    "a numeric query": subscribe(query=1),
    "a null query": subscribe(query=None),
    "a list as query": subscribe(query=["{ __typename }"]),
    "string variables": subscribe(variables="{}"),
    "list variables": subscribe(variables=[]),
    "a numeric operation name": subscribe(operationName=1),
    "string extensions": subscribe(extensions="x"),
    "complete without id": '{"type":"complete"}',
    "complete with an empty id": '{"type":"complete","id":""}',
    "complete with a numeric id": '{"type":"complete","id":1}',
    "lists in lists": "[" * 60_000,
    "objects in objects": '{"type":"ping","payload":' + '{"a":' * 10_000 + "1" + "}" * 10_000 + "}",
    "a number of 60,000 digits": '{"type":"ping","payload":{"a":' + "9" * 60_000 + "}}",
}

# What is no WebSocket frame, or too much of one.
FRAMES: dict[str, tuple[list[bytes], int]] = {
    "binary": ([frame(BINARY, b'{"type":"ping"}')], 4400),
    "no UTF-8": ([frame(TEXT, b'{"type":"\xff"}')], 1007),
    "no UTF-8 over two frames": ([frame(TEXT, b"\xe2\x98", is_final=False), frame(CONTINUATION, b"(")], 1007),
    "a continuation without a start": ([frame(CONTINUATION, b"x")], 1002),
    "a start within a message": ([frame(TEXT, b"{", is_final=False), frame(TEXT, b"}")], 1002),
    "unmasked": ([frame(TEXT, b'{"type":"ping"}', is_masked=False)], 1002),
    "reserved bit 1": ([frame(TEXT, b'{"type":"ping"}', reserved=_BIT_1)], 1002),
    "reserved bit 2": ([frame(TEXT, b'{"type":"ping"}', reserved=_BIT_2)], 1002),
    "reserved bit 3": ([frame(TEXT, b'{"type":"ping"}', reserved=_BIT_3)], 1002),
    "a reserved opcode": ([frame(3, b"x")], 1002),
    "a reserved control opcode": ([frame(11, b"x")], 1002),
    "a fragmented ping": ([frame(PING, b"x", is_final=False)], 1002),
    "a ping of 126 bytes": ([frame(PING, b"x" * 126)], 1002),
    "a close frame of one byte": ([frame(CLOSE, b"\x03")], 1002),
    "a close code that must not be sent": ([frame(CLOSE, (1005).to_bytes(2))], 1002),
    "a close reason that is no UTF-8": ([frame(CLOSE, b"\x03\xe8\xff")], 1007),
    "a message of 64 KiB and a byte": ([frame(TEXT, b"x" * 65_537)], 1009),
    "100,000 lists in lists": ([text("[" * 100_000)], 1009),
    "a terabyte announced": ([frame(TEXT, announced=2**40)], 1009),
    "more than a signed length announced": ([frame(TEXT, announced=2**63 + 1)], 1009),
    "too much in pieces": ([frame(TEXT, b"x" * 40_000, is_final=False), frame(CONTINUATION, b"x" * 40_000)], 1009),
    "a message of too many pieces": (
        [frame(TEXT, b"{", is_final=False), *[frame(CONTINUATION, is_final=False)] * 2_000],
        1009,
    ),
    "nothing but zeros": ([b"\0" * 1_000], 1002),
    "HTTP within the socket": ([b"GET / HTTP/1.1\r\n\r\n"], 1002),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bystander(demo_server: HeadwaterServer) -> AsyncIterator[RawSocket]:
    """A socket with a subscription of its own, which is there all the time."""
    async with raw_socket(demo_server, init=True) as socket:
        await socket.send(text({"type": "subscribe", "id": "1", "payload": {"query": _EVENTS}}))
        yield socket
        await socket.send(text({"type": "ping", "payload": {"now": True}}))
        while json.loads((await socket.hear())[1])["type"] != "pong":
            pass
        assert json.loads((await socket.hear())[1])["type"] == "next"


@pytest_asyncio.fixture(loop_scope="session")
async def others(bystander: RawSocket) -> AsyncIterator[None]:
    """Nobody else notices what the test does."""
    yield
    await bystander.send(text({"type": "ping", "payload": {"now": True}}))
    while json.loads((await bystander.hear())[1])["type"] != "pong":
        pass


async def answered_at_once(ask: Callable[[], Awaitable[float]]) -> None:
    """Some of the attempts took no longer than the bound; `ask` returns how long the server worked for one."""
    took_s = []
    for _ in range(_ATTEMPTS):
        took_s.append(await ask())
        if took_s[-1] <= AT_ONCE_S:
            return
    raise AssertionError(f"took {took_s} s")


async def closed_with(server: HeadwaterServer, frames: list[bytes], code: int) -> float:
    """How long the server worked until it had closed the socket, with this code."""
    async with raw_socket(server, init=True) as socket:
        await socket.send(text({"type": "subscribe", "id": "running", "payload": {"query": _EVENTS}}))
        began_s = worked_s(server.pid)
        await socket.send(*frames)
        assert await socket.close_code() == code
        return worked_s(server.pid) - began_s


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
async def test_messages(demo_server: HeadwaterServer, message: str):
    await answered_at_once(lambda: closed_with(demo_server, [text(message)], 4400))


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(("frames", "code"), FRAMES.values(), ids=FRAMES)
async def test_frames(demo_server: HeadwaterServer, frames: list[bytes], code: int):
    await answered_at_once(lambda: closed_with(demo_server, frames, code))
    assert "Traceback" not in demo_server.log


async def test_a_message_in_pieces(demo_server: HeadwaterServer):
    """What is unusual and right: fragments, empty ones too, with a ping in between."""
    async with raw_socket(demo_server, init=True) as socket:
        await socket.send(
            frame(TEXT, b'{"type":"ping","payload":{"a":"\xe2', is_final=False),
            frame(CONTINUATION, is_final=False),
            frame(PING, b"still there?"),
            frame(CONTINUATION, b'\x98\x83"}}'),
        )
        assert (await socket.hear())[1] == b"still there?"
        assert json.loads((await socket.hear())[1]) == {"type": "pong", "payload": {"a": "☃"}}


@pytest.mark.parametrize("size_bytes", [65_537, 3_000_000])
async def test_who_is_still_sending_is_told(demo_server: HeadwaterServer, size_bytes: int):
    """A server that closes with unread bytes before it resets the connection, and its code is lost (1006)."""
    async with connect(demo_server.websocket_url, subprotocols=[SUBPROTOCOL], proxy=None, compression=None) as socket:
        with contextlib.suppress(ConnectionClosed):
            await socket.send("x" * size_bytes)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 10)
        assert socket.close_code == 1009


class TestCompression:
    """permessage-deflate (RFC 7692) is spoken with clients that offer it."""

    _OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover"

    async def test_it_is_negotiated(self, demo_server: HeadwaterServer):
        async with connect(demo_server.websocket_url, subprotocols=[SUBPROTOCOL], proxy=None) as socket:
            assert "permessage-deflate" in (socket.response.headers if socket.response else {}).get(
                "Sec-WebSocket-Extensions", ""
            )
            await socket.send('{"type":"ping","payload":{"a":"' + "x" * 60_000 + '"}}')
            assert len(await socket.recv()) > 60_000

    @pytest.mark.parametrize("size_bytes", [70_000, 50_000_000])
    async def test_a_bomb(self, demo_server: HeadwaterServer, size_bytes: int):
        packer = zlib.compressobj(wbits=-12)
        bomb = (packer.compress(b" " * size_bytes) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
        assert len(bomb) < 65_536
        await answered_at_once(lambda: self._closed_with(demo_server, bomb, 1009))

    async def test_what_does_not_unpack(self, demo_server: HeadwaterServer):
        await answered_at_once(lambda: self._closed_with(demo_server, b"\xff\xff\xff", 1002))

    async def _closed_with(self, server: HeadwaterServer, data: bytes, code: int) -> float:
        async with raw_socket(server, handshake_lines(server, self._OFFER)) as socket:
            assert "permessage-deflate" in socket.head
            began_s = worked_s(server.pid)
            await socket.send(frame(TEXT, data, reserved=_BIT_1))
            assert await socket.close_code() == code
            return worked_s(server.pid) - began_s


def _without(lines: list[str], name: str) -> list[str]:
    return [line for line in lines if not line.startswith(name)]


def _changed(lines: list[str], name: str, line: str) -> list[str]:
    return [line if each.startswith(name) else each for each in lines]


# A handshake that is none, and the status that it is answered with.
HANDSHAKES: dict[str, tuple[Callable[[list[str]], list[str]], int]] = {
    "no key": (lambda lines: _without(lines, "Sec-WebSocket-Key"), 400),
    "a short key": (lambda lines: _changed(lines, "Sec-WebSocket-Key", "Sec-WebSocket-Key: x"), 400),
    "two keys": (lambda lines: [*lines, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="], 400),
    "no version": (lambda lines: _without(lines, "Sec-WebSocket-Version"), 400),
    "an old version": (lambda lines: _changed(lines, "Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), 400),
    "by POST": (lambda lines: _changed(lines, "GET", "POST /graphql HTTP/1.1"), 405),
    "garbled extensions": (lambda lines: [*lines, "Sec-WebSocket-Extensions: ;;=,,"], 400),
    "garbled subprotocols": (
        lambda lines: _changed(lines, "Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: ,,;;"),
        400,
    ),
    "a body": (lambda lines: [*lines, "Content-Length: 5"], 400),
    "a header of 9,000 characters": (lambda lines: [*lines, "X-Long: " + "x" * 9_000], 431),
    "200 headers": (lambda lines: [*lines, *(f"X-{number}: 1" for number in range(200))], 431),
    "a header with a control character": (lambda lines: [*lines, "X-Bell: \x07"], 400),
    "another path": (lambda lines: _changed(lines, "GET", "GET /nowhere HTTP/1.1"), 403),
    "another host": (lambda lines: _changed(lines, "Host", "Host: rebound.example"), 403),
    "through a proxy": (lambda lines: [*lines, "X-Forwarded-For: 203.0.113.7"], 403),
    "no HTTP at all": (lambda lines: ["\x16\x03\x01\x02 garbage"], 400),
}


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(("spoil", "status"), HANDSHAKES.values(), ids=HANDSHAKES)
async def test_handshakes(demo_server: HeadwaterServer, spoil: Callable[[list[str]], list[str]], status: int):
    async def ask() -> float:
        began_s = worked_s(demo_server.pid)
        async with raw_socket(demo_server, spoil(handshake_lines(demo_server))) as socket:
            took_s = worked_s(demo_server.pid) - began_s
            assert socket.head.startswith(f"HTTP/1.1 {status} "), socket.head
            await asyncio.wait_for(socket.drop_what_comes(), 10)  # and the connection is closed
        return took_s

    await answered_at_once(ask)
    assert '"level": "error"' not in demo_server.log


async def test_frames_in_one_piece_with_the_handshake():
    """None may be sent before it is answered (RFC 6455, 4.1): nobody looks at them, and the socket ends in time."""
    server = HeadwaterServer(environment={"HEADWATER_SOCKET_INIT_TIMEOUT_S": "1"})
    await server.start()

    async def end(early: bytes) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write("\r\n".join(handshake_lines(server)).encode() + b"\r\n\r\n" + early)
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode()
        assert head.startswith("HTTP/1.1 101 ")
        socket = RawSocket(reader, writer, head)
        code = await socket.close_code()
        socket.vanish()
        return code

    try:
        early = (b"\0" * 100, frame(PING, b"x"), frame(CLOSE), text({"type": "connection_init"}))
        assert await asyncio.gather(*map(end, early)) == [4408] * 4
        assert "Traceback" not in server.log
    finally:
        await server.discard()
