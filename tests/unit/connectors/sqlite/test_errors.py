"""What the driver and the file system say, by code."""

import errno
import sqlite3

import pytest

from connectors.sqlite import errors


def of_driver(code: int | None, name: str | None = None) -> sqlite3.Error:
    error = sqlite3.OperationalError("no such table: /secret/path")
    if code is not None:
        error.sqlite_errorcode = code
    if name is not None:
        error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("code", "expected", "retryable"),
    [
        (sqlite3.SQLITE_BUSY, "DATABASE_LOCKED", True),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "DATABASE_LOCKED", True),
        (sqlite3.SQLITE_CORRUPT, "DATABASE_CORRUPT", False),
        (sqlite3.SQLITE_CORRUPT_INDEX, "DATABASE_CORRUPT", False),
        (sqlite3.SQLITE_NOTADB, "NOT_A_DATABASE", False),
        (sqlite3.SQLITE_CANTOPEN, "FILE_NOT_OPENED", False),
        (sqlite3.SQLITE_READONLY_CANTINIT, "FOLDER_NOT_WRITABLE", False),
        (sqlite3.SQLITE_IOERR_READ, "FILE_READ_FAILED", True),
        (sqlite3.SQLITE_INTERRUPT, "TIMED_OUT", True),
        (sqlite3.SQLITE_TOOBIG, "ANSWER_TOO_LARGE", False),
        (sqlite3.SQLITE_ERROR, "QUERY_FAILED", False),
        (999, "QUERY_FAILED", False),
        (None, "QUERY_FAILED", False),
    ],
)
def test_codes_of_the_driver(code: int | None, expected: str, retryable: bool):
    problem = errors.from_sqlite(of_driver(code, "SQLITE_X"), phase="read_catalog").problem
    assert (problem.code, problem.retryable, problem.phase) == (expected, retryable, "read_catalog")
    assert problem.vendor_code == "SQLITE_X"
    assert "secret" not in str(problem)


def test_a_wal_database_that_cannot_be_opened():
    problem = errors.from_sqlite(of_driver(sqlite3.SQLITE_CANTOPEN), phase="read_catalog", is_wal=True).problem
    assert problem.code == "FOLDER_NOT_WRITABLE"
    assert problem.fix[0].statement == "PRAGMA journal_mode = DELETE"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EACCES, "FILE_NOT_READABLE"),
        (errno.ENOENT, "FILE_NOT_FOUND"),
        (errno.ELOOP, "FILE_NOT_FOUND"),
        (errno.EISDIR, "NOT_A_FILE"),
        (errno.EIO, "FILE_READ_FAILED"),
        (None, "FILE_READ_FAILED"),
    ],
)
def test_codes_of_the_file_system(number: int | None, expected: str):
    error = OSError() if number is None else OSError(number, "text", "/secret/path")
    problem = errors.from_os(error, phase="connect").problem
    assert problem.code == expected
    assert problem.vendor_code == (None if number is None else errno.errorcode[number])
    assert "secret" not in str(problem)


def test_what_to_do_about_an_error():
    assert errors.is_busy(of_driver(sqlite3.SQLITE_LOCKED))
    assert errors.is_malformed_schema(of_driver(sqlite3.SQLITE_CORRUPT))
    assert errors.is_of_statement(of_driver(sqlite3.SQLITE_ERROR))
    assert not errors.is_of_statement(of_driver(None))
