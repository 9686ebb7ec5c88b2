"""What can be said of PostgreSQL without speaking to one: settings, what is shown of them, capabilities."""

import re
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from connectors.shared.tls import client_context
from domain.errors import InvalidInput
from domain.models.data_source import Capability, ConnectionSummary, DataSourceKind, TlsMode
from domain.models.fact import Fact

DEFAULT_PORT = 5432
OLDEST_VERSION = 12

# NAMEDATALEN - 1: https://www.postgresql.org/docs/18/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
_MAX_NAME_BYTES = 63
_MAX_USER_BYTES = 255  # gateways in front of managed servers take longer ones, such as user@server
_MAX_HOST_LENGTH = 253
_MAX_PEM_LENGTH = 65_536

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
# What a host name or address is made of; leaves out paths, lists, DSNs, brackets and zones.
_HOST = re.compile(r"[^\s/\\@,;=?#%&\[\]()<>'\"|]+")
_REPLICA = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>\d{1,5}))?")

_Port = Annotated[int, Meta(ge=1, le=65_535)]
_Pem = Annotated[str, Meta(min_length=1, max_length=_MAX_PEM_LENGTH)]


class TlsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What is demanded of the encryption.

    `mode` by default: VERIFY_FULL where `ca_pem` is given, DISABLED towards this machine, else REQUIRED.
    """

    mode: TlsMode | None = None
    ca_pem: _Pem | None = None
    client_certificate_pem: _Pem | None = None


class PostgresqlSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How a PostgreSQL database is reached, in PostgreSQL's own words."""

    host: str
    database: str
    user: str
    port: _Port = DEFAULT_PORT
    replicas: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    statement_timeout_ms: Annotated[int, Meta(ge=100, le=3_600_000)] = 30_000
    tls: TlsSettings = TlsSettings()

    @property
    def tls_mode(self) -> TlsMode:
        """The mode that holds, default applied."""
        if self.tls.mode is not None:
            return self.tls.mode
        if self.tls.ca_pem is not None:
            return TlsMode.VERIFY_FULL
        return TlsMode.DISABLED if is_this_machine(self.host) else TlsMode.REQUIRED


class PostgresqlSpec:
    """The rules of PostgreSQL settings."""

    kind = DataSourceKind.POSTGRESQL
    secret_fields: tuple[str, ...] = ("password", "tls_client_key")
    capabilities: tuple[Capability, ...] = (
        Capability("namespaces", True),
        Capability("views", True),
        Capability("materialized_views", True),
        Capability("foreign_tables", True),
        Capability("partitions", True, "Partitions are folded under their parent, which says how many there are."),
        Capability("foreign_keys", True),
        Capability("unique_constraints", True),
        Capability("check_constraints", True),
        Capability("exclusion_constraints", True),
        Capability(
            "indexes", True, "The key's columns and expressions; columns that an index only includes are left out."
        ),
        Capability("comments", True),
        Capability("enum_values", True),
        Capability("generated_columns", True),
        Capability("row_estimates", True, "The planner's estimate, as of the last ANALYZE or VACUUM."),
        Capability("table_sizes", True),
        Capability("incremental_discovery", True),
        Capability("tls", True),
        Capability("client_certificates", True),
        Capability("pgbouncer", True),
        Capability("exact_row_counts", False, "Counting reads every row; the planner's estimate is given instead."),
        Capability("samples", False, "Rows are never read, only the catalogs."),
        Capability(
            "nested_fields", False, "A composite type is one column; fields inside JSON documents are not declared."
        ),
        Capability("several_databases", False, "A connection sees one database: register each as a source of its own."),
        Capability("unix_sockets", False, "Connections go through the egress guard, which knows TCP only."),
        Capability("replica_reads", False, "Replicas are recorded and shown; everything is read from the host."),
    )

    def parse(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings checked and complete, as plain JSON values."""
        parsed = _convert(settings)
        _check_host(parsed.host, ("host",))
        _check_name(parsed.database, _MAX_NAME_BYTES, ("database",))
        _check_name(parsed.user, _MAX_USER_BYTES, ("user",))
        for position, replica in enumerate(parsed.replicas):
            _check_replica(replica, ("replicas", str(position)))
        _check_tls(parsed)
        complete = msgspec.structs.replace(parsed, tls=msgspec.structs.replace(parsed.tls, mode=parsed.tls_mode))
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(complete))
        return plain

    def summary(self, settings: Mapping[str, Any]) -> ConnectionSummary:
        """What may be shown of parsed settings."""
        known = load(settings)
        return ConnectionSummary(
            endpoint=f"[{known.host}]:{known.port}" if ":" in known.host else f"{known.host}:{known.port}",
            database=known.database,
            username=known.user,
            tls=known.tls_mode,
            options=(Fact("statement_timeout", str(known.statement_timeout_ms), "ms"),),
            replicas=known.replicas,
        )

    def audience(self, settings: Mapping[str, Any]) -> tuple[Any, ...]:
        """To whom the password would be shown, and under which protection."""
        known = load(settings)
        return (known.host.casefold(), known.port, known.user, known.tls_mode.value, known.tls.ca_pem, *known.replicas)


def load(settings: Mapping[str, Any]) -> PostgresqlSettings:
    """Typed settings out of what `parse` gave."""
    return msgspec.convert(settings, PostgresqlSettings)


def is_this_machine(host: str) -> bool:
    """Whether the host is written as loopback: nothing between us and the server could listen in."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").casefold() == "localhost"


def _convert(settings: Mapping[str, Any]) -> PostgresqlSettings:
    try:
        return msgspec.convert(dict(settings), PostgresqlSettings)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from error


def _explain(message: str) -> InvalidInput:
    """msgspec says `Expected … - at `$.tls.mode``, and for unknown and missing names the name in the sentence."""
    sentence, _, at = message.partition(" - at `$")
    path = tuple(part for part in re.split(r"[.\[\]]+", at.rstrip("`")) if part)
    named = re.match(r"Object (?:contains unknown|missing required) field `(.{0,100}?)`", sentence)
    if named is None:
        # Never an echo of what was sent: an enum's message quotes the value.
        is_choice = sentence.startswith("Invalid enum value")
        sentence = f"One of {', '.join(TlsMode)} is expected." if is_choice else f"{sentence}."
        return InvalidInput(sentence, path=path, constraint="type")
    if "unknown" in named.group():
        return InvalidInput("There is no such setting.", path=(*path, named[1]), constraint="unknown")
    return InvalidInput("This setting is needed.", path=(*path, named[1]), constraint="required")


def _check_host(host: str, path: tuple[str, ...]) -> None:
    if not host or len(host) > _MAX_HOST_LENGTH or _CONTROL.search(host) or not _HOST.fullmatch(host):
        raise InvalidInput(
            "A host is one name or address: no DSN, no list, no path of a socket, no brackets.",
            path=path,
            constraint="host",
        )
    if ":" in host and not _is_ipv6(host):
        raise InvalidInput("The port is a setting of its own.", path=path, constraint="host")


def _is_ipv6(host: str) -> bool:
    try:
        return isinstance(ip_address(host), IPv6Address)
    except ValueError:
        return False


def _check_name(name: str, max_bytes: int, path: tuple[str, ...]) -> None:
    if not name or _CONTROL.search(name):
        raise InvalidInput("A name has at least one character and no control characters.", path=path, constraint="name")
    if len(name.encode()) > max_bytes:
        raise InvalidInput(f"A name has at most {max_bytes} bytes.", path=path, constraint="maxLength")


def _check_replica(replica: str, path: tuple[str, ...]) -> None:
    found = _REPLICA.fullmatch(replica)
    host = (found["six"] or found["host"]) if found else replica
    _check_host(host, path)
    if found is None and not _is_ipv6(replica):
        raise InvalidInput("A replica is written host or host:port.", path=path, constraint="host")
    if found and found["port"] and not 1 <= int(found["port"]) <= 65_535:
        raise InvalidInput("A port lies between 1 and 65535.", path=path, constraint="port")


def _check_tls(settings: PostgresqlSettings) -> None:
    mode, tls = settings.tls_mode, settings.tls
    if tls.ca_pem is not None:
        if mode in (TlsMode.DISABLED, TlsMode.REQUIRED):
            raise InvalidInput(
                f"With {mode.value} no certificate is checked: choose VERIFY_CA or VERIFY_FULL, or leave this out.",
                path=("tls", "ca_pem"),
                constraint="mode",
            )
        client_context(mode, ca_pem=tls.ca_pem)  # raises for what is no certificate
    if tls.client_certificate_pem is not None:
        if mode is TlsMode.DISABLED:
            raise InvalidInput(
                "A client certificate is shown over TLS only.",
                path=("tls", "client_certificate_pem"),
                constraint="mode",
            )
        if "-----BEGIN CERTIFICATE-----" not in tls.client_certificate_pem:
            raise InvalidInput(
                "This is not a certificate in PEM form (-----BEGIN CERTIFICATE-----).",
                path=("tls", "client_certificate_pem"),
                constraint="pem",
            )
