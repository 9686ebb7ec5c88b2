"""Registered sources: kept as they are, found in order, unique by name, hidden from whoever may not see them."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace
from sqlalchemy import func, select, update

from domain.errors import Conflict, InvalidInput, NotFound
from domain.models.access import Scope, Viewer
from domain.models.data_source import (
    DataSource,
    DataSourceKind,
    DataSourceStatus,
    DiscoveryScope,
    Sensitivity,
    SourceEnvironment,
)
from domain.models.discovery import Coverage, Unreadable
from domain.models.health import Health, HealthHistory, HealthHour, HealthStatus
from domain.models.health import HealthCheck as Check
from domain.models.operation import SyncMode
from domain.models.page import Page
from domain.models.secret import SecretReference, StoredSecret
from domain.ports.repositories.data_sources import DataSourceFilter
from persistence.tables import metadata
from persistence.tables.data_sources import data_sources
from tests.contract.repositories.stores import (
    AT,
    ROUND_TRIPS,
    SYSTEM,
    Store,
    Undone,
    elsewhere,
    hiding,
    operation,
    source,
    values,
    viewer,
)

ALL = DataSourceFilter()
NAMES = ["Zebra", "apple", "Äpfel", "ß", "ss", "%", "a_b", "a.b", 'a"b', "日本", "z", "🦊", "\uffff", "10", "9", " "]


def round_trips(of: type) -> Any:
    return given(stored=values(of))


@ROUND_TRIPS
@round_trips(DataSource)
async def test_a_source_comes_back_as_it_was_written(store: Store, stored: DataSource) -> None:
    async def write_and_read() -> None:
        async with store.unit_of_work(SYSTEM) as tx:
            await tx.data_sources.add(stored)
            assert await tx.data_sources.get(stored.id) == stored
            changed = replace(stored, version=7, tags=(*stored.tags, "one more"), description="changed", revision=99)
            await tx.data_sources.save(changed)
            # The revision is the catalog's to write.
            assert await tx.data_sources.by_name(stored.name) == replace(changed, revision=stored.revision)
            raise Undone

    with pytest.raises(Undone):
        await write_and_read()


async def test_pages_walk_all_sources_in_order_of_their_bytes(store: Store) -> None:
    await store.add(*(source(name) for name in NAMES))
    walked, after = [], None
    while True:
        page = await store.data_sources.page(SYSTEM, ALL, Page(first=3, after=after))
        walked += [found.name for found in page.items]
        assert page.keys == tuple((found.name,) for found in page.items)
        if not page.has_next:
            break
        after = page.keys[-1]
    assert walked == sorted(NAMES, key=str.encode)
    assert await store.data_sources.count(SYSTEM, ALL) == len(NAMES)


FILTERS: list[tuple[DataSourceFilter, set[str]]] = [
    (DataSourceFilter(match="a"), {"apple", "a_b", "a.b", 'a"b', "Zebra"}),
    (DataSourceFilter(match="SS"), {"ß", "ss"}),
    (DataSourceFilter(match="äPF"), {"Äpfel"}),
    (DataSourceFilter(match="a?b"), {"a_b", "a.b", 'a"b'}),
    (DataSourceFilter(match="_"), {"a_b"}),
    (DataSourceFilter(match="%"), {"%"}),
    (DataSourceFilter(match="*E"), {"apple"}),
    (DataSourceFilter(match="\\"), set()),
    (DataSourceFilter(match=""), set(NAMES)),
    (DataSourceFilter(tag="Blue"), {"apple", "ß"}),
    (DataSourceFilter(tag="blue"), set()),
    (DataSourceFilter(tag="grün"), {"apple"}),
    (DataSourceFilter(kinds=(DataSourceKind.POSTGRESQL,)), set()),
    (DataSourceFilter(kinds=()), set()),
    (DataSourceFilter(statuses=(DataSourceStatus.DISABLED, DataSourceStatus.ACTIVE)), {"ss"}),
    (DataSourceFilter(environments=(SourceEnvironment.PRODUCTION,), match="s"), {"ss"}),
]


async def test_filters(store: Store) -> None:
    special: dict[str, dict[str, Any]] = {
        "apple": {"tags": ("grün", "Blue", "Blue")},
        "ß": {"tags": ("Blue",)},
        "ss": {"status": DataSourceStatus.DISABLED, "environment": SourceEnvironment.PRODUCTION},
        "z": {"environment": SourceEnvironment.PRODUCTION},
    }
    await store.add(*(source(name, **special.get(name, {})) for name in NAMES))
    for wanted, names in FILTERS:
        page = await store.data_sources.page(SYSTEM, wanted, Page(first=100))
        assert {found.name for found in page.items} == names
        assert await store.data_sources.count(SYSTEM, wanted) == len(names)


async def test_by_ids_and_names_give_what_is_there(store: Store) -> None:
    one, two = source("one"), source("two")
    await store.add(one, two)
    assert await store.data_sources.by_ids(SYSTEM, [two.id, "src_none", one.id]) == {one.id: one, two.id: two}
    assert await store.data_sources.by_names(SYSTEM, ["two", "none"]) == {"two": two}
    assert await store.data_sources.by_ids(SYSTEM, []) == {}


async def test_what_one_may_not_see_is_absent_everywhere(store: Store) -> None:
    hidden = source("hidden", environment=SourceEnvironment.PRODUCTION, sensitivity=Sensitivity.CONFIDENTIAL)
    await store.add(hidden, source("open", sensitivity=Sensitivity.PUBLIC))
    run = Coverage(AT, SyncMode.FULL, DiscoveryScope(), (), 1.0)
    secret = StoredSecret("password", 1, SecretReference("env", "HEADWATER_SECRET_X"))
    check, hour, health = Check(AT, ok=True), HealthHour(AT, 1, 0), Health(HealthStatus.HEALTHY, AT)
    async with store.unit_of_work(SYSTEM) as tx:
        await tx.data_sources.add_coverage(hidden.id, run)
        await tx.secrets.put(hidden.id, secret)
        await tx.health.add(hidden.id, check, hour, health)
        await tx.health.schedule(hidden.id, AT)
    await store.add_operations(op := operation(hidden.id))

    async def absent(who: Viewer) -> None:
        reader = store.data_sources
        assert await reader.by_ids(who, [hidden.id]) == {}
        assert await reader.by_names(who, ["hidden"]) == {}
        assert "hidden" not in [found.name for found in (await reader.page(who, ALL, Page(10))).items]
        assert await reader.count(who, ALL) == len((await reader.page(who, ALL, Page(10))).items)
        assert await reader.coverage(who, [hidden.id]) == {}
        assert await store.operations.by_ids(who, [op.id]) == {}
        assert (await store.operations.pages(who, [hidden.id], None, Page(10)))[hidden.id].items == ()
        assert await store.operations.counts(who, [hidden.id], None) == {hidden.id: 0}
        assert await store.operations.unfinished(who, limit=10) == ()
        assert hidden.id not in await store.health.current(who, None)
        assert await store.health.current(who, [hidden.id]) == {}
        assert (await store.health.checks(who, [hidden.id], last=5))[hidden.id] == ()
        async with store.unit_of_work(who) as tx:
            assert await tx.data_sources.get(hidden.id) is None
            assert await tx.data_sources.by_name("hidden") is None
            assert await tx.secrets.of(hidden.id) == ()
            assert await tx.operations.get(op.id) is None
            assert await tx.operations.take(op.id) is None
            assert await tx.operations.active(hidden.id, op.kind) is None
            assert await tx.health.current(hidden.id) is None
            assert await tx.health.history(hidden.id, last=5, hours_since=AT) == HealthHistory()
            assert await tx.health.claim_due(AT, lease_until=AT + timedelta(minutes=1), limit=5) == ()
            assert await tx.data_sources.name_is_taken("hidden")  # the one documented exception
            with pytest.raises(NotFound):
                await tx.data_sources.save(hidden)
            await tx.data_sources.delete(hidden.id, AT)

    for who in hiding(hidden):
        await absent(who)
    seeing = viewer(Scope(frozenset({hidden.id}), frozenset({hidden.environment}), hidden.sensitivity))
    assert await store.data_sources.by_ids(seeing, [hidden.id]) == {hidden.id: hidden}
    assert await store.operations.by_ids(seeing, [op.id]) == {op.id: op}
    assert await store.health.current(seeing, None) == {hidden.id: health}
    async with store.unit_of_work(seeing) as tx:
        assert await tx.secrets.of(hidden.id) == (secret,)
        assert await tx.health.claim_due(AT, lease_until=AT + timedelta(minutes=1), limit=5) == (hidden.id,)
        await tx.data_sources.delete(hidden.id, AT)
    await absent_after_delete(store, hidden, op.id)


async def absent_after_delete(store: Store, hidden: DataSource, operation_id: str) -> None:
    assert await store.data_sources.by_ids(SYSTEM, [hidden.id]) == {}
    assert await store.operations.by_ids(SYSTEM, [operation_id]) == {}
    assert await store.health.current(SYSTEM, None) == {}
    async with store.unit_of_work(SYSTEM) as tx:
        assert await tx.operations.take(operation_id) is None
        assert await tx.secrets.of(hidden.id) == ()


async def test_a_taken_name_is_a_conflict(store: Store) -> None:
    await store.add(source("taken"), other := source("other"))

    async def rename() -> None:
        async with store.unit_of_work(SYSTEM) as tx:
            assert await tx.data_sources.name_is_taken("taken")
            assert not await tx.data_sources.name_is_taken("Taken")
            await tx.data_sources.save(replace(other, name="taken"))

    for attempt in (lambda: store.add(source("taken")), rename):
        with pytest.raises(Conflict) as caught:
            await attempt()
        assert caught.value.problem.code == "NAME_TAKEN"
    assert await store.data_sources.count(SYSTEM, ALL) == 2


async def test_of_two_that_register_a_name_at_once_one_wins(store: Store) -> None:
    async def register(entry: DataSource) -> DataSource:
        async with store.unit_of_work(SYSTEM) as tx:
            await tx.data_sources.by_name("contested")  # as a service does, which then finds it free
            await tx.data_sources.add(entry)
            return entry

    outcomes = await asyncio.gather(*(register(source("contested")) for _ in range(6)), return_exceptions=True)
    winners = [outcome for outcome in outcomes if isinstance(outcome, DataSource)]
    losers = [outcome.problem.code for outcome in outcomes if isinstance(outcome, Conflict)]
    assert len(winners) == 1
    assert losers == ["NAME_TAKEN"] * 5
    assert await store.data_sources.by_names(SYSTEM, ["contested"]) == {"contested": winners[0]}


async def test_a_source_that_was_read_is_locked_until_the_end(store: Store) -> None:
    await store.add(counted := source("counted"))

    async def count_up() -> None:
        async with store.unit_of_work(SYSTEM) as tx:
            found = await tx.data_sources.get(counted.id)
            assert found is not None
            await asyncio.sleep(0)
            await tx.data_sources.save(replace(found, version=found.version + 1))

    await asyncio.gather(*(count_up() for _ in range(10)))
    assert (await store.data_sources.by_ids(SYSTEM, [counted.id]))[counted.id].version == 11


async def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    async def fail() -> None:
        async with store.unit_of_work(SYSTEM) as tx:
            await tx.data_sources.add(source("lost"))
            raise Undone

    with pytest.raises(Undone):
        await fail()
    assert await store.data_sources.count(SYSTEM, ALL) == 0


async def test_what_is_not_committed_is_not_read(store: Store) -> None:
    async with store.unit_of_work(SYSTEM) as tx:
        await tx.data_sources.add(source("coming"))
        assert await elsewhere(store.data_sources.count(SYSTEM, ALL)) == 0
    assert await store.data_sources.count(SYSTEM, ALL) == 1


async def test_deleting_frees_the_name_for_a_new_source(store: Store) -> None:
    await store.add(first := source("phoenix"))
    async with store.unit_of_work(SYSTEM) as tx:
        await tx.secrets.put(first.id, StoredSecret("password", 1, SecretReference("env", "HEADWATER_SECRET_X")))
        await tx.data_sources.delete(first.id, AT)
        assert await tx.data_sources.get(first.id) is None
        assert not await tx.data_sources.name_is_taken("phoenix")
        await tx.data_sources.add(second := source("phoenix"))
    assert await store.data_sources.by_names(SYSTEM, ["phoenix"]) == {"phoenix": second}
    with pytest.raises(NotFound):
        await save(store, first)


async def save(store: Store, changed: DataSource) -> None:
    async with store.unit_of_work(SYSTEM) as tx:
        await tx.data_sources.save(changed)


async def test_deleted_sources_are_swept_in_bounded_pieces_and_nothing_else_is(store: Store) -> None:
    doomed, kept = source("doomed", tags=("a", "b")), source("kept", tags=("a",))
    await store.add(doomed, kept)
    async with store.unit_of_work(SYSTEM) as tx:
        for entry in (doomed, kept):
            await tx.operations.add(operation(entry.id))
            await tx.data_sources.add_coverage(entry.id, run(SyncMode.FULL))
            await tx.health.schedule(entry.id, AT)
            for minute in range(5):
                at = AT + timedelta(minutes=minute)
                await tx.health.add(
                    entry.id, Check(at, ok=True), HealthHour(AT, 1, 0), Health(HealthStatus.HEALTHY, AT)
                )
        await tx.data_sources.delete(doomed.id, AT)
    rows_of_one = (await row_count(store) - 1) // 2
    removed = []
    while True:
        async with store.unit_of_work(SYSTEM) as tx:
            removed.append(await tx.data_sources.sweep_deleted(at_most_rows=4))
        if removed[-1] == 0:
            break
    assert max(removed) <= 4
    assert sum(removed) == rows_of_one + 1  # one tag more
    assert await row_count(store) == rows_of_one
    assert await store.data_sources.by_ids(SYSTEM, [kept.id]) == {kept.id: kept}
    assert len((await store.health.checks(SYSTEM, [kept.id], last=9))[kept.id]) == 5


async def row_count(store: Store) -> int:
    """Of all tables of sources."""
    async with store.database.read() as connection:
        owned = [table for table in metadata.sorted_tables if "data_source_id" in table.c or table is data_sources]
        return sum(
            [(await connection.execute(select(func.count()).select_from(table))).scalar_one() for table in owned]
        )


def run(mode: SyncMode, *unread: str, minute: int = 0) -> Coverage:
    missed = tuple(Unreadable((name,), "permission denied") for name in unread)
    return Coverage(AT + timedelta(minutes=minute), mode, DiscoveryScope(), missed, 0.5)


async def test_coverage_is_kept_since_the_last_complete_run_newest_first(store: Store) -> None:
    await store.add(covered := source(), other := source())
    runs = [
        run(SyncMode.SELECTIVE, minute=1),
        run(SyncMode.FULL, "a", minute=2),
        run(SyncMode.FULL, minute=3),
        run(SyncMode.SELECTIVE, minute=4),
        run(SyncMode.SELECTIVE, minute=4),
        run(SyncMode.INCREMENTAL, "b", minute=5),
    ]
    for coverage in runs:
        async with store.unit_of_work(SYSTEM) as tx:
            await tx.data_sources.add_coverage(covered.id, coverage)
    assert await store.data_sources.coverage(SYSTEM, [covered.id, other.id]) == {covered.id: tuple(runs[:1:-1])}


@ROUND_TRIPS
@round_trips(Coverage)
async def test_a_coverage_comes_back_as_it_was_written(store: Store, stored: Coverage) -> None:
    await store.add(covered := source())
    async with store.unit_of_work(SYSTEM) as tx:
        await tx.data_sources.add_coverage(covered.id, stored)
    assert await store.data_sources.coverage(SYSTEM, [covered.id]) == {covered.id: (stored,)}


async def test_a_publish_is_seen_in_the_source(store: Store) -> None:
    await store.add(found := source())
    async with store.database.write() as connection:
        await connection.execute(update(data_sources).where(data_sources.c.id == found.id).values(revision=3))
    await save(store, replace(found, version=2))
    assert (await store.data_sources.by_ids(SYSTEM, [found.id]))[found.id].revision == 3


async def test_text_that_no_store_can_hold_is_bad_input_or_found_nowhere(store: Store) -> None:
    for half in ("\ud800", "a\udfff"):
        with pytest.raises(InvalidInput):
            await store.data_sources.by_names(SYSTEM, [half])
        with pytest.raises(InvalidInput):
            await store.add(source(half))
    with contextlib.suppress(InvalidInput):  # SQLite can hold it, PostgreSQL cannot
        assert await store.data_sources.by_names(SYSTEM, ["a\0b"]) == {}
    assert await store.data_sources.count(SYSTEM, ALL) == 0


async def test_a_bad_statement_is_our_mistake_and_nobodys_problem(store: Store) -> None:
    async def twice() -> None:
        async with store.unit_of_work(SYSTEM) as tx:
            await tx.data_sources.add(entry := source("a"))
            await tx.data_sources.add(replace(entry, name="b"))

    with pytest.raises(Exception, match=r"(?i)unique"):
        await twice()
