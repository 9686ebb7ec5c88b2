"""Kill -9 of the server: who resumes with a cursor misses nothing and sees nothing twice."""

import asyncio
import contextlib
from contextlib import aclosing
from pathlib import Path
from typing import Any

from websockets.exceptions import WebSocketException

from tests.e2e.client import GraphqlClient
from tests.e2e.waiting import until
from tests.servers.headwater import HeadwaterServer

_EVENTS = """
subscription($after: Cursor) {
  events(after: $after, heartbeatSeconds: 1) {
    cursor replayed
    event { __typename ... on DataSourceEvent { name action } ... on Gap { reason } }
  }
}
"""
_REGISTER = """
mutation($input: [DataSourceInput!]!) {
  registerDataSources(input: $input) { __typename ... on DataSourcePayload { dataSource { name } } }
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


async def test_no_event_is_missing_or_doubled(tmp_path: Path):
    server = HeadwaterServer(data_dir=tmp_path / "data", environment={"HEADWATER_HEALTH_INTERVAL_S": "3600"})
    await server.start()
    follower = Follower(server.graphql_url)
    following = asyncio.create_task(follower.follow())
    try:
        await until(lambda: follower.cursor is not None)  # a first heartbeat: nothing lies before the beginning
        acknowledged: list[str] = []
        for round_ in range(3):
            killing = asyncio.create_task(_kill_soon(server, 0.3 + 0.1 * round_))
            acknowledged += await _register_until_gone(server, tmp_path, round_)
            await killing
            await server.start()
        async with GraphqlClient(server.graphql_url) as client:
            acknowledged.append(await _register(client, tmp_path, "last"))
            await until(lambda: "last" in follower.names, timeout_s=20)
            logged = await _all_cursors(client)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await server.discard()
    assert len(acknowledged) > 3
    assert "Gap" not in follower.kinds
    assert set(acknowledged) <= set(follower.names)
    assert len(follower.names) == len(set(follower.names))
    # Everything that the log holds, in its order, and nothing else.
    assert follower.cursors == logged[: len(follower.cursors)]


async def _register_until_gone(server: HeadwaterServer, folder: Path, round_: int) -> list[str]:
    done = []
    async with GraphqlClient(server.graphql_url, timeout_s=5) as client:
        for number in range(10_000):
            try:
                done.append(await _register(client, folder, f"source-{round_}-{number}"))
            except Exception:
                if server.is_running:
                    raise
                break
    return done


async def _register(client: GraphqlClient, folder: Path, name: str) -> str:
    entry = {"name": name, "connection": {"sqlite": {"path": str(folder / "none.sqlite")}}}
    answer = await client.mutate(_REGISTER, input=[entry])
    assert answer["registerDataSources"][0]["__typename"] == "DataSourcePayload", answer
    return name


async def _kill_soon(server: HeadwaterServer, after_s: float) -> None:
    await asyncio.sleep(after_s)
    server.kill()


async def _all_cursors(client: GraphqlClient) -> list[str]:
    cursors: list[str] = []
    after = None
    while True:
        page = (await client.query(_LOG, after=after))["eventLog"]
        cursors += [item["cursor"] for item in page["items"]]
        after = page["next"]
        if not page["behind"]:
            return cursors
