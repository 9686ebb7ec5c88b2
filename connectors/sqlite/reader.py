"""An open database file and the thread that reads it. Everything here blocks, except `Worker`."""

import asyncio
import errno
import os
import sqlite3
import stat
import threading
import time
from asyncio import Future
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from msgspec import Struct

from connectors.shared.deadlines import Deadline
from connectors.sqlite import errors, queries
from connectors.sqlite.header import HEAD_BYTES, Header, looks_encrypted, read_header

MAX_ROWS = 2_000_000  # of one answer
MAX_CHARACTERS = 256 * 1024 * 1024  # of one answer
MAX_VALUE_BYTES = 4 * 1024 * 1024  # of one value; also of the SQL text of a table

_ROWS_AT_ONCE = 2_000
_STEPS_BETWEEN_LOOKS = 20_000  # of SQLite's virtual machine; some 1 ms
_LOCK_POLL_S = 0.02
_LOCK_WAIT_S = 2.0
_GRACE_S = 0.2  # in which a thread that was told to stop answers, unless the file system holds it
_CLOSE_WAIT_S = 0.5

_Result = TypeVar("_Result")


class FileInfo(Struct, frozen=True):
    """What the file system tells of a file."""

    size_bytes: int
    permissions: str  # such as `-rw-r--r--`
    is_writable_by_all: bool


def look_at(path: Path) -> FileInfo:
    """Raises `Unreachable` unless it is a regular file that holds something. Opens nothing: a pipe would hold us."""
    try:
        found = path.stat()
    except OSError as error:
        raise errors.from_os(error, phase="connect") from error
    if not stat.S_ISREG(found.st_mode):
        raise errors.not_a_file()
    if found.st_size == 0:
        raise errors.empty_file()
    return FileInfo(found.st_size, stat.filemode(found.st_mode), bool(found.st_mode & stat.S_IWOTH))


def read_head(path: Path) -> bytes:
    """The first bytes of the file. Raises `Unreachable` in phase `authorize` when it may not be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        with os.fdopen(descriptor, "rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        refused = error.errno in (errno.EACCES, errno.EPERM)
        raise errors.from_os(error, phase="authorize" if refused else "connect") from error


def header_of(head: bytes, size_bytes: int) -> Header:
    """Raises `Unreachable` NOT_A_DATABASE or DATABASE_ENCRYPTED."""
    header = read_header(head)
    if header is None:
        raise errors.not_a_database(is_encrypted=looks_encrypted(head, size_bytes))
    return header


def uri_of(path: Path, *, is_immutable: bool = False) -> str:
    """Quoted so that `?`, `#` and `%` in the path mean themselves. https://www.sqlite.org/uri.html"""
    return f"{path.as_uri()}?mode=ro{'&immutable=1' if is_immutable else ''}"


class Reader:
    """A database opened read-only, for the one thread that opened it. Every statement ends by itself."""

    def __init__(self, path: Path, header: Header, deadline: Deadline, stopped: threading.Event) -> None:
        self.header = header
        self.is_schema_malformed = False
        self._path = path
        self._deadline = deadline
        self._stopped = stopped
        self._until_s = deadline.at_s
        self._state: tuple[int, int] | None = None
        self._connection = self._connect()

    def _connect(self) -> sqlite3.Connection:
        """Opens the file, and in WAL mode makes no files beside it where nobody else has it open.

        SQLite would create a -wal and a -shm file and leave them behind, owned by our user: the application that the
        database belongs to might then be unable to write.
        """
        try:
            self._state = self._state_if_alone()
            uri = uri_of(self._path, is_immutable=self._state is not None)
            connection = sqlite3.connect(uri, uri=True, timeout=_LOCK_POLL_S, isolation_level=None)
        except OSError as error:
            raise errors.from_os(error, phase="connect") from error
        except sqlite3.Error as error:
            raise errors.from_sqlite(error, phase="connect", is_wal=self.header.is_wal) from error
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        connection.set_progress_handler(self._must_stop, _STEPS_BETWEEN_LOOKS)
        try:
            for statement in queries.SET_UP:
                connection.execute(statement)
            if self.is_schema_malformed:
                connection.execute(queries.TOLERATE_MALFORMED_SCHEMA)
        except sqlite3.Error as error:
            connection.close()
            raise errors.from_sqlite(error, phase="connect", is_wal=self.header.is_wal) from error
        return connection

    def _state_if_alone(self) -> tuple[int, int] | None:
        """Time and size of a file in WAL mode that nobody else has open, which is when it has no -wal file."""
        if not self.header.is_wal or self._path.with_name(f"{self._path.name}-wal").exists():
            return None
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size

    def close(self) -> None:
        """Gives the file back."""
        self._connection.close()

    def rows(self, sql: str, parameters: dict[str, Any] | None = None, *, limit_s: float, phase: str) -> list[Any]:
        """All rows, at most 2,000,000 and 256 Mi characters. Raises `Unreachable`."""
        try:
            return self.ask(sql, parameters, limit_s=limit_s, phase=phase)
        except sqlite3.Error as error:
            raise errors.from_sqlite(error, phase=phase, is_wal=self.header.is_wal) from error

    def ask(self, sql: str, parameters: dict[str, Any] | None = None, *, limit_s: float, phase: str) -> list[Any]:
        """As `rows`, but what SQLite has against the statement comes as it is."""
        self._until_s = time.monotonic() + self._deadline.at_most(limit_s)
        give_up_s = time.monotonic() + self._deadline.at_most(min(limit_s, _LOCK_WAIT_S))
        while True:
            try:
                return self._fetch(sql, parameters or {}, phase)
            except (sqlite3.Error, UnicodeDecodeError) as failure:
                error = self._explained(failure)
                if errors.is_malformed_schema(error) and not self.is_schema_malformed:
                    self.is_schema_malformed = True
                    self._connection.execute(queries.TOLERATE_MALFORMED_SCHEMA)
                elif not errors.is_busy(error) or time.monotonic() > give_up_s or self._stopped.is_set():
                    raise error from failure

    def value(self, sql: str, *, limit_s: float, phase: str) -> Any:
        """The first value of the first row."""
        return self.rows(sql, limit_s=limit_s, phase=phase)[0][0]

    def size_bytes(self) -> int:
        """Of the database as it is now, pages that wait in the -wal file included. Raises `Unreachable`."""
        pages = self.value(queries.PAGE_COUNT, limit_s=_LOCK_WAIT_S, phase="read_catalog")
        return int(pages) * self.header.page_size

    def begin(self) -> None:
        """From here to `end`, statements see one state of the file. Raises `Unreachable`."""
        if self._state is not None and self._state_if_alone() != self._state:
            self._connection.close()  # somebody writes now: what was read without locks may be stale
            self._connection = self._connect()
        self._connection.execute("BEGIN")

    def end(self) -> None:
        """Lets writers in again."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _fetch(self, sql: str, parameters: dict[str, Any], phase: str) -> list[Any]:
        cursor = self._connection.execute(sql, parameters)
        try:
            found: list[Any] = []
            characters = 0
            while chunk := cursor.fetchmany(_ROWS_AT_ONCE):
                found.extend(chunk)
                characters += sum(len(value) for row in chunk for value in row if isinstance(value, str | bytes))
                if len(found) > MAX_ROWS or characters > MAX_CHARACTERS:
                    raise errors.too_large(phase)
                if self._must_stop():
                    raise errors.timed_out(phase)
            return found
        finally:
            cursor.close()

    def _explained(self, failure: sqlite3.Error | UnicodeDecodeError) -> sqlite3.Error:
        """The driver cannot decode an error's text that cites a damaged name, and tells that instead of the error.

        Then it is the schema that could not be parsed, or, once that is tolerated, the statement at hand.
        """
        if isinstance(failure, sqlite3.Error):
            return failure
        error = sqlite3.DatabaseError()
        error.sqlite_errorcode = sqlite3.SQLITE_ERROR if self.is_schema_malformed else sqlite3.SQLITE_CORRUPT
        return error

    def _must_stop(self) -> bool:
        """Asked by SQLite while it works: true makes it give up with SQLITE_INTERRUPT."""
        return self._stopped.is_set() or time.monotonic() > self._until_s


class Worker:
    """A thread of its own for one conversation: a disk that hangs holds it up, and neither the loop nor other sources.

    The thread is a daemon, so that one which never returns from the file system cannot hold up the end of the process.
    """

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._ended: Future[None] = asyncio.get_running_loop().create_future()
        threading.Thread(target=self._work, name="sqlite", daemon=True).start()

    async def run(self, call: Callable[[], _Result], *, limit_s: float, phase: str) -> _Result:
        """The call's result. Raises what it raises, or `Unreachable` TIMED_OUT soon after `limit_s`."""
        if limit_s <= 0:
            raise errors.timed_out(phase)
        done: Future[_Result] = asyncio.get_running_loop().create_future()
        self._calls.put(lambda: _deliver(call, done))
        try:
            async with asyncio.timeout(limit_s + _GRACE_S):
                return await done
        except TimeoutError as error:
            self.stopped.set()
            raise errors.timed_out(phase) from error
        except asyncio.CancelledError:
            self.stopped.set()
            raise

    async def close(self, last: Callable[[], None]) -> None:
        """Stops what runs, runs `last`, ends the thread; waits half a second for that, as a disk may hang."""
        self.stopped.set()
        self._calls.put(last)
        self._calls.put(None)
        await asyncio.wait([self._ended], timeout=_CLOSE_WAIT_S)

    def _work(self) -> None:
        try:
            while (call := self._calls.get()) is not None:
                call()
        finally:
            _tell(self._ended, lambda: self._ended.set_result(None))


def _deliver(call: Callable[[], _Result], done: "Future[_Result]") -> None:
    try:
        result = call()
    except BaseException as error:  # it belongs to whoever waits
        failure = error
        _tell(done, lambda: done.set_exception(failure))
    else:
        _tell(done, lambda: done.set_result(result))


def _tell(future: "Future[Any]", tell: Callable[[], None]) -> None:
    """Settles a future of the loop from this thread; nobody may be waiting any more, and the loop may be gone."""
    try:
        future.get_loop().call_soon_threadsafe(lambda: None if future.done() else tell())
    except RuntimeError:
        return
