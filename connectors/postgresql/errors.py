"""asyncpg's exceptions → our taxonomy: by SQLSTATE, then by its class, then by the kind of exception; text comes last.

The server's own sentence is read for telling apart what shares one code, and never passed on.
"""

import asyncio
import ssl
from collections.abc import Callable

import asyncpg
from msgspec import Struct

from connectors.postgresql.spec import PostgresqlSettings
from connectors.shared.deadlines import timed_out
from connectors.shared.tls import tls_error
from domain.errors import Unreachable
from domain.models.problem import Remedy

_DOCS = "https://www.postgresql.org/docs/current/"


class _Meaning(Struct, frozen=True):
    """What an SQLSTATE says to us. `phase` overrides the one that we were in."""

    code: str
    message: str
    retryable: bool = True
    phase: str | None = None
    fix: Callable[[PostgresqlSettings], tuple[Remedy, ...]] | None = None


def quote(name: str) -> str:
    """A name as SQL takes it whatever it holds: `a"b` → `"a""b"`."""
    return '"' + name.replace('"', '""') + '"'


def grant_connect(settings: PostgresqlSettings) -> tuple[Remedy, ...]:
    """Lets the user into the database."""
    return (
        Remedy(
            "Let the user into the database",
            "Run this as the database's owner or a superuser.",
            statement=f"GRANT CONNECT ON DATABASE {quote(settings.database)} TO {quote(settings.user)};",
            docs=f"{_DOCS}sql-grant.html",
        ),
    )


def grant_schema_usage(schema: str, user: str) -> Remedy:
    """Lets the user look into a schema."""
    return Remedy(
        f"Let the user into the schema {schema}",
        "Structure is read from the catalogs without it; reading any row of the schema needs it.",
        statement=f"GRANT USAGE ON SCHEMA {quote(schema)} TO {quote(user)};",
        docs=f"{_DOCS}sql-grant.html",
    )


def grant_select(schema: str, user: str) -> Remedy:
    """Lets the user read the tables of a schema."""
    return Remedy(
        f"Let the user read the tables of {schema}",
        "Structure is read from the catalogs without it; reading any row needs it.",
        statement=f"GRANT SELECT ON ALL TABLES IN SCHEMA {quote(schema)} TO {quote(user)};",
        docs=f"{_DOCS}sql-grant.html",
    )


def grant_catalogs(catalogs: list[str], user: str) -> Remedy:
    """Gives back what a hardened server took from PUBLIC."""
    names = ", ".join(f"pg_catalog.{quote(catalog)}" for catalog in catalogs)
    return Remedy(
        "Let the user read the system catalogs",
        "Run this in this database as a superuser: the catalogs are where the structure is read from.",
        statement=f"GRANT SELECT ON {names} TO {quote(user)};",
        docs=f"{_DOCS}catalogs.html",
    )


def _check_password(settings: PostgresqlSettings) -> tuple[Remedy, ...]:
    return (
        Remedy(
            "Check the password",
            "Register the right one, or set a new one in psql as a superuser: \\password sends no clear text.",
            statement=f"\\password {quote(settings.user)}",
            docs=f"{_DOCS}auth-password.html",
        ),
    )


def _check_pg_hba(settings: PostgresqlSettings) -> tuple[Remedy, ...]:
    return (
        Remedy(
            "Let the connection in",
            "No line of the server's pg_hba.conf admits this user, database, address and kind of encryption: add one "
            "with the address that Headwater connects from, then reload.",
            statement=(
                # A quoted word has no special meaning there, such as `all` has.
                f"hostssl {quote(settings.database)} {quote(settings.user)} <address>/32 scram-sha-256"
            ),
            docs=f"{_DOCS}auth-pg-hba-conf.html",
        ),
    )


def _let_log_in(settings: PostgresqlSettings) -> tuple[Remedy, ...]:
    return (
        Remedy(
            "Let the role log in",
            "Run this as a superuser or a role with CREATEROLE.",
            statement=f"ALTER ROLE {quote(settings.user)} LOGIN;",
            docs=f"{_DOCS}sql-alterrole.html",
        ),
    )


def _create_database(settings: PostgresqlSettings) -> tuple[Remedy, ...]:
    return (
        Remedy(
            "Name a database that exists",
            "Names are case-sensitive here. This lists those of the server.",
            statement="SELECT datname FROM pg_database WHERE datallowconn;",
            docs=f"{_DOCS}catalog-pg-database.html",
        ),
    )


def _free_connections(_: PostgresqlSettings) -> tuple[Remedy, ...]:
    return (
        Remedy(
            "Free connections",
            "Close idle ones, raise max_connections (needs a restart), or put a pooler such as PgBouncer in front.",
            statement="SELECT usename, application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3;",
            docs=f"{_DOCS}runtime-config-connection.html",
        ),
    )


_REFUSED = _Meaning(
    "AUTHENTICATION_FAILED", "The server does not let this user in.", retryable=False, phase="authenticate"
)

# A database in SQL_ASCII keeps whatever it was given.
_NOT_UTF8 = _Meaning("UNREADABLE_TEXT", "A name or text in the catalogs is not valid UTF-8.", retryable=False)

# https://www.postgresql.org/docs/18/errcodes-appendix.html
_BY_SQLSTATE = {
    "22021": _NOT_UTF8,
    "22P05": _NOT_UTF8,
    "28P01": _Meaning(
        "AUTHENTICATION_FAILED",
        "The server does not accept this user and password.",
        retryable=False,
        phase="authenticate",
        fix=_check_password,
    ),
    "28000": _REFUSED,
    "3D000": _Meaning(
        "DATABASE_NOT_FOUND",
        "The server has no database of this name.",
        retryable=False,
        phase="authorize",
        fix=_create_database,
    ),
    "42501": _Meaning("PERMISSION_DENIED", "The user lacks a privilege.", retryable=False),
    "53300": _Meaning("TOO_MANY_CONNECTIONS", "The server has no connection left to give.", fix=_free_connections),
    "55000": _Meaning("DATABASE_CLOSED", "The database takes no connections at present.", phase="authorize"),
    "55P03": _Meaning("LOCKED", "Somebody held a lock on the object for too long."),
    "57014": _Meaning("STATEMENT_TIMED_OUT", "A statement took longer than its limit."),
    "57P01": _Meaning("SERVER_SHUTTING_DOWN", "The server ended the connection: it is shutting down."),
    "57P02": _Meaning("SERVER_CRASHED", "The server ended the connection after a crash."),
    "57P03": _Meaning("SERVER_NOT_READY", "The server does not take connections yet: it is starting or recovering."),
    "57P04": _Meaning("DATABASE_NOT_FOUND", "The database was dropped.", retryable=False),
}

# By the first two characters.
_BY_CLASS = {
    "08": _Meaning("CONNECTION_CLOSED", "The connection broke."),
    "25": _Meaning("TRANSACTION_ENDED", "The server ended the transaction."),
    "28": _REFUSED,
    "40": _Meaning("TRANSACTION_ENDED", "The server rolled the transaction back."),
    "53": _Meaning("SERVER_OVERLOADED", "The server has run out of something it needs."),
    "54": _Meaning("SERVER_LIMIT", "The answer exceeds a limit of the server.", retryable=False),
    "57": _Meaning("SERVER_ENDED", "The server ended the conversation."),
    "58": _Meaning("SERVER_FAILED", "The server met an error of its machine."),
    "XX": _Meaning("SERVER_FAILED", "The server met an error inside itself."),
}

_REJECTED = _Meaning("STATEMENT_REJECTED", "The server refused a statement.", retryable=False)
_NOT_POSTGRESQL = _Meaning("BAD_ANSWER", "What answers does not speak PostgreSQL's protocol.", retryable=False)
_CLOSED = _Meaning("CONNECTION_CLOSED", "The server hung up.")

# 28000 stands for three situations; the English sentence tells them apart where the server speaks English.
_BY_TEXT = (
    ("no pg_hba.conf entry", "The server's pg_hba.conf does not admit this connection.", _check_pg_hba),
    ("pg_hba.conf rejects", "The server's pg_hba.conf rejects this connection.", _check_pg_hba),
    ("not permitted to log in", "The role may not log in.", _let_log_in),
)


def unreachable(error: BaseException, phase: str, settings: PostgresqlSettings) -> Unreachable:
    """Our error for whatever came out of asyncpg or the socket while we were in `phase`."""
    match error:
        case Unreachable():
            return error
        case asyncpg.ConnectionDoesNotExistError():  # asyncpg's own, under a code of the server's
            return _say(_CLOSED, phase, settings)
        case asyncpg.PostgresError():
            return _from_server(error, phase, settings)
        case ssl.SSLError():
            return tls_error(error)
        case TimeoutError() | asyncio.TimeoutError():
            return timed_out(phase)
        case ConnectionError() if "rejected SSL upgrade" in str(error):  # asyncpg has no class for it
            return tls_not_offered()
        case ConnectionError() | OSError() | EOFError():
            return _say(_CLOSED, phase, settings)
        case asyncpg.InterfaceError() if "closed" in str(error):
            return _say(_CLOSED, phase, settings)
        case UnicodeDecodeError():
            return _say(_NOT_UTF8, phase, settings)
        case _:  # asyncpg met bytes that it cannot make sense of, in one of many ways
            return _say(_NOT_POSTGRESQL, phase, settings)


def tls_not_offered() -> Unreachable:
    """The answer N to a request for TLS."""
    return Unreachable(
        "TLS_NOT_OFFERED",
        "The server offers no TLS.",
        phase="tls",
        retryable=False,
        fix=(
            Remedy(
                "Switch TLS on at the server",
                "Give it a certificate and a key (ssl_cert_file, ssl_key_file), run this as a superuser, and reload.",
                statement="ALTER SYSTEM SET ssl = on;",
                docs=f"{_DOCS}ssl-tcp.html",
            ),
        ),
    )


def _from_server(error: asyncpg.PostgresError, phase: str, settings: PostgresqlSettings) -> Unreachable:
    sqlstate = str(getattr(error, "sqlstate", None) or "")[:5]
    meaning = _BY_SQLSTATE.get(sqlstate) or _BY_CLASS.get(sqlstate[:2]) or _REJECTED
    if sqlstate == "42501" and phase == "authenticate":  # the password was right, the database is closed to the user
        meaning = _Meaning(
            "PERMISSION_DENIED",
            "The user may not connect to this database.",
            retryable=False,
            phase="authorize",
            fix=grant_connect,
        )
    elif sqlstate == "28000":
        meaning = next(
            (
                _Meaning(_REFUSED.code, message, retryable=False, phase=_REFUSED.phase, fix=fix)
                for text, message, fix in _BY_TEXT
                if text in str(error)
            ),
            meaning,
        )
    return _say(meaning, phase, settings, vendor_code=sqlstate or None)


def _say(meaning: _Meaning, phase: str, settings: PostgresqlSettings, *, vendor_code: str | None = None) -> Unreachable:
    return Unreachable(
        meaning.code,
        meaning.message,
        phase=meaning.phase or phase,
        vendor_code=vendor_code,
        retryable=meaning.retryable,
        fix=meaning.fix(settings) if meaning.fix else (),
    )


def ends_conversation(error: BaseException) -> bool:
    """Whether the connection is of no use any more; else only one statement failed."""
    sqlstate = getattr(error, "sqlstate", None)
    if not isinstance(error, asyncpg.PostgresError) or sqlstate is None:
        return not isinstance(error, UnicodeDecodeError)
    return sqlstate[:2] in ("08", "57") and sqlstate != "57014"
