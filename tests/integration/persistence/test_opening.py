"""The operator's key: made once, then needed; a wrong one opens nothing. And what rests in the files."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, update

from domain.errors import StartRefused, Unavailable
from domain.models.access import system_viewer
from domain.models.secret import StoredSecret
from persistence.database import Database, open_database
from persistence.migrations import migrate
from persistence.repositories.secrets import SqlSecretRepository
from persistence.secrets.opening import Secrets, open_secrets
from persistence.tables.secrets import encryption_keys, instance, purpose_keys, secrets

SYSTEM = system_viewer("test")
PLANTED = "Tr0ub4dor&3-planted-pässword"
NO_FILE = Path("no-such-folder/headwater.key")  # where the key is given by value


@pytest.fixture
async def database(store_url: str) -> AsyncIterator[Database]:
    opened = await open_database(store_url)
    await migrate(opened)
    yield opened
    await opened.close()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "headwater.key"


def new_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


async def keep(database: Database, opened: Secrets, plaintext: str = PLANTED) -> None:
    sealed = opened.box.seal(plaintext, owner="src_1", field="password", version=1)
    async with database.write() as connection:
        repository = SqlSecretRepository(connection, database.dialect, SYSTEM)
        await repository.put("src_1", StoredSecret("password", 1, sealed))


async def kept(database: Database, opened: Secrets) -> str:
    async with database.write() as connection:
        (stored,) = await SqlSecretRepository(connection, database.dialect, SYSTEM).of("src_1")
    return opened.box.open(stored.content, owner="src_1", field="password", version=1)


async def count(database: Database) -> tuple[int, ...]:
    async with database.read() as connection:
        return tuple(
            [
                (await connection.execute(select(func.count()).select_from(table))).scalar_one()
                for table in (encryption_keys, purpose_keys, secrets)
            ]
        )


async def test_the_first_start_makes_the_key_and_later_ones_find_all_again(database: Database, key_file: Path) -> None:
    first = await open_secrets(database, key_file=key_file, key=None)
    await keep(database, first)
    token, fingerprint = first.tokens.issue("page", b"x"), first.box.fingerprint(b"x")
    again = await open_secrets(database, key_file=key_file, key=None)
    by_value = await open_secrets(database, key_file=NO_FILE, key=key_file.read_text())
    for opened in (again, by_value):
        assert await kept(database, opened) == PLANTED
        assert opened.tokens.read("page", token) == b"x"
        assert opened.box.fingerprint(b"x") == fingerprint
    assert await count(database) == (1, 2, 1)


async def test_a_missing_key_file_is_not_replaced_once_something_is_sealed(database: Database, key_file: Path) -> None:
    await open_secrets(database, key_file=key_file, key=None)
    key_file.unlink()
    with pytest.raises(StartRefused, match="Put the file back"):
        await open_secrets(database, key_file=key_file, key=None)
    assert not key_file.exists()


async def test_a_wrong_key_is_refused_and_nothing_changes(database: Database, key_file: Path, tmp_path: Path) -> None:
    opened = await open_secrets(database, key_file=key_file, key=None)
    await keep(database, opened)
    before = await count(database)
    wrong = new_key()
    (tmp_path / "wrong.key").touch(mode=0o600)
    (tmp_path / "wrong.key").write_text(wrong)
    for attempt in (
        open_secrets(database, key_file=NO_FILE, key=wrong),
        open_secrets(database, key_file=tmp_path / "wrong.key", key=None),
        open_secrets(database, key_file=key_file, key=wrong),
    ):
        with pytest.raises(StartRefused, match="not the one") as caught:
            await attempt
        assert wrong not in str(caught.value)
        assert str(tmp_path) not in str(caught.value)
    with pytest.raises(StartRefused, match="openssl"):
        await open_secrets(database, key_file=NO_FILE, key="c2hvcnQ=")
    assert await count(database) == before
    assert await kept(database, await open_secrets(database, key_file=key_file, key=None)) == PLANTED


async def test_of_processes_that_start_at_once_on_a_new_store_one_key_wins(store_url: str, database: Database) -> None:
    async def start(key: str) -> Secrets:
        mine = await open_database(store_url)
        try:
            return await open_secrets(mine, key_file=NO_FILE, key=key)
        finally:
            await mine.close()

    keys = [new_key(), new_key()]
    outcomes = await asyncio.gather(*(start(key) for key in keys * 3), return_exceptions=True)
    opened = [outcome for outcome in outcomes if isinstance(outcome, Secrets)]
    assert len(opened) == 3
    assert sum(isinstance(outcome, StartRefused) for outcome in outcomes) == 3
    assert len({each.tokens.issue("page", b"x") for each in opened}) == 1
    assert await count(database) == (1, 2, 0)


async def test_what_is_moved_to_another_row_or_installation_does_not_open(database: Database, key_file: Path) -> None:
    opened = await open_secrets(database, key_file=key_file, key=None)
    await keep(database, opened)
    async with database.write() as connection:
        await connection.execute(update(secrets).values(owner_id="src_2"))
        (moved,) = await SqlSecretRepository(connection, database.dialect, SYSTEM).of("src_2")
    with pytest.raises(Unavailable, match="SECRET_UNAVAILABLE"):
        opened.box.open(moved.content, owner="src_2", field="password", version=1)
    async with database.write() as connection:
        await connection.execute(update(instance).values(instance_id="another"))
    with pytest.raises(StartRefused, match="not the one"):
        await open_secrets(database, key_file=key_file, key=None)


async def test_a_store_whose_key_check_was_removed_is_not_claimed_by_another_key(
    database: Database, key_file: Path
) -> None:
    await keep(database, await open_secrets(database, key_file=key_file, key=None))
    async with database.write() as connection:
        await connection.execute(delete(encryption_keys))
    with pytest.raises(StartRefused, match="not the one"):
        await open_secrets(database, key_file=NO_FILE, key=new_key())


async def test_nothing_of_a_secret_or_key_is_in_the_files_of_the_store(tmp_path: Path) -> None:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path}/store.db")
    await migrate(database)
    key_file = tmp_path / "headwater.key"
    opened = await open_secrets(database, key_file=key_file, key=None)
    await keep(database, opened)
    key = base64.b64decode(key_file.read_text())
    planted = PLANTED.encode()
    hidden = [planted, base64.b64encode(planted)[:-4], planted.hex().encode(), PLANTED.encode("utf-16-le")]
    hidden += [key, base64.b64encode(key), key.hex().encode()]
    hidden += [part[offset:] for part in (base64.b64encode(b"xx" + planted),) for offset in (4,)]

    def files() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in tmp_path.iterdir() if path != key_file}

    while_open = files()
    await database.close()
    assert {"store.db", "store.db-wal"} <= while_open.keys()
    assert b"src_1" in b"".join(while_open.values())  # it is there that we look
    for content in (*while_open.values(), *files().values()):
        for secret in hidden:
            assert secret not in content


def test_opened_secrets_show_nothing(tmp_path: Path) -> None:
    async def open_and_show() -> tuple[str, str]:
        database = await open_database(f"sqlite+aiosqlite:///{tmp_path}/store.db")
        await migrate(database)
        key = new_key()
        opened = await open_secrets(database, key_file=NO_FILE, key=key)
        await database.close()
        return key, f"{opened!r} {opened.box!r} {opened.tokens!r}"

    key, shown = asyncio.run(open_and_show())
    assert key not in shown
    assert repr(base64.b64decode(key))[2:-1] not in shown
