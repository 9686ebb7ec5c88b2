"""Random schemas with awkward names: what is found is what was made."""

import sqlite3
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from connectors.shared.deadlines import Deadline
from connectors.sqlite.ddl import fold
from connectors.sqlite.discovery import Discovery
from connectors.sqlite.reader import Reader, header_of, read_head
from domain.models.catalog import ConstraintKind, Table
from domain.models.data_source import DiscoveryScope
from domain.models.discovery import DiscoveryRequest
from domain.models.operation import SyncMode
from domain.models.relationship import ReferentialAction

AWKWARD = [*"abcAB_ .,;()[]'\"`-+*/%€ü\n\t", "--", "/*", "*/", "select", "check", "primary", "as", "''", "🍕", "1"]
ACTIONS = sorted(ReferentialAction)


class MadeColumn(Struct):
    name: str
    type: str
    is_not_null: bool
    default: str | None
    collation: str | None
    generated: tuple[str, bool] | None  # expression, whether it is stored


class MadeReference(Struct):
    name: str | None
    columns: list[str]
    parent: int
    is_implicit: bool
    on_delete: ReferentialAction


class MadeTable(Struct):
    name: str
    columns: list[MadeColumn]
    primary_key: list[str]
    is_without_rowid: bool
    unique: tuple[str | None, list[str]] | None
    check: tuple[str | None, str] | None
    references: list[MadeReference]
    index: tuple[str, list[tuple[str, bool]], str | None] | None


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


names = (
    st.lists(st.sampled_from(AWKWARD), min_size=0, max_size=5)
    .map("".join)
    .filter(lambda name: not fold(name).startswith("sqlite_"))
)
distinct_names = st.lists(names, min_size=2, max_size=6, unique_by=fold)
types = st.sampled_from(["", "INTEGER", "INT", "TEXT", "VARCHAR(10)", "DECIMAL(10, 2)", "my type", "REAL", "BLOB"])
defaults = st.sampled_from([None, "1", "-1.5", "'it''s'", "(1 + (2))", "NULL", "CURRENT_TIMESTAMP", "x'00'", "TRUE"])


@st.composite
def columns(draw: st.DrawFn) -> list[MadeColumn]:
    made = [
        MadeColumn(
            name,
            draw(types),
            draw(st.booleans()),
            draw(defaults),
            draw(st.sampled_from([None, "NOCASE", "RTRIM"])),
            None,
        )
        for name in draw(distinct_names)
    ]
    if draw(st.booleans()):
        expression = f"{quoted(made[0].name)} || {text(draw(names))}"
        made[-1].generated = (expression, draw(st.booleans()))
        made[-1].default = None
    return made


@st.composite
def tables(draw: st.DrawFn) -> list[MadeTable]:
    made: list[MadeTable] = []
    table_names = draw(st.lists(names, min_size=1, max_size=4, unique_by=fold))
    for position, name in enumerate(table_names):
        found = draw(columns())
        plain = [column.name for column in found if column.generated is None]
        key = draw(st.lists(st.sampled_from(plain), max_size=2, unique=True))
        table = MadeTable(
            name=name,
            columns=found,
            primary_key=key,
            is_without_rowid=bool(key) and draw(st.booleans()),
            unique=draw(st.none() | st.tuples(st.none() | names, st.just(plain[:2]))),
            check=draw(st.none() | st.tuples(st.none() | names, names.map(lambda word: f"1 <> {text(word)}"))),
            references=[],
            index=None,
        )
        if draw(st.booleans()):
            parent = draw(st.integers(0, position))
            key_columns = (made[parent] if parent < position else table).primary_key
            local = plain[: len(key_columns)]
            if key_columns and len(local) == len(key_columns):
                table.references.append(
                    MadeReference(
                        draw(st.none() | names), local, parent, draw(st.booleans()), draw(st.sampled_from(ACTIONS))
                    )
                )
        if draw(st.booleans()):
            keys = draw(st.lists(st.tuples(st.sampled_from(plain), st.booleans()), min_size=1, max_size=2))
            predicate = f"{quoted(plain[0])} <> {text(draw(names))}" if draw(st.booleans()) else None
            table.index = (f"index {position} {draw(names)}", keys, predicate)
        made.append(table)
    return made


def statements(made: list[MadeTable]) -> list[str]:
    found = []
    for table in made:
        items = [_column(column) for column in table.columns]
        if table.primary_key:
            items.append(f"PRIMARY KEY ({_list(table.primary_key)})")
        if table.unique:
            items.append(f"{_named(table.unique[0])}UNIQUE ({_list(table.unique[1])})")
        if table.check:
            items.append(f"{_named(table.check[0])}CHECK ({table.check[1]})")
        for key in table.references:
            parent = made[key.parent]
            target = "" if key.is_implicit else f" ({_list(parent.primary_key)})"
            items.append(
                f"{_named(key.name)}FOREIGN KEY ({_list(key.columns)}) REFERENCES {quoted(parent.name)}{target}"
                f" ON DELETE {key.on_delete.replace('_', ' ')}"
            )
        options = " WITHOUT ROWID" if table.is_without_rowid else ""
        found.append(f"CREATE TABLE {quoted(table.name)} ({', '.join(items)}){options}")
        if table.index:
            name, keys, predicate = table.index
            listed = ", ".join(f"{quoted(column)}{' DESC' if is_descending else ''}" for column, is_descending in keys)
            where = f" WHERE {predicate}" if predicate else ""
            found.append(f"CREATE INDEX {quoted(name)} ON {quoted(table.name)} ({listed}){where}")
    return found


def _column(column: MadeColumn) -> str:
    parts = [quoted(column.name), column.type]
    parts += ["NOT NULL"] if column.is_not_null else []
    parts += [f"COLLATE {column.collation}"] if column.collation else []
    parts += [f"DEFAULT {column.default}"] if column.default else []
    if column.generated:
        expression, is_stored = column.generated
        parts.append(f"GENERATED ALWAYS AS ({expression}) {'STORED' if is_stored else 'VIRTUAL'}")
    return " ".join(part for part in parts if part)


def _named(name: str | None) -> str:
    return "" if name is None else f"CONSTRAINT {quoted(name)} "


def _list(columns: list[str]) -> str:
    return ", ".join(map(quoted, columns))


def discover(path: Path, batch_tables: int) -> dict[str, Table]:
    reader = Reader(path, header_of(read_head(path), 4_096), Deadline.after(30), threading.Event())
    try:
        found = Discovery(reader, DiscoveryRequest(SyncMode.FULL, DiscoveryScope(), {}, 10.0, batch_tables))
        batches = [found.first()]
        while (batch := found.next()) is not None:
            batches.append(batch)
    finally:
        reader.close()
    assert not any(batch.unreadable for batch in batches)
    return {one.table.path[-1]: one.table for batch in batches for one in batch.found}


@pytest.mark.timeout(1_800)  # thousands of cases, each a file of its own
@given(tables(), st.integers(1, 3))
def test_what_is_found_is_what_was_made(made: list[MadeTable], batch_tables: int):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(";".join(["BEGIN", *statements(made), "COMMIT"]))
        found = discover(path, batch_tables)
    assert set(found) == {table.name for table in made}
    for table in made:
        assert_equal(found[table.name], table, made)


def assert_equal(found: Table, made: MadeTable, everything: list[MadeTable]) -> None:
    facts = {fact.name: fact.value for fact in found.facts}
    assert ("without_rowid" in facts) == made.is_without_rowid
    assert [column.path for column in found.columns] == [(column.name,) for column in made.columns]
    for column, wanted in zip(found.columns, made.columns, strict=True):
        assert column.native_type == wanted.type
        assert column.default == (wanted.default.removeprefix("(").removesuffix(")") if wanted.default else None) or (
            column.default == wanted.default
        )
        assert facts.get(f"collation.{wanted.name}") == wanted.collation
        is_key = wanted.name in made.primary_key
        if wanted.is_not_null:
            assert not column.nullable
        elif not is_key:
            assert column.nullable
        if wanted.generated:
            expression, is_stored = wanted.generated
            assert column.generated == f"ALWAYS AS ({expression}) {'STORED' if is_stored else 'VIRTUAL'}"
        else:
            assert column.generated is None
    by_kind = {kind: [key for key in found.constraints if key.kind is kind] for kind in ConstraintKind}
    assert [key.columns for key in by_kind[ConstraintKind.PRIMARY_KEY]] == (
        [tuple(made.primary_key)] if made.primary_key else []
    )
    if made.unique and made.unique[1] != made.primary_key:
        (unique,) = by_kind[ConstraintKind.UNIQUE]
        assert unique.columns == tuple(made.unique[1])
        if made.unique[0]:
            assert unique.name.startswith(made.unique[0])
    if made.check:
        (check,) = by_kind[ConstraintKind.CHECK]
        assert check.expression == made.check[1]
        assert check.columns == ()
        if made.check[0]:
            assert check.name.startswith(made.check[0])
    references = by_kind[ConstraintKind.FOREIGN_KEY]
    assert len(references) == len(made.references)
    for key, declared in zip(references, made.references, strict=True):
        parent = everything[declared.parent]
        assert key.columns == tuple(declared.columns)
        assert key.references is not None
        assert key.references.table_path == ("main", parent.name)
        assert key.references.columns == tuple(parent.primary_key)
        assert key.references.on_delete is declared.on_delete
        if declared.name:
            assert key.name.startswith(declared.name)
    indexes = [index for index in found.indexes if not index.name.startswith("sqlite_autoindex_")]
    assert [index.name for index in indexes] == ([made.index[0]] if made.index else [])
    if made.index:
        assert indexes[0].columns == tuple(column for column, _ in made.index[1])
        assert indexes[0].predicate == made.index[2]
        is_descending = any(is_descending for _, is_descending in made.index[1])
        assert ("DESC" in facts.get(f"index_order.{made.index[0]}", "")) == is_descending
