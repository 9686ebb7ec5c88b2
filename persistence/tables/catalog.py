"""The temporal catalog and its staging.

A temporal row is valid in [since_revision, until_revision) of its source. An object keeps its random `id` over all
its rows, also when it was removed and comes back: within what is kept, a path belongs to one id. The last row of an
object that is gone says when (`removed_at`); a row that made place for a newer one does not. `last_seen_at` is fixed
when a row is closed, and derived from the source's coverage before.
"""

from sqlalchemy import Boolean, Column, Float, Index, Integer, LargeBinary, Table, Text, text

from domain.models.catalog import Constraint, DataTypeFamily, TableKind
from domain.models.catalog import Index as TableIndex
from domain.models.fact import Fact
from domain.models.relationship import Cardinality, Evidence, ReferentialAction, Verdict
from persistence.tables.base import Json, Name, UtcDateTime, Word, metadata

Path = Json[tuple[str, ...]]


def _temporal() -> list[Column[object]]:
    return [
        Column("id", Name, primary_key=True),
        Column("since_revision", Integer, primary_key=True, autoincrement=False),
        Column("until_revision", Integer),
        Column("data_source_id", Name, nullable=False),
        Column("first_seen_at", UtcDateTime, nullable=False),
        Column("last_seen_at", UtcDateTime),
        Column("removed_at", UtcDateTime),
    ]


revisions = Table(
    "catalog_revisions",
    metadata,
    Column("data_source_id", Name, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("published_at", UtcDateTime, nullable=False),
    Column("operation_id", Name, nullable=False),
    Column("counts", Json(tuple[Fact, ...]), nullable=False),
)

namespaces = Table(
    "catalog_namespaces",
    metadata,
    *_temporal(),
    Column("local_name", Name, nullable=False),
    Column("name_folded", Name, nullable=False),
    Column("path", Path(tuple[str, ...]), nullable=False),
    Column("comment", Text),
    # Closed rows by their end: what is pruned, and what is swept with its source.
    Index("ix_catalog_namespaces_until", "data_source_id", "until_revision"),
    Index("ix_catalog_namespaces_name", "data_source_id", "local_name", "since_revision"),
    Index(
        "uq_catalog_namespaces_valid",
        "data_source_id",
        "local_name",
        unique=True,
        sqlite_where=text("until_revision IS NULL"),
        postgresql_where=text("until_revision IS NULL"),
    ),
)

tables = Table(
    "catalog_tables",
    metadata,
    *_temporal(),
    Column("namespace_id", Name, nullable=False),
    Column("local_name", Name, nullable=False),
    Column("name_folded", Name, nullable=False),
    Column("path", Path(tuple[str, ...]), nullable=False),
    Column("kind", Word(TableKind), nullable=False),
    Column("comment", Text),
    Column("definition", Text),
    Column("facts", Json(tuple[Fact, ...]), nullable=False),
    Column("indexes", Json(tuple[TableIndex, ...]), nullable=False),
    Column("constraints", Json(tuple[Constraint, ...]), nullable=False),
    Column("primary_key", Path(tuple[str, ...]), nullable=False),
    Column("fingerprint", Name, nullable=False),  # of the whole table, columns included
    Index("ix_catalog_tables_until", "data_source_id", "until_revision"),
    Index("ix_catalog_tables_name", "data_source_id", "local_name", "since_revision"),
    Index("ix_catalog_tables_namespace", "namespace_id", "local_name", "since_revision"),
    Index(
        "uq_catalog_tables_valid",
        "data_source_id",
        "local_name",
        unique=True,
        sqlite_where=text("until_revision IS NULL"),
        postgresql_where=text("until_revision IS NULL"),
    ),
)

columns = Table(
    "catalog_columns",
    metadata,
    *_temporal(),
    Column("table_id", Name, nullable=False),
    Column("local_name", Name, nullable=False),  # below the table
    Column("name_folded", Name, nullable=False),
    Column("path", Path(tuple[str, ...]), nullable=False),  # below the table
    Column("ordinal", Integer, nullable=False),
    Column("native_type", Text, nullable=False),
    Column("data_type", Word(DataTypeFamily), nullable=False),
    Column("nullable", Boolean, nullable=False),
    Column("default_expression", Text),
    Column("generated", Text),
    Column("comment", Text),
    Column("enum_values", Json(tuple[str, ...])),
    Index("ix_catalog_columns_until", "data_source_id", "until_revision"),
    Index("ix_catalog_columns_table", "table_id", "ordinal"),
)

relationships = Table(
    "catalog_relationships",
    metadata,
    *_temporal(),
    Column("from_table_id", Name, nullable=False),
    Column("from_local_name", Name, nullable=False),
    Column("from_path", Path(tuple[str, ...]), nullable=False),
    Column("from_columns", Json(tuple[str, ...]), nullable=False),
    Column("name", Name, nullable=False),
    # The far end by name: it need not have been read. It is resolved at the revision that is looked at.
    Column("to_local_name", Name, nullable=False),
    Column("to_path", Path(tuple[str, ...]), nullable=False),
    Column("to_columns", Json(tuple[str, ...]), nullable=False),
    Column("evidence", Word(Evidence), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("verdict", Word(Verdict), nullable=False),
    Column("cardinality", Word(Cardinality), nullable=False),
    Column("on_delete", Word(ReferentialAction)),
    Column("on_update", Word(ReferentialAction)),
    Column("why", Text, nullable=False),
    Index("ix_catalog_relationships_until", "data_source_id", "until_revision"),
    Index("ix_catalog_relationships_from", "from_table_id"),
    Index("ix_catalog_relationships_to", "data_source_id", "to_local_name"),
)

# What was observed of the tables of the published revision: without history, gone with the table.
observations = Table(
    "catalog_observations",
    metadata,
    Column("table_id", Name, primary_key=True),
    Column("data_source_id", Name, nullable=False),
    Column("signature", Text),
    Column("row_count", Float),
    Column("row_count_exact", Boolean),
    Column("size_bytes", Float),
    Column("size_bytes_exact", Boolean),
    Index("ix_catalog_observations_source", "data_source_id"),
)

staged_namespaces = Table(
    "staged_namespaces",
    metadata,
    Column("operation_id", Name, primary_key=True),
    Column("local_name", Name, primary_key=True),
    Column("path", Path(tuple[str, ...]), nullable=False),
    Column("comment", Text),
)

staged_tables = Table(
    "staged_tables",
    metadata,
    Column("operation_id", Name, primary_key=True),
    Column("local_name", Name, primary_key=True),
    Column("outcome", Text, nullable=False),  # FOUND, UNCHANGED, UNREADABLE or only LISTED
    Column("namespace_local_name", Name, nullable=False),
    Column("fingerprint", Name),
    Column("document", LargeBinary),  # the table with its columns, as MessagePack
    Column("signature", Text),
    Column("row_count", Float),
    Column("row_count_exact", Boolean),
    Column("size_bytes", Float),
    Column("size_bytes_exact", Boolean),
)
