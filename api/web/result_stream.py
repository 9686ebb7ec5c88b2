"""The results of a subscription, streamed in the answer to one HTTP request."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from starlette.types import Receive, Scope, Send

from api.web.answers import internal_error
from api.web.framings import Framing

_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx: hand results on as they come
]


class ResultStream:
    """An ASGI response that streams payloads. It ends, and closes its source, when the client goes or `stop` is called.

    Without a result for `heartbeat_s` it says that it is there. A stream that was stopped has no closing, so that
    clients come back. A client that takes nothing is dropped by the connection (`http_protocol`): it has gone then.
    """

    def __init__(self, payloads: AsyncGenerator[Mapping[str, Any]], framing: Framing, *, heartbeat_s: float) -> None:
        self._payloads = payloads
        self._framing = framing
        self._heartbeat_s = heartbeat_s
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Ends the stream: the server goes away."""
        self._stopped.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def write(chunk: bytes, *, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": chunk, "more_body": more})

        headers = [(b"content-type", self._framing.content_type.encode()), *_HEADERS]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        ends = [asyncio.create_task(gone(receive)), asyncio.create_task(self._stopped.wait())]
        try:
            await write(self._framing.opening)
            async with aclosing(self._payloads):
                await self._pump(write, ends)
            await write(b"", more=False)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    async def _pump(self, write: Any, ends: list[asyncio.Task[Any]]) -> None:
        framing = self._framing
        while True:
            coming = asyncio.ensure_future(anext(self._payloads, None))
            try:
                while not coming.done():
                    await asyncio.wait({coming, *ends}, timeout=self._heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
                    if any(end.done() for end in ends):
                        return
                    if not coming.done():
                        await write(framing.heartbeat)
            finally:
                await _settle(coming)
            try:
                payload = coming.result()
            except Exception as error:
                await write(framing.failure(internal_error(error)))
                break
            if payload is None:
                break
            await write(framing.result(payload))
            # A source that never waits would keep the loop from seeing that the client has gone.
            await asyncio.sleep(0)
        await write(framing.closing)


async def gone(receive: Receive) -> None:
    """Returns when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _settle(task: asyncio.Future[Any]) -> None:
    """Cancels what is not done, and waits until it is: its source cannot be closed while it runs."""
    if not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
