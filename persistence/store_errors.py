"""What a failing metadata store means to the caller: decided here and nowhere else."""

import errno
import sqlite3

import asyncpg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.errors import HeadwaterError, InvalidInput, Unavailable
from domain.models.problem import Remedy

UNIQUE_VIOLATION = "23505"

# https://www.postgresql.org/docs/15/errcodes-appendix.html: connection lost, refused or not yet up, out of resources,
# deadlock and serialization failure, lock not available, shut down, system error, read-only after a fail-over.
_AWAY_CLASSES = ("08", "28", "3D", "40", "53", "55", "57", "58")
_READ_ONLY = "25006"
_POSTGRESQL_DISK_FULL = "53100"
_CHARACTER_NOT_IN_REPERTOIRE = ("22021", "22P05")

# https://www.sqlite.org/rescode.html: the primary result code is the low byte.
_SQLITE_AWAY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)


def store_away() -> Unavailable:
    """The store cannot be used just now. Whether a commit that was under way was kept, nobody can say."""
    return Unavailable("STORE_UNAVAILABLE", "Headwater's own metadata store does not answer just now; try again.")


def disk_full() -> Unavailable:
    """The store has no room left; nothing was changed."""
    return Unavailable(
        "DISK_FULL",
        "The disk of Headwater's own metadata store is full. Nothing was changed.",
        retry_after_ms=60_000,
        fix=(
            Remedy(
                "Free disk space",
                "The metadata store takes writes again as soon as its disk has room; no restart is needed.",
            ),
        ),
    )


def translated(error: Exception) -> HeadwaterError | None:
    """The error as the caller should see it; None for one that is a mistake of ours and stays what it is."""
    if isinstance(error, PoolTimeout):
        return store_away()
    cause = _driver_error(error)
    if isinstance(cause, UnicodeEncodeError) or isinstance(cause.__cause__, UnicodeEncodeError):
        return InvalidInput("Text must be whole Unicode: it holds half of a surrogate pair.", constraint="characters")
    if isinstance(cause, sqlite3.Error):
        return _from_sqlite(cause)
    if isinstance(cause, asyncpg.PostgresError):
        return _from_postgresql(cause.sqlstate or "")
    if isinstance(cause, OSError):  # TimeoutError is one: connections and statements have deadlines
        return disk_full() if cause.errno in (errno.ENOSPC, errno.EDQUOT) else store_away()
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return store_away()
    return None


def is_unique_violation(error: SQLAlchemyError) -> bool:
    """Whether a unique constraint said no."""
    cause = _driver_error(error)
    if isinstance(cause, sqlite3.Error):
        return cause.sqlite_errorcode in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
    return isinstance(cause, asyncpg.PostgresError) and cause.sqlstate == UNIQUE_VIOLATION


def _driver_error(error: BaseException) -> BaseException:
    """The innermost error: SQLAlchemy wraps the driver's, and its asyncpg adapter wraps once more."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def _from_sqlite(error: sqlite3.Error) -> HeadwaterError | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # raised by the driver itself: the connection is closed
        return store_away() if isinstance(error, sqlite3.OperationalError) else None
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return disk_full()
    return store_away() if code & 0xFF in _SQLITE_AWAY else None


def _from_postgresql(sqlstate: str) -> HeadwaterError | None:
    if sqlstate == _POSTGRESQL_DISK_FULL:
        return disk_full()
    if sqlstate in _CHARACTER_NOT_IN_REPERTOIRE:
        return InvalidInput("Text must not hold the character U+0000.", constraint="characters")
    return store_away() if sqlstate.startswith(_AWAY_CLASSES) or sqlstate == _READ_ONLY else None
