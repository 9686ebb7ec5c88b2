"""A socket whose client takes nothing is closed, and misses nothing when it comes back with its cursor."""

import asyncio
import contextlib
import json
import socket
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed

from api.bootstrap import open_headwater
from api.limits import DocumentLimits
from api.settings import Settings
from tests.e2e.follower import logged_cursors
from tests.integration.api.graphql.conftest import Client, served_schema
from tests.servers.served_view import Served, hear, limited, say, serve

STALL_S = 0.5
_SOURCES = 400
_REGISTER = """
mutation($input: [DataSourceInput!]!) { registerDataSources(input: $input) { __typename } }
"""
# Each event has 20 kB, so that few of them fill what lies between server and client.
_PADDING = " ".join(f"{'c' * 150}{number}: cursor" for number in range(90))
_EVENTS = f"""
subscription($after: Cursor) {{
  events(after: $after, heartbeatSeconds: 1) {{
    cursor event {{ __typename ... on DataSourceEvent {{ name }} }} {_PADDING}
  }}
}}
"""


def narrow_connection(served: Served) -> socket.socket:
    """A connection that holds little of what its client does not take."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    host, _, port = served.address.partition(":")
    connection.connect((host, int(port)))
    return connection


async def follow(opened: Any, after: str | None) -> None:
    variables = {} if after is None else {"after": after}
    payload = {"query": _EVENTS, "variables": variables}
    await say(opened, type="subscribe", id="1", payload=payload)


async def test_it_resumes_without_gap_or_double(tmp_path: Path):
    limits = limited(stall_s=STALL_S)
    seen: list[str] = []
    async with open_headwater(Settings(data_dir=tmp_path, health_interval_s=3_600), port=1) as headwater:
        client = Client(headwater)
        async with serve(schema=served_schema(DocumentLimits()), context=client.context(), limits=limits) as served:
            async with served.socket(max_queue=1, sock=narrow_connection(served)) as slow:
                await follow(slow, None)
                cursor = (await hear(slow))["payload"]["data"]["events"]["cursor"]  # a heartbeat: it follows
                entries = [
                    {"name": f"source-{number}", "connection": {"sqlite": {"path": "/nowhere"}}}
                    for number in range(_SOURCES)
                ]
                await client.run(_REGISTER, input=entries)
                logged = await logged_cursors(client.run)
                assert len(logged) >= _SOURCES
                async with served.socket() as other:  # who takes what it is sent is served all the same
                    await follow(other, cursor)
                    taken: list[str] = []
                    while len(taken) < len(logged):
                        taken += _told(await hear(other))
                await asyncio.sleep(3 * STALL_S)
                with contextlib.suppress(ConnectionClosed):
                    while len(seen) < len(logged):
                        seen += _told(json.loads(await slow.recv()))
                assert slow.close_code == 1013
            assert len(seen) < len(logged)
            async with served.socket() as again:
                await follow(again, seen[-1] if seen else cursor)
                while len(seen) < len(logged):
                    seen += _told(await hear(again))
    assert seen == taken == logged


def _told(message: Any) -> list[str]:
    """The cursor of an event; none for a heartbeat."""
    envelope = message["payload"]["data"]["events"]
    return [] if envelope["event"]["__typename"] == "Heartbeat" else [envelope["cursor"]]
