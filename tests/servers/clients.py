"""What tests speak with servers by, whichever server it is."""

import asyncio
import contextlib
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed


def http_client(**options: Any) -> httpx.AsyncClient:
    """For plain HTTP on loopback: no proxy from the environment, and no 20 ms for certificates that nobody needs."""
    return httpx.AsyncClient(trust_env=False, verify=False, **{"timeout": 20, **options})  # noqa: S501


async def close_code(opened: ClientConnection) -> int:
    """The code that the server closes the socket with; what comes before is read and passed by."""
    async with asyncio.timeout(20):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await opened.recv()
    assert opened.close_code is not None
    return opened.close_code
