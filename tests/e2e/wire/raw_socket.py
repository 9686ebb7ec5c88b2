"""A WebSocket client without manners: it sends whatever bytes a test makes up. RFC 6455."""

import asyncio
import base64
import contextlib
import json
import secrets
import struct
from collections.abc import AsyncIterator, Iterable
from typing import Any

from tests.servers.headwater import HeadwaterServer
from tests.servers.ports import LOOPBACK

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_WAIT_S = 20.0


def frame(
    opcode: int,
    data: bytes = b"",
    *,
    is_final: bool = True,
    is_masked: bool = True,
    reserved: int = 0,
    announced: int | None = None,
) -> bytes:
    """One frame. `reserved` are bits of its first byte; `announced` is the length that it claims to have, in bytes."""
    length = len(data) if announced is None else announced
    head = bytes([(0x80 if is_final else 0) | reserved | opcode])
    mask_bit = 0x80 if is_masked else 0
    if length < 126:
        head += bytes([mask_bit | length])
    elif length < 65_536:
        head += bytes([mask_bit | 126]) + struct.pack("!H", length)
    else:
        head += bytes([mask_bit | 127]) + struct.pack("!Q", length)
    return head + (b"\0\0\0\0" if is_masked else b"") + data  # a mask of zeros leaves the data as it is


def text(message: Any) -> bytes:
    """A frame with a message: as it is where it is text, else as JSON."""
    return frame(TEXT, (message if isinstance(message, str) else json.dumps(message)).encode())


INIT = text({"type": "connection_init"})


def handshake_lines(server: HeadwaterServer, *more: str, protocol: str | None = "graphql-transport-ws") -> list[str]:
    """The lines of a right handshake, and `more`."""
    lines = [
        "GET /graphql HTTP/1.1",
        f"Host: {LOOPBACK}:{server.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(secrets.token_bytes(16)).decode()}",
        "Sec-WebSocket-Version: 13",
    ]
    return [*lines, *([f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []), *more]


class RawSocket:
    """`head` is what the handshake was answered with."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self._reader, self._writer = reader, writer
        self.head = head

    async def send(self, *frames: bytes) -> None:
        self._writer.write(b"".join(frames))
        await self._writer.drain()

    async def hear(self) -> tuple[int, bytes]:
        """Opcode and data of the next frame."""
        async with asyncio.timeout(_WAIT_S):
            first, second = await self._reader.readexactly(2)
            length = second & 0x7F
            if length >= 126:
                size, kind = (2, "!H") if length == 126 else (8, "!Q")
                (length,) = struct.unpack(kind, await self._reader.readexactly(size))
            return first & 0x0F, await self._reader.readexactly(length)

    async def close_code(self) -> int:
        """The code that the server closes the socket with."""
        while True:
            opcode, data = await self.hear()
            if opcode == CLOSE:
                code: int = struct.unpack("!H", data[:2])[0]
                return code

    async def drop_what_comes(self) -> None:
        """Reads until the end, and looks at nothing."""
        with contextlib.suppress(OSError):
            while await self._reader.read(65_536):
                pass

    def vanish(self) -> None:
        """The connection is reset, without a close frame."""
        self._writer.transport.abort()


@contextlib.asynccontextmanager
async def raw_socket(
    server: HeadwaterServer, lines: Iterable[str] | None = None, *, init: bool = False
) -> AsyncIterator[RawSocket]:
    """A connection after its handshake; with `init`, after its acknowledgement."""
    reader, writer = await asyncio.open_connection(LOOPBACK, server.port, limit=1024 * 1024)
    try:
        writer.write(("\r\n".join(lines or handshake_lines(server)) + "\r\n\r\n").encode("latin-1"))
        async with asyncio.timeout(_WAIT_S):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        socket = RawSocket(reader, writer, head)
        if init:
            await socket.send(INIT)
            assert await socket.hear() == (TEXT, b'{"type":"connection_ack"}')
        yield socket
    finally:
        writer.transport.abort()
