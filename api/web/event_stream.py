"""Server-sent events in the "distinct connections" mode of graphql-sse: one stream per operation.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
Lines end with LF: one gateway's client silently drops events whose lines end with CRLF.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from api.web.answers import EVENT_STREAM, internal_error

KEEP_ALIVE_S = 12.0
_COMMENT = b":\n\n"
_COMPLETE = b"event: complete\ndata:\n\n"
_HEADERS = [
    (b"content-type", f"{EVENT_STREAM}; charset=utf-8".encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx: hand events on as they come
]


def next_event(payload: Mapping[str, Any]) -> bytes:
    """One result. JSON text has no line breaks of its own, so that it is one `data` line."""
    return b"event: next\ndata: " + msgspec.json.encode(payload) + b"\n\n"


class EventStream:
    """An ASGI response that streams payloads. It ends, and closes its source, when the client goes or `stop` is called.

    A client that takes no byte for `stall_s` is treated as gone. A stream that was stopped has no `complete`, so that
    clients come back.
    """

    def __init__(self, payloads: AsyncGenerator[Mapping[str, Any]], *, stall_s: float) -> None:
        self._payloads = payloads
        self._stall_s = stall_s
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Ends the stream: the server goes away."""
        self._stopped.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def write(chunk: bytes, *, more: bool = True) -> None:
            async with asyncio.timeout(self._stall_s):
                await send({"type": "http.response.body", "body": chunk, "more_body": more})

        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        ends = [asyncio.create_task(_gone(receive)), asyncio.create_task(self._stopped.wait())]
        try:
            # A first comment, so that the headers are seen before the first event.
            await write(_COMMENT)
            async with aclosing(self._payloads):
                await self._pump(write, ends)
            await write(b"", more=False)
        except (TimeoutError, OSError):
            pass  # the client went, or takes nothing
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    async def _pump(self, write: Any, ends: list[asyncio.Task[Any]]) -> None:
        while True:
            coming = asyncio.ensure_future(anext(self._payloads, None))
            try:
                while not coming.done():
                    await asyncio.wait({coming, *ends}, timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
                    if any(end.done() for end in ends):
                        return
                    if not coming.done():
                        await write(_COMMENT)
            finally:
                await _settle(coming)
            try:
                payload = coming.result()
            except Exception as error:
                payload = {"errors": [internal_error(error)]}
                await write(next_event(payload))
                break
            if payload is None:
                break
            await write(next_event(payload))
            # A source that never waits would keep the loop from seeing that the client has gone.
            await asyncio.sleep(0)
        await write(_COMPLETE)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _settle(task: asyncio.Future[Any]) -> None:
    """Cancels what is not done, and waits until it is: its source cannot be closed while it runs."""
    if not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
