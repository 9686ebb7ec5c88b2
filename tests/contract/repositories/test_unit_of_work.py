"""The unit of work: the change and its facts together or not at all, then a nudge."""

import asyncio

import pytest
from sqlalchemy import select

from domain.models.event import DataSourceAction, DataSourceEvent
from persistence.database import in_transaction
from persistence.tables.events import events
from tests.contract.repositories.stores import AT, SYSTEM, Store, Undone, source, viewer

REGISTERED = DataSourceAction.REGISTERED


async def recorded(store: Store) -> list[tuple[str, str, str]]:
    """Name of the source, who did it, when."""
    async with store.database.read() as connection:
        rows = await connection.execute(select(events).order_by(events.c.id))
        return [(row.event.name, row.actor, row.at.isoformat()) for row in rows]


async def test_facts_are_written_with_the_change_in_their_order(store: Store) -> None:
    async with store.unit_of_work(viewer(name="ann")) as tx:
        for name in ("one", "two"):
            await tx.data_sources.add(entry := source(name))
            tx.record(DataSourceEvent(entry.id, entry.name, REGISTERED), entry)
        assert store.nudges == 0
    assert await recorded(store) == [("one", "ann", AT.isoformat()), ("two", "ann", AT.isoformat())]
    assert store.nudges == 1


async def test_a_transaction_without_facts_nudges_nobody(store: Store) -> None:
    await store.add(source())
    assert store.nudges == 0


async def test_a_failed_transaction_records_nothing(store: Store) -> None:
    async def fail() -> None:
        async with store.unit_of_work(SYSTEM) as tx:
            await tx.data_sources.add(entry := source())
            tx.record(DataSourceEvent(entry.id, entry.name, REGISTERED), entry)
            raise Undone

    with pytest.raises(Undone):
        await fail()
    assert await recorded(store) == []
    assert store.nudges == 0


async def test_a_cancelled_transaction_records_nothing_and_blocks_nobody(store: Store) -> None:
    is_open = asyncio.Event()

    async def hang() -> None:
        async with store.unit_of_work(SYSTEM) as tx:
            await tx.data_sources.add(source("contested"))
            is_open.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(hang())
    await is_open.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.add(source("contested"))


async def test_a_task_knows_whether_it_is_in_a_transaction(store: Store) -> None:
    async with store.unit_of_work(SYSTEM):
        assert in_transaction()
    assert not in_transaction()


async def test_transactions_are_not_nested(store: Store) -> None:
    async with store.unit_of_work(SYSTEM):
        with pytest.raises(RuntimeError, match="transaction is open"):
            await store.add(source())
