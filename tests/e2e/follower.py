"""A subscriber that follows all events over every restart, and what the log itself holds."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from websockets.exceptions import WebSocketException

from tests.e2e.client import GraphqlClient

_EVENTS = """
subscription($after: Cursor) {
  events(after: $after, heartbeatSeconds: 1) {
    cursor replayed
    event { __typename ... on DataSourceEvent { name action } ... on Gap { reason } }
  }
}
"""
_LOG = """
query($after: Cursor) {
  eventLog(after: $after, first: 100) { next behind items { cursor event { __typename } } }
}
"""


class Follower:
    """Follows all events for ever, over every restart of the server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.cursor: str | None = None
        self.cursors: list[str] = []
        self.names: list[str] = []
        self.kinds: set[str] = set()

    async def follow(self) -> None:
        while True:
            with contextlib.suppress(OSError, EOFError, WebSocketException):
                async with GraphqlClient(self._url) as client:
                    variables = {} if self.cursor is None else {"after": self.cursor}
                    async with aclosing(client.subscribe(_EVENTS, **variables)) as results:
                        async for result in results:
                            self._take(result["events"])
            await asyncio.sleep(0.02)

    def _take(self, envelope: dict[str, Any]) -> None:
        self.cursor = envelope["cursor"]
        event = envelope["event"]
        self.kinds.add(event["__typename"])
        if event["__typename"] == "Heartbeat":
            return
        self.cursors.append(envelope["cursor"])
        if event["__typename"] == "DataSourceEvent":
            self.names.append(event["name"])


async def logged_cursors(query: Callable[..., Awaitable[dict[str, Any]]]) -> list[str]:
    """The cursors of everything in the log, in its order; `query` is a client's."""
    cursors: list[str] = []
    after = None
    while True:
        page = (await query(_LOG, after=after))["eventLog"]
        cursors += [item["cursor"] for item in page["items"]]
        after = page["next"]
        if not page["behind"]:
            return cursors
