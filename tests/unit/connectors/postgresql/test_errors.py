"""What asyncpg raises, in our words. No server."""

import ssl
from typing import Any

import asyncpg
import pytest

from connectors.postgresql import errors
from connectors.postgresql.spec import PostgresqlSettings
from domain.errors import Unreachable

NOT_UTF8 = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x")
SETTINGS = PostgresqlSettings(host="db.example", database='sh"op', user="o'h\"ara")


def server_error(sqlstate: str, text: str = "der Server sagt etwas") -> Any:
    return asyncpg.PostgresError.new({"S": "FATAL", "V": "FATAL", "C": sqlstate, "M": text})


@pytest.mark.parametrize(
    ("error", "phase", "expected"),
    [
        (server_error("28P01"), "authenticate", ("AUTHENTICATION_FAILED", "authenticate", "28P01", False)),
        (server_error("28000"), "authenticate", ("AUTHENTICATION_FAILED", "authenticate", "28000", False)),
        (server_error("28XYZ"), "authenticate", ("AUTHENTICATION_FAILED", "authenticate", "28XYZ", False)),
        (server_error("3D000"), "authenticate", ("DATABASE_NOT_FOUND", "authorize", "3D000", False)),
        (server_error("42501"), "authenticate", ("PERMISSION_DENIED", "authorize", "42501", False)),
        (server_error("42501"), "read_catalog", ("PERMISSION_DENIED", "read_catalog", "42501", False)),
        (server_error("53300"), "authenticate", ("TOO_MANY_CONNECTIONS", "authenticate", "53300", True)),
        (server_error("53999"), "latency", ("SERVER_OVERLOADED", "latency", "53999", True)),
        (server_error("57014"), "read_catalog", ("STATEMENT_TIMED_OUT", "read_catalog", "57014", True)),
        (server_error("57P03"), "authenticate", ("SERVER_NOT_READY", "authenticate", "57P03", True)),
        (server_error("55P03"), "read_catalog", ("LOCKED", "read_catalog", "55P03", True)),
        (server_error("XX000"), "read_catalog", ("SERVER_FAILED", "read_catalog", "XX000", True)),
        (server_error("42P01"), "read_catalog", ("STATEMENT_REJECTED", "read_catalog", "42P01", False)),
        (server_error("?"), "read_catalog", ("STATEMENT_REJECTED", "read_catalog", "?", False)),
        (asyncpg.ConnectionDoesNotExistError("gone"), "latency", ("CONNECTION_CLOSED", "latency", None, True)),
        (asyncpg.InterfaceError("connection is closed"), "latency", ("CONNECTION_CLOSED", "latency", None, True)),
        (asyncpg.InterfaceError("what is this"), "latency", ("BAD_ANSWER", "latency", None, False)),
        (ConnectionResetError(), "authenticate", ("CONNECTION_CLOSED", "authenticate", None, True)),
        (ConnectionError("rejected SSL upgrade"), "connect", ("TLS_NOT_OFFERED", "tls", None, False)),
        (TimeoutError(), "read_catalog", ("TIMED_OUT", "read_catalog", None, True)),
        (ssl.SSLError(1, "x"), "authenticate", ("TLS_FAILED", "tls", None, True)),
        (NOT_UTF8, "read_catalog", ("UNREADABLE_TEXT", "read_catalog", None, False)),
        (KeyError("name"), "read_catalog", ("BAD_ANSWER", "read_catalog", None, False)),
    ],
)
def test_what_it_means(error: Exception, phase: str, expected: tuple[str, str, str | None, bool]) -> None:
    problem = errors.unreachable(error, phase, SETTINGS).problem
    assert (problem.code, problem.phase, problem.vendor_code, problem.retryable) == expected
    assert "sagt etwas" not in problem.message


def test_ours_stays_what_it_is() -> None:
    ours = Unreachable("TIMED_OUT", "x", phase="connect")
    assert errors.unreachable(ours, "latency", SETTINGS) is ours


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        (
            'no pg_hba.conf entry for host "10.1.1.1", user "x", database "y", no encryption',
            'hostssl "sh""op" "o\'h""ara" <address>/32 scram-sha-256',
        ),
        ('role "x" is not permitted to log in', 'ALTER ROLE "o\'h""ara" LOGIN;'),
    ],
)
def test_one_code_for_several_situations(text: str, statement: str) -> None:
    (remedy,) = errors.unreachable(server_error("28000", text), "authenticate", SETTINGS).problem.fix
    assert remedy.statement == statement


def test_statements_are_quoted() -> None:
    (remedy,) = errors.unreachable(server_error("42501"), "authenticate", SETTINGS).problem.fix
    assert remedy.statement == 'GRANT CONNECT ON DATABASE "sh""op" TO "o\'h""ara";'
    assert errors.grant_schema_usage('a"b', "u").statement == 'GRANT USAGE ON SCHEMA "a""b" TO "u";'
    assert errors.grant_select("ü.x", "u").statement == 'GRANT SELECT ON ALL TABLES IN SCHEMA "ü.x" TO "u";'
    assert errors.grant_catalogs(["pg_enum", "pg_type"], "u").statement == (
        'GRANT SELECT ON pg_catalog."pg_enum", pg_catalog."pg_type" TO "u";'
    )
    assert errors.quote("") == '""'


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (server_error("57014"), False),
        (server_error("55P03"), False),
        (server_error("53200"), False),
        (server_error("42501"), False),
        (server_error("57P01"), True),
        (server_error("08006"), True),
        (asyncpg.ConnectionDoesNotExistError("gone"), True),
        (asyncpg.InterfaceError("x"), True),
        (ConnectionResetError(), True),
        (NOT_UTF8, False),
        (Unreachable("TIMED_OUT", "x", phase="read_catalog"), True),
    ],
)
def test_what_ends_a_conversation(error: Exception, ends: bool) -> None:
    assert errors.ends_conversation(error) is ends
