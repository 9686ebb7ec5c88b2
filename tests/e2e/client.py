"""A GraphQL client for the tests: queries and mutations over HTTP, subscriptions over graphql-transport-ws."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

import httpx
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.servers.clients import http_client

SUBPROTOCOL = Subprotocol("graphql-transport-ws")


class GraphqlErrors(Exception):
    """The answer has `errors`."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(json.dumps(errors, ensure_ascii=False, indent=1))
        self.errors = errors

    @property
    def codes(self) -> list[str | None]:
        return [each.get("extensions", {}).get("code") for each in self.errors]


class GraphqlClient:
    """Speaks with `url` (http://…/graphql); variables are keyword arguments, in GraphQL's own spelling.

    Waits no longer than `timeout_s` for an answer, or for the next result of a subscription.
    """

    def __init__(self, url: str, *, key: str | None = None, timeout_s: float = 30.0) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._headers = {} if key is None else {"authorization": f"Bearer {key}"}
        self._http = http_client(headers=self._headers, timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def request(self, document: str, variables: Mapping[str, Any] | None = None) -> httpx.Response:
        """The HTTP answer as it is."""
        return await self._http.post(self._url, json={"query": document, "variables": variables})

    async def query(self, document: str, **variables: Any) -> dict[str, Any]:
        """`data` of the answer. Raises GraphqlErrors where there is any error."""
        answer = (await self.request(document, variables)).json()
        if answer.get("errors"):
            raise GraphqlErrors(answer["errors"])
        data: dict[str, Any] = answer["data"]
        return data

    async def mutate(self, document: str, **variables: Any) -> dict[str, Any]:
        """As `query`."""
        return await self.query(document, **variables)

    async def subscribe(self, document: str, **variables: Any) -> AsyncGenerator[dict[str, Any]]:
        """`data` of each result, until the subscription completes. Raises GraphqlErrors. Close it (`aclosing`)."""
        async with connect(
            self._url.replace("http", "ws", 1),
            subprotocols=[SUBPROTOCOL],
            proxy=None,
            max_size=None,
        ) as socket:
            await socket.send(json.dumps({"type": "connection_init", "payload": self._headers}))
            await socket.send(
                json.dumps({"type": "subscribe", "id": "1", "payload": {"query": document, "variables": variables}})
            )
            while True:
                message = json.loads(await asyncio.wait_for(socket.recv(), self._timeout_s))
                match message["type"]:
                    case "next":
                        if message["payload"].get("errors"):
                            raise GraphqlErrors(message["payload"]["errors"])
                        yield message["payload"]["data"]
                    case "error":
                        raise GraphqlErrors(message["payload"])
                    case "complete":
                        return

    async def collect(self, document: str, count: int, **variables: Any) -> list[dict[str, Any]]:
        """The first `count` results of a subscription."""
        found: list[dict[str, Any]] = []
        async with aclosing(self.subscribe(document, **variables)) as results:
            async for result in results:
                found.append(result)
                if len(found) == count:
                    break
        return found
