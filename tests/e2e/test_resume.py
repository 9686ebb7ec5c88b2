"""Kill -9 of the server: who resumes with a cursor misses nothing and sees nothing twice."""

import asyncio
from pathlib import Path

from tests.e2e.client import GraphqlClient
from tests.e2e.follower import Follower, logged_cursors
from tests.e2e.waiting import until
from tests.servers.headwater import HeadwaterServer

_REGISTER = """
mutation($input: [DataSourceInput!]!) {
  registerDataSources(input: $input) { __typename ... on DataSourcePayload { dataSource { name } } }
}
"""


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
            logged = await logged_cursors(client.query)
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
