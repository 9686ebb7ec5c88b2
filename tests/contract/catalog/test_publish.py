"""What publishing does with what a run found, what it did not find, and what it did not read."""

import asyncio
from datetime import timedelta

from msgspec.structs import replace
from sqlalchemy import func, select

from domain.models.access import Scope, Viewer
from domain.models.catalog import Count, Namespace, Statistics, Table
from domain.models.change import AddTable, ChangeAction
from domain.models.data_source import SourceEnvironment
from domain.models.discovery import Comparison, Coverage, DiscoveryBatch, FoundTable, UnchangedTable, Unreadable
from domain.models.page import Page
from domain.models.relationship import Cardinality, Direction
from domain.ports.repositories.catalog import CatalogFilter, RelationshipFilter
from domain.rules.diff import action_of
from persistence.tables.catalog import staged_namespaces, staged_tables
from tests.contract.catalog.stores import ALL, AT, EVERYTHING, SYSTEM, CatalogStore, at, run, table

ORDERS = table("shop", "public", "orders", columns=("id", "total"))
LINES = table("shop", "public", "lines", columns=("id", "order_id"), references={"order_id": ORDERS.path})
WITH_REMOVED = CatalogFilter(include_removed=True)


def numbered(count: int, note: str | None = None) -> list[Table]:
    return [table("shop", "public", f"t{number:04}", comment=note) for number in range(count)]


async def compare(store: CatalogStore, source: str, batch: DiscoveryBatch, coverage: Coverage) -> Comparison:
    """What publishing would do; nothing stays of it."""
    async with store.database.write() as connection:
        repository = store.repository(connection)
        await repository.stage("op_compare", batch)
        found = await repository.compare("op_compare", source, coverage)
        await repository.discard("op_compare")
    return found


async def test_the_first_revision_counts_all_and_tells_no_single_changes(store: CatalogStore, source: str) -> None:
    published = await store.publish(source, run(ORDERS, LINES))
    assert published is not None
    assert published.revision == 1
    counts = {fact.name: fact.value for fact in published.counts}
    assert counts["tables_added"] == "2"
    assert counts["columns_added"] == "4"
    assert counts["namespaces_added"] == "1"
    assert published.changes == ()
    (revision,) = await store.reader.revisions(SYSTEM, source)
    assert (revision.number, revision.operation_id, revision.counts) == (1, "op_1", published.counts)
    assert revision.published_at == store.now


async def test_a_run_that_finds_the_same_publishes_nothing(store: CatalogStore, source: str) -> None:
    await store.publish(source, run(ORDERS, LINES))
    before = await store.table(source, *ORDERS.path)
    assert await store.publish(source, run(ORDERS, LINES)) is None
    after = await store.table(source, *ORDERS.path)
    assert after.revision == 1
    assert after.last_seen_at == store.now
    assert replace(after, last_seen_at=before.last_seen_at) == before


async def test_a_publish_tells_its_single_changes_up_to_500(store: CatalogStore, source: str) -> None:
    await store.publish(source, run(*numbered(501)))
    published = await store.publish(source, run(*numbered(501, "changed")[:500], numbered(501)[500]))
    assert published is not None
    assert len(published.changes) == 500
    assert {change.revision for change in published.changes} == {2}
    assert {change.at for change in published.changes} == {store.now}
    published = await store.publish(source, run(*numbered(501, "changed again")))
    assert published is not None
    assert published.changes == ()


async def test_comparing_says_what_publishing_does(store: CatalogStore, source: str) -> None:
    await store.publish(source, run(ORDERS, LINES, Table(("shop", "old", "gone"), ORDERS.kind, ())))
    changed = replace(ORDERS, comment="changed")
    new = table("shop", "public", "new")
    found = await compare(store, source, run(changed, LINES, new), store.coverage())
    assert found == Comparison(current=3, added=1, modified=1, removed=1, namespaces_changed=1)
    assert (await compare(store, source, run(ORDERS, LINES), store.coverage(("shop", "old")))).is_empty
    assert (await store.pin(source)).revision == 1


async def test_what_was_not_read_stays(store: CatalogStore, source: str) -> None:
    await store.publish(source, run(ORDERS, LINES))
    listed = DiscoveryBatch(namespaces=(Namespace(("shop", "public")),), listed=(ORDERS.path, LINES.path))
    assert await store.publish(source, listed) is None
    assert await store.publish(source, DiscoveryBatch(), coverage=store.coverage(())) is None
    assert await store.publish(source, DiscoveryBatch(), coverage=store.coverage(include=("other.*",))) is None
    denied = replace(run(ORDERS), unreadable=(Unreadable(LINES.path, "denied"),))
    assert await store.publish(source, denied, coverage=store.coverage(LINES.path)) is None
    seen = (await store.table(source, *LINES.path)).last_seen_at
    assert seen < (await store.table(source, *ORDERS.path)).last_seen_at == store.now


async def test_an_object_that_comes_back_has_the_id_that_it_had(store: CatalogStore, source: str) -> None:
    await store.publish(source, run(ORDERS, LINES))
    before = await store.table(source, *LINES.path)
    columns_before = await store.columns(before)
    (keys_before,) = await store.reader.relationships(SYSTEM, [at(before)], RelationshipFilter(), ALL)
    await store.publish(source, run(ORDERS))
    await store.publish(source, run(ORDERS, LINES))
    after = await store.table(source, *LINES.path)
    assert (after.id, after.first_seen_at, after.removed_at) == (before.id, before.first_seen_at, None)
    assert [column.id for column in await store.columns(after)] == [column.id for column in columns_before]
    (keys_after,) = await store.reader.relationships(SYSTEM, [at(after)], RelationshipFilter(), ALL)
    assert [key.id for key in keys_after.items] == [key.id for key in keys_before.items]


async def test_what_is_gone_is_a_tombstone(store: CatalogStore, source: str) -> None:
    await store.publish(source, run(ORDERS, LINES))
    seen_at = store.now
    before = await store.table(source, *LINES.path)
    columns = await store.columns(before)
    await store.publish(source, run(ORDERS))
    pin = await store.pin(source)
    assert [entry.path for entry in await store.tables(pin)] == [ORDERS.path]
    lines, orders = await store.tables(pin, WITH_REMOVED)
    assert (lines.id, lines.removed_at, lines.last_seen_at) == (before.id, store.now, seen_at)
    assert orders.removed_at is None
    assert await store.reader.by_ids(SYSTEM, [(before.id, None), (before.id, 1), (before.id, 2)]) == [
        lines,
        replace(before, is_pinned=True, statistics=None, last_seen_at=seen_at),
        None,
    ]
    assert [column.id for column in await store.columns(lines)] == [column.id for column in columns]
    (gone,) = await store.reader.by_ids(SYSTEM, [(columns[0].id, None)])
    assert gone is not None
    assert gone.removed_at == store.now
    assert await store.reader.by_paths(SYSTEM, pin, [LINES.path]) == [None]
    assert await store.reader.count_tables(SYSTEM, [pin], WITH_REMOVED) == [2]


async def test_a_namespace_goes_with_its_last_table_only_when_it_was_covered(store: CatalogStore, source: str) -> None:
    old = table("shop", "old", "t")
    await store.publish(source, run(ORDERS, old))
    assert await store.publish(source, run(ORDERS), coverage=store.coverage(old.path)) is None
    published = await store.publish(source, run(ORDERS))
    assert published is not None
    assert [(action_of(change.change), change.path) for change in published.changes] == [
        (ChangeAction.REMOVED, ("shop", "old")),
        (ChangeAction.REMOVED, old.path),
    ]
    (found,) = await store.reader.namespaces(SYSTEM, [await store.pin(source)], EVERYTHING, ALL)
    assert [namespace.path for namespace in found.items] == [("shop", "public")]


async def test_a_column_keeps_its_row_while_its_table_changes(store: CatalogStore, source: str) -> None:
    await store.publish(source, run(ORDERS))
    before = await store.columns(await store.table(source, *ORDERS.path))
    wider = table("shop", "public", "orders", columns=("id", "total", "note"), comment="now with notes")
    published = await store.publish(source, run(wider))
    assert published is not None
    assert {fact.name: fact.value for fact in published.counts if fact.value != "0"} == {
        "tables_modified": "1",
        "columns_added": "1",
    }
    after = await store.columns(await store.table(source, *ORDERS.path))
    assert [column.id for column in after[:2]] == [column.id for column in before]
    assert [column.first_seen_at for column in after] == [AT + timedelta(minutes=n) for n in (1, 1, 2)]
    by_name = {change.path[-1]: change for change in published.changes}
    assert by_name["note"].object_id == after[2].id
    assert by_name["orders"].object_id == after[0].table_id


async def test_statistics_and_signatures_follow_without_a_revision(store: CatalogStore, source: str) -> None:
    def found(signature: str | None, rows: int) -> DiscoveryBatch:
        observed = FoundTable(ORDERS, signature, Statistics(Count(rows, exact=False), Count(8192, exact=True)))
        return DiscoveryBatch(namespaces=(Namespace(ORDERS.path[:-1]),), listed=(ORDERS.path,), found=(observed,))

    await store.publish(source, found("s1", 10))
    assert await store.reader.signatures(SYSTEM, source) == {"shop.public.orders": "s1"}
    unchanged = UnchangedTable(ORDERS.path, Statistics(Count(11, exact=True)))
    listing = DiscoveryBatch(namespaces=(Namespace(ORDERS.path[:-1]),), listed=(ORDERS.path,), unchanged=(unchanged,))
    assert await store.publish(source, listing) is None
    assert await store.reader.signatures(SYSTEM, source) == {"shop.public.orders": "s1"}
    assert (await store.table(source, *ORDERS.path)).statistics == Statistics(Count(11, exact=True))
    await store.publish(source, found(None, 12))
    assert await store.reader.signatures(SYSTEM, source) == {}
    await store.publish(source, run(replace(ORDERS, comment="new")))
    assert (await store.table(source, *ORDERS.path, revision=1)).statistics is None


async def test_foreign_keys_are_relationships_with_two_ends(store: CatalogStore, source: str) -> None:
    itself = table(
        "shop", "public", "parts", columns=("id", "part_of"), references={"part_of": ("shop", "public", "parts")}
    )
    far = ("shop", "secret", "vault")
    away = table(
        "shop", "public", "away", columns=("id", "vault_id"), references={"vault_id": far}, unique=("vault_id",)
    )
    await store.publish(source, run(ORDERS, LINES, itself, away))
    tables = [await store.table(source, *path) for path in (ORDERS.path, LINES.path, itself.path, away.path)]

    async def ends(direction: Direction) -> list[list[tuple[str, str | None]]]:
        wanted = RelationshipFilter(direction)
        slices = await store.reader.relationships(SYSTEM, [at(entry) for entry in tables], wanted, ALL)
        counts = await store.reader.count_relationships(SYSTEM, [at(entry) for entry in tables], wanted)
        assert [len(found.items) for found in slices] == counts
        return [[(item.name, item.to_end.table_id) for item in found.items] for found in slices]

    orders, _, parts, _ = tables
    to_orders, to_parts, to_vault = ("order_id_fk", orders.id), ("part_of_fk", parts.id), ("vault_id_fk", None)
    assert await ends(Direction.UPSTREAM) == [[], [to_orders], [to_parts], [to_vault]]
    assert await ends(Direction.DOWNSTREAM) == [[to_orders], [], [to_parts], []]
    assert await ends(Direction.BOTH) == [[to_orders], [to_orders], [to_parts], [to_vault]]
    (found,) = await store.reader.relationships(SYSTEM, [at(tables[3])], RelationshipFilter(), ALL)
    (vault,) = found.items
    assert vault.cardinality is Cardinality.ONE_TO_ONE
    assert vault.to_end.table_path == far
    assert await store.reader.relationships_by_ids(SYSTEM, [(vault.id, None), (vault.id, 2), ("rel_x", None)]) == [
        vault,
        None,
        None,
    ]
    weak = RelationshipFilter(min_confidence=1.1)
    assert await store.reader.count_relationships(SYSTEM, [at(tables[3])], weak) == [0]


async def test_staging_the_same_again_replaces_it_and_is_forgotten(store: CatalogStore, source: str) -> None:
    async def staged() -> int:
        async with store.database.read() as connection:
            rows = [
                await connection.scalar(select(func.count()).select_from(table))
                for table in (staged_tables, staged_namespaces)
            ]
        return sum(row or 0 for row in rows)

    await store.stage(run(ORDERS), run(replace(ORDERS, comment="second")), DiscoveryBatch(listed=(ORDERS.path,)))
    assert await staged() == 2
    await store.stage(run(LINES), operation_id="op_other")
    await store.publish(source)
    assert (await store.table(source, *ORDERS.path)).comment == "second"
    assert await staged() == 2
    async with store.database.write() as connection:
        await store.repository(connection).discard("op_other")
    assert await staged() == 0


async def test_forgetting_revisions_keeps_what_the_kept_ones_show(store: CatalogStore, source: str) -> None:
    for n in range(6):
        extra = [LINES] if n == 1 else []
        await store.publish(source, run(replace(ORDERS, comment=str(n)), *extra))
    states = {n: await store.state(source, n) for n in range(3, 7)}
    lines = await store.table(source, *LINES.path, revision=2)

    async def prune(minutes: int, keep: int) -> int:
        async with store.database.write() as connection:
            return await store.repository(connection).prune_revisions(
                source, older_than=AT + timedelta(minutes=minutes), keep=keep
            )

    assert await prune(minutes=0, keep=1) == 1
    assert await prune(minutes=100, keep=4) == 3
    assert [revision.number for revision in await store.reader.revisions(SYSTEM, source)] == [3, 4, 5, 6]
    assert {n: await store.state(source, n) for n in range(3, 7)} == states
    assert await store.state(source, 2) == ({}, set())
    assert await store.reader.by_ids(SYSTEM, [(lines.id, None), (lines.id, 2)]) == [None, None]
    assert (await store.reader.changes(SYSTEM, source, 2, 6, ALL)).items == ()
    assert (await store.reader.changes(SYSTEM, source, 0, 6, ALL)).items == ()
    await store.publish(source, run(ORDERS, LINES))
    assert (await store.table(source, *LINES.path)).id != lines.id


async def test_a_reader_sees_only_whole_revisions(store: CatalogStore, source: str) -> None:
    await store.publish(source, run(*numbered(300, "1")))
    stop = asyncio.Event()

    async def read() -> int:
        reads = 0
        while not stop.is_set():
            pin = await store.pin(source)
            entries = await store.tables(pin)
            assert {entry.comment for entry in entries} == {str(pin.revision)}
            assert len(entries) == 300
            reads += 1
        return reads

    reader = asyncio.create_task(read())
    for n in (2, 3):
        await store.publish(source, run(*numbered(300, str(n))))
    stop.set()
    assert await reader > 0


async def test_a_viewer_without_the_source_finds_and_changes_nothing(store: CatalogStore) -> None:
    source = await store.add_source(SourceEnvironment.PRODUCTION)
    await store.publish(source, run(ORDERS, LINES))
    published = await store.publish(source, run(replace(ORDERS, comment="new"), LINES))
    assert published is not None
    pin = await store.pin(source)
    lines = await store.table(source, *LINES.path)
    column = (await store.columns(lines))[0]
    (keys,) = await store.reader.relationships(SYSTEM, [at(lines)], RelationshipFilter(), ALL)
    stranger = Viewer("ann", "key", frozenset(), Scope(environments=frozenset({SourceEnvironment.TEST})))
    reader = store.reader
    assert await reader.pins(stranger, [source]) == {}
    assert await reader.revisions(stranger, source) == ()
    wanted = [(id, revision) for id in (lines.id, lines.namespace_id, column.id) for revision in (None, 1)]
    assert await reader.by_ids(stranger, wanted) == [None] * 6
    assert await reader.by_paths(stranger, pin, [LINES.path, LINES.path[:-1]]) == [None, None]
    for slices in (
        await reader.namespaces(stranger, [pin], EVERYTHING, ALL),
        await reader.tables(stranger, [pin], WITH_REMOVED, ALL),
        await reader.columns(stranger, [at(lines)], EVERYTHING, ALL),
        await reader.relationships(stranger, [at(lines)], RelationshipFilter(), ALL),
    ):
        assert [(found.items, found.keys, found.has_next) for found in slices] == [((), (), False)]
    assert await reader.columns_named(stranger, [(at(lines), ("id",))]) == [()]
    assert await reader.relationships_by_ids(stranger, [(keys.items[0].id, None)]) == [None]
    assert await reader.count_namespaces(stranger, [pin], EVERYTHING) == [0]
    assert await reader.count_tables(stranger, [pin], EVERYTHING) == [0]
    assert await reader.count_columns(stranger, [at(lines)], EVERYTHING) == [0]
    assert await reader.count_relationships(stranger, [at(lines)], RelationshipFilter()) == [0]
    assert (await reader.changes(stranger, source, 1, 2, ALL)).items == ()
    assert await reader.count_changes(stranger, source, 1, 2, at_most=10) == 0
    assert await reader.change(stranger, published.changes[0].id) is None
    assert await reader.change(SYSTEM, published.changes[0].id) == published.changes[0]
    assert await reader.signatures(stranger, source) == {}
    assert await store.publish(source, run(ORDERS), viewer=stranger) is None
    assert await store.pin(source) == pin


async def test_changes_read_backwards_too(store: CatalogStore, source: str) -> None:
    await store.publish(source, run(ORDERS, LINES))
    await store.publish(source, run(ORDERS))
    (forth,) = (await store.reader.changes(SYSTEM, source, 1, 2, Page(10))).items
    (back,) = (await store.reader.changes(SYSTEM, source, 2, 1, Page(10))).items
    assert isinstance(back.change, AddTable)
    assert (forth.revision, back.revision) == (2, 2)
    assert forth.object_id == back.object_id
    assert forth.id != back.id
