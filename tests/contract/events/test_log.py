"""What every event log does: dense positions in the order of commit, visibility, filters, retention, epochs."""

import asyncio
from datetime import timedelta

import pytest

from domain.models.access import Scope
from domain.models.data_source import Sensitivity, SourceEnvironment
from domain.models.event import Event, EventFilter, EventType, LoggedEvent
from persistence.database import open_database
from persistence.events import log as log_module
from persistence.events.log import SqlEventLog, append_events, is_visible, is_wanted, new_event
from tests.contract.events.stores import (
    AT,
    EVERYTHING,
    SHOP,
    SYSTEM,
    EventStore,
    change,
    elsewhere,
    fact,
    numbers,
    operation,
    source,
    viewer,
)

BANK = source("bank", SourceEnvironment.PRODUCTION, Sensitivity.RESTRICTED)


@pytest.fixture
def log(store: EventStore) -> SqlEventLog:
    return SqlEventLog(store.database)


async def everything(log: SqlEventLog) -> list[LoggedEvent]:
    await log.sequence()
    found, read_to = await log.read(SYSTEM, 0, EVERYTHING, limit=10_000)
    assert read_to == await log.head()
    return list(found)


async def test_an_empty_log(log: SqlEventLog) -> None:
    assert (await log.head(), await log.tail(), (await log.sequence())[0].head) == (0, 1, 0)
    assert await log.read(SYSTEM, 0, EVERYTHING, limit=10) == ([], 0)
    assert await log.count(SYSTEM, 0, EVERYTHING, at_most=10) == 0
    assert await log.epoch()


async def test_positions_are_dense_and_in_the_order_of_writing(store: EventStore, log: SqlEventLog) -> None:
    await store.write(fact(1), fact(2), fact(3))
    await store.write()
    await store.write(fact(4))
    assert (await log.sequence())[0].head == 4
    found = await everything(log)
    assert [logged.position for logged in found] == [1, 2, 3, 4]
    assert numbers(found) == [1, 2, 3, 4]


async def test_what_was_rolled_back_takes_no_position(store: EventStore, log: SqlEventLog) -> None:
    await store.write(fact(1))

    async def write_and_fail() -> None:
        async with store.database.write() as connection:
            await append_events(connection, store.database.dialect, [new_event(fact(2), AT, "ann", SHOP)])
            raise LookupError

    with pytest.raises(LookupError):
        await write_and_fail()
    await store.write(fact(3))
    assert [(logged.position, logged.event) for logged in await everything(log)] == [(1, fact(1)), (2, fact(3))]


async def test_every_kind_of_fact_comes_back_as_it_was(store: EventStore, log: SqlEventLog) -> None:
    facts: tuple[Event, ...] = (fact(1), change(SHOP, "main", 'or"ders', "id"), operation(SHOP))
    await store.write(*facts, actor="bob")
    await store.write(operation(None), data_source=None, actor="bob")
    found = await everything(log)
    assert tuple(logged.event for logged in found) == (*facts, operation(None))
    assert {(logged.at, logged.actor) for logged in found} == {(AT, "bob")}
    assert {(logged.environment, logged.sensitivity) for logged in found[:3]} == {(SHOP.environment, SHOP.sensitivity)}


async def test_read_pages_without_a_hole(store: EventStore, log: SqlEventLog) -> None:
    await store.write(*map(fact, range(1, 8)))
    await log.sequence()
    told, after = [], 0
    while after < await log.head():
        found, after = await log.read(SYSTEM, after, EVERYTHING, limit=3)
        told += numbers(found)
    assert told == [1, 2, 3, 4, 5, 6, 7]
    assert await log.read(SYSTEM, 7, EVERYTHING, limit=3) == ([], 7)
    assert await log.read(SYSTEM, 99, EVERYTHING, limit=3) == ([], 99)


async def test_one_read_looks_at_a_bounded_part_of_the_log(
    store: EventStore, log: SqlEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "SCAN_LIMIT", 4)
    await store.write(*map(fact, range(1, 7)))
    await store.write(operation(SHOP))
    await log.sequence()
    rare = EventFilter(types=frozenset({EventType.OPERATION}))
    assert await log.read(SYSTEM, 0, rare, limit=10) == ([], 4)
    found, read_to = await log.read(SYSTEM, 4, rare, limit=10)
    assert ([logged.position for logged in found], read_to) == ([7], 7)


SCOPES = (
    Scope(),
    Scope(data_sources=frozenset()),
    Scope(data_sources=frozenset({SHOP.id})),
    Scope(environments=frozenset({SourceEnvironment.PRODUCTION})),
    Scope(sensitivity_ceiling=Sensitivity.INTERNAL),
    Scope(environments=frozenset({SourceEnvironment.TEST}), sensitivity_ceiling=Sensitivity.PUBLIC),
)
VIEWERS = (SYSTEM, *(viewer("ann", scope) for scope in SCOPES), viewer("bob"))
FILTERS = (
    EVERYTHING,
    EventFilter(data_sources=frozenset({BANK.id, "src_unknown"})),
    EventFilter(data_sources=frozenset()),
    EventFilter(types=frozenset({EventType.CHANGE, EventType.OPERATION})),
    EventFilter(under=("shop",)),
    EventFilter(under=("sho",)),
    EventFilter(under=("SHOP",)),
    EventFilter(under=("shop", "main", "a.b")),
    EventFilter(under=("shop", "main"), types=frozenset({EventType.CHANGE}), data_sources=frozenset({SHOP.id})),
)


async def test_who_sees_what_in_sql_and_in_memory(store: EventStore, log: SqlEventLog) -> None:
    for data_source in (SHOP, BANK):
        await store.write(
            fact(1, data_source),
            change(data_source, "main", "a.b"),
            change(data_source, "main", "a.b", "c"),
            change(data_source, "main", "a.bc"),
            change(data_source, "main"),
            operation(data_source),
            data_source=data_source,
        )
    for actor in ("ann", "bob"):
        await store.write(operation(None, actor), data_source=None, actor=actor)
    await log.sequence()
    entries, _, _ = await log.scan(SYSTEM, 0, EVERYTHING, limit=100)
    assert len(entries) == 14
    for who in VIEWERS:
        for wanted in FILTERS:
            found, _ = await log.read(who, 0, wanted, limit=100)
            expected = [entry.logged for entry in entries if is_visible(entry, who) and is_wanted(entry, wanted)]
            assert found == expected
            assert await log.count(who, 0, wanted, at_most=100) == len(expected)

    async def seen(who: Scope, wanted: EventFilter = EVERYTHING) -> list[int]:
        found, _ = await log.read(viewer("ann", who), 0, wanted, limit=100)
        return [logged.position for logged in found]

    assert await seen(Scope()) == [*range(1, 13), 13]
    assert await seen(SCOPES[1]) == [13]
    assert await seen(SCOPES[2]) == [1, 2, 3, 4, 5, 6, 13]
    assert await seen(SCOPES[3]) == [7, 8, 9, 10, 11, 12, 13]
    assert await seen(SCOPES[4]) == [1, 2, 3, 4, 5, 6, 13]
    assert await seen(SCOPES[5]) == [13]
    assert await seen(Scope(), EventFilter(under=("shop", "main", "a.b"))) == [2, 3]
    assert await seen(Scope(), EventFilter(under=("bank", "main"))) == [8, 9, 10, 11]
    assert await seen(Scope(), EventFilter(under=("SHOP",))) == []


async def test_counting_stops_where_it_is_told(store: EventStore, log: SqlEventLog) -> None:
    await store.write(*map(fact, range(1, 10)))
    await log.sequence()
    assert await log.count(SYSTEM, 2, EVERYTHING, at_most=5) == 5
    assert await log.count(SYSTEM, 2, EVERYTHING, at_most=100) == 7


async def test_retention_by_number_and_by_age_cuts_the_old_end_only(
    store: EventStore, log: SqlEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "PRUNE_BATCH", 2)
    for day in (0, 1, 2, 1, 5, 6, 7):
        await store.write(fact(day), at=AT + timedelta(days=day))
    await log.sequence()
    now = AT + timedelta(days=7)
    assert await log.prune(now=now, keep_days=100, keep_events=100) == 0
    assert await log.prune(now=now, keep_days=100, keep_events=6) == 1
    assert (await log.tail(), await log.head()) == (2, 7)
    # The fourth is old, but newer facts stand before it: what is kept has no hole.
    assert await log.prune(now=now, keep_days=5.5, keep_events=100) == 1
    assert await log.tail() == 3
    found, _ = await log.read(SYSTEM, 0, EVERYTHING, limit=100)
    assert [logged.position for logged in found] == [3, 4, 5, 6, 7]
    assert await log.prune(now=now + timedelta(days=30), keep_days=1, keep_events=100) == 5
    assert (await log.tail(), await log.head()) == (8, 7)
    await store.write(fact(8))
    assert (await log.sequence())[0].head == 8
    assert await log.read(SYSTEM, 0, EVERYTHING, limit=100) == ([(await everything(log))[0]], 8)


async def test_one_of_several_begins_a_new_epoch(store: EventStore, log: SqlEventLog) -> None:
    other = SqlEventLog(store.database)
    old = await log.epoch()
    assert await other.epoch() == old
    begun = await log.begin_epoch(old)
    assert begun != old
    assert await other.begin_epoch(old) == begun
    assert (await log.epoch(), await other.epoch()) == (begun, begun)


async def test_several_processes_write_and_sequence_at_once(store: EventStore, log: SqlEventLog) -> None:
    async def write(writer: int) -> None:
        for n in range(20):
            await store.write(fact(100 * writer + n), fact(100 * writer + n))
            await log.sequence()

    await asyncio.gather(*map(write, range(1, 6)))
    found = await everything(log)
    assert [logged.position for logged in found] == list(range(1, 201))
    told = numbers(found)
    for writer in range(1, 6):
        mine = [n for n in told if n // 100 == writer]
        assert mine == sorted([100 * writer + n for n in range(20)] * 2)


# ── only where several may write at once ─────────────────────────────────────────────────────────────────────────────


async def test_a_late_commit_comes_after_what_readers_have_seen(postgresql_store: EventStore) -> None:
    store, log = postgresql_store, SqlEventLog(postgresql_store.database)
    async with store.database.write() as connection:
        await append_events(connection, "postgresql", [new_event(fact(1), AT, "ann", SHOP)])
        await elsewhere(store.write(fact(2)))
        await elsewhere(log.sequence())
        assert await log.head() == 1
    assert (await log.sequence())[0].head == 2
    assert numbers(await everything(log)) == [2, 1]


async def test_many_waiting_facts_are_sequenced_in_batches(
    postgresql_store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "SEQUENCE_BATCH", 3)
    log = SqlEventLog(postgresql_store.database)
    await postgresql_store.write(*map(fact, range(1, 11)))
    assert (await log.sequence())[0].head == 10
    assert numbers(await everything(log)) == list(range(1, 11))


async def test_sequencing_does_not_wait_for_another_process_that_is_at_it(postgresql_store: EventStore) -> None:
    store = postgresql_store
    other = await open_database(store.url)
    await store.write(fact(1))
    async with store.database.write() as connection:
        assert (await connection.execute(log_module._LOCK)).scalar_one()
        state, is_complete = await elsewhere(SqlEventLog(other).sequence())
        assert (state.head, is_complete) == (0, False)
    assert (await SqlEventLog(other).sequence())[0].head == 1
    await other.close()
