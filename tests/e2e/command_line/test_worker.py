"""`headwater worker` beside `headwater serve`, on one PostgreSQL and one Redis."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.command_line.databases import sqlite_file
from tests.e2e.command_line.running import Command, run, run_here, serving
from tests.e2e.waiting import until, until_async
from tests.servers.ports import LOOPBACK
from tests.servers.postgresql import PostgresqlDatabase
from tests.servers.redis import RedisServer

TABLES = 20


@pytest.fixture
def shared(postgresql_database: PostgresqlDatabase, private_redis: RedisServer, tmp_path: Path) -> Mapping[str, str]:
    """The settings of every process of a distributed set-up."""
    return {
        "HEADWATER_DATABASE_URL": postgresql_database.sqlalchemy_url,
        "HEADWATER_REDIS_URL": private_redis.endpoint.url,
        "HEADWATER_ENCRYPTION_KEY": "kJ2yYbGHSzKJ8lM5T6hF6nqyM5sB0cVv5v7bXk2b1eA=",
        "HEADWATER_FILE_ROOTS": str(tmp_path),
        "HEADWATER_ALLOW_PRIVATE_NETWORKS": "true",
        "HEADWATER_HEALTH_INTERVAL_S": "3600",
    }


@asynccontextmanager
async def silent_database() -> AsyncIterator[tuple[int, asyncio.Event]]:
    """A port that takes connections and says nothing on them, and whether somebody has come."""
    reached, ended = asyncio.Event(), asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, LOOPBACK, 0)
    async with server:
        yield server.sockets[0].getsockname()[1], reached
        ended.set()


async def test_a_worker_runs_what_a_killed_server_left(
    shared: Mapping[str, str], postgresql_database: PostgresqlDatabase, tmp_path: Path
):
    path = sqlite_file(tmp_path / "source.sqlite", TABLES)
    one_at_a_time = dict(shared) | {"HEADWATER_WORKER_CONCURRENCY": "1"}
    async with serving(data_dir=tmp_path / "data", environment=one_at_a_time) as server:
        env = {"HEADWATER_URL": server.url}
        async with silent_database() as (port, reached):
            # The only place of the server's own worker is taken by a source that does not answer.
            added = run_here(
                *("sources", "add", "silent", "--kind", "postgresql", "--host", LOOPBACK, "--port", str(port)),
                *("--database", "d", "--user", "u", "--tls", "disabled"),
                env=env,
            )
            assert added.code == 0, added.err
            added = run_here("sources", "add", "left", "--kind", "sqlite", "--path", str(path), env=env)
            assert added.code == 0, added.err
            assert run_here("discover", "silent", "--detach", env=env).code == 0
            await asyncio.wait_for(reached.wait(), 20)
            queued = json.loads(run_here("discover", "left", "--detach", "--json", env=env).out)
            server.kill()

        async def state() -> str:
            connection = await postgresql_database.connect()
            try:
                return await connection.fetchval("SELECT state FROM operations WHERE id = $1", queued["id"])
            finally:
                await connection.close()

        assert await state() == "QUEUED"
        async with Command("worker", env=shared) as worker:
            await until(lambda: "worker_ready" in worker.err, timeout_s=30)
            await until_async(state, lambda state: state == "SUCCEEDED", timeout_s=60)
            worker.interrupt(signal.SIGTERM)
            ended = await worker.ended(timeout_s=30)
        assert ended.code == 0, ended.err
        assert "worker_stopped" in ended.err
        assert "Traceback" not in ended.err

        # What it has read is there for the servers.
        await server.start()
        shown = json.loads(run_here("sources", "show", "left", "--json", env=env).out)
        assert shown["tables"]["totalCount"]["value"] == TABLES
        assert [(each["id"], each["state"]) for each in shown["operations"]["nodes"]] == [(queued["id"], "SUCCEEDED")]


@pytest.mark.parametrize("request_", [signal.SIGINT, signal.SIGTERM])
async def test_a_worker_works_alone(shared: Mapping[str, str], request_: signal.Signals):
    async with Command("worker", env=shared) as worker:
        await until(lambda: "worker_ready" in worker.err, timeout_s=30)
        worker.interrupt(request_)
        assert (await worker.ended(timeout_s=30)).code == 0


async def test_a_worker_without_a_queue_is_refused(shared: Mapping[str, str]):
    refused = await run("worker", env={name: value for name, value in shared.items() if name != "HEADWATER_REDIS_URL"})
    assert refused.code == 78
    assert "HEADWATER_REDIS_URL" in refused.err
    assert "headwater serve" in refused.err


async def test_a_worker_whose_store_is_away_says_so(shared: Mapping[str, str]):
    away = dict(shared) | {"HEADWATER_DATABASE_URL": "postgresql+asyncpg://u:secret@127.0.0.1:1/x"}
    ended = await run("worker", env=away)
    assert ended.code == 69
    assert "secret" not in ended.err
