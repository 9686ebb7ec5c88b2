"""How a system is reached, in its own words."""

from typing import Any

import strawberry

from api.graphql.inputs.secret import SecretInput, secret
from domain.models import registration as domain
from domain.models import secret as secrets_of_domain
from domain.models.data_source import DataSourceKind, TlsMode


@strawberry.input(description="The encryption of a connection. Absent is unchanged, null is the default.")
class TlsInput:
    """The encryption."""

    mode: TlsMode | None = strawberry.field(
        default=strawberry.UNSET,
        description="What is demanded: by default VERIFY_FULL with a `caPem`, DISABLED on this machine, else REQUIRED.",
    )
    ca_pem: str | None = strawberry.field(
        default=strawberry.UNSET, description="The authority to trust, as a PEM certificate."
    )
    client_certificate_pem: str | None = strawberry.field(
        default=strawberry.UNSET, description="The certificate that we show, as PEM."
    )
    client_key: SecretInput | None = strawberry.field(
        default=strawberry.UNSET, description="The key of that certificate, as PEM."
    )


@strawberry.input(description="A PostgreSQL database. When host, port, user or TLS change, say the password again.")
class PostgresqlInput:
    """A PostgreSQL database."""

    host: str = strawberry.field(description="A name or an address.")
    port: int | None = strawberry.field(default=strawberry.UNSET, description="1 to 65535; 5432 by default.")
    database: str = strawberry.field(description="The database.")
    user: str = strawberry.field(description="Whom to log in as.")
    password: SecretInput | None = strawberry.field(default=strawberry.UNSET, description="That user's password.")
    tls: TlsInput | None = strawberry.field(default=strawberry.UNSET, description="The encryption.")
    replicas: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="Further servers with the same content, as host or host:port."
    )
    statement_timeout_ms: int | None = strawberry.field(
        default=strawberry.UNSET, description="How long one statement may take, in milliseconds; 30000 by default."
    )


@strawberry.input(description="An SQLite database file.")
class SqliteInput:
    """An SQLite database."""

    path: str = strawberry.field(description="Where the file is, on the machine that Headwater runs on.")


@strawberry.input(description="How a system is reached: one kind of system.", one_of=True)
class ConnectionInput:
    """How a system is reached."""

    postgresql: PostgresqlInput | None = strawberry.field(
        default=strawberry.UNSET, description="A PostgreSQL database."
    )
    sqlite: SqliteInput | None = strawberry.field(default=strawberry.UNSET, description="An SQLite database file.")


def connection(value: ConnectionInput) -> domain.ConnectionInput:
    """What was said, settings and secrets apart."""
    if value.sqlite is not strawberry.UNSET and value.sqlite is not None:
        return domain.ConnectionInput(DataSourceKind.SQLITE, {"path": value.sqlite.path})
    said = value.postgresql
    assert said is not None  # @oneOf: exactly one is given, and not null
    settings = _said(said, "host", "port", "database", "user", "replicas", "statement_timeout_ms")
    secrets = _secrets(password=said.password)
    if said.tls is None:
        settings["tls"] = None
    elif said.tls is not strawberry.UNSET:
        settings["tls"] = _said(said.tls, "mode", "ca_pem", "client_certificate_pem")
        secrets |= _secrets(tls_client_key=said.tls.client_key)
    return domain.ConnectionInput(DataSourceKind.POSTGRESQL, settings, secrets)


def _said(value: object, *names: str) -> dict[str, Any]:
    """Those of the named fields that were given, nulls included, enums as their names."""
    said = {name: getattr(value, name) for name in names}
    return {
        name: one.value if isinstance(one, TlsMode) else one
        for name, one in said.items()
        if one is not strawberry.UNSET
    }


def _secrets(**given: SecretInput | None) -> dict[str, secrets_of_domain.SecretInput | None]:
    return {field: None if one is None else secret(one) for field, one in given.items() if one is not strawberry.UNSET}
