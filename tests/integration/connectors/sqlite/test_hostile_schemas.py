"""Schemas that are broken, hostile, huge or change meanwhile: the rest is found, nothing runs, nothing hangs."""

import sqlite3
import time
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from connectors.shared.dialer import DialPolicy, GuardedDialer
from connectors.sqlite import discovery
from connectors.sqlite.connector import SqliteConnector
from domain.models.catalog import Count
from domain.models.data_source import DiscoveryScope, Pool
from domain.models.discovery import DiscoveryBatch, DiscoveryRequest, FoundTable
from domain.models.operation import StepState, SyncMode
from domain.ports.connector import Target
from domain.rules import fqn

CONNECTOR = SqliteConnector()
DIALER = GuardedDialer(DialPolicy(allow_private=True, file_roots=None))


class Run:
    """What one discovery found, by the table's own name."""

    def __init__(self, batches: list[DiscoveryBatch]) -> None:
        self.batches = batches
        self.listed = [path[-1] for path in batches[0].listed]
        self.found: dict[str, FoundTable] = {one.table.path[-1]: one for batch in batches for one in batch.found}
        self.unreadable = {one.path[-1]: one.reason for batch in batches for one in batch.unreadable}


def database(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for statement in statements:
            connection.execute(statement)
    return path


def target(path: Path) -> Target:
    return Target({"path": str(path)}, {}, Pool())


def request(known: dict[str, str] | None = None, batch_tables: int = 200) -> DiscoveryRequest:
    mode = SyncMode.FULL if known is None else SyncMode.INCREMENTAL
    return DiscoveryRequest(mode, DiscoveryScope(), known or {}, 10.0, batch_tables)


async def discover(path: Path, known: dict[str, str] | None = None) -> Run:
    async with (
        CONNECTOR.open(target(path), DIALER, deadline_s=20.0) as session,
        aclosing(session.discover(request(known))) as batches,
    ):
        return Run([batch async for batch in batches])


async def test_a_view_over_what_is_not_there(tmp_path: Path):
    path = database(
        tmp_path / "x.db",
        "CREATE VIEW good AS SELECT 1 AS one",
        "CREATE VIEW broken AS SELECT * FROM missing",
        "CREATE VIEW below AS SELECT * FROM broken",
        "CREATE VIEW one AS SELECT * FROM two",
        "CREATE VIEW two AS SELECT * FROM one",
    )
    run = await discover(path)
    assert set(run.found) == {"good", "broken", "below", "one", "two"}
    assert set(run.unreadable) == {"broken", "below", "one", "two"}
    broken = run.found["broken"]
    assert broken.table.definition == "CREATE VIEW broken AS SELECT * FROM missing"
    assert broken.table.columns == ()
    assert broken.signature is None, "or it would never be read again once it is mended"
    assert [column.path for column in run.found["good"].table.columns] == [("one",)]


@pytest.mark.parametrize(
    "definitions",
    [
        ["CREATE VIEW v0 AS SELECT 1 AS a"]
        + [f"CREATE VIEW v{n} AS SELECT x.a FROM v{n - 1} AS x, v{n - 1} AS y" for n in range(1, 60)],
        [
            "CREATE VIEW v59 AS WITH c0 AS (SELECT 1 AS a), "
            + ", ".join(f"c{n}(a) AS (SELECT x.a FROM c{n - 1} AS x, c{n - 1} AS y)" for n in range(1, 60))
            + " SELECT * FROM c59"
        ],
    ],
    ids=["views", "common table expressions"],
)
async def test_views_that_would_be_expanded_for_years(tmp_path: Path, definitions: list[str]):
    path = database(tmp_path / "x.db", "CREATE TABLE t (a)", *definitions)
    started_s = time.monotonic()
    run = await discover(path)
    assert time.monotonic() - started_s < 10
    assert "v59" in run.unreadable
    assert run.found["t"].table.columns
    assert "t" not in run.unreadable


async def test_a_malformed_entry_costs_only_its_own_table(tmp_path: Path):
    path = database(
        tmp_path / "x.db",
        "CREATE TABLE good (a, b)",
        "CREATE TABLE bad (a, b)",
        "CREATE INDEX bad_index ON bad (a)",
        "CREATE TABLE half (a, b)",
        "CREATE INDEX half_index ON half (a)",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = 'CREATE TABLE bad (a, b' WHERE name = 'bad'",
        "UPDATE sqlite_schema SET sql = 'CREATE INDEX half_index ON half (nothing)' WHERE name = 'half_index'",
    )
    run = await discover(path)
    assert sorted(run.listed) == ["bad", "good", "half"]
    assert set(run.found) == {"good"}
    assert set(run.unreadable) == {"bad", "half"}
    async with aclosing(CONNECTOR.check(target(path), DIALER, budget_s=5.0)) as steps:
        states = {step.name: step async for step in steps}
    assert states["read_catalog"].state is StepState.WARNED
    assert states["read_catalog"].fix[0].rests_on == ("schema",)


async def test_a_module_that_is_not_there(tmp_path: Path):
    path = database(
        tmp_path / "x.db",
        "CREATE TABLE good (a)",
        "PRAGMA writable_schema = ON",
        "INSERT INTO sqlite_schema VALUES ('table', 'map', 'map', 0, 'CREATE VIRTUAL TABLE map USING spatial(x, y)')",
    )
    run = await discover(path)
    assert run.found["map"].table.definition == "CREATE VIRTUAL TABLE map USING spatial(x, y)"
    assert [(fact.name, fact.value) for fact in run.found["map"].table.facts] == [("virtual_table_module", "spatial")]
    assert "module" in run.unreadable["map"]
    assert "good" not in run.unreadable


async def test_functions_and_full_text_tables_in_a_schema_are_nothing_to_fear(tmp_path: Path):
    path = database(
        tmp_path / "x.db",
        "CREATE TABLE docs (doc TEXT, title TEXT AS (json_extract(doc, '$.title')))",
        "CREATE INDEX by_kind ON docs (json_extract(doc, '$.kind'))",
        "CREATE VIEW kinds AS SELECT json_extract(doc, '$.kind') AS kind FROM docs",
        "CREATE VIRTUAL TABLE texts USING fts5 (body)",
        "CREATE VIEW bodies AS SELECT body FROM texts",
    )
    run = await discover(path)
    assert run.unreadable == {}
    assert [index.name for index in run.found["docs"].table.indexes] == ["by_kind"]
    assert [column.path for column in run.found["docs"].table.columns] == [("doc",), ("title",)]
    assert [column.path for column in run.found["kinds"].table.columns] == [("kind",)]
    assert [column.path for column in run.found["bodies"].table.columns] == [("body",)]


async def test_a_key_towards_a_view_names_it_as_it_is_spelled(tmp_path: Path):
    path = database(
        tmp_path / "x.db",
        "CREATE TABLE child (a INTEGER REFERENCES SEEN (X))",
        "CREATE VIEW Seen AS SELECT 1 AS x",
    )
    (key,) = (await discover(path)).found["child"].table.constraints
    assert key.references is not None
    assert (key.references.table_path, key.references.columns) == (("main", "Seen"), ("X",))


async def test_names_that_cannot_be_kept(tmp_path: Path):
    long = "x" * 1_000_000
    path = database(
        tmp_path / "x.db",
        f'CREATE TABLE "{long}" (a)',
        f'CREATE TABLE wide ("{long[:3_000]}")',
        f'CREATE TABLE indexed (a CONSTRAINT "{long[:3_000]}" CHECK (a > 0))',
        f'CREATE TABLE "{"y" * 1_990}" (a)',
        "CREATE TABLE good (a)",
        "CREATE TABLE latin (a)",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET name = CAST(x'6c61e974' AS TEXT), tbl_name = CAST(x'6c61e974' AS TEXT)"
        " WHERE name = 'latin'",
    )
    run = await discover(path)
    assert "good" in run.found
    assert "y" * 1_990 in run.found
    assert len(run.unreadable) == 4
    assert all(len(name) < 100 for name in run.unreadable)
    assert set(run.listed) >= set(run.unreadable)
    assert len(run.listed) == 6


async def test_awkward_names_are_found_as_they_are(tmp_path: Path):
    names = [
        "",
        " ",
        ".",
        'a"b',
        "a'b",
        "a.b",
        "a`b",
        "[a]",
        "ü",
        "🍕",
        "select",
        "A" * 300,
        "--",
        "/*",
        "%",
        "_",
        "\n",
    ]
    path = database(
        tmp_path / "x.db",
        *(
            f"CREATE TABLE {quoted(name)} ({quoted(name)} INTEGER CONSTRAINT {quoted(name)} PRIMARY KEY,"
            f" b REFERENCES {quoted(name)} ({quoted(name)}))"
            for name in names
        ),
        *(f"CREATE INDEX {quoted('i' + name)} ON {quoted(name)} (b)" for name in names),
        *(f"CREATE VIEW {quoted('v' + name)} AS SELECT * FROM {quoted(name)}" for name in names),
    )
    run = await discover(path)
    assert run.unreadable == {}
    assert set(run.found) == {*names, *("v" + name for name in names)}
    for name in names:
        table = run.found[name].table
        assert table.columns[0].path == (name,)
        assert [index.name for index in table.indexes] == ["i" + name]
        references = [key.references for key in table.constraints if key.references]
        assert [(one.table_path, one.columns) for one in references] == [(("main", name), (name,))]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def test_nothing_is_written_and_nothing_appears_beside_the_file(tmp_path: Path):
    path = database(tmp_path / "x.db", "CREATE TABLE t (a)", "CREATE VIEW v AS SELECT * FROM t")
    before = path.read_bytes(), sorted(tmp_path.iterdir()), path.stat().st_mtime_ns
    await discover(path)
    assert (path.read_bytes(), sorted(tmp_path.iterdir()), path.stat().st_mtime_ns) == before


async def test_what_waits_in_the_wal_is_seen(tmp_path: Path):
    path = tmp_path / "wal.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("CREATE TABLE t (a)")
        assert set((await discover(path)).found) == {"t"}


async def test_a_writer_is_not_held_up_between_batches_and_what_it_did_is_told_honestly(tmp_path: Path):
    path = database(tmp_path / "x.db", *(f"CREATE TABLE t{n} (a)" for n in range(4)))
    async with (
        CONNECTOR.open(target(path), DIALER, deadline_s=20.0) as session,
        aclosing(session.discover(request(batch_tables=1))) as batches,
    ):
        seen = [await anext(batches), await anext(batches)]
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as writer:
            writer.execute("ALTER TABLE t1 ADD COLUMN b")
            writer.execute("DROP TABLE t2")
        run = Run(seen + [batch async for batch in batches])
    assert run.listed == ["t0", "t1", "t2", "t3"]
    assert set(run.found) == {"t0", "t1", "t3"}, "t2 was listed and not read: neither found nor unreadable"
    assert run.unreadable == {}
    assert len(run.found["t1"].table.columns) == 2
    assert run.found["t0"].signature is not None
    assert run.found["t1"].signature is None, "the one that was computed is of the table as it was listed"


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ("ALTER TABLE parent RENAME COLUMN id TO key", {"parent", "child", "plain", "parents"}),
        ("ALTER TABLE parent ADD COLUMN more", {"parent", "parents"}),
        ("ALTER TABLE other ADD COLUMN more", {"other"}),
        ("CREATE INDEX i ON child (a)", {"child"}),
        ("DROP VIEW parents", set()),
        ("CREATE TABLE missing (id INTEGER PRIMARY KEY)", {"missing", "dangling"}),
    ],
)
async def test_a_signature_follows_all_that_a_description_is_made_of(tmp_path: Path, change: str, changed: set[str]):
    path = database(
        tmp_path / "x.db",
        "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
        "CREATE TABLE child (a REFERENCES parent)",
        "CREATE TABLE plain (a REFERENCES Parent (ID))",
        "CREATE TABLE dangling (a REFERENCES missing)",
        "CREATE TABLE other (a)",
        "CREATE VIEW parents AS SELECT * FROM parent",
    )
    first = await discover(path)
    known = {fqn.join(one.table.path): one.signature for one in first.found.values() if one.signature is not None}
    database(path, change)
    second = await discover(path, known)
    assert set(second.found) == changed
    whole = await discover(path)
    for batch in second.batches:
        for unchanged in batch.unchanged:
            name = unchanged.path[-1]
            assert whole.found[name].table == first.found[name].table


async def test_rows_of_large_files_are_what_analyze_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = database(
        tmp_path / "x.db",
        "CREATE TABLE t (a UNIQUE)",
        "CREATE TABLE bare (a)",
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO t SELECT i FROM n",
        "ANALYZE",
    )
    small = await discover(path)
    assert small.found["t"].statistics.row_count == Count(500, exact=True)
    assert small.found["bare"].statistics.row_count == Count(0, exact=True)
    monkeypatch.setattr(discovery, "MAX_MEASURED_BYTES", 0)
    large = await discover(path)
    assert large.found["t"].statistics.row_count == Count(500, exact=False)
    assert large.found["t"].statistics.size_bytes is None
    assert large.found["bare"].statistics.row_count is None


async def test_rows_are_counted_exactly_with_and_without_rowid(tmp_path: Path):
    rows = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
    path = database(
        tmp_path / "x.db",
        "CREATE TABLE plain (a, b)",
        "CREATE TABLE keyed (a PRIMARY KEY, b) WITHOUT ROWID",
        f"{rows} INSERT INTO plain SELECT i, hex(randomblob(50)) FROM n",
        f"{rows} INSERT INTO keyed SELECT i, hex(randomblob(50)) FROM n",
    )
    run = await discover(path)
    for name in ("plain", "keyed"):
        assert run.found[name].statistics.row_count == Count(5_000, exact=True)
        size = run.found[name].statistics.size_bytes
        assert size is not None
        assert size.value > 500_000


async def test_many_tables_come_in_bounded_batches(tmp_path: Path):
    columns = ", ".join(f"c{n} VARCHAR({n}) NOT NULL DEFAULT {n}" for n in range(12))
    path = database(tmp_path / "x.db", "BEGIN", *(f"CREATE TABLE t{n} ({columns})" for n in range(1_000)), "COMMIT")
    run = await discover(path)
    assert len(run.listed) == len(run.found) == 1_000
    assert [len(batch.found) for batch in run.batches] == [0] + [200] * 5
    assert all(len(one.table.columns) == 12 for one in run.found.values())
