"""What is inside a source, in two forms.

*Found* values (Namespace, Table, Column …) are what a connector reads: plain meaning, located by `path`.
*Entries* (NamespaceEntry, TableEntry, ColumnEntry) are the same as remembered: with a stable id, at a revision.

`path` is the full path below the source in the system's own words: `("shop", "public", "orders")`.
Found values leave defaults out when they are encoded: a fingerprint does not change when a later version of Headwater
learns to read one more attribute that a table does not have.
"""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from domain.models.fact import Fact
from domain.models.relationship import Reference


class TableKind(StrEnum):
    """What a table is to its system."""

    TABLE = "TABLE"
    VIEW = "VIEW"
    MATERIALIZED_VIEW = "MATERIALIZED_VIEW"
    FOREIGN_TABLE = "FOREIGN_TABLE"


class DataTypeFamily(StrEnum):
    """The meaning of a native type, common to all systems. OTHER: understood, but of no family; UNKNOWN: never seen."""

    BOOLEAN = "BOOLEAN"
    INTEGER = "INTEGER"
    DECIMAL = "DECIMAL"
    FLOAT = "FLOAT"
    TEXT = "TEXT"
    BINARY = "BINARY"
    DATE = "DATE"
    TIME = "TIME"
    TIMESTAMP = "TIMESTAMP"
    INTERVAL = "INTERVAL"
    UUID = "UUID"
    JSON = "JSON"
    ARRAY = "ARRAY"
    STRUCT = "STRUCT"
    MAP = "MAP"
    ENUM = "ENUM"
    GEOMETRY = "GEOMETRY"
    NETWORK = "NETWORK"
    VECTOR = "VECTOR"
    OTHER = "OTHER"
    UNKNOWN = "UNKNOWN"


class ConstraintKind(StrEnum):
    """What a constraint demands."""

    PRIMARY_KEY = "PRIMARY_KEY"
    UNIQUE = "UNIQUE"
    FOREIGN_KEY = "FOREIGN_KEY"
    CHECK = "CHECK"
    EXCLUSION = "EXCLUSION"


class Count(Struct, frozen=True):
    """A number and whether it was counted or estimated."""

    value: float
    exact: bool


class Namespace(Struct, frozen=True):
    """A schema, as found: one level, whose path holds the system's own words (`("shop", "public")`)."""

    path: tuple[str, ...]
    comment: str | None = None


class Column(Struct, frozen=True, omit_defaults=True):
    """A column, as found. `path` is relative to its table: one part, more for nested fields."""

    path: tuple[str, ...]
    ordinal: int  # 1-based, in the table's order
    native_type: str  # exactly as the server spells it
    data_type: DataTypeFamily
    nullable: bool
    default: str | None = None  # the expression as the server spells it
    generated: str | None = None  # as in DDL: `ALWAYS AS IDENTITY`, `ALWAYS AS (price * 2) STORED`
    comment: str | None = None
    enum_values: tuple[str, ...] | None = None


class Index(Struct, frozen=True, omit_defaults=True):
    """An index; `columns` holds names, or the expression where an index has one."""

    name: str
    unique: bool
    columns: tuple[str, ...]
    method: str | None = None
    predicate: str | None = None


class Constraint(Struct, frozen=True, omit_defaults=True):
    """A constraint; a foreign key says what it `references`."""

    name: str
    kind: ConstraintKind
    columns: tuple[str, ...]
    expression: str | None = None
    references: Reference | None = None


class Table(Struct, frozen=True, omit_defaults=True):
    """A table or view with all that belongs to it, as found. Columns are sorted by ordinal, the rest by name."""

    path: tuple[str, ...]
    kind: TableKind
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    comment: str | None = None
    definition: str | None = None
    facts: tuple[Fact, ...] = ()  # lasting properties (partitioning, options), part of the schema's history


class Statistics(Struct, frozen=True):
    """How much is in a table: observed, not part of its schema, hence without history."""

    row_count: Count | None = None
    size_bytes: Count | None = None


class CatalogEntry(Struct, frozen=True, kw_only=True):
    """What every remembered object has. `revision` is the one it was read at; `is_pinned`: asked for through `at`."""

    id: str  # stable over revisions, without any pin
    data_source_id: str
    path: tuple[str, ...]  # the full path below the source (a column's: table path + its own)
    revision: int
    is_pinned: bool
    first_seen_at: datetime
    last_seen_at: datetime
    removed_at: datetime | None = None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path[-1]


class NamespaceEntry(CatalogEntry, frozen=True, kw_only=True):
    """A remembered namespace."""

    comment: str | None = None


class TableEntry(CatalogEntry, frozen=True, kw_only=True):
    """A remembered table without its columns, which are read on their own."""

    namespace_id: str
    kind: TableKind
    comment: str | None = None
    definition: str | None = None
    facts: tuple[Fact, ...] = ()
    indexes: tuple[Index, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    statistics: Statistics | None = None  # only of the current revision: the past's sizes are not kept

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The names of the primary key's columns, in key order; empty without one."""
        return next((c.columns for c in self.constraints if c.kind is ConstraintKind.PRIMARY_KEY), ())


class ColumnEntry(CatalogEntry, frozen=True, kw_only=True):
    """A remembered column; `column.path` is the part below the table."""

    table_id: str
    column: Column
    is_primary_key: bool


class Revision(Struct, frozen=True):
    """One published state of a source's catalog."""

    data_source_id: str
    number: int
    published_at: datetime
    operation_id: str
    counts: tuple[Fact, ...] = ()
