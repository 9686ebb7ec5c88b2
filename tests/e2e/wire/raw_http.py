"""HTTP as bytes over TCP: what no client library would send, and all that comes back."""

import asyncio
from typing import NamedTuple

from tests.servers.headwater import HeadwaterServer
from tests.servers.process import worked_s

_TIMEOUT_S = 20


class Answer(NamedTuple):
    """One HTTP answer; header names in lower case. `worked_s` is how long the server was at work for it."""

    status: int
    headers: dict[str, str]
    body: bytes
    worked_s: float


async def say(server: HeadwaterServer, *pieces: bytes) -> Answer:
    """Sends these bytes on a connection of their own, and returns the answer. Raises EOFError where there is none."""
    async with asyncio.timeout(_TIMEOUT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            began_s = worked_s(server.pid)
            for piece in pieces:
                writer.write(piece)
            status, headers, body = await _answer(reader, has_body=not pieces[0].startswith(b"HEAD"))
            return Answer(status, headers, body, worked_s(server.pid) - began_s)
        finally:
            writer.transport.abort()


async def _answer(reader: asyncio.StreamReader, *, has_body: bool) -> tuple[int, dict[str, str], bytes]:
    status, headers = await _head(reader)
    while status == 100:
        status, headers = await _head(reader)
    body = await reader.readexactly(int(headers["content-length"])) if has_body else b""
    return status, headers, body


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()[:-1]
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), {name.lower(): value for name, value in headers.items()}
