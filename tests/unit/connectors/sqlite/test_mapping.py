"""Rows of the pragmas, written as tables, and what they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sqlite import mapping
from connectors.sqlite.mapping import ColumnRow, ForeignKeyRow, IndexKeyRow, Parent, TableRows
from domain.models.catalog import Constraint, ConstraintKind, DataTypeFamily, Index, TableKind
from domain.models.fact import Fact
from domain.models.relationship import Reference, ReferentialAction


def rows(table: str) -> list[list[str | int | None]]:
    """`-` is NULL, digits are numbers, `''` is an empty text."""
    lines = [line.split("|") for line in table.strip().splitlines()[1:]]
    return [[_value(cell.strip()) for cell in line] for line in lines]


def _value(cell: str) -> str | int | None:
    if cell == "-":
        return None
    if cell == "''":
        return ""
    return int(cell) if cell.lstrip("-").isdigit() else cell


ORDERS = TableRows(
    name="orders",
    is_view=False,
    sql="""CREATE TABLE orders (
        ID INTEGER CONSTRAINT pk PRIMARY KEY AUTOINCREMENT,
        customer INT REFERENCES Customers,
        code TEXT COLLATE NOCASE CONSTRAINT one_code UNIQUE,
        total AS (id * 2) STORED,
        CHECK (total > 0), CHECK (total > 0)
    )""",
    columns=[
        ColumnRow(*row)  # type: ignore[arg-type] -- written by hand below
        for row in rows("""
            table  | cid | name     | type    | notnull | dflt | pk | hidden
            orders | 0   | ID       | INTEGER | 0       | -    | 1  | 0
            orders | 1   | customer | INT     | 0       | -    | 0  | 0
            orders | 2   | code     | TEXT    | 1       | 'x'  | 0  | 0
            orders | 3   | total    | ''      | 0       | -    | 0  | 3
        """)
    ],
    index_keys=[
        IndexKeyRow(*row)  # type: ignore[arg-type]
        for row in rows("""
            table  | name               | unique | origin | seqno | cid | column | desc | coll
            orders | by_code            | 0      | c      | 0     | 2   | code   | 1    | BINARY
            orders | by_code            | 0      | c      | 1     | -2  | -      | 0    | BINARY
            orders | sqlite_autoindex_1 | 1      | u      | 0     | 2   | code   | 0    | NOCASE
        """)
    ],
    foreign_keys=[
        ForeignKeyRow(*row)  # type: ignore[arg-type]
        for row in rows("""
            table  | id | seq | parent    | from     | to | on_update | on_delete
            orders | 0  | 0   | Customers | customer | -  | NO ACTION | SET NULL
        """)
    ],
    indexes={"by_code": "CREATE INDEX by_code ON orders (code DESC, abs(total)) WHERE total > 1"},
)
PARENTS = {"customers": Parent("customers", {"no": "No", "name": "name"}, ("No",))}


def test_a_table():
    table = mapping.table(ORDERS, PARENTS)
    assert table.path == ("main", "orders")
    assert table.kind is TableKind.TABLE
    assert table.definition is None
    identity, customer, code, total = table.columns
    assert (identity.nullable, identity.generated, identity.ordinal) == (False, "AUTOINCREMENT", 1)
    assert (customer.nullable, customer.default) == (True, None)
    assert (code.nullable, code.default) == (False, "'x'")
    assert (total.generated, total.data_type) == ("ALWAYS AS (id * 2) STORED", DataTypeFamily.OTHER)
    assert table.indexes == (
        Index("by_code", False, ("code", "abs(total)"), predicate="total > 1"),
        Index("sqlite_autoindex_1", True, ("code",)),
    )
    assert table.constraints == (
        Constraint("CHECK (total > 0)", ConstraintKind.CHECK, ("total",), expression="total > 0"),
        Constraint("CHECK (total > 0) #2", ConstraintKind.CHECK, ("total",), expression="total > 0"),
        Constraint(
            "FOREIGN KEY (customer)",
            ConstraintKind.FOREIGN_KEY,
            ("customer",),
            references=Reference(
                ("main", "customers"), ("No",), ReferentialAction.SET_NULL, ReferentialAction.NO_ACTION
            ),
        ),
        Constraint("one_code", ConstraintKind.UNIQUE, ("code",)),
        Constraint("pk", ConstraintKind.PRIMARY_KEY, ("ID",)),
    )
    assert table.facts == (
        Fact("collation.code", "NOCASE"),
        Fact("index_order.by_code", "COLLATE BINARY DESC, ASC"),
    )


def test_a_parent_that_is_not_there_keeps_its_name():
    table = mapping.table(ORDERS, {})
    (reference,) = (key.references for key in table.constraints if key.references)
    assert (reference.table_path, reference.columns) == (("main", "Customers"), ())


def test_without_its_text_a_table_is_still_a_table():
    table = mapping.table(TableRows("t", False, "?", ORDERS.columns, ORDERS.index_keys, ORDERS.foreign_keys), PARENTS)
    assert [column.generated for column in table.columns] == [None, None, None, "ALWAYS STORED"]
    assert table.indexes[0].columns == ("code", "(expression)")
    assert [key.name for key in table.constraints] == ["FOREIGN KEY (customer)", "PRIMARY KEY", "UNIQUE (code)"]


@given(st.text(), st.booleans())
def test_any_text_gives_a_table(sql: str, is_view: bool):
    made = TableRows("t", is_view, sql, ORDERS.columns, ORDERS.index_keys, ORDERS.foreign_keys, {"by_code": sql})
    assert mapping.table(made, PARENTS).path == ("main", "t")


@pytest.mark.parametrize(
    ("native", "family"),
    [
        ("", DataTypeFamily.OTHER),
        ("ANY", DataTypeFamily.OTHER),
        ("INTEGER", DataTypeFamily.INTEGER),
        ("unsigned big int", DataTypeFamily.INTEGER),
        ("INT8", DataTypeFamily.INTEGER),
        ("varchar(255)", DataTypeFamily.TEXT),
        ("NATIVE CHARACTER(70)", DataTypeFamily.TEXT),
        ("CLOB", DataTypeFamily.TEXT),
        ("BLOB", DataTypeFamily.BINARY),
        ("DOUBLE PRECISION", DataTypeFamily.FLOAT),
        ("float", DataTypeFamily.FLOAT),
        ("numeric(10, 2)", DataTypeFamily.DECIMAL),
        ("DECIMAL(10,5)", DataTypeFamily.DECIMAL),
        ("boolean", DataTypeFamily.BOOLEAN),
        ("DATE", DataTypeFamily.DATE),
        ("datetime", DataTypeFamily.TIMESTAMP),
        ("timestamp with time zone", DataTypeFamily.TIMESTAMP),
        ("TIME(3)", DataTypeFamily.TIME),
        ("POINT", DataTypeFamily.GEOMETRY),
        ("interval", DataTypeFamily.INTERVAL),
        ("uuid", DataTypeFamily.UUID),
        ("json", DataTypeFamily.JSON),
        ("STRING", DataTypeFamily.TEXT),
        ("wibble", DataTypeFamily.UNKNOWN),
        ("(((", DataTypeFamily.OTHER),
    ],
)
def test_families(native: str, family: DataTypeFamily):
    assert mapping.family(native) is family


@given(st.text())
def test_every_type_has_a_family(native: str):
    assert mapping.family(native) in DataTypeFamily


def test_long_names():
    assert not mapping.is_too_long(("main", "x" * 1_990))
    assert mapping.is_too_long(("main", "x" * 2_000))
    assert mapping.is_too_long(("main", "ü" * 1_000))
    assert mapping.is_too_long(("main", '"' * 1_000))
    assert mapping.shortened("x" * 3_000) != mapping.shortened("x" * 3_001)


@given(st.text(max_size=199))
def test_short_names_are_never_too_long(name: str):
    assert not mapping.is_too_long(("", name))
    assert not mapping.is_too_long((name * 1, "t"))


def test_signatures_tell_their_parts_apart():
    made = {
        mapping.signature(False, "a", ["b"]),
        mapping.signature(True, "a", ["b"]),
        mapping.signature(False, "ab", []),
        mapping.signature(False, "a", ["b", ""]),
        mapping.signature(False, "", ["a", "b"]),
    }
    assert len(made) == 5
