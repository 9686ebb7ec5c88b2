"""Ctrl-C at any moment of any verb: it ends soon, without a traceback, and leaves nothing broken."""

import asyncio
import random
import signal
from pathlib import Path

import pytest

from tests.e2e.command_line.databases import sqlite_file
from tests.e2e.command_line.running import Command, Ended, run
from tests.servers.headwater import HeadwaterServer
from tests.servers.ports import free_port
from tests.servers.postgresql import PostgresqlDatabase

_ROUNDS = 3
_FIRST_S = 0.05


async def _interrupted(*arguments: str, env: dict[str, str], after_s: float) -> Ended:
    async with Command(*arguments, env=env) as command:
        await asyncio.sleep(after_s)
        if command.process.poll() is None:
            command.interrupt()
        return await command.ended(timeout_s=30)


def _check(ended: Ended, after_s: float) -> None:
    # Before our first line and after our last one Python itself dies of the signal; a shell says 130 of that too.
    assert ended.code in (0, 130, -signal.SIGINT), (after_s, ended)
    assert not ("Traceback" in ended.err and "api/cli/" in ended.err), (after_s, ended.err)


def _moments(seed: int, longest_s: float) -> list[float]:
    chosen = random.Random(seed)
    return [chosen.uniform(_FIRST_S, longest_s) for _ in range(_ROUNDS)]


async def test_serve(tmp_path: Path, seed: int):
    folder = tmp_path / "data"
    for after_s in _moments(seed, 3.0):
        arguments = ("serve", "--demo", "--port", str(free_port()), "--data-dir", str(folder))
        ended = await _interrupted(*arguments, env={}, after_s=after_s)
        _check(ended, after_s)
    server = HeadwaterServer(data_dir=folder, arguments=["--demo"])
    await server.start()
    try:
        listed = await run("sources", env={"HEADWATER_URL": server.url})
        assert "demo_shop" in listed.out
    finally:
        await server.discard()


async def test_discover(at_server: dict[str, str], tmp_path: Path, seed: int):
    path = sqlite_file(tmp_path / "source.sqlite", 300)
    name = f"interrupted {seed}"
    await run("sources", "add", name, "--kind", "sqlite", "--path", str(path), env=at_server)
    for after_s in _moments(seed, 1.5):
        ended = await _interrupted("discover", name, "--mode", "full", env=at_server, after_s=after_s)
        _check(ended, after_s)
    # Nothing of a half-read catalog is seen, and nothing stands in the way of a whole one.
    whole = await run("discover", name, "--mode", "full", env=at_server)
    assert whole.code == 0, whole.err
    listed = await run("sources", "show", name, env=at_server)
    assert "tables       300 in" in listed.out


@pytest.mark.parametrize("verb", [("test", "demo_shop"), ("watch",), ("sources",)], ids=" ".join)
async def test_what_only_looks(verb: tuple[str, ...], demo_server: HeadwaterServer, seed: int):
    for after_s in _moments(seed, 1.2):
        ended = await _interrupted(*verb, env={"HEADWATER_URL": demo_server.url}, after_s=after_s)
        _check(ended, after_s)
    assert (await run("sources", env={"HEADWATER_URL": demo_server.url})).code == 0


async def test_migrate_on_sqlite(tmp_path: Path, seed: int):
    for number, after_s in enumerate(_moments(seed, 2.0)):
        await _interrupt_migration({"HEADWATER_DATA_DIR": str(tmp_path / str(number))}, after_s)


async def test_migrate_on_postgresql(postgresql_database: PostgresqlDatabase, seed: int):
    for after_s in _moments(seed, 2.0):
        await postgresql_database.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        await _interrupt_migration({"HEADWATER_DATABASE_URL": postgresql_database.sqlalchemy_url}, after_s)


async def _interrupt_migration(env: dict[str, str], after_s: float) -> None:
    ended = await _interrupted("migrate", env=env, after_s=after_s)
    _check(ended, after_s)
    again = await run("migrate", env=env)
    assert again.code == 0, again.err
    assert (await run("migrate", "--check", env=env)).code == 0
