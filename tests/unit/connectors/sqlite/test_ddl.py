"""Reading SQL text: right where it is right, and never a crash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sqlite import ddl
from connectors.sqlite.ddl import TokenKind, WrittenCheck, WrittenKey, WrittenReference

PIECES = [
    *"()[]'\"`,.;-*/= x",
    "--",
    "/*",
    "*/",
    "\n",
    "''",
    '""',
    "CREATE TABLE t ",
    "CREATE VIEW v AS ",
    "CREATE INDEX i ON t ",
    " CONSTRAINT ",
    " CHECK ",
    " PRIMARY KEY ",
    " UNIQUE ",
    " FOREIGN KEY ",
    " REFERENCES ",
    " DEFAULT ",
    " GENERATED ALWAYS AS ",
    " COLLATE ",
    " WITH ",
    " AS (SELECT ",
    " WHERE ",
    " USING ",
    "CREATE VIRTUAL TABLE ",
    "ü",
    "\x00",
    "\ud800",
]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text())
def test_every_text_has_an_answer(sql: str):
    found = ddl.tokens(sql)
    assert all(0 <= token.start < token.end <= len(sql) for token in found)
    assert [token.start for token in found] == sorted({token.start for token in found})
    ddl.read_table(sql)
    ddl.read_details(sql)
    ddl.read_index(sql)
    ddl.targets(sql)
    ddl.names_in(sql)
    ddl.columns_in(sql)
    assert ddl.repetitions(sql) >= 1


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("a", [(TokenKind.WORD, "a")]),
        ("a1$ü", [(TokenKind.WORD, "a1$ü")]),
        ('"a""b"', [(TokenKind.QUOTED, 'a"b')]),
        ("`a``b`", [(TokenKind.QUOTED, "a`b")]),
        ("[a]]", [(TokenKind.QUOTED, "a"), (TokenKind.OTHER, "]")]),
        ("'it''s'", [(TokenKind.STRING, "it's")]),
        ("x'00'", [(TokenKind.OTHER, "x'00'")]),
        ("1e5", [(TokenKind.OTHER, "1e5")]),
        ("a--b\nc", [(TokenKind.WORD, "a"), (TokenKind.WORD, "c")]),
        ("a/*b*/c", [(TokenKind.WORD, "a"), (TokenKind.WORD, "c")]),
        ("a/*b", [(TokenKind.WORD, "a")]),
        ("'open", [(TokenKind.STRING, "open")]),
        ('""', [(TokenKind.QUOTED, "")]),
        ("'", [(TokenKind.STRING, "")]),
    ],
)
def test_tokens(sql: str, expected: list[tuple[TokenKind, str]]):
    assert [(token.kind, token.value) for token in ddl.tokens(sql)] == expected


def test_a_table_with_everything():
    table = ddl.read_table("""
        CREATE TABLE "a (b" ( -- a comment, with (brackets)
            id INTEGER CONSTRAINT pk PRIMARY KEY ASC ON CONFLICT ROLLBACK AUTOINCREMENT,
            email VARCHAR(10, 2) NOT NULL COLLATE "NOCASE" CONSTRAINT u UNIQUE,
            [odd, name] TEXT DEFAULT 'x, CHECK (1)' CONSTRAINT c CHECK (length("odd, name") > (1 + 1)) CHECK (1),
            kind DEFAULT check_me CHECK (kind IN ('a)', 'b')),
            total AS (id * (2)) STORED NOT NULL,
            more INT GENERATED ALWAYS AS (id) VIRTUAL,
            parent REFERENCES Other ON DELETE SET DEFAULT ON UPDATE SET NULL CHECK (parent > 0),
            CONSTRAINT u2 UNIQUE (id COLLATE NOCASE DESC, Email),
            CONSTRAINT fk FOREIGN KEY (id, Parent) REFERENCES t2 (x, "Y") MATCH FULL ON DELETE CASCADE
                DEFERRABLE INITIALLY DEFERRED
            CHECK (id > 0) UNIQUE (parent)
        ) STRICT, WITHOUT ROWID
    """)
    assert list(table.columns) == ["id", "email", "odd, name", "kind", "total", "more", "parent"]
    assert table.primary_key == WrittenKey("pk", ("id",))
    assert table.columns["id"].is_autoincrement
    assert table.columns["email"].collation == "NOCASE"
    assert table.uniques == [
        WrittenKey("u", ("email",)),
        WrittenKey("u2", ("id", "email")),
        WrittenKey(None, ("parent",)),
    ]
    assert table.checks == [
        WrittenCheck("c", 'length("odd, name") > (1 + 1)', "odd, name"),
        WrittenCheck(None, "1", "odd, name"),
        WrittenCheck(None, "kind IN ('a)', 'b')", "kind"),
        WrittenCheck(None, "parent > 0", "parent"),
        WrittenCheck(None, "id > 0", None),
    ]
    assert table.columns["total"].generated == "ALWAYS AS (id * (2)) STORED"
    assert table.columns["more"].generated == "ALWAYS AS (id) VIRTUAL"
    assert table.references == [
        WrittenReference(None, ("parent",), "Other", (), False),
        WrittenReference("fk", ("id", "parent"), "t2", ("x", "y"), True),
    ]
    assert table.is_strict
    assert table.is_without_rowid


def test_a_key_of_the_table_may_count_up():
    table = ddl.read_table("CREATE TABLE t (a INTEGER, PRIMARY KEY (a AUTOINCREMENT))")
    assert table.columns["a"].is_autoincrement
    assert table.primary_key == WrittenKey(None, ("a",))


def test_a_name_belongs_to_what_follows_only():
    table = ddl.read_table("CREATE TABLE t (a CONSTRAINT nn NOT NULL UNIQUE, b CONSTRAINT d DEFAULT 1 CHECK (b))")
    assert table.uniques == [WrittenKey(None, ("a",))]
    assert table.checks == [WrittenCheck(None, "b", "b")]


def test_virtual_tables_name_their_module():
    assert ddl.read_table("CREATE VIRTUAL TABLE x USING fts5(body, tokenize = 'porter')").module == "fts5"
    assert ddl.read_table("CREATE TABLE virtual (a)").module is None
    assert ddl.read_table("CREATE VIRTUAL TABLE x").module is None


@pytest.mark.parametrize(
    ("sql", "keys", "predicate"),
    [
        ("CREATE INDEX i ON t (a)", ("a",), None),
        ('CREATE UNIQUE INDEX "i (" ON t (a DESC, "b c" COLLATE NOCASE ASC)', ("a", '"b c" COLLATE NOCASE'), None),
        ("CREATE INDEX i ON t (lower(a), a || ',') WHERE (a > 1) AND b", ("lower(a)", "a || ','"), "(a > 1) AND b"),
        ("nonsense", (), None),
    ],
)
def test_indexes(sql: str, keys: tuple[str, ...], predicate: str | None):
    found = ddl.read_index(sql)
    assert (found.keys, found.predicate) == (keys, predicate)


def test_targets_of_foreign_keys():
    sql = (
        'CREATE TABLE t (a REFERENCES "p q" (x, "Y"), b references p, FOREIGN KEY (a) REFERENCES [z] ON DELETE CASCADE)'
    )
    assert ddl.targets(sql) == (("p q", ("x", "Y")), ("p", ()), ("z", ()))


def test_names_before_a_dot_only_qualify():
    assert ddl.names_in('SELECT a.b, "C" FROM main.T') == ("select", "b", "c", "from", "t")


def test_columns_in_an_expression():
    assert ddl.columns_in("lower(A) || 'b' || t.c || \"D\"") == {"a", "c", "d"}


@pytest.mark.parametrize(
    ("sql", "copies"),
    [
        ("CREATE VIEW v AS SELECT * FROM t, t, t", 1),
        ("CREATE VIEW v AS WITH a AS (SELECT 1) SELECT * FROM a", 1),
        ("CREATE VIEW v AS WITH a AS (SELECT 1) SELECT * FROM a AS x, a AS y", 2),
        ("CREATE VIEW v AS WITH a(n) AS NOT MATERIALIZED (SELECT 1), b AS (SELECT * FROM a, a) SELECT * FROM b, b", 4),
        ("CREATE VIEW v AS SELECT sum(a) OVER w, CAST(b AS INT) FROM t WINDOW w AS (ORDER BY a)", 1),
    ],
)
def test_repetitions(sql: str, copies: int):
    assert ddl.repetitions(sql) == copies


@pytest.mark.parametrize("size", [1_000, 30_000])
def test_long_texts_take_linear_time(size: int):
    for piece in ("(", '"', "'", "/*", "a ", '""', "''", ",", "((((,", "[", " CHECK (", "CONSTRAINT a "):
        ddl.read_table("CREATE TABLE t (" + piece * (size // len(piece)))
