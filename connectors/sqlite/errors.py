"""What SQLite and the file system say, in our taxonomy: by code before by text. https://www.sqlite.org/rescode.html"""

import errno
import sqlite3

from msgspec import Struct

from domain.errors import Unreachable
from domain.models.problem import Remedy


class _Meaning(Struct, frozen=True):
    code: str
    message: str
    retryable: bool = False
    fix: tuple[Remedy, ...] = ()


_BUSY = _Meaning(
    "DATABASE_LOCKED",
    "Another process holds the database's lock and did not give it up in time.",
    retryable=True,
    fix=(
        Remedy(
            "Let readers and a writer work at the same time",
            "In WAL mode a writer does not lock readers out. Run this once, from the application that owns the file.",
            statement="PRAGMA journal_mode = WAL",
            docs="https://www.sqlite.org/wal.html",
        ),
    ),
)
_CORRUPT = _Meaning(
    "DATABASE_CORRUPT",
    "The database is damaged: its pages contradict each other.",
    fix=(
        Remedy(
            "See what is damaged, then restore or recover",
            "`PRAGMA integrity_check` names the damage; `.recover` of the sqlite3 shell saves what is readable.",
            statement="PRAGMA integrity_check",
            docs="https://www.sqlite.org/recovery.html",
        ),
    ),
)
_NOT_A_DATABASE = _Meaning("NOT_A_DATABASE", "The file is not an SQLite 3 database.")
_ENCRYPTED = _Meaning(
    "DATABASE_ENCRYPTED",
    "The file looks encrypted (SQLCipher, SEE or the like), and SQLite itself cannot open such files.",
    fix=(
        Remedy(
            "Register a copy without encryption", "Export one with the tool that made it, such as sqlcipher_export()."
        ),
    ),
)
_EMPTY = _Meaning("FILE_EMPTY", "The file is empty: nothing has been written to it yet.")
_NOT_A_FILE = _Meaning("NOT_A_FILE", "This is not a regular file, but a folder, a pipe, a socket or a device.")
_NOT_READABLE = _Meaning(
    "FILE_NOT_READABLE",
    "Headwater's process may not read this file.",
    fix=(
        Remedy(
            "Give it the right to read",
            "The user that Headwater runs as needs read access to the file and search access to its folders.",
            statement="chmod o+r FILE",
        ),
    ),
)
_GONE = _Meaning("FILE_NOT_FOUND", "There is no file of this name that may be read.")
_WAL_FOLDER = _Meaning(
    "FOLDER_NOT_WRITABLE",
    "The database is in WAL mode, and its folder is read-only: SQLite needs a -shm file beside such a database.",
    fix=(
        Remedy(
            "Leave WAL mode in the copy that is registered",
            "Run this where the file can be written, or let Headwater's process write to the folder.",
            rests_on=("journal_mode",),
            statement="PRAGMA journal_mode = DELETE",
            docs="https://www.sqlite.org/wal.html#read_only_databases",
        ),
    ),
)
_CANNOT_OPEN = _Meaning("FILE_NOT_OPENED", "SQLite cannot open the file or one of those that belong to it.")
_READ_FAILED = _Meaning("FILE_READ_FAILED", "The disk or file system failed while the file was read.", retryable=True)
_TOO_LARGE = _Meaning("ANSWER_TOO_LARGE", "The file's schema holds a text or a list that is larger than what is read.")
_TIMED_OUT = _Meaning("TIMED_OUT", "The file was not read in time.", retryable=True)
_UNKNOWN = _Meaning("QUERY_FAILED", "SQLite refused a statement that reads its catalog.")

# Primary result codes; an extended code holds its primary one in the low byte.
_BY_CODE: dict[int, _Meaning] = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_CORRUPT: _CORRUPT,
    sqlite3.SQLITE_FORMAT: _CORRUPT,
    sqlite3.SQLITE_NOTADB: _NOT_A_DATABASE,
    sqlite3.SQLITE_PERM: _NOT_READABLE,
    sqlite3.SQLITE_AUTH: _NOT_READABLE,
    sqlite3.SQLITE_CANTOPEN: _CANNOT_OPEN,
    sqlite3.SQLITE_READONLY: _WAL_FOLDER,
    sqlite3.SQLITE_IOERR: _READ_FAILED,
    sqlite3.SQLITE_PROTOCOL: _BUSY,
    sqlite3.SQLITE_TOOBIG: _TOO_LARGE,
    sqlite3.SQLITE_NOMEM: _TOO_LARGE,
    sqlite3.SQLITE_INTERRUPT: _TIMED_OUT,
}

_BY_ERRNO: dict[int, _Meaning] = {
    errno.EACCES: _NOT_READABLE,
    errno.EPERM: _NOT_READABLE,
    errno.ENOENT: _GONE,
    errno.ENOTDIR: _GONE,
    errno.ELOOP: _GONE,
    errno.EISDIR: _NOT_A_FILE,
    errno.ENXIO: _NOT_A_FILE,
}


def from_sqlite(error: sqlite3.Error, *, phase: str, is_wal: bool = False) -> Unreachable:
    """What an error of the driver means. Its text goes nowhere: it may hold names and values of the file."""
    code = getattr(error, "sqlite_errorcode", None)
    meaning = _UNKNOWN if code is None else _BY_CODE.get(code & 0xFF, _UNKNOWN)
    if meaning is _CANNOT_OPEN and is_wal:
        meaning = _WAL_FOLDER
    return _unreachable(meaning, phase, getattr(error, "sqlite_errorname", None))


def from_os(error: OSError, *, phase: str) -> Unreachable:
    """What an error of the file system means."""
    meaning = _BY_ERRNO.get(error.errno or 0, _READ_FAILED)
    return _unreachable(meaning, phase, errno.errorcode.get(error.errno or 0))


def not_a_file() -> Unreachable:
    """The path leads to something that must not even be opened: a pipe would never let go of us."""
    return _unreachable(_NOT_A_FILE, "connect")


def empty_file() -> Unreachable:
    """SQLite takes an empty file for an empty database; a source that was registered is meant to hold something."""
    return _unreachable(_EMPTY, "connect")


def not_a_database(*, is_encrypted: bool) -> Unreachable:
    """The first bytes are not those of a database."""
    return _unreachable(_ENCRYPTED if is_encrypted else _NOT_A_DATABASE, "connect")


def too_large(phase: str) -> Unreachable:
    """An answer has more rows than are ever read."""
    return _unreachable(_TOO_LARGE, phase)


def timed_out(phase: str) -> Unreachable:
    """The deadline came first."""
    return _unreachable(_TIMED_OUT, phase)


def is_malformed_schema(error: sqlite3.Error) -> bool:
    """Whether the schema may be read when its malformed entries are skipped."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_CORRUPT


def is_of_statement(error: sqlite3.Error) -> bool:
    """Whether only this statement is at fault (a view over a missing table, a missing module); others may succeed."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_ERROR


def is_busy(error: sqlite3.Error) -> bool:
    """Whether the same statement may succeed a moment later."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _unreachable(meaning: _Meaning, phase: str, vendor_code: str | None = None) -> Unreachable:
    return Unreachable(
        meaning.code,
        meaning.message,
        phase=phase,
        vendor_code=vendor_code,
        retryable=meaning.retryable,
        fix=meaning.fix,
    )
