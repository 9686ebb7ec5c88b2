"""One metadata store: short reads on consistent snapshots, short writes that are committed or undone as a whole."""

import asyncio
import math
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal, cast

import aiosqlite
import asyncpg
from sqlalchemy import URL, AdaptedConnection, event, make_url, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ArgumentError, DisconnectionError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from domain.errors import StartRefused
from persistence.store_errors import store_away, translated

Dialect = Literal["sqlite", "postgresql"]

DEFAULT_POOL_SIZE = 8
# Longer than that, and the store counts as away. The first publish of a large catalog holds SQLite's only writer for
# some seconds (10,000 tables × 12 columns: 4 to 10 s on two cores).
WAIT_FOR_CONNECTION_S = 30.0
CONNECT_TIMEOUT_S = 10.0
STATEMENT_TIMEOUT_S = 60.0
BUSY_TIMEOUT_S = 5.0  # SQLite: for a writer of another process, such as a backup
SQLITE_READ_TIMEOUT_S = 60.0
SQLITE_WRITE_TIMEOUT_S = 600.0  # a publish of a very large catalog is one transaction
IDLE_IN_TRANSACTION_MS = 60_000  # PostgreSQL: a paused process keeps its row locks no longer than that


_STEPS_BETWEEN_LOOKS = 100_000  # of SQLite's virtual machine, about a millisecond: how often it looks at its deadline

# What the store's drivers raise, wrapped by SQLAlchemy or not.
_STORE_ERRORS = (
    SQLAlchemyError,
    sqlite3.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
    UnicodeEncodeError,
)


class _Open:
    """A transaction as its task, and those started inside it, see it: open until its end."""

    def __init__(self) -> None:
        self.is_open = True


_current: ContextVar[_Open | None] = ContextVar("current_transaction", default=None)


def in_transaction() -> bool:
    """Whether this task is inside `Database.write()`. There nobody speaks to a foreign system, waits or sleeps."""
    current = _current.get()
    return current is not None and current.is_open


class Database:
    """The metadata store. At most `pool_size` reads at a time, the rest wait their turn; none waits for a writer."""

    def __init__(self, dialect: Dialect, reader: AsyncEngine, writer: AsyncEngine, *, reads: int, writes: int) -> None:
        self.dialect: Dialect = dialect
        self._reader = reader
        self._writer = writer
        self._reads = asyncio.Semaphore(reads)
        self._writes = asyncio.Semaphore(writes)

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection that sees one snapshot from its first statement on, and can only read."""
        return self._open_read()

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction: committed at the end of the block, rolled back on an exception. Not to be nested."""
        return self._open_write()

    async def close(self) -> None:
        """Ends all connections."""
        await self._reader.dispose()
        if self._writer is not self._reader:
            await self._writer.dispose()

    @asynccontextmanager
    async def _open_read(self) -> AsyncIterator[AsyncConnection]:
        with _store_errors():
            async with _turn(self._reads), self._reader.connect() as connection:
                yield connection

    @asynccontextmanager
    async def _open_write(self) -> AsyncIterator[AsyncConnection]:
        outer = _current.get()
        if outer is not None and outer.is_open:
            raise RuntimeError("a transaction is open in this task: it would wait for itself")
        with _store_errors():
            async with _turn(self._writes), self._writer.begin() as connection:
                mark = _Open()
                _current.set(mark)
                try:
                    yield connection
                finally:
                    mark.is_open = False
                    _current.set(outer)


async def open_database(url: str, *, pool_size: int = DEFAULT_POOL_SIZE, behind_pgbouncer: bool = False) -> Database:
    """Opens `sqlite+aiosqlite:////absolute/path` (made when missing) or `postgresql+asyncpg://…`, and asks it once.

    Raises `StartRefused` for any other URL, `Unavailable` when the store does not answer.
    """
    database = _open(parse_url(url), pool_size, behind_pgbouncer)
    try:
        async with database.write() as connection:
            await connection.execute(text("SELECT 1"))
        async with database.read() as connection:
            await connection.execute(text("SELECT 1"))
    except BaseException:
        await database.close()
        raise
    return database


def open_to_look(url: str) -> Database | None:
    """The store as `open_database` has it, for reading only: nothing is made. None where there is no SQLite file.

    Raises `StartRefused` for a URL of another kind; that a store does not answer is seen at the first read.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(cast(str, parsed.database)).exists():
        return None
    return _open(parsed, 1, False)


def _open(url: URL, pool_size: int, behind_pgbouncer: bool) -> Database:
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(Path(cast(str, url.database)), url, pool_size)
    return _open_postgresql(url, pool_size, behind_pgbouncer)


def parse_url(url: str) -> URL:
    """The store's URL, checked. The message of a refusal does not repeat it: it may hold a password."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.drivername not in ("sqlite+aiosqlite", "postgresql+asyncpg"):
        raise StartRefused(
            "The metadata store's URL must begin with sqlite+aiosqlite:// or postgresql+asyncpg://. "
            "Set HEADWATER_DATABASE_URL to such a URL."
        )
    if parsed.drivername == "sqlite+aiosqlite" and not Path(parsed.database or "").is_absolute():
        raise StartRefused(
            "A SQLite metadata store needs the absolute path of its file: sqlite+aiosqlite:////path/to/file. "
            "Set HEADWATER_DATABASE_URL to such a URL."
        )
    return parsed


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except _STORE_ERRORS as error:
        meant = translated(error)
        if meant is None:
            raise
        raise meant from error


@asynccontextmanager
async def _turn(slots: asyncio.Semaphore) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(WAIT_FOR_CONNECTION_S):
            await slots.acquire()
    except TimeoutError as error:
        raise store_away() from error
    try:
        yield
    finally:
        slots.release()


# ── SQLite ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _open_sqlite(path: Path, url: URL, pool_size: int) -> Database:
    """One writer, several readers: with WAL they do not wait for each other (https://www.sqlite.org/wal.html)."""
    try:
        # Ours alone from its first byte on; SQLite gives the -wal and -shm files the same mode.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise translated(error) or error from error
    writer = _sqlite_engine(
        url,
        1,
        timeout_s=SQLITE_WRITE_TIMEOUT_S,
        begin="BEGIN IMMEDIATE",  # a deferred one that reads first and writes then gets SQLITE_BUSY without waiting
        pragmas=(
            "journal_mode=WAL",
            # FULL syncs the log at every commit: what was acknowledged outlives a power failure, not only a kill.
            "synchronous=FULL",
            "foreign_keys=ON",
            "journal_size_limit=67108864",
            "cache_size=-65536",  # 64 MiB: a large publish takes 30 % less time than with the default of 2 MB
        ),
    )
    reader = _sqlite_engine(url, pool_size, timeout_s=SQLITE_READ_TIMEOUT_S, begin="BEGIN", pragmas=("query_only=ON",))
    return Database("sqlite", reader, writer, reads=pool_size, writes=1)


def _sqlite_engine(url: URL, pool_size: int, *, timeout_s: float, begin: str, pragmas: tuple[str, ...]) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=WAIT_FOR_CONNECTION_S,
        # The driver must not begin transactions by itself: it would begin deferred ones.
        connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None},
    )

    def configure(connection: Any, record: ConnectionPoolEntry) -> None:
        def is_late() -> bool:
            deadline: float = record.info["deadline"]
            return time.monotonic() > deadline

        record.info["deadline"] = math.inf
        connection.run_async(lambda driver: driver.set_progress_handler(is_late, _STEPS_BETWEEN_LOOKS))
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begin_explicitly(connection: Connection) -> None:
        connection.info["deadline"] = time.monotonic() + timeout_s
        connection.exec_driver_sql(begin)

    event.listen(engine.sync_engine, "connect", configure)
    event.listen(engine.sync_engine, "begin", begin_explicitly)
    event.listen(engine.sync_engine, "invalidate", _interrupt)
    return engine


def _interrupt(connection: AdaptedConnection, _record: object, _error: object) -> None:
    """Ends the statement and the transaction of a task that was cancelled, before its connection is closed.

    Closing waits for the statement to be done, and a transaction whose statement is still referred to keeps its lock.
    """
    with suppress(sqlite3.Error, ValueError):  # the driver's word for a connection that is closed already
        connection.run_async(_end)


async def _end(driver: aiosqlite.Connection) -> None:
    await driver.interrupt()
    await driver.rollback()


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _open_postgresql(url: URL, pool_size: int, behind_pgbouncer: bool) -> Database:
    server_settings = {"application_name": "headwater"}
    arguments: dict[str, Any] = {"timeout": CONNECT_TIMEOUT_S, "command_timeout": STATEMENT_TIMEOUT_S}
    pool: dict[str, Any]
    if behind_pgbouncer:
        # In transaction mode the next transaction meets another server connection: no statement may be remembered, and
        # PgBouncer is the pool. It refuses start-up parameters that it does not know.
        arguments |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
        pool = {"poolclass": NullPool}
    else:
        server_settings["idle_in_transaction_session_timeout"] = str(IDLE_IN_TRANSACTION_MS)
        pool = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": WAIT_FOR_CONNECTION_S, "pool_use_lifo": True}
    engine = create_async_engine(url, connect_args=arguments | {"server_settings": server_settings}, **pool)
    if not behind_pgbouncer:
        event.listen(engine.sync_engine, "checkout", _replace_closed)
    # Two views of one pool. Their options travel with BEGIN, so that they cost no round trip and fit PgBouncer.
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    writer = engine.execution_options(isolation_level="READ COMMITTED", postgresql_readonly=False)
    return Database("postgresql", reader, writer, reads=pool_size, writes=pool_size)


def _replace_closed(connection: AdaptedConnection, _record: object, _proxy: object) -> None:
    """A connection that the server has ended is replaced before its use.

    The event loop has seen the end of the stream, so no ping is needed; SQLAlchemy's is a transaction here, three round
    trips. A server that vanished without a word is found by the statement timeout.
    """
    if cast(asyncpg.Connection, connection.driver_connection).is_closed():
        raise DisconnectionError
