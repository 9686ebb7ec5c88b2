"""Checks: each claimed by one worker, kept with their sums and their judgement, forgotten in bounded pieces."""

import asyncio
from datetime import datetime, timedelta

import pytest
from hypothesis import given

from domain.models.access import Scope
from domain.models.data_source import DataSourceStatus
from domain.models.health import Health, HealthCheck, HealthHistory, HealthHour, HealthStatus
from tests.contract.repositories.stores import AT, ROUND_TRIPS, SYSTEM, Store, Undone, source, values, viewer

MINUTE = timedelta(minutes=1)
WELL = Health(HealthStatus.HEALTHY, AT)
EMPTY_HOUR = HealthHour(AT, 0, 0)


async def schedule(store: Store, *due: tuple[str, datetime | None]) -> None:
    async with store.unit_of_work(SYSTEM) as tx:
        for id, at in due:
            await tx.health.schedule(id, at)


async def claim(store: Store, now: datetime = AT, limit: int = 100) -> set[str]:
    async with store.unit_of_work(SYSTEM) as tx:
        return set(await tx.health.claim_due(now, lease_until=now + MINUTE, limit=limit))


@ROUND_TRIPS
@given(check=values(HealthCheck), hour=values(HealthHour), health=values(Health))
async def test_what_was_added_comes_back(store: Store, check: HealthCheck, hour: HealthHour, health: Health) -> None:
    async def write_and_read() -> None:
        async with store.unit_of_work(SYSTEM) as tx:
            await tx.data_sources.add(checked := source())
            assert await tx.health.current(checked.id) is None
            for _ in range(2):  # a check that is told again is the same check
                await tx.health.add(checked.id, check, hour, health)
            found = await tx.health.history(checked.id, last=5, hours_since=hour.at)
            assert found == HealthHistory((check,), (hour,))
            assert await tx.health.current(checked.id) == health
            raise Undone

    with pytest.raises(Undone):
        await write_and_read()


async def test_a_due_check_is_claimed_once_until_its_lease_ends(store: Store) -> None:
    await store.add(due := source(), later := source(), never := source())
    await schedule(store, (due.id, AT), (later.id, AT + 5 * MINUTE), (never.id, AT), (never.id, None))
    assert await claim(store) == {due.id}
    assert await claim(store) == set()
    assert await claim(store, AT + MINUTE) == {due.id}
    await schedule(store, (due.id, AT + 3 * MINUTE))
    assert await claim(store, AT + 2 * MINUTE) == set()
    assert await claim(store, AT + 10 * MINUTE) == {due.id, later.id}


async def test_the_most_overdue_are_claimed_first_and_never_more_than_asked_for(store: Store) -> None:
    sources = [source() for _ in range(7)]
    await store.add(*sources)
    await schedule(store, *((found.id, AT - n * MINUTE) for n, found in enumerate(sources)))
    oldest_first = [found.id for found in reversed(sources)]
    assert await claim(store, limit=3) == set(oldest_first[:3])
    assert await claim(store, limit=3) == set(oldest_first[3:6])
    assert await claim(store, limit=3) == set(oldest_first[6:])


async def test_many_workers_share_the_due_checks_without_doubles(store: Store) -> None:
    sources = [source() for _ in range(60)]
    await store.add(*sources)
    await schedule(store, *((found.id, AT) for found in sources))
    claims: list[str] = []

    async def work() -> None:
        while claimed := await claim(store, limit=4):
            claims.extend(claimed)

    await asyncio.gather(*(work() for _ in range(6)))
    # On PostgreSQL a worker may find all that is due locked by others and stop early; the next poll takes the rest.
    while claimed := await claim(store, limit=4):
        claims.extend(claimed)
    assert sorted(claims) == sorted(found.id for found in sources)


async def test_disabled_deleted_and_hidden_sources_are_not_checked(store: Store) -> None:
    sources = {status: source(status=status) for status in DataSourceStatus}
    await store.add(*sources.values(), gone := source())
    await schedule(store, *((found.id, AT) for found in [*sources.values(), gone]))
    async with store.unit_of_work(SYSTEM) as tx:
        await tx.data_sources.delete(gone.id, AT)
    async with store.unit_of_work(viewer(Scope(data_sources=frozenset()))) as tx:
        assert await tx.health.claim_due(AT, lease_until=AT + MINUTE, limit=10) == ()
    assert await claim(store) == {
        found.id for status, found in sources.items() if status is not DataSourceStatus.DISABLED
    }


async def test_the_newest_checks_of_many_sources(store: Store) -> None:
    await store.add(one := source(), two := source(), unchecked := source())
    async with store.unit_of_work(SYSTEM) as tx:
        for n in range(6):
            await tx.health.add(one.id, HealthCheck(AT + n * MINUTE, ok=True, latency_ms=n), EMPTY_HOUR, WELL)
        await tx.health.add(two.id, HealthCheck(AT, ok=False), EMPTY_HOUR, WELL)
    found = await store.health.checks(SYSTEM, [one.id, two.id, unchecked.id], last=3)
    assert [check.latency_ms for check in found[one.id]] == [5, 4, 3]
    assert found[two.id] == (HealthCheck(AT, ok=False),)
    assert found[unchecked.id] == ()
    assert await store.health.current(SYSTEM, None) == {one.id: WELL, two.id: WELL}
    assert await store.health.current(SYSTEM, [two.id, unchecked.id]) == {two.id: WELL}


async def test_history_is_the_newest_checks_and_the_hours_since(store: Store) -> None:
    await store.add(checked := source(), other := source())
    hour = timedelta(hours=1)
    async with store.unit_of_work(SYSTEM) as tx:
        for n in range(5):
            check, summed = HealthCheck(AT + n * hour, ok=True), HealthHour(AT + n * hour, n, 0, ((1, 2), (3, 4)))
            await tx.health.add(checked.id, check, summed, WELL)
        await tx.health.add(checked.id, check, HealthHour(AT + 4 * hour, 9, 1), WELL)
        await tx.health.add(other.id, check, summed, WELL)
        found = await tx.health.history(checked.id, last=2, hours_since=AT + 2 * hour)
    assert [check.at for check in found.checks] == [AT + 3 * hour, AT + 4 * hour]
    assert [(hour.at, hour.checks) for hour in found.hours] == [
        (AT + 2 * hour, 2),
        (AT + 3 * hour, 3),
        (AT + 4 * hour, 9),
    ]


async def test_old_checks_and_hours_are_forgotten_in_bounded_pieces(store: Store) -> None:
    await store.add(checked := source())
    async with store.unit_of_work(SYSTEM) as tx:
        for n in range(10):
            at = AT + n * MINUTE
            await tx.health.add(checked.id, HealthCheck(at, ok=True), HealthHour(at, 1, 0), WELL)
    removed = []
    for _ in range(4):
        async with store.unit_of_work(SYSTEM) as tx:
            bounds = {"checks_before": AT + 6 * MINUTE, "hours_before": AT + 3 * MINUTE}
            removed.append(await tx.health.prune(**bounds, at_most_rows=4))
    assert removed == [4, 4, 1, 0]
    async with store.unit_of_work(SYSTEM) as tx:
        found = await tx.health.history(checked.id, last=100, hours_since=AT)
    assert [check.at for check in found.checks] == [AT + n * MINUTE for n in range(6, 10)]
    assert [hour.at for hour in found.hours] == [AT + n * MINUTE for n in range(3, 10)]
