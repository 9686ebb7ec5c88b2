"""Reading: each object once whatever the page size, what matches, what cannot be, and at what cost."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.models.catalog import Table, TableKind
from domain.models.page import Page
from domain.models.relationship import Evidence
from domain.ports.repositories.catalog import CatalogFilter, ObjectAt, Pin, RelationshipFilter
from tests import strategies
from tests.contract.catalog.stores import (
    ALL,
    EVERYTHING,
    SYSTEM,
    CatalogStore,
    at,
    column,
    counted_statements,
    run,
    table,
    walk,
)

AWKWARD = ("orders", "Order Lines", 'a"b', 'a"', "a", "a.b", "a'b", "ü", "Ü", "日本", "%_\\", "*", "1st", "\n", "ſ", "")
SHOP = ("shop", "public")


def shop(count: int = 5) -> list[Table]:
    """Tables that all reference the first one."""
    return [
        table(*SHOP, f"t{number}", columns=("id", "first", "note"), references={"first": (*SHOP, "t0")})
        for number in range(count)
    ]


async def test_walks_meet_each_object_once_for_every_page_size(store: CatalogStore, source: str) -> None:
    tables = [
        Table((*SHOP, name), TableKind.TABLE, tuple(column(other, at % 3 + 1) for at, other in enumerate(AWKWARD)))
        for name in AWKWARD
    ]
    tables += [table("shop", name, "t", references={"id": (*SHOP, "ü")}) for name in AWKWARD]
    await store.publish(source, run(*tables))
    pin = await store.pin(source)
    far = await store.table(source, *SHOP, "ü")
    reader = store.reader
    sets: list[tuple[Callable[[Page], Awaitable[object]], int]] = [
        (partial(reader.namespaces, SYSTEM, [pin], EVERYTHING), len(AWKWARD) + 1),
        (partial(reader.tables, SYSTEM, [pin], EVERYTHING), len(tables)),
        (partial(reader.tables, SYSTEM, [ObjectAt(far.namespace_id, pin)], EVERYTHING), len(AWKWARD)),
        (partial(reader.columns, SYSTEM, [at(far)], EVERYTHING), len(AWKWARD)),
        (partial(reader.relationships, SYSTEM, [at(far)], RelationshipFilter()), len(AWKWARD)),
    ]
    for read, count in sets:

        async def page_of(page: Page, read: Callable[[Page], Awaitable[object]] = read) -> object:
            (found,) = await read(page)
            return found

        for first in (1, 2, 7, 100):
            items = await walk(page_of, first)
            assert len({item.id for item in items}) == len(items) == count
    by_path = await reader.by_paths(SYSTEM, pin, [found.path for found in tables])
    assert [entry and entry.path for entry in by_path] == [found.path for found in tables]
    paths = [(*SHOP, "ü", name) for name in AWKWARD]
    assert [entry and entry.path for entry in await reader.by_paths(SYSTEM, pin, paths)] == paths


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(strategies.tables, max_size=5, unique_by=lambda found: found.path))
async def test_many_sets_are_paged_as_each_alone(store: CatalogStore, tables: Sequence[Table]) -> None:
    source = await store.add_source()
    await store.publish(source, run(*tables))
    pin = await store.pin(source)
    parents = [at(entry) for entry in await store.tables(pin)] if tables else []
    for first in (1, 3):
        together = await store.reader.columns(SYSTEM, parents, EVERYTHING, Page(first))
        alone = [await store.reader.columns(SYSTEM, [parent], EVERYTHING, Page(first)) for parent in parents]
        assert [[found] for found in together] == alone
        related = await store.reader.relationships(SYSTEM, parents, RelationshipFilter(), Page(first))
        by_one = [
            await store.reader.relationships(SYSTEM, [parent], RelationshipFilter(), Page(first)) for parent in parents
        ]
        assert [[found] for found in related] == by_one
    counts = await store.reader.count_columns(SYSTEM, parents, EVERYTHING)
    assert counts == [len(found.items) for found in await store.reader.columns(SYSTEM, parents, EVERYTHING, ALL)]


async def test_filters(store: CatalogStore, source: str) -> None:
    view = table(*SHOP, "Order_View", kind=TableKind.VIEW)
    await store.publish(source, run(table(*SHOP, "orders"), table(*SHOP, "STRASSE"), view))
    pin = await store.pin(source)

    async def names(wanted: CatalogFilter) -> list[str]:
        found = [entry.name for entry in await store.tables(pin, wanted)]
        assert await store.reader.count_tables(SYSTEM, [pin], wanted) == [len(found)]
        return found

    assert await names(CatalogFilter(match="ORDER")) == ["Order_View", "orders"]
    assert await names(CatalogFilter(match="order_")) == ["Order_View"]
    assert await names(CatalogFilter(match="*s")) == ["orders"]
    assert await names(CatalogFilter(match="straße")) == ["STRASSE"]
    assert await names(CatalogFilter(match="\ud800")) == []
    assert await names(CatalogFilter(kinds=(TableKind.VIEW,))) == ["Order_View"]
    assert await names(CatalogFilter(kinds=())) == []
    orders = await store.table(source, *SHOP, "orders")
    assert await store.reader.count_columns(SYSTEM, [at(orders)], CatalogFilter(match="I?")) == [1]
    assert await store.reader.count_namespaces(SYSTEM, [pin], CatalogFilter(match="publi")) == [1]
    with pytest.raises(InvalidInput):
        await names(CatalogFilter(match="x" * 201))


async def test_what_cannot_be_is_answered_with_nothing(store: CatalogStore, source: str) -> None:
    await store.publish(source, run(*shop()))
    pin = await store.pin(source)
    entry = await store.table(source, *SHOP, "t0")
    reader = store.reader
    strange = ["", "tbl_", "tbl_x", "src_9", "nsp_\0", "col_\ud800", "tbl_' OR 1=1 --", "chg_x", "x" * 5_000]
    assert await reader.by_ids(SYSTEM, [(id, None) for id in strange]) == [None] * len(strange)
    assert await reader.relationships_by_ids(SYSTEM, [(id, None) for id in strange]) == [None] * len(strange)
    for revision in (0, -1, 2, 2**31, 2**80):
        nowhere = Pin(source, revision, is_pinned=True)
        assert await reader.by_ids(SYSTEM, [(entry.id, revision)]) == [None]
        assert await reader.by_paths(SYSTEM, nowhere, [entry.path]) == [None]
        assert [found.items for found in await reader.tables(SYSTEM, [nowhere], EVERYTHING, ALL)] == [()]
        assert [
            found.items for found in await reader.columns(SYSTEM, [ObjectAt(entry.id, nowhere)], EVERYTHING, ALL)
        ] == [()]
        assert await reader.count_relationships(SYSTEM, [ObjectAt(entry.id, nowhere)], RelationshipFilter()) == [0]
    for revision in (-1, 2, 2**31, 2**80):
        assert (await reader.changes(SYSTEM, source, 1, revision, ALL)).items == ()
        assert await reader.count_changes(SYSTEM, source, revision, 1, at_most=10) == 0
    for id in strange:
        assert [found.items for found in await reader.columns(SYSTEM, [ObjectAt(id, pin)], EVERYTHING, ALL)] == [()]
        assert await reader.change(SYSTEM, id) is None
        assert await reader.revisions(SYSTEM, id) == ()
    paths = [(), ("\0",), ("\ud800",), ("shop",), (*SHOP, "t0", "id", "x"), ("x",) * 40, ("x" * 100_000,)]
    assert await reader.by_paths(SYSTEM, pin, paths) == [None] * len(paths)
    assert await reader.columns_named(SYSTEM, [(at(entry), ("note", "\0", "none", "id", "note"))]) != []
    assert await reader.pins(SYSTEM, ["src_none", "\0"]) == {}
    assert await reader.by_ids(SYSTEM, []) == []
    assert await reader.tables(SYSTEM, [], EVERYTHING, ALL) == []
    no_evidence = RelationshipFilter(evidence=())
    assert await reader.count_relationships(SYSTEM, [at(entry)], no_evidence) == [0]
    declared = RelationshipFilter(evidence=(Evidence.DECLARED,))
    assert await reader.count_relationships(SYSTEM, [at(entry)], declared) == [5]


@pytest.mark.parametrize("after", [(), ("a", "b"), ("\0",), ("\ud800",)])
async def test_a_key_of_another_list_is_refused(store: CatalogStore, source: str, after: tuple[str, ...]) -> None:
    await store.publish(source, run(*shop()))
    entry = await store.table(source, *SHOP, "t0")
    for key in (after, ("-1", "a", "b"), ("x" * 11, "a", "b"), ("9" * 10, "a", "b")):
        with pytest.raises(InvalidInput, match="INVALID_CURSOR"):
            await store.reader.columns(SYSTEM, [at(entry)], EVERYTHING, Page(1, key))
    with pytest.raises(InvalidInput, match="INVALID_CURSOR"):
        await store.reader.tables(SYSTEM, [await store.pin(source)], EVERYTHING, Page(1, after))
    await store.publish(source, run())
    with pytest.raises(InvalidInput, match="INVALID_CURSOR"):
        await store.reader.changes(SYSTEM, source, 1, 2, Page(1, after))


async def test_named_columns_come_in_the_order_of_the_names(store: CatalogStore, source: str) -> None:
    await store.publish(source, run(*shop(2)))
    entries = await store.tables(await store.pin(source))
    found = await store.reader.columns_named(
        SYSTEM, [(at(entries[0]), ("note", "none", "id")), (at(entries[1]), ()), (at(entries[1]), ("first",))]
    )
    assert [[entry.name for entry in of_table] for of_table in found] == [["note", "id"], [], ["first"]]
    assert found[0][1].is_primary_key


async def test_the_number_of_statements_does_not_depend_on_the_number_of_keys(store: CatalogStore) -> None:
    sources = [await store.add_source() for _ in range(3)]
    for source in sources:
        await store.publish(source, run(*shop(8)))
        await store.publish(source, run(*shop(6)))
    pins = list((await store.reader.pins(SYSTEM, sources)).values())
    entries = [entry for pin in pins for entry in await store.tables(pin)]
    tables = [at(entry) for entry in entries]
    namespaces = [ObjectAt(entry.namespace_id, at(entry).pin) for entry in entries]
    columns = [found.id for entry in entries for found in await store.columns(entry)]
    reader, page = store.reader, Page(3)
    reads: dict[str, tuple[int, Callable[[int], Awaitable[object]]]] = {
        "by_ids": (
            4,
            lambda n: reader.by_ids(
                SYSTEM,
                [(id, None) for e in entries[:n] for id in (e.id, e.namespace_id)] + [(c, 1) for c in columns[:n]],
            ),
        ),
        "by_paths": (5, lambda n: reader.by_paths(SYSTEM, pins[0], [entry.path for entry in entries[:n]])),
        "namespaces": (3, lambda n: reader.namespaces(SYSTEM, pins[:n], EVERYTHING, page)),
        "tables": (4, lambda n: reader.tables(SYSTEM, [*pins[:n], *namespaces[:n]], EVERYTHING, page)),
        "columns": (3, lambda n: reader.columns(SYSTEM, tables[:n], EVERYTHING, page)),
        "columns_named": (3, lambda n: reader.columns_named(SYSTEM, [(each, ("id", "note")) for each in tables[:n]])),
        "relationships": (2, lambda n: reader.relationships(SYSTEM, tables[:n], RelationshipFilter(), page)),
        "count_namespaces": (2, lambda n: reader.count_namespaces(SYSTEM, pins[:n], EVERYTHING)),
        "count_tables": (3, lambda n: reader.count_tables(SYSTEM, [*pins[:n], *namespaces[:n]], EVERYTHING)),
        "count_columns": (2, lambda n: reader.count_columns(SYSTEM, tables[:n], EVERYTHING)),
        "count_relationships": (2, lambda n: reader.count_relationships(SYSTEM, tables[:n], RelationshipFilter())),
    }
    for name, (most, read) in reads.items():
        for n in (1, 2, 18):
            with counted_statements() as statements:
                await read(n)
            assert (name, n, len(statements) <= most) == (name, n, True)
    with counted_statements() as statements:
        found = await reader.changes(SYSTEM, sources[0], 1, 2, Page(1))
    assert found.has_next
    assert len(statements) <= 8
