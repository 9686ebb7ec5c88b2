"""The metadata store on SQLite: snapshots, one writer, durability settings, and what its errors mean."""

import asyncio
import errno
import sqlite3
import stat
from contextvars import Context
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, text

from domain.errors import InvalidInput, StartRefused, Unavailable
from persistence.database import Database, in_transaction, open_database
from persistence.store_errors import translated

numbers = Table("numbers", MetaData(), Column("n", Integer, primary_key=True))


@pytest.fixture
async def database(tmp_path: Path):
    opened = await open_database(f"sqlite+aiosqlite:///{tmp_path}/store.db", pool_size=3)
    async with opened.write() as connection:
        await connection.run_sync(numbers.metadata.create_all)
    yield opened
    await opened.close()


async def add(database: Database, n: int) -> None:
    async with database.write() as connection:
        await connection.execute(insert(numbers).values(n=n))


async def stored(database: Database) -> list[int]:
    async with database.read() as connection:
        return list((await connection.scalars(select(numbers.c.n).order_by(numbers.c.n))).all())


async def test_a_write_is_there_after_its_block_and_gone_after_an_exception(database: Database) -> None:
    await add(database, 1)

    async def write_and_fail() -> None:
        async with database.write() as connection:
            await connection.execute(insert(numbers).values(n=2))
            raise LookupError

    with pytest.raises(LookupError):
        await write_and_fail()
    assert await stored(database) == [1]


async def test_a_read_sees_one_snapshot_while_a_writer_goes_on(database: Database) -> None:
    await add(database, 1)
    async with database.read() as connection:
        before = (await connection.scalars(select(numbers.c.n))).all()
        await add(database, 2)
        assert (await connection.scalars(select(numbers.c.n))).all() == before
    assert await stored(database) == [1, 2]


async def test_reads_do_not_wait_for_each_other_nor_for_a_writer(database: Database) -> None:
    async with asyncio.timeout(5), database.write() as writing:
        await writing.execute(insert(numbers).values(n=1))
        async with database.read() as first, database.read() as second:
            assert (await first.scalars(select(numbers.c.n))).all() == []
            assert (await second.scalars(select(numbers.c.n))).all() == []


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(Unavailable):
        async with database.read() as connection:
            await connection.execute(insert(numbers).values(n=1))
    assert await stored(database) == []


async def test_many_writers_take_turns(database: Database) -> None:
    await asyncio.gather(*(add(database, n) for n in range(50)))
    assert await stored(database) == list(range(50))


async def test_a_cancelled_write_leaves_nothing_and_blocks_nobody(database: Database) -> None:
    started = asyncio.Event()

    async def write_and_hang() -> None:
        async with database.write() as connection:
            await connection.execute(insert(numbers).values(n=1))
            started.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(write_and_hang())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await add(database, 2)
    assert await stored(database) == [2]


ENDLESS = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")


async def run_endlessly(database: Database, *, write: bool) -> None:
    async with database.write() if write else database.read() as connection:
        await connection.execute(ENDLESS)


@pytest.mark.parametrize("write", [False, True])
async def test_a_statement_that_was_cancelled_ends_at_once(database: Database, write: bool) -> None:
    task = asyncio.create_task(run_endlessly(database, write=write))
    await asyncio.sleep(0.1)
    task.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await task
        await add(database, 1)
    assert await stored(database) == [1]


@pytest.mark.parametrize("write", [False, True])
async def test_a_statement_has_a_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: bool) -> None:
    monkeypatch.setattr("persistence.database.SQLITE_READ_TIMEOUT_S", 0.3)
    monkeypatch.setattr("persistence.database.SQLITE_WRITE_TIMEOUT_S", 0.3)
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path}/deadline.db")
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable, match="STORE_UNAVAILABLE"):
            await run_endlessly(database, write=write)
        async with database.write() as connection:  # the next transaction has a deadline of its own
            await connection.execute(text("SELECT 1"))
    await database.close()


async def test_in_transaction_is_true_only_inside_write(database: Database) -> None:
    assert not in_transaction()
    async with database.write():
        assert in_transaction()
        assert await asyncio.create_task(asks_from_a_task())
        late = asyncio.create_task(asks_later())
        with pytest.raises(RuntimeError, match="wait for itself"):
            async with database.write():
                pass
        assert in_transaction()
    assert not in_transaction()
    assert not await late
    async with database.read():
        assert not in_transaction()


async def asks_from_a_task() -> bool:
    return in_transaction()


async def asks_later() -> bool:
    await asyncio.sleep(0.05)
    return in_transaction()


async def test_sqlite_is_set_up_to_outlive_a_power_failure(database: Database, tmp_path: Path) -> None:
    async with database.write() as connection:
        values = {
            name: (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("store.db", "store.db-wal", "store.db-shm"), 0o600)


async def test_a_full_disk_is_said_and_nothing_is_half_written(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE blobs (content BLOB)"))
        pages = (await connection.execute(text("PRAGMA page_count"))).scalar_one()
        await connection.execute(text(f"PRAGMA max_page_count = {pages + 3}"))

    async def write_too_much() -> None:
        async with database.write() as connection:
            await connection.execute(insert(numbers).values(n=1))
            await connection.execute(text("INSERT INTO blobs VALUES (zeroblob(1000000))"))

    with pytest.raises(Unavailable) as caught:
        await write_too_much()
    assert caught.value.problem.code == "DISK_FULL"
    assert caught.value.problem.fix
    assert await stored(database) == []
    await add(database, 2)


async def test_a_locked_store_is_away(database: Database, tmp_path: Path) -> None:
    async with database.write() as connection:
        await connection.execute(text("PRAGMA busy_timeout = 50"))
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="STORE_UNAVAILABLE"):
        await add(database, 1)
    other.execute("ROLLBACK")
    other.close()
    await add(database, 1)


async def test_waiting_for_a_turn_has_a_bound(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persistence.database.WAIT_FOR_CONNECTION_S", 0.05)
    async with database.write():
        task = asyncio.create_task(add(database, 1), context=Context())
        with pytest.raises(Unavailable, match="STORE_UNAVAILABLE"):
            await task


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://root:hunter2@db/x",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///relative.db",
        "sqlite:///x",
    ],
)
async def test_other_urls_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(StartRefused) as caught:
        await open_database(url)
    assert "hunter2" not in str(caught.value)


async def test_a_file_that_is_no_database_and_a_folder_that_is_not_there_are_unavailable(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"not a database" * 1000)
    for path in (tmp_path / "store.db", tmp_path / "missing" / "store.db"):
        with pytest.raises(Unavailable, match="STORE_UNAVAILABLE") as caught:
            await open_database(f"sqlite+aiosqlite:///{path}")
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "DISK_FULL"),
        (OSError(errno.ECONNREFUSED, "Connection refused"), "STORE_UNAVAILABLE"),
        (TimeoutError(), "STORE_UNAVAILABLE"),
    ],
)
def test_errors_of_the_operating_system(error: Exception, code: str) -> None:
    meant = translated(error)
    assert isinstance(meant, Unavailable)
    assert meant.problem.code == code
    assert meant.problem.retryable


def test_postgresql_errors_are_told_apart_by_sqlstate() -> None:
    codes = {
        asyncpg.DiskFullError("full"): "DISK_FULL",
        asyncpg.ConnectionDoesNotExistError("gone"): "STORE_UNAVAILABLE",
        asyncpg.CannotConnectNowError("starting"): "STORE_UNAVAILABLE",
        asyncpg.DeadlockDetectedError("deadlock"): "STORE_UNAVAILABLE",
        asyncpg.InvalidPasswordError("password"): "STORE_UNAVAILABLE",
        asyncpg.TooManyConnectionsError("many"): "STORE_UNAVAILABLE",
    }
    for error, code in codes.items():
        meant = translated(error)
        assert isinstance(meant, Unavailable)
        assert meant.problem.code == code
    assert isinstance(translated(asyncpg.CharacterNotInRepertoireError("0x00")), InvalidInput)
    assert translated(asyncpg.UndefinedTableError("no such table")) is None
    assert translated(ValueError("a mistake of ours")) is None
