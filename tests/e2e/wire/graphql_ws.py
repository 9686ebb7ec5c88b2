"""The npm client graphql-ws, as people use it, in a process of its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from tests.e2e.javascript import next_told, running, tell

_WAIT_S = 20.0


class GraphqlWs:
    """One client: `tell` it what to do (see clients/socket.js), and `hear` what happens to it; `heard` is all of it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.heard: list[dict[str, Any]] = []

    async def tell(self, **command: Any) -> None:
        await tell(self._process, command)

    async def subscribe(self, id: str, query: str, /, *, resume: bool = False, **variables: Any) -> None:
        await self.tell(subscribe={"id": id, "query": query, "variables": variables, "resume": resume})

    async def hear(self, kind: str | None = None, *, id: str | None = None) -> dict[str, Any]:
        """The next thing that happens, of this kind and operation where they are given. Others are passed by."""
        async with asyncio.timeout(_WAIT_S):
            while True:
                event: dict[str, Any] | None = await next_told(self._process)
                if event is None:
                    raise EOFError("the client has ended")
                self.heard.append(event)
                if (kind is None or kind in event) and (id is None or event.get("id") == id):
                    return event


@contextlib.asynccontextmanager
async def graphql_ws(url: str, **options: Any) -> AsyncIterator[GraphqlWs]:
    """A client of the socket at `url` (ws://…), with options of its `createClient`; it connects at once."""
    async with running("socket.js", url, request=options) as process:
        yield GraphqlWs(process)
