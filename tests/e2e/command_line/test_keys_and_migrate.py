"""`headwater keys` and `headwater migrate`: what they say, and that looking changes nothing."""

import base64
import sqlite3
from pathlib import Path

from tests.e2e.command_line.running import run, run_here, serving
from tests.servers.postgresql import PostgresqlDatabase


def _listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


async def test_new_keys_differ_and_are_taken(tmp_path: Path):
    first, second = [run_here("keys", "new").out.strip() for _ in range(2)]
    assert first != second
    assert len(base64.b64decode(first, validate=True)) == 32
    admin = run_here("keys", "new", "--admin").out.strip()
    check = ("keys", "check", "--data-dir", str(tmp_path / "data"))
    settings = {"HEADWATER_ENCRYPTION_KEY": first, "HEADWATER_ADMIN_KEY": admin}
    async with serving(data_dir=tmp_path / "data", environment=settings) as server:
        assert run_here("sources", env={"HEADWATER_URL": server.url, "HEADWATER_ADMIN_KEY": admin}).code == 0
        # Also beside a running server.
        fits = await run(*check, env={"HEADWATER_ENCRYPTION_KEY": first})
        assert fits.code == 0, fits.err
        assert "opens all" in fits.out
        assert first not in fits.out
    wrong = await run(*check, env={"HEADWATER_ENCRYPTION_KEY": second})
    assert wrong.code == 1
    assert "not the one" in wrong.err
    missing = await run(*check)
    assert missing.code == 78
    assert "missing" in missing.err
    guessed = await run(*check, env={"HEADWATER_ENCRYPTION_KEY": "A" * 43 + "="})
    assert guessed.code == 78


async def test_a_secret_that_was_touched_is_noticed(tmp_path: Path):
    check = ("keys", "check", "--data-dir", str(tmp_path / "data"))
    async with serving(data_dir=tmp_path / "data") as server:
        added = run_here(
            *("sources", "add", "x", "--kind", "postgresql", "--host", "h", "--database", "d", "--user", "u"),
            "--password-stdin",
            env={"HEADWATER_URL": server.url},
            stdin="secret",
        )
        assert added.code == 0, added.err
    assert "(3 keys and secrets)" in (await run(*check)).out
    with sqlite3.connect(tmp_path / "data" / "headwater.sqlite") as store:
        store.execute("UPDATE secrets SET owner_id = 'src_other'")
    store.close()
    before = _listing(tmp_path)
    ended = await run(*check)
    assert ended.code == 1
    assert "2 of 3" in ended.err
    assert _listing(tmp_path) == before


async def test_looking_makes_nothing(tmp_path: Path):
    for arguments in (("keys", "check"), ("migrate", "--check")):
        await run(*arguments, "--data-dir", str(tmp_path / "none"))
        assert _listing(tmp_path) == []


async def test_migrate_on_sqlite(tmp_path: Path):
    folder = ("--data-dir", str(tmp_path / "data"))
    assert (await run("migrate", "--check", *folder)).code == 1
    first = await run("migrate", *folder)
    assert first.code == 0
    assert first.out.startswith("The metadata store was brought from nothing to 0001")
    assert (await run("migrate", *folder)).out.startswith("The metadata store is up to date already")
    assert (await run("migrate", "--check", *folder)).code == 0
    async with serving(data_dir=tmp_path / "data"):
        in_use = await run("migrate", *folder)
        assert in_use.code == 78
        assert "Another Headwater" in in_use.err
        assert (await run("migrate", "--check", *folder)).code == 0
    with sqlite3.connect(tmp_path / "data" / "headwater.sqlite") as store:
        store.execute("UPDATE schema_version SET version_num = '9999'")
    store.close()
    for arguments in (("migrate",), ("migrate", "--check"), ("keys", "check")):
        newer = await run(*arguments, *folder)
        assert newer.code == 78
        assert "newer version" in newer.err


async def test_migrate_on_postgresql(postgresql_database: PostgresqlDatabase, tmp_path: Path):
    env = {"HEADWATER_DATABASE_URL": postgresql_database.sqlalchemy_url, "HEADWATER_DATA_DIR": str(tmp_path / "data")}
    assert (await run("migrate", "--check", env=env)).code == 1
    assert (await run("migrate", env=env)).code == 0
    assert (await run("migrate", env=env)).code == 0
    assert (await run("migrate", "--check", env=env)).code == 0
    assert not (tmp_path / "data").exists()
    away = env | {"HEADWATER_DATABASE_URL": "postgresql+asyncpg://u:secret@127.0.0.1:1/x"}
    refused = await run("migrate", env=away)
    assert refused.code == 69
    assert "secret" not in refused.err


async def test_the_schema_and_the_version():
    assert "type Query" in (await run("schema")).out
    federated = run_here("schema", "--federated")
    assert "node(" not in federated.out
    assert "@key" in federated.out
    assert (await run("--version")).out.startswith("headwater ")
