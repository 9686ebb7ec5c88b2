"""HTTP as bytes over TCP: what no client library would send, and all that comes back."""

import asyncio
import time
from typing import NamedTuple

from tests.servers.headwater import HeadwaterServer

_TIMEOUT_S = 20


class Answer(NamedTuple):
    """One HTTP answer; header names in lower case. `taken_s` is from the last byte sent to the last one received."""

    status: int
    headers: dict[str, str]
    body: bytes
    taken_s: float


async def say(server: HeadwaterServer, *pieces: bytes) -> Answer:
    """Sends these bytes on a connection of their own, and returns the answer. Raises EOFError where there is none."""
    async with asyncio.timeout(_TIMEOUT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            for piece in pieces:
                writer.write(piece)
            began_s = time.perf_counter()
            return await _answer(reader, began_s, has_body=not pieces[0].startswith(b"HEAD"))
        finally:
            writer.transport.abort()


async def _answer(reader: asyncio.StreamReader, began_s: float, *, has_body: bool) -> Answer:
    status, headers = await _head(reader)
    while status == 100:
        status, headers = await _head(reader)
    body = await reader.readexactly(int(headers["content-length"])) if has_body else b""
    return Answer(status, headers, body, time.perf_counter() - began_s)


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()[:-1]
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), {name.lower(): value for name, value in headers.items()}
