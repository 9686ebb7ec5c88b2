"""Objects of a file and their signatures."""

from connectors.sqlite.listing import MAX_EXPANSIONS, Listed, Listing, ObjectRow, listing


def table(name: str, sql: str | None = None, root_page: int = 2) -> ObjectRow:
    return "table", name.encode(), name.encode(), root_page, (sql or f"CREATE TABLE {name} (a)").encode()


def view(name: str, query: str) -> ObjectRow:
    return "view", name.encode(), name.encode(), 0, f"CREATE VIEW {name} AS {query}".encode()


def index(name: str, on: str, sql: str | None) -> ObjectRow:
    return "index", name.encode(), on.encode(), 3, None if sql is None else sql.encode()


def found(*rows: ObjectRow) -> dict[str, Listed]:
    return listing(rows).tables


def test_kinds():
    tables = found(table("t"), table("V", "CREATE VIRTUAL TABLE V USING fts5(a)", 0), view("w", "SELECT 1"))
    assert {key: (one.name, one.is_view, one.is_virtual) for key, one in tables.items()} == {
        "t": ("t", False, False),
        "v": ("V", False, True),
        "w": ("w", True, False),
    }


def test_internal_tables_are_left_out():
    assert found(table("sqlite_sequence"), table("SQLITE_stat1"), table("sqlite")).keys() == {"sqlite"}


def test_names_that_are_none():
    rows: list[ObjectRow] = [
        ("table", b"\xff", b"\xff", 2, b""),
        ("table", b"a\0b", b"", 2, b""),
        ("table", None, None, 2, None),
    ]
    assert listing(rows) == Listing({}, listing(rows).unusable)
    assert [one.shown for one in listing(rows).unusable] == ["�", "a�b", ""]


def test_a_signature_is_of_the_table_and_its_indexes():
    before = found(table("a"), table("b"), index("i", "A", "CREATE INDEX i ON A (a)"))
    after = found(table("a"), table("b"), index("i", "A", "CREATE INDEX i ON A (a DESC)"))
    assert before["a"].signature != after["a"].signature
    assert before["b"].signature == after["b"].signature
    assert before == found(index("i", "A", "CREATE INDEX i ON A (a)"), table("b"), table("a"))


def test_a_foreign_key_follows_how_its_parent_spells_the_key():
    child = table("c", "CREATE TABLE c (x REFERENCES P)")
    first = found(child, table("p", "CREATE TABLE p (id PRIMARY KEY, more)"))
    assert first["c"] == found(child, table("p", "CREATE TABLE p (id PRIMARY KEY, other)"))["c"]
    assert first["c"] != found(child, table("p", "CREATE TABLE p (ID PRIMARY KEY, more)"))["c"]
    assert first["c"] != found(child, table("P", "CREATE TABLE P (id PRIMARY KEY, more)"))["c"]
    assert first["c"] != found(child)["c"]


def test_a_view_follows_all_that_it_reads_at_any_depth():
    def signature(sql: str) -> str:
        return found(view("top", "SELECT * FROM low"), view("low", "SELECT * FROM t"), table("t", sql))["top"].signature

    assert signature("CREATE TABLE t (a)") != signature("CREATE TABLE t (a, b)")


def test_views_in_a_circle_have_signatures():
    circle = found(view("a", "SELECT * FROM b"), view("b", "SELECT * FROM c"), view("c", "SELECT * FROM a"))
    assert len({one.signature for one in circle.values()}) == 3


def test_thousands_of_views_on_top_of_each_other():
    views = [view("v0", "SELECT 1")] + [view(f"v{n}", f"SELECT * FROM v{n - 1}") for n in range(1, 3_000)]
    assert found(*reversed(views))["v2999"].expansions == 3_000


def test_expansions_multiply_and_are_bounded():
    views = [view("v0", "SELECT 1")] + [view(f"v{n}", f"SELECT * FROM v{n - 1}, v{n - 1}") for n in range(1, 40)]
    tables = found(*views)
    assert tables["v3"].expansions == 15
    assert tables["v39"].expansions == MAX_EXPANSIONS + 1


def test_rowid():
    tables = found(
        table("a", "CREATE TABLE a (x PRIMARY KEY) WITHOUT ROWID"), table("b", "CREATE TABLE b (rowid)"), table("c")
    )
    assert {name: one.has_rowid for name, one in tables.items()} == {"a": False, "b": True, "c": True}
