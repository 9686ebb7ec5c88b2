"""`headwater worker` beside `headwater serve`, on one PostgreSQL and one Redis."""

import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.command_line.databases import sqlite_file
from tests.e2e.command_line.running import Command, run
from tests.e2e.waiting import until
from tests.servers.headwater import HeadwaterServer
from tests.servers.postgresql import PostgresqlDatabase
from tests.servers.redis import RedisServer


@pytest.fixture
def shared(postgresql_database: PostgresqlDatabase, private_redis: RedisServer, tmp_path: Path) -> Mapping[str, str]:
    """The settings of every process of a distributed set-up."""
    return {
        "HEADWATER_DATABASE_URL": postgresql_database.sqlalchemy_url,
        "HEADWATER_REDIS_URL": private_redis.endpoint.url,
        "HEADWATER_ENCRYPTION_KEY": "kJ2yYbGHSzKJ8lM5T6hF6nqyM5sB0cVv5v7bXk2b1eA=",
        "HEADWATER_FILE_ROOTS": str(tmp_path),
    }


async def test_a_worker_works_and_leaves_nothing_broken(shared: Mapping[str, str], tmp_path: Path):
    path = sqlite_file(tmp_path / "source.sqlite", 50)
    server = HeadwaterServer(data_dir=tmp_path / "data", environment=shared)
    await server.start()
    env = {"HEADWATER_URL": server.url}
    try:
        await run("sources", "add", "shared", "--kind", "sqlite", "--path", str(path), env=env)
        async with Command("worker", env=shared) as worker:
            await until(lambda: "worker_ready" in worker.err, timeout_s=30)
            # The server's own worker stands still, so that it is this one that works.
            for mode in ("full", "full"):
                found = await run("discover", "shared", "--mode", mode, env=env)
                assert found.code == 0, found.err
            worker.interrupt(signal.SIGTERM)
            ended = await worker.ended(timeout_s=30)
        assert ended.code == 0, ended.err
        assert "worker_stopped" in ended.err
        assert "Traceback" not in ended.err
        assert (await run("discover", "shared", env=env)).code == 0
    finally:
        await server.discard()


@pytest.mark.parametrize("request_", [signal.SIGINT, signal.SIGTERM])
async def test_a_worker_works_alone(shared: Mapping[str, str], request_: signal.Signals):
    async with Command("worker", env=shared) as worker:
        await until(lambda: "worker_ready" in worker.err, timeout_s=30)
        worker.interrupt(request_)
        assert (await worker.ended(timeout_s=30)).code == 0


async def test_a_worker_alone_takes_up_what_a_server_left(shared: Mapping[str, str], tmp_path: Path):
    path = sqlite_file(tmp_path / "source.sqlite", 20)
    server = HeadwaterServer(data_dir=tmp_path / "data", environment=shared)
    await server.start()
    env = {"HEADWATER_URL": server.url}
    try:
        await run("sources", "add", "left", "--kind", "sqlite", "--path", str(path), env=env)
        server.pause()
        async with Command("worker", env=shared) as worker:
            await until(lambda: "worker_ready" in worker.err, timeout_s=30)
            server.resume()
            assert (await run("discover", "left", env=env)).code == 0
            worker.interrupt()
            assert (await worker.ended(timeout_s=30)).code == 0
    finally:
        await server.discard()


async def test_a_worker_without_a_queue_is_refused(shared: Mapping[str, str]):
    for missing in ("HEADWATER_DATABASE_URL", "HEADWATER_REDIS_URL"):
        refused = await run("worker", env={name: value for name, value in shared.items() if name != missing})
        assert refused.code == 78
        assert missing in refused.err
        assert "headwater serve" in refused.err
    alone = await run("worker", env=dict(shared) | {"HEADWATER_DATABASE_URL": "sqlite+aiosqlite:////nonexistent/x"})
    assert alone.code == 78
    assert "PostgreSQL" in alone.err


async def test_a_worker_whose_store_is_away_says_so(shared: Mapping[str, str]):
    away = dict(shared) | {"HEADWATER_DATABASE_URL": "postgresql+asyncpg://u:secret@127.0.0.1:1/x"}
    ended = await run("worker", env=away)
    assert ended.code == 69
    assert "secret" not in ended.err
