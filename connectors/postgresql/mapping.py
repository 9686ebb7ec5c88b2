"""PostgreSQL's rows and type names → domain values. Pure and total: what is not known is kept and named so."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from domain.models.catalog import (
    Column,
    Constraint,
    ConstraintKind,
    Count,
    DataTypeFamily,
    Index,
    Statistics,
    Table,
    TableKind,
)
from domain.models.fact import Fact
from domain.models.relationship import Reference, ReferentialAction
from domain.rules import fqn

Row = Mapping[str, Any]
Path = tuple[str, ...]

# Part of every signature: raise it when the same rows are mapped to something else, so that tables are read again.
MAPPING_VERSION = 1

_TABLE_KINDS = {
    "r": TableKind.TABLE,
    "p": TableKind.TABLE,
    "v": TableKind.VIEW,
    "m": TableKind.MATERIALIZED_VIEW,
    "f": TableKind.FOREIGN_TABLE,
}

_CONSTRAINT_KINDS = {
    "p": ConstraintKind.PRIMARY_KEY,
    "u": ConstraintKind.UNIQUE,
    "f": ConstraintKind.FOREIGN_KEY,
    "c": ConstraintKind.CHECK,
    "x": ConstraintKind.EXCLUSION,
}

# https://www.postgresql.org/docs/18/catalog-pg-constraint.html (confupdtype, confdeltype)
_ACTIONS = {
    "a": ReferentialAction.NO_ACTION,
    "r": ReferentialAction.RESTRICT,
    "c": ReferentialAction.CASCADE,
    "n": ReferentialAction.SET_NULL,
    "d": ReferentialAction.SET_DEFAULT,
}

# By pg_type.typname: https://www.postgresql.org/docs/18/datatype.html, and the types of widespread extensions.
_FAMILIES = {
    name: family
    for family, names in {
        DataTypeFamily.BOOLEAN: "bool",
        DataTypeFamily.INTEGER: "int2 int4 int8 oid xid xid8 cid",
        DataTypeFamily.DECIMAL: "numeric money",
        DataTypeFamily.FLOAT: "float4 float8",
        DataTypeFamily.TEXT: "text varchar bpchar char name citext ltree lquery xml cstring",
        DataTypeFamily.BINARY: "bytea bit varbit",
        DataTypeFamily.DATE: "date",
        DataTypeFamily.TIME: "time timetz",
        DataTypeFamily.TIMESTAMP: "timestamp timestamptz",
        DataTypeFamily.INTERVAL: "interval",
        DataTypeFamily.UUID: "uuid",
        DataTypeFamily.JSON: "json jsonb jsonpath",
        DataTypeFamily.MAP: "hstore",
        DataTypeFamily.GEOMETRY: "point line lseg box path polygon circle geometry geography box2d box3d raster",
        DataTypeFamily.NETWORK: "inet cidr macaddr macaddr8",
        DataTypeFamily.VECTOR: "vector halfvec sparsevec cube",
        DataTypeFamily.OTHER: "tsvector tsquery pg_lsn txid_snapshot pg_snapshot tid aclitem refcursor record void "
        "regclass regcollation regconfig regdictionary regnamespace regoper regoperator regproc regprocedure regrole "
        "regtype",
    }.items()
    for name in names.split()
}

# By pg_type.typtype: https://www.postgresql.org/docs/18/catalog-pg-type.html
_FAMILIES_BY_KIND = {
    "e": DataTypeFamily.ENUM,
    "c": DataTypeFamily.STRUCT,
    "r": DataTypeFamily.OTHER,  # a range
    "m": DataTypeFamily.OTHER,  # a multirange
    "p": DataTypeFamily.OTHER,  # a pseudo-type
}

# By pg_type.typcategory, for types of extensions that are not listed: their own category is the next best witness.
_FAMILIES_BY_CATEGORY = {
    "B": DataTypeFamily.BOOLEAN,
    "D": DataTypeFamily.TIMESTAMP,
    "G": DataTypeFamily.GEOMETRY,
    "I": DataTypeFamily.NETWORK,
    "S": DataTypeFamily.TEXT,
    "T": DataTypeFamily.INTERVAL,
    "V": DataTypeFamily.BINARY,
}


def data_type(type_name: str, type_kind: str, type_category: str) -> DataTypeFamily:
    """The family of a type that is no domain, by its typname, typtype and typcategory.

    `("_int4", "b", "A")` → ARRAY, `("mood", "e", "E")` → ENUM. What nobody knows is UNKNOWN.
    """
    if type_category == "A":
        return DataTypeFamily.ARRAY
    if type_kind in _FAMILIES_BY_KIND:
        return _FAMILIES_BY_KIND[type_kind]
    return _FAMILIES.get(type_name) or _FAMILIES_BY_CATEGORY.get(type_category, DataTypeFamily.UNKNOWN)


def column(row: Row) -> Column:
    """A column out of a row of `queries.COLUMNS`."""
    generated = _generated(row["identity"], row["generated"], row["expression"])
    labels = row["enum_values"]
    return Column(
        path=(row["name"],),
        ordinal=row["ordinal"],
        native_type=sys.intern(row["native_type"]),  # some thousand columns share some dozen types
        data_type=data_type(row["type_name"], row["type_kind"], row["type_category"]),
        nullable=row["nullable"],
        default=row["expression"] if generated is None else None,
        generated=generated,
        comment=row["comment"],
        enum_values=None if labels is None else tuple(labels),
    )


def _generated(identity: str, generated: str, expression: str | None) -> str | None:
    """How the value comes about, as in DDL: https://www.postgresql.org/docs/18/sql-createtable.html"""
    if identity:
        return "ALWAYS AS IDENTITY" if identity == "a" else "BY DEFAULT AS IDENTITY"
    if generated:
        return f"ALWAYS AS {in_parentheses(expression or '')} {'VIRTUAL' if generated == 'v' else 'STORED'}"
    return None


def in_parentheses(expression: str) -> str:
    """`a + b` → `(a + b)`, `(a + b)` as it is, `(a) + (b)` → `((a) + (b))`."""
    return expression if _is_enclosed(expression) else f"({expression})"


def _is_enclosed(expression: str) -> bool:
    """Whether the first parenthesis is closed by the last character. Quoted text does not count."""
    if not expression.startswith("("):
        return False
    depth, quote = 0, ""
    for place, character in enumerate(expression):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return place == len(expression) - 1
    return False


def constraint(row: Row, database: str) -> Constraint:
    """A constraint out of a row of `queries.CONSTRAINTS`."""
    references = None
    if row["referenced_table"] is not None:
        references = Reference(
            table_path=(database, row["referenced_namespace"], row["referenced_table"]),
            columns=tuple(row["referenced_columns"]),
            on_delete=_ACTIONS.get(row["on_delete"]),
            on_update=_ACTIONS.get(row["on_update"]),
        )
    return Constraint(
        name=row["name"],
        kind=_CONSTRAINT_KINDS.get(row["kind"], ConstraintKind.CHECK),
        columns=tuple(row["columns"]),
        expression=row["expression"],
        references=references,
    )


def index(row: Row) -> Index:
    """An index out of a row of `queries.INDEXES`."""
    return Index(
        name=row["name"],
        unique=row["is_unique"],
        columns=tuple(row["columns"]),
        method=sys.intern(row["method"]),
        predicate=row["predicate"],
    )


def table(
    path: Path, relation: Row, columns: Sequence[Row], constraints: Sequence[Row], indexes: Sequence[Row]
) -> Table:
    """A table out of all rows that belong to it, in any order."""
    return Table(
        path=path,
        kind=_TABLE_KINDS.get(relation["kind"], TableKind.TABLE),
        columns=tuple(sorted(map(column, columns), key=lambda found: found.ordinal)),
        indexes=tuple(sorted(map(index, indexes), key=lambda found: found.name)),
        constraints=tuple(
            sorted((constraint(row, path[0]) for row in constraints), key=lambda found: found.name),
        ),
        comment=relation["comment"],
        definition=relation["definition"],
        facts=table_facts(relation),
    )


def table_facts(relation: Row) -> tuple[Fact, ...]:
    """The lasting properties in a row of `queries.RELATIONS`, sorted by name."""
    facts = []
    if relation["foreign_server"] is not None:
        facts.append(Fact("foreign_server", relation["foreign_server"]))
    if relation["inherits"]:
        facts.append(Fact("inherits", ", ".join(relation["inherits"])))
    if relation["partition_key"] is not None:
        # `RANGE (created_at)`: https://www.postgresql.org/docs/18/functions-info.html
        strategy, _, key = relation["partition_key"].partition(" ")
        facts.append(Fact("partition_key", key[1:-1] if _is_enclosed(key) else key))
        facts.append(Fact("partition_strategy", strategy))
        facts.append(Fact("partitions", str(relation["partitions"])))
    if relation["persistence"] == "u":
        facts.append(Fact("persistence", "UNLOGGED"))
    return tuple(facts)


def statistics(row: Row, *, is_size_exact: bool) -> Statistics:
    """Row estimate and size out of a row of `queries.EXACT_STATISTICS` or `ESTIMATED_STATISTICS`."""
    rows, size_bytes = row["rows"], row["size_bytes"]
    return Statistics(
        row_count=None if rows is None else Count(rows, exact=False),
        size_bytes=None if size_bytes is None else Count(size_bytes, exact=is_size_exact),
    )


def signature(sums: Iterable[tuple[int, int]]) -> str:
    """One value out of (number of rows, sum of their hashes) per kind of detail, in the order of `queries.DETAILS`."""
    content = ";".join(f"{rows}:{hash_sum}" for rows, hash_sum in sums)
    return blake2b(f"{MAPPING_VERSION};{content}".encode(), digest_size=16).hexdigest()


def longest_name_bytes(path: Path, parts: Iterable[str]) -> int:
    """The size of the longest local name under a table, which the catalog has to hold."""
    return len(fqn.join(path).encode()) + max((len(fqn.quote(part).encode()) + 1 for part in parts), default=0)
