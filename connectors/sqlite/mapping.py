"""Rows of SQLite's pragmas and the SQL text → domain values. Pure and total."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from msgspec import Struct

from connectors.sqlite import ddl
from connectors.sqlite.ddl import WrittenReference, WrittenTable, fold
from domain.models.catalog import Column, Constraint, ConstraintKind, DataTypeFamily, Index, Table, TableKind
from domain.models.fact import Fact
from domain.models.relationship import Reference, ReferentialAction
from domain.rules import fqn

NAMESPACE = "main"  # SQLite's own word for the file that was opened
_MAPPING_VERSION = "1"  # part of every signature: count up when the same SQL text is mapped to something else
_MAX_MADE_UP_NAME = 120  # characters
_SURELY_SHORT = 200  # characters: quoted and in UTF-8, they stay far below the limit

_HIDDEN, _VIRTUAL, _STORED = 1, 2, 3  # the column `hidden` of pragma_table_xinfo


class ColumnRow(NamedTuple):
    """A row of `queries.COLUMNS`."""

    table: str
    cid: int
    name: str
    type: str | None
    is_not_null: int
    default: str | None
    key_position: int  # 1-based within the primary key, 0 outside
    hidden: int


class IndexKeyRow(NamedTuple):
    """A row of `queries.INDEX_KEYS`."""

    table: str
    index_name: str
    is_unique: int
    origin: str  # c: CREATE INDEX, u: UNIQUE, pk: PRIMARY KEY
    position: int
    cid: int
    column: str | None  # None: an expression, or the rowid
    is_descending: int
    collation: str | None


class ForeignKeyRow(NamedTuple):
    """A row of `queries.FOREIGN_KEYS`."""

    table: str
    id: int
    position: int
    parent: str
    from_column: str
    to_column: str | None  # None: the parent's primary key is meant
    on_update: str
    on_delete: str


class Parent(Struct, frozen=True):
    """A table that foreign keys point at, as far as they need it."""

    name: str
    columns: dict[str, str]  # folded name → name
    primary_key: tuple[str, ...]

    @classmethod
    def from_rows(cls, name: str, rows: Sequence[ColumnRow]) -> "Parent":
        """From its rows of `queries.COLUMNS`."""
        return cls(name, {fold(row.name): row.name for row in rows}, _primary_key(rows))


class TableRows(Struct, frozen=True):
    """All that was read of one table or view. `indexes` holds the SQL text of its indexes by folded name."""

    name: str
    is_view: bool
    sql: str
    columns: Sequence[ColumnRow] = ()
    index_keys: Sequence[IndexKeyRow] = ()
    foreign_keys: Sequence[ForeignKeyRow] = ()
    indexes: Mapping[str, str] = {}


def path_of(name: str) -> tuple[str, ...]:
    """The path of a table."""
    return (NAMESPACE, name)


def shortened(name: str) -> str:
    """A name that is too long to be remembered, cut so that it still tells which one it is."""
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
    return f"{name[:40]}…{digest[:12]}"


def is_too_long(path: Sequence[str]) -> bool:
    """Whether a path is longer than what is remembered."""
    if sum(map(len, path)) < _SURELY_SHORT:
        return False
    return len(fqn.join(path).encode("utf-8", "replace")) > fqn.MAX_LOCAL_BYTES


def has_name_too_long(table: Table) -> bool:
    """Whether anything in the table has a name that is longer than what is remembered."""
    names = [
        *(column.path[0] for column in table.columns),
        *(index.name for index in table.indexes),
        *(constraint.name for constraint in table.constraints),
    ]
    return any(is_too_long((*table.path, name)) for name in names)


def table(rows: TableRows, parents: Mapping[str, Parent]) -> Table:
    """The table as found. `parents`: by folded name, those that its foreign keys point at, as far as they exist."""
    written = WrittenTable() if rows.is_view else ddl.read_details(rows.sql)
    foreign_keys, deferred = _foreign_keys(rows, written, parents)
    constraints = _named([*_keys(rows, written), *_checks(rows, written), *foreign_keys])
    return Table(
        path=path_of(rows.name),
        kind=TableKind.VIEW if rows.is_view else TableKind.TABLE,
        columns=tuple(_column(row, rows, written) for row in sorted(rows.columns, key=lambda row: row.cid)),
        indexes=tuple(sorted(_indexes(rows), key=lambda index: index.name)),
        constraints=tuple(sorted(constraints, key=lambda constraint: constraint.name)),
        definition=rows.sql if rows.is_view or written.module is not None else None,
        facts=tuple(sorted((*_facts(rows, written), *deferred), key=lambda fact: (fact.name, fact.value))),
    )


def signature(is_view: bool, sql: str, rest: Iterable[str]) -> str:
    """A fingerprint of all that `table` makes its answer of. `rest`: what matters beyond the object's own SQL text."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (_MAPPING_VERSION, "view" if is_view else "table", sql, *rest):
        encoded = part.encode("utf-8", "replace")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()


def referenced(columns: Sequence[str], name: str, parent: WrittenTable) -> str:
    """What a foreign key to these columns depends on in its parent's SQL text: the names that it resolves to."""
    keys = tuple(map(fold, columns)) or (parent.primary_key.columns if parent.primary_key else ())
    spelled = (parent.columns[key].name if key in parent.columns else key for key in keys)
    return fqn.join((name, *spelled))


def _column(row: ColumnRow, rows: TableRows, written: WrittenTable) -> Column:
    native = row.type or ""
    return Column(
        path=(row.name,),
        ordinal=row.cid + 1,
        native_type=native,
        data_type=family(native),
        nullable=not (row.is_not_null or _is_rowid(row, rows, written)),
        default=row.default,
        generated=_generated(row, written),
    )


def _is_rowid(row: ColumnRow, rows: TableRows, written: WrittenTable) -> bool:
    """Whether the column is the rowid itself, which is never NULL. https://www.sqlite.org/lang_createtable.html#rowid"""
    return (
        row.key_position == 1
        and (row.type or "").upper() == "INTEGER"
        and sum(1 for column in rows.columns if column.key_position) == 1
        and not written.is_without_rowid
        and not any(key.origin == "pk" for key in rows.index_keys)
    )


def _generated(row: ColumnRow, written: WrittenTable) -> str | None:
    found = written.columns.get(fold(row.name))
    if row.hidden == _HIDDEN:
        return "HIDDEN"  # the word of a virtual table's declaration: https://www.sqlite.org/vtab.html#hidden_columns_in_virtual_tables
    if row.hidden in (_VIRTUAL, _STORED):
        kind = "STORED" if row.hidden == _STORED else "VIRTUAL"
        return found.generated if found is not None and found.generated is not None else f"ALWAYS {kind}"
    return "AUTOINCREMENT" if found is not None and found.is_autoincrement and row.key_position else None


def _primary_key(rows: Iterable[ColumnRow]) -> tuple[str, ...]:
    return tuple(row.name for row in sorted(rows, key=lambda row: row.key_position) if row.key_position)


def _keys(rows: TableRows, written: WrittenTable) -> list[Constraint]:
    keys: list[Constraint] = []
    columns = _primary_key(rows.columns)
    if columns:
        name = written.primary_key.name if written.primary_key else None
        keys.append(Constraint(name or "PRIMARY KEY", ConstraintKind.PRIMARY_KEY, columns))
    names: dict[tuple[str, ...], list[str]] = {}
    for unique in written.uniques:
        names.setdefault(unique.columns, []).extend([unique.name] if unique.name else [])
    for _, group in _by_index(rows):
        if group[0].origin == "u":
            columns = tuple(key.column or "" for key in group)
            given = names.get(tuple(fold(column) for column in columns))
            made_up = f"UNIQUE ({_listed(columns)})"
            keys.append(Constraint(given.pop(0) if given else made_up, ConstraintKind.UNIQUE, columns))
    return keys


def _checks(rows: TableRows, written: WrittenTable) -> list[Constraint]:
    checks = []
    for check in written.checks:
        used = ddl.columns_in(check.expression)
        columns = tuple(row.name for row in rows.columns if fold(row.name) in used)
        name = check.name or f"CHECK ({' '.join(check.expression.split())})"
        checks.append(Constraint(name, ConstraintKind.CHECK, columns, expression=check.expression))
    return checks


def _foreign_keys(
    rows: TableRows, written: WrittenTable, parents: Mapping[str, Parent]
) -> tuple[list[Constraint], list[Fact]]:
    unused = list(written.references)
    keys, deferred = [], []
    ordered = sorted(rows.foreign_keys, key=lambda row: (row.id, row.position))
    for _, group in groupby(reversed(ordered), key=lambda row: row.id):  # SQLite numbers them from the last one
        parts = sorted(group, key=lambda row: row.position)
        columns = tuple(part.from_column for part in parts)
        found = _take_reference(unused, columns, parts[0].parent)
        name = found.name if found and found.name else f"FOREIGN KEY ({_listed(columns)})"
        keys.append(Constraint(name, ConstraintKind.FOREIGN_KEY, columns, references=_reference(parts, parents)))
        if found and found.is_deferred:
            deferred.append(Fact(f"foreign_key.{_listed(columns)}", "DEFERRABLE INITIALLY DEFERRED"))
    return keys, deferred


def _take_reference(unused: list[WrittenReference], columns: Sequence[str], parent: str) -> WrittenReference | None:
    wanted = tuple(fold(column) for column in columns), fold(parent)
    at = next((at for at, one in enumerate(unused) if (one.columns, fold(one.table)) == wanted), None)
    return None if at is None else unused.pop(at)


def _reference(parts: Sequence[ForeignKeyRow], parents: Mapping[str, Parent]) -> Reference:
    parent = parents.get(fold(parts[0].parent))
    if parent is None:
        columns = tuple(part.to_column for part in parts if part.to_column is not None)
        path = path_of(parts[0].parent)
    else:
        named = tuple(part.to_column for part in parts if part.to_column is not None)
        columns = tuple(parent.columns.get(fold(name), name) for name in named) or parent.primary_key
        path = path_of(parent.name)
    return Reference(path, columns, _ACTIONS.get(parts[0].on_delete), _ACTIONS.get(parts[0].on_update))


_ACTIONS = {action.value.replace("_", " "): action for action in ReferentialAction}


def _indexes(rows: TableRows) -> list[Index]:
    found = []
    for name, group in _by_index(rows):
        written = ddl.read_index(rows.indexes.get(fold(name), ""))
        columns = tuple(_key_text(key, written.keys) if key.column is None else key.column for key in group)
        found.append(Index(name, bool(group[0].is_unique), columns, predicate=written.predicate))
    return found


def _key_text(key: IndexKeyRow, written: Sequence[str]) -> str:
    if key.cid == _ROWID:
        return "rowid"
    return written[key.position] if key.position < len(written) else "(expression)"


_ROWID = -1  # the column `cid` of pragma_index_xinfo


def _by_index(rows: TableRows) -> list[tuple[str, list[IndexKeyRow]]]:
    ordered = sorted(rows.index_keys, key=lambda key: (key.index_name, key.position))
    return [(name, list(group)) for name, group in groupby(ordered, key=lambda key: key.index_name)]


def _facts(rows: TableRows, written: WrittenTable) -> list[Fact]:
    facts = []
    if written.module is not None:
        facts.append(Fact("virtual_table_module", written.module))
    if written.is_without_rowid:
        facts.append(Fact("without_rowid", "true"))
    if written.is_strict:
        facts.append(Fact("strict", "true"))
    collations = {
        fold(column.name): column.collation
        for column in written.columns.values()
        if column.collation is not None and column.collation.upper() != "BINARY"
    }
    facts.extend(
        Fact(f"collation.{row.name}", collation)
        for row in rows.columns
        if (collation := collations.get(fold(row.name))) is not None
    )
    for name, group in _by_index(rows):
        order = [_order(key, collations) for key in group]
        if any(order):
            facts.append(Fact(f"index_order.{name}", ", ".join(part or "ASC" for part in order)))
    return facts


def _order(key: IndexKeyRow, collations: Mapping[str, str]) -> str:
    """How a key is ordered where that is not what its column says; an expression carries its own collation."""
    own = collations.get(fold(key.column or ""), "BINARY")
    collation = key.collation or "BINARY"
    differs = key.column is not None and collation.upper() != own.upper()
    return " ".join((*([f"COLLATE {collation}"] if differs else ()), *(["DESC"] if key.is_descending else ())))


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(fqn.quote(column) for column in columns)


def _named(constraints: Sequence[Constraint]) -> list[Constraint]:
    """With names that are unique in the table: what nobody named is called by what it demands, cut, and numbered."""
    seen: Counter[str] = Counter()
    named = []
    for one in constraints:
        name = one.name
        if len(name) > _MAX_MADE_UP_NAME and name.startswith(("UNIQUE (", "CHECK (", "FOREIGN KEY (")):
            name = name[:_MAX_MADE_UP_NAME] + "…"
        seen[name] += 1
        if seen[name] > 1:
            name = f"{name} #{seen[name]}"
        named.append(Constraint(name, one.kind, one.columns, one.expression, one.references))
    return named


@lru_cache(maxsize=4_096)
def family(native: str) -> DataTypeFamily:
    """`VARCHAR(10)` → TEXT. Common names first, then SQLite's rules of affinity; total.

    https://www.sqlite.org/datatype3.html#determination_of_column_affinity
    """
    spelled = native.upper()
    name = " ".join(_PARAMETERS.sub(" ", spelled).split())
    if name in _FAMILIES:
        return _FAMILIES[name]
    for part, of_affinity in _AFFINITIES:
        if part in spelled:
            return of_affinity
    return DataTypeFamily.UNKNOWN


_PARAMETERS = re.compile(r"\([^)]*\)?")

_AFFINITIES = (
    ("INT", DataTypeFamily.INTEGER),
    ("CHAR", DataTypeFamily.TEXT),
    ("CLOB", DataTypeFamily.TEXT),
    ("TEXT", DataTypeFamily.TEXT),
    ("BLOB", DataTypeFamily.BINARY),
    ("REAL", DataTypeFamily.FLOAT),
    ("FLOA", DataTypeFamily.FLOAT),
    ("DOUB", DataTypeFamily.FLOAT),
)

_FAMILIES = {
    name: found
    for found, names in {
        DataTypeFamily.OTHER: ("", "ANY"),  # any value of any type may be stored
        DataTypeFamily.BOOLEAN: ("BOOL", "BOOLEAN", "BIT", "YESNO", "LOGICAL"),
        DataTypeFamily.INTEGER: ("SERIAL", "BIGSERIAL", "YEAR", "LONG"),
        DataTypeFamily.DECIMAL: ("NUMERIC", "NUM", "DECIMAL", "DEC", "NUMBER", "MONEY", "CURRENCY", "SMALLMONEY"),
        DataTypeFamily.TEXT: ("STRING", "MEMO", "XML", "NAME", "CITEXT"),
        DataTypeFamily.BINARY: ("BINARY", "VARBINARY", "BYTEA", "IMAGE", "RAW"),
        DataTypeFamily.DATE: ("DATE",),
        DataTypeFamily.TIME: ("TIME", "TIMETZ", "TIME WITH TIME ZONE", "TIME WITHOUT TIME ZONE"),
        DataTypeFamily.TIMESTAMP: (
            "DATETIME",
            "DATETIME2",
            "SMALLDATETIME",
            "TIMESTAMP",
            "TIMESTAMPTZ",
            "TIMESTAMP WITH TIME ZONE",
            "TIMESTAMP WITHOUT TIME ZONE",
        ),
        DataTypeFamily.INTERVAL: ("INTERVAL",),
        DataTypeFamily.UUID: ("UUID", "GUID", "UNIQUEIDENTIFIER"),
        DataTypeFamily.JSON: ("JSON", "JSONB"),
        DataTypeFamily.ENUM: ("ENUM",),
        DataTypeFamily.GEOMETRY: (
            "GEOMETRY",
            "GEOMETRYCOLLECTION",
            "POINT",
            "LINESTRING",
            "POLYGON",
            "MULTIPOINT",
            "MULTILINESTRING",
            "MULTIPOLYGON",
        ),
        DataTypeFamily.NETWORK: ("INET", "CIDR", "MACADDR"),
    }.items()
    for name in names
}
