"""Ctrl-C at random moments of any verb: it ends soon, without a traceback, and leaves nothing broken."""

import asyncio
import random
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.command_line.databases import sqlite_file
from tests.e2e.command_line.running import Command, run, serving
from tests.servers.ports import free_port
from tests.servers.postgresql import PostgresqlDatabase

_ROUNDS = 20
_FIRST_S = 0.02


async def _interrupt(seed: int, longest_s: float, *arguments: str, env: Mapping[str, str]) -> None:
    after_s = random.Random(seed).uniform(_FIRST_S, longest_s)
    async with Command(*arguments, env=env) as command:
        await asyncio.sleep(after_s)
        if command.is_running:
            command.interrupt()
        ended = await command.ended(timeout_s=30)
    if "/api/cli/" not in ended.err and ("runpy" in ended.err or ended.code == -signal.SIGINT):
        return  # before our first line and behind our last one Python itself dies of the signal, in its own words
    assert ended.code in (0, 130), (after_s, ended)
    assert "Traceback" not in ended.err, (after_s, ended.err)


async def test_serve(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "data"
    for number in range(_ROUNDS):
        arguments = ("serve", "--demo", "--port", str(free_port()), "--data-dir", str(folder))
        await _interrupt(seed + number, 3.0, *arguments, env={})
    async with serving(data_dir=folder, arguments=["--demo"]) as server:
        assert "demo_shop" in (await run("sources", env={"HEADWATER_URL": server.url})).out


@pytest.mark.parametrize(
    "verb", [("discover", "many", "--mode", "full"), ("test", "many"), ("watch",), ("sources",)], ids=" ".join
)
async def test_what_asks_a_server(verb: tuple[str, ...], tmp_path: Path, seed: int) -> None:
    path = sqlite_file(tmp_path / "source.sqlite", 300)
    async with serving() as server:
        env = {"HEADWATER_URL": server.url}
        assert (await run("sources", "add", "many", "--kind", "sqlite", "--path", str(path), env=env)).code == 0
        for number in range(_ROUNDS):
            await _interrupt(seed + number, 1.5, *verb, env=env)
        # Nothing of a half-read catalog is seen, and nothing stands in the way of a whole one.
        whole = await run("discover", "many", "--mode", "full", env=env)
        assert whole.code == 0, whole.err
        assert "tables       300 in" in (await run("sources", "show", "many", env=env)).out


async def test_migrate_on_sqlite(tmp_path: Path, seed: int) -> None:
    for number in range(_ROUNDS):
        await _interrupt_migration(seed + number, {"HEADWATER_DATA_DIR": str(tmp_path / str(number))})


async def test_migrate_on_postgresql(postgresql_database: PostgresqlDatabase, seed: int) -> None:
    for number in range(_ROUNDS):
        await postgresql_database.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        await _interrupt_migration(seed + number, {"HEADWATER_DATABASE_URL": postgresql_database.sqlalchemy_url})


async def _interrupt_migration(seed: int, env: Mapping[str, str]) -> None:
    await _interrupt(seed, 2.0, "migrate", env=env)
    again = await run("migrate", env=env)
    assert again.code == 0, again.err
    assert (await run("migrate", "--check", env=env)).code == 0
