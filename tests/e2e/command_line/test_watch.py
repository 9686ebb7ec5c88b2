"""`headwater watch` on a real server that is killed: every event once, in order, and the command to go on with."""

import json
import shlex
from pathlib import Path

from tests.e2e.client import GraphqlClient
from tests.e2e.command_line.running import Command, run_here
from tests.e2e.waiting import until
from tests.servers.headwater import HeadwaterServer


def _add(server: HeadwaterServer, folder: Path, name: str) -> None:
    env = {"HEADWATER_URL": server.url}
    added = run_here("sources", "add", name, "--kind", "sqlite", "--path", str(folder / "none.sqlite"), env=env)
    assert added.code == 0, added.err


async def test_nothing_is_missed_over_a_kill_of_the_server(server: HeadwaterServer, tmp_path: Path):
    env = {"HEADWATER_URL": server.url}
    async with Command("watch", "--type", "data-source", "--json", env=env) as watching:
        _add(server, tmp_path, "probe")
        # Once the first line is there, it watches.
        for number in range(20):
            if watching.out:
                break
            _add(server, tmp_path, f"probe {number}")
        await until(lambda: bool(watching.out))
        _add(server, tmp_path, "before")
        await until(lambda: '"before"' in watching.out)
        server.kill()
        await until(lambda: "connection was lost" in watching.err)
        await server.start()
        _add(server, tmp_path, "after")
        await until(lambda: '"after"' in watching.out, timeout_s=30)
        watching.interrupt()
        ended = await watching.ended()
    assert ended.code == 130
    assert "Connected again." in ended.err
    names = [json.loads(line)["event"]["name"] for line in ended.out.splitlines()]
    assert names[-2:] == ["before", "after"]
    assert len(names) == len(set(names))

    # The command that it says goes on right behind what was shown, and not before.
    program, *again = shlex.split(ended.err.splitlines()[-1].removeprefix("Go on with: "))
    assert program == "headwater"
    _add(server, tmp_path, "later")
    async with Command(*again, env=env) as watching:
        await until(lambda: "later" in watching.out)
        watching.interrupt()
        ended = await watching.ended()
    (line,) = ended.out.splitlines()
    assert line.endswith("UTC  later  registered")


async def test_only_of_one_source(demo_server: HeadwaterServer, demo_client: GraphqlClient):
    env = {"HEADWATER_URL": demo_server.url}
    unknown = run_here("watch", "--source", "demo_ship", env=env)
    assert unknown.code == 1
    assert "demo_shop" in unknown.err
    # From before the demo was made on: all that can happen to a source.
    log = "{ eventLog(first: 1) { items { cursor } } }"
    cursor = (await demo_client.query(log))["eventLog"]["items"][0]["cursor"]
    async with Command("watch", "--source", "demo_shop", "--after", cursor, env=env) as watching:
        await until(lambda: "discovery succeeded" in watching.out)
        watching.interrupt()
        ended = await watching.ended()
    assert ended.code == 130
    assert "demo_shop  connection test, latency passed after" in ended.out
    assert "demo_shop  revision 0 → 1: 1 namespace added, 11 tables added" in ended.out
    assert "not known" not in ended.out
    assert "--source demo_shop --after" in ended.err


async def test_health(demo_server: HeadwaterServer):
    async with Command("watch", "--health", env={"HEADWATER_URL": demo_server.url}) as watching:
        await until(lambda: watching.out.count("demo_shop") > 1)
        watching.interrupt()
        assert (await watching.ended()).code == 130
    refused = run_here("watch", "--health", "--type", "change", env={"HEADWATER_URL": demo_server.url})
    assert refused.code == 2
