"""Rows and type names of PostgreSQL as domain values. No server."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.postgresql import mapping
from domain.models.catalog import Column, Constraint, ConstraintKind, Count, DataTypeFamily, Index, Statistics
from domain.models.fact import Fact
from domain.models.relationship import Reference, ReferentialAction


@pytest.mark.parametrize(
    ("type_name", "type_kind", "type_category", "family"),
    [
        ("bool", "b", "B", DataTypeFamily.BOOLEAN),
        ("int2", "b", "N", DataTypeFamily.INTEGER),
        ("int8", "b", "N", DataTypeFamily.INTEGER),
        ("oid", "b", "N", DataTypeFamily.INTEGER),
        ("numeric", "b", "N", DataTypeFamily.DECIMAL),
        ("money", "b", "N", DataTypeFamily.DECIMAL),
        ("float4", "b", "N", DataTypeFamily.FLOAT),
        ("text", "b", "S", DataTypeFamily.TEXT),
        ("bpchar", "b", "S", DataTypeFamily.TEXT),
        ("citext", "b", "S", DataTypeFamily.TEXT),
        ("xml", "b", "U", DataTypeFamily.TEXT),
        ("bytea", "b", "U", DataTypeFamily.BINARY),
        ("varbit", "b", "V", DataTypeFamily.BINARY),
        ("date", "b", "D", DataTypeFamily.DATE),
        ("timetz", "b", "D", DataTypeFamily.TIME),
        ("timestamptz", "b", "D", DataTypeFamily.TIMESTAMP),
        ("interval", "b", "T", DataTypeFamily.INTERVAL),
        ("uuid", "b", "U", DataTypeFamily.UUID),
        ("jsonb", "b", "U", DataTypeFamily.JSON),
        ("hstore", "b", "U", DataTypeFamily.MAP),
        ("_int4", "b", "A", DataTypeFamily.ARRAY),
        ("_mood", "b", "A", DataTypeFamily.ARRAY),
        ("int2vector", "b", "A", DataTypeFamily.ARRAY),
        ("mood", "e", "E", DataTypeFamily.ENUM),
        ("address", "c", "C", DataTypeFamily.STRUCT),
        ("int4range", "r", "R", DataTypeFamily.OTHER),
        ("int4multirange", "m", "R", DataTypeFamily.OTHER),
        ("tsvector", "b", "U", DataTypeFamily.OTHER),
        ("polygon", "b", "G", DataTypeFamily.GEOMETRY),
        ("geometry", "b", "U", DataTypeFamily.GEOMETRY),
        ("inet", "b", "I", DataTypeFamily.NETWORK),
        ("vector", "b", "U", DataTypeFamily.VECTOR),
        ("seg", "b", "U", DataTypeFamily.UNKNOWN),
        ("isbn13", "b", "S", DataTypeFamily.TEXT),  # an extension's, by its category
    ],
)
def test_families(type_name: str, type_kind: str, type_category: str, family: DataTypeFamily) -> None:
    assert mapping.data_type(type_name, type_kind, type_category) is family


@given(st.text(), st.text(max_size=2), st.text(max_size=2))
def test_every_type_has_a_family(type_name: str, type_kind: str, type_category: str) -> None:
    assert isinstance(mapping.data_type(type_name, type_kind, type_category), DataTypeFamily)


def column_row(**changes: Any) -> dict[str, Any]:
    row = {
        "name": "price",
        "ordinal": 2,
        "native_type": "numeric(10,2)",
        "type_name": "numeric",
        "type_kind": "b",
        "type_category": "N",
        "nullable": True,
        "expression": None,
        "identity": "",
        "generated": "",
        "comment": None,
        "enum_values": None,
    }
    return row | changes


@pytest.mark.parametrize(
    ("changes", "default", "generated"),
    [
        ({}, None, None),
        ({"expression": "now()"}, "now()", None),
        ({"identity": "a"}, None, "ALWAYS AS IDENTITY"),
        ({"identity": "d"}, None, "BY DEFAULT AS IDENTITY"),
        ({"generated": "s", "expression": "(price * (2)::numeric)"}, None, "ALWAYS AS (price * (2)::numeric) STORED"),
        ({"generated": "v", "expression": "lower(name)"}, None, "ALWAYS AS (lower(name)) VIRTUAL"),
        ({"generated": "s", "expression": None}, None, "ALWAYS AS () STORED"),
    ],
)
def test_default_and_generated(changes: dict[str, Any], default: str | None, generated: str | None) -> None:
    column = mapping.column(column_row(**changes))
    assert (column.default, column.generated) == (default, generated)


def test_a_column_with_everything() -> None:
    row = column_row(native_type="mood", type_name="mood", type_kind="e", type_category="E", enum_values=["a", "b"])
    assert mapping.column(row | {"comment": "x", "nullable": False}) == Column(
        ("price",), 2, "mood", DataTypeFamily.ENUM, False, comment="x", enum_values=("a", "b")
    )


@pytest.mark.parametrize(
    ("expression", "enclosed"),
    [
        ("a", "(a)"),
        ("(a)", "(a)"),
        ("((a) + (b))", "((a) + (b))"),
        ("(a) + (b)", "((a) + (b))"),
        ("(a = ')')", "(a = ')')"),
        ("(a) || ')'", "((a) || ')')"),
        ('("a)" + 1)', '("a)" + 1)'),
        ("('it''s (' || a)", "('it''s (' || a)"),
        ("", "()"),
        ("(", "(()"),
    ],
)
def test_parentheses(expression: str, enclosed: str) -> None:
    assert mapping.in_parentheses(expression) == enclosed


@given(st.text(alphabet="()ab'\" +"))
def test_parentheses_are_put_once(expression: str) -> None:
    enclosed = mapping.in_parentheses(expression)
    assert enclosed in (expression, f"({expression})")


def test_a_foreign_key() -> None:
    row = {
        "name": "of_order",
        "kind": "f",
        "columns": ["no", "customer"],
        "expression": None,
        "referenced_namespace": "sales",
        "referenced_table": "order",
        "referenced_columns": ["no", "customer"],
        "on_delete": "c",
        "on_update": "a",
    }
    assert mapping.constraint(row, "shop") == Constraint(
        "of_order",
        ConstraintKind.FOREIGN_KEY,
        ("no", "customer"),
        references=Reference(
            ("shop", "sales", "order"), ("no", "customer"), ReferentialAction.CASCADE, ReferentialAction.NO_ACTION
        ),
    )


@pytest.mark.parametrize(
    ("relation", "facts"),
    [
        ({}, ()),
        ({"persistence": "u"}, (Fact("persistence", "UNLOGGED"),)),
        ({"foreign_server": "files"}, (Fact("foreign_server", "files"),)),
        ({"inherits": ["public.a", "public.b"]}, (Fact("inherits", "public.a, public.b"),)),
        (
            {"partition_key": "LIST (lower(name), (a + b))", "partitions": 3},
            (
                Fact("partition_key", "lower(name), (a + b)"),
                Fact("partition_strategy", "LIST"),
                Fact("partitions", "3"),
            ),
        ),
    ],
)
def test_lasting_properties(relation: dict[str, Any], facts: tuple[Fact, ...]) -> None:
    least = {"foreign_server": None, "inherits": None, "partition_key": None, "partitions": None, "persistence": "p"}
    assert mapping.table_facts(least | relation) == facts


def test_members_are_sorted() -> None:
    relation = {"kind": "r", "comment": None, "definition": None, "foreign_server": None, "inherits": []}
    relation |= {"partition_key": None, "partitions": None, "persistence": "p"}
    indexes = [
        {"name": name, "is_unique": False, "columns": ["a"], "method": "btree", "predicate": None} for name in "ba"
    ]
    table = mapping.table(
        ("shop", "public", "t"),
        relation,
        [column_row(name="z", ordinal=3), column_row(name="a", ordinal=1)],
        [],
        indexes,
    )
    assert [column.ordinal for column in table.columns] == [1, 3]
    assert table.indexes == (Index("a", False, ("a",), "btree"), Index("b", False, ("a",), "btree"))


@pytest.mark.parametrize(
    ("rows", "size_bytes", "statistics"),
    [
        (None, None, Statistics()),
        (12.0, 8192, Statistics(Count(12.0, exact=False), Count(8192, exact=True))),
        (0.0, 0, Statistics(Count(0.0, exact=False), Count(0, exact=True))),
    ],
)
def test_statistics(rows: float | None, size_bytes: int | None, statistics: Statistics) -> None:
    assert mapping.statistics({"rows": rows, "size_bytes": size_bytes}, is_size_exact=True) == statistics


def test_signatures_differ_in_every_part() -> None:
    sums = [((1, 5), (2, 7)), ((1, 7), (2, 5)), ((2, 7), (1, 5)), ((1, 5),), ((1, -5), (2, 7)), ((15, 2), (7, 0))]
    assert len({mapping.signature(parts) for parts in sums}) == len(sums)


def test_the_longest_name_counts_quotes_and_bytes() -> None:
    assert mapping.longest_name_bytes(("a", "b"), ()) == 3
    assert mapping.longest_name_bytes(("a", "b"), ("c", "dd")) == 6
    assert mapping.longest_name_bytes(("a", 'ü"'), ()) == len('a."ü"""'.encode())
