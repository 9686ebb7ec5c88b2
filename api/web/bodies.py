"""Bodies of requests: read within a time and a size each, and within a size for all that one process holds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.requests import Request

from api.limits import WebLimits
from api.web.answers import Refused

# Needs no room among the others: requests of a usual size are served while megabytes fill it.
_SMALL_BYTES = 16 * 1024


class Bodies:
    """The bodies that are held now."""

    def __init__(self, limits: WebLimits) -> None:
        self._limits = limits
        self._held_bytes = 0  # of those that are not small

    @contextlib.asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytearray]:
        """The whole body; it counts as held until the end of the context. Raises `Refused`: 408, 413 or 503."""
        body = bytearray()
        try:
            await self._fill(body, request)
            yield body
        finally:
            self._held_bytes -= _counted_bytes(len(body))

    async def _fill(self, body: bytearray, request: Request) -> None:
        limit = self._limits.max_body_bytes
        # Refused before it is read, and read to its end by the connection: clients send all before they look.
        too_large = Refused(413, "BODY_TOO_LARGE", f"A request has at most {limit} bytes.")
        if int(request.headers.get("content-length", "0")) > limit:
            raise too_large
        try:
            async with asyncio.timeout(self._limits.body_timeout_s):
                async for chunk in request.stream():
                    before_bytes = len(body)
                    body += chunk
                    self._held_bytes += _counted_bytes(len(body)) - _counted_bytes(before_bytes)
                    if len(body) > limit:
                        raise too_large
                    self._check_room(len(body))
        except TimeoutError as late:
            closing = {"Connection": "close"}
            raise Refused(408, "REQUEST_TIMEOUT", "The body did not arrive in time.", headers=closing) from late

    def _check_room(self, own_bytes: int) -> None:
        # One that is alone is read, whatever the bounds are; a small one always.
        if _counted_bytes(own_bytes) and self._held_bytes > max(self._limits.max_bodies_bytes, own_bytes):
            raise Refused(
                503, "LIMIT_REACHED", "Too many large requests are under way. Try later.", headers={"Retry-After": "1"}
            )


def _counted_bytes(length: int) -> int:
    return length if length > _SMALL_BYTES else 0
