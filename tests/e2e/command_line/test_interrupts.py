"""Ctrl-C in the middle of a verb: it ends soon, without a traceback, and leaves nothing broken.

Each is sent when something was seen that shows how far the command is; random moments are in tests/faults.
"""

import signal
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.command_line.running import Command, Ended, run, run_here, serving
from tests.e2e.waiting import until, until_async
from tests.servers.ports import free_port
from tests.servers.postgresql import PostgresqlDatabase

_ATTEMPTS = 10


async def _interrupted(command: Command) -> Ended:
    command.interrupt()
    ended = await command.ended(timeout_s=30)
    assert "Traceback" not in ended.err
    return ended


async def test_serve_while_it_starts_and_when_it_serves(tmp_path: Path):
    folder = tmp_path / "data"
    arguments = ("serve", "--demo", "--port", str(free_port()), "--data-dir", str(folder))
    async with Command(*arguments) as command:
        await until((folder / "headwater.sqlite").exists, timeout_s=30)
        assert (await _interrupted(command)).code in (0, 130)
    async with Command(*arguments) as command:
        await until(lambda: "Headwater serves" in command.out, timeout_s=30)
        assert (await _interrupted(command)).code == 0
    async with serving(data_dir=folder, arguments=["--demo"]) as server:
        assert "demo_shop" in run_here("sources", env={"HEADWATER_URL": server.url}).out


async def test_migrate_on_sqlite(tmp_path: Path):
    for attempt in range(_ATTEMPTS):
        folder = tmp_path / str(attempt)
        async with Command("migrate", "--data-dir", str(folder)) as command:
            await until((folder / "headwater.sqlite").exists, timeout_s=30)
            ended = await _interrupted(command)
        await _check_migration({"HEADWATER_DATA_DIR": str(folder)})
        if ended.code == 130:
            return
        # A migration takes no longer than a moment: the signal came behind it.
        assert ended.code in (0, -signal.SIGINT), ended
    pytest.fail(f"No ctrl-C came in time, in {_ATTEMPTS} attempts.")


_WAITS = """
SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def test_migrate_on_postgresql(postgresql_database: PostgresqlDatabase):
    env = {"HEADWATER_DATABASE_URL": postgresql_database.sqlalchemy_url}
    holder, watcher = [await postgresql_database.connect() for _ in range(2)]
    try:
        # The migration waits for this name: its middle lasts until the signal has come.
        await holder.execute("BEGIN; CREATE TABLE schema_version (version_num varchar(32) PRIMARY KEY)")
        async with Command("migrate", env=env) as command:
            await until_async(partial(watcher.fetchval, _WAITS), bool, timeout_s=30)
            assert (await _interrupted(command)).code == 130
    finally:
        await holder.close()
        await watcher.close()
    await _check_migration(env)


async def _check_migration(env: dict[str, str]) -> None:
    again = await run("migrate", env=env)
    assert again.code == 0, again.err
    assert (await run("migrate", "--check", env=env)).code == 0
