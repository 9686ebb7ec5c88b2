"""What can be said of SQLite without opening a file."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from domain.errors import InvalidInput
from domain.models.data_source import Capability, ConnectionSummary, DataSourceKind, TlsMode

MAX_PATH_BYTES = 4_095  # PATH_MAX of Linux without the end mark

_NO_NETWORK = "A SQLite source is a local file: nothing travels over a network."

_CAPABILITIES = (
    Capability("namespaces", False, "A file is one namespace, which SQLite calls main."),
    Capability("views", True),
    Capability("materialized_views", False, "SQLite has no materialized views."),
    Capability("foreign_tables", False, "SQLite has no foreign tables; a virtual table names its module in its facts."),
    Capability("partitions", False, "SQLite has no partitioned tables."),
    Capability("foreign_keys", True),
    Capability("unique_constraints", True),
    Capability("check_constraints", True),
    Capability("exclusion_constraints", False, "SQLite has no exclusion constraints."),
    Capability("indexes", True),
    Capability("comments", False, "SQLite keeps no comments on tables or columns."),
    Capability("enum_values", False, "SQLite has no enumerated types; a CHECK constraint may list values."),
    Capability("generated_columns", True),
    Capability("row_estimates", True, "In files over 64 MiB: what ANALYZE left, if it was ever run."),
    Capability("table_sizes", True, "In files up to 64 MiB, of which every page is read."),
    Capability("incremental_discovery", True),
    Capability("tls", False, _NO_NETWORK),
    Capability("client_certificates", False, _NO_NETWORK),
    Capability("pgbouncer", False, _NO_NETWORK),
    Capability("exact_row_counts", True, "In files up to 64 MiB; beyond, counting would read too much."),
    Capability("samples", False, "Rows are never read, only the schema."),
    Capability("nested_fields", False, "Fields inside JSON documents are not declared."),
    Capability("several_databases", False, "A source is one file: register each on its own."),
    Capability("unix_sockets", False, _NO_NETWORK),
    Capability("replica_reads", False, "A file has no replicas that SQLite knows of."),
)


class SqliteSpec:
    """The settings are `path` alone: where the file lies, absolute, on the machine that Headwater runs on."""

    kind = DataSourceKind.SQLITE
    secret_fields: tuple[str, ...] = ()
    capabilities = _CAPABILITIES

    def parse(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings checked, as plain JSON values. Raises `InvalidInput` whose path points into the settings."""
        for name in settings:
            if name != "path":
                raise InvalidInput("SQLite has one setting: path.", path=(str(name),), constraint="unknown")
        path = settings.get("path")
        if path is None:
            raise InvalidInput("Say where the database file lies.", path=("path",), constraint="required")
        if not isinstance(path, str):
            raise InvalidInput("The path is a text.", path=("path",), constraint="type")
        return {"path": _checked(path)}

    def summary(self, settings: Mapping[str, Any]) -> ConnectionSummary:
        """What may be shown of parsed settings."""
        return ConnectionSummary(endpoint=settings["path"], database=None, username=None, tls=TlsMode.DISABLED)

    def audience(self, settings: Mapping[str, Any]) -> tuple[Any, ...]:
        """There is no secret, so nobody it could be shown to; still another file is another source."""
        return (settings["path"],)


def _checked(path: str) -> str:
    if path.startswith("file:") or path == ":memory:" or "\0" in path:
        raise InvalidInput(
            "The path is the name of a file, not a URI, and a database in memory cannot be shared.",
            path=("path",),
            constraint="pattern",
        )
    try:
        length = len(path.encode())
    except UnicodeEncodeError as error:
        raise InvalidInput("The path holds half a character.", path=("path",), constraint="pattern") from error
    if length > MAX_PATH_BYTES:
        raise InvalidInput(f"A path has at most {MAX_PATH_BYTES} bytes.", path=("path",), constraint="maxLength")
    if not PurePath(path).is_absolute():
        raise InvalidInput(
            "The path starts at the root of the file system, such as /data/shop.db.",
            path=("path",),
            constraint="absolute",
        )
    return path
