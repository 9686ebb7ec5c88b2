"""The npm client graphql-ws, as people use it, in a process of its own."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from tests.servers.node import CLIENTS, NODE

_WAIT_S = 20.0


class GraphqlWs:
    """One client: `tell` it what to do (see clients/socket.js), and `hear` what happens to it; `heard` is all of it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._commands, self._events = process.stdin, process.stdout
        self.heard: list[dict[str, Any]] = []

    async def tell(self, **command: Any) -> None:
        self._commands.write(json.dumps(command).encode() + b"\n")
        await self._commands.drain()

    async def subscribe(self, id: str, query: str, /, *, resume: bool = False, **variables: Any) -> None:
        await self.tell(subscribe={"id": id, "query": query, "variables": variables, "resume": resume})

    async def hear(self, kind: str | None = None, *, id: str | None = None) -> dict[str, Any]:
        """The next thing that happens, of this kind and operation where they are given. Others are passed by."""
        async with asyncio.timeout(_WAIT_S):
            while True:
                line = await self._events.readline()
                if not line:
                    raise EOFError("the client has ended")
                event: dict[str, Any] = json.loads(line)
                self.heard.append(event)
                if (kind is None or kind in event) and (id is None or event.get("id") == id):
                    return event


@contextlib.asynccontextmanager
async def graphql_ws(url: str, **options: Any) -> AsyncIterator[GraphqlWs]:
    """A client of the socket at `url` (ws://…), with options of its `createClient`; it connects at once."""
    process = await asyncio.create_subprocess_exec(
        NODE,
        "socket.js",
        url,
        json.dumps(options),
        cwd=CLIENTS,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=16 * 1024 * 1024,
    )
    try:
        yield GraphqlWs(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
