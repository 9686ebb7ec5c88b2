"""Long jobs: kept as they are, fenced, and one discovery of a source at a time."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from msgspec.structs import replace

from domain.errors import Conflict, InvalidInput, Limited, Superseded
from domain.models.operation import Confirmation, Operation, OperationKind, OperationState
from domain.models.page import Page
from domain.services.operations import MAX_UNFINISHED, add
from tests.contract.repositories.stores import AT, ROUND_TRIPS, SYSTEM, Store, Undone, operation, source, values, viewer

TEST, DISCOVERY = OperationKind.CONNECTION_TEST, OperationKind.DISCOVERY


@ROUND_TRIPS
@given(stored=values(Operation))
async def test_an_operation_comes_back_as_it_was_written(store: Store, stored: Operation) -> None:
    stored = replace(stored, data_source_id=None, fence=3)

    async def write_and_read() -> None:
        async with store.unit_of_work(SYSTEM) as tx:
            await tx.operations.add(stored)
            assert await tx.operations.get(stored.id) == stored
            changed = replace(stored, progress=0.5, dry_run=not stored.dry_run, state=OperationState.RUNNING)
            await tx.operations.save(changed)
            assert await tx.operations.get(stored.id) == changed
            raise Undone

    with pytest.raises(Undone):
        await write_and_read()


async def save(store: Store, changed: Operation) -> None:
    async with store.unit_of_work(SYSTEM) as tx:
        await tx.operations.save(changed)


async def take(store: Store, id: str) -> Operation | None:
    async with store.unit_of_work(SYSTEM) as tx:
        return await tx.operations.take(id)


async def stored_operation(store: Store, id: str) -> Operation:
    return (await store.operations.by_ids(SYSTEM, [id]))[id]


async def test_who_was_superseded_can_write_no_more(store: Store) -> None:
    await store.add_operations(queued := operation(None))
    first = await take(store, queued.id)
    assert first == replace(queued, fence=1)
    await save(store, replace(first, state=OperationState.RUNNING))
    second = await take(store, queued.id)
    assert second is not None
    assert second.fence == 2
    with pytest.raises(Superseded):
        await save(store, replace(first, state=OperationState.FAILED))
    assert await stored_operation(store, queued.id) == second
    await save(store, replace(second, state=OperationState.SUCCEEDED))
    assert await take(store, queued.id) is None
    with pytest.raises(Superseded):
        await save(store, operation(None))


async def test_each_of_many_that_take_gets_a_fence_of_its_own(store: Store) -> None:
    await store.add_operations(queued := operation(None))
    taken = await asyncio.gather(*(take(store, queued.id) for _ in range(8)))
    assert sorted(operation.fence for operation in taken if operation) == list(range(1, 9))


async def test_a_wish_to_cancel_is_never_unset(store: Store) -> None:
    await store.add_operations(running := operation(None, state=OperationState.RUNNING))
    await save(store, replace(running, cancel_requested=True))
    await save(store, replace(running, cancel_requested=False, progress=0.5))
    found = await stored_operation(store, running.id)
    assert found.cancel_requested
    assert found.progress == 0.5


async def test_a_source_has_one_discovery_at_a_time(store: Store) -> None:
    await store.add(shop := source(), other := source())
    await store.add_operations(running := operation(shop.id, kind=DISCOVERY))
    await store.add_operations(operation(other.id, kind=DISCOVERY), operation(shop.id), operation(shop.id))
    with pytest.raises(Conflict, match="OPERATION_ACTIVE"):
        await store.add_operations(operation(shop.id, kind=DISCOVERY))
    async with store.unit_of_work(SYSTEM) as tx:
        assert await tx.operations.active(shop.id, DISCOVERY) == running
        await tx.operations.save(replace(running, state=OperationState.CANCELLED))
        assert await tx.operations.active(shop.id, DISCOVERY) is None
        await tx.operations.add(following := operation(shop.id, kind=DISCOVERY))
        assert await tx.operations.active(shop.id, DISCOVERY) == following
        assert (await tx.operations.active(shop.id, TEST)) is not None
        assert (await tx.operations.active(other.id, TEST)) is None


async def test_pages_of_many_sources_walk_newest_first(store: Store) -> None:
    await store.add(shop := source(), crm := source(), empty := source())
    made = [
        operation(owner.id, id=f"op_{n}{owner.id}", created_at=AT + timedelta(microseconds=n // 2), kind=kind)
        for n, owner, kind in [(n, owner, TEST) for n in range(7) for owner in (shop, crm)]
    ]
    await store.add_operations(*made)
    ids = [shop.id, crm.id, empty.id]
    walked: dict[str, list[Operation]] = {id: [] for id in ids}
    for id in ids:
        after = None
        while True:
            page = (await store.operations.pages(SYSTEM, [id], None, Page(3, after)))[id]
            walked[id] += page.items
            if not page.has_next:
                break
            after = page.keys[-1]
    for id in ids:
        expected = [found for found in made if found.data_source_id == id]
        assert walked[id] == sorted(expected, key=lambda found: (found.created_at, found.id), reverse=True)
    together = await store.operations.pages(SYSTEM, ids, None, Page(2))
    assert {id: page.items for id, page in together.items()} == {id: tuple(walked[id][:2]) for id in ids}
    assert {id: page.has_next for id, page in together.items()} == {shop.id: True, crm.id: True, empty.id: False}
    assert await store.operations.counts(SYSTEM, ids, None) == {shop.id: 7, crm.id: 7, empty.id: 0}
    assert await store.operations.counts(SYSTEM, ids, [DISCOVERY]) == dict.fromkeys(ids, 0)
    assert (await store.operations.pages(SYSTEM, ids, [DISCOVERY], Page(2)))[shop.id].items == ()


async def test_a_key_of_another_walk_is_refused(store: Store) -> None:
    for key in ((), ("x",), ("2026-11-01",), ("yesterday", "op_1")):
        with pytest.raises(InvalidInput, match="INVALID_CURSOR"):
            await store.operations.pages(SYSTEM, ["src_1"], None, Page(3, key))


async def test_unfinished_ones_are_found_oldest_first(store: Store) -> None:
    states = list(OperationState)
    made = [operation(None, state=state, created_at=AT - timedelta(hours=n)) for n, state in enumerate(states)]
    await store.add_operations(*made)
    wanted = [found for found in made if found.state in (OperationState.QUEUED, OperationState.RUNNING)]
    oldest_first = tuple(found.id for found in reversed(wanted))
    assert await store.operations.unfinished(SYSTEM, limit=10) == oldest_first
    assert await store.operations.unfinished(SYSTEM, limit=1) == oldest_first[:1]


async def test_confirmations_that_nobody_gave_in_time_are_found(store: Store) -> None:
    awaiting = OperationState.AWAITING_CONFIRMATION
    confirmation = Confirmation("token", "much would go", 12, AT)
    late = operation(None, state=awaiting, confirmation=confirmation)
    await store.add_operations(
        late,
        operation(None, state=awaiting, confirmation=replace(confirmation, expires_at=AT + timedelta(seconds=1))),
        operation(None, state=OperationState.CANCELLED, confirmation=confirmation),
        operation(None, state=awaiting),
    )
    assert await store.operations.expired_confirmations(SYSTEM, AT, limit=10) == (late.id,)
    assert await store.operations.expired_confirmations(SYSTEM, AT - timedelta(seconds=1), limit=10) == ()
    await save(store, replace(late, confirmation=None, state=OperationState.RUNNING))
    assert await store.operations.expired_confirmations(SYSTEM, AT, limit=10) == ()


async def test_without_a_source_only_its_actor_and_headwater_see_it(store: Store) -> None:
    await store.add_operations(draft := operation(None, actor="ann"))
    for who in (viewer(name="ann"), SYSTEM):
        assert await store.operations.by_ids(who, [draft.id]) == {draft.id: draft}
    bob = viewer(name="bob")
    assert await store.operations.by_ids(bob, [draft.id]) == {}
    assert await store.operations.unfinished(bob, limit=5) == ()
    async with store.unit_of_work(bob) as tx:
        assert await tx.operations.get(draft.id) is None
        assert await tx.operations.take(draft.id) is None


async def test_work_that_waits_is_bounded(store: Store) -> None:
    await store.add_operations(*(operation(None) for _ in range(MAX_UNFINISHED - 1)))
    async with store.unit_of_work(SYSTEM) as tx:
        await add(tx, last := operation(None), None)
        assert await tx.operations.count_unfinished() == MAX_UNFINISHED
    with pytest.raises(Limited):
        async with store.unit_of_work(SYSTEM) as tx:
            await add(tx, operation(None), None)
    taken = await take(store, last.id)
    assert taken is not None
    await save(store, replace(taken, state=OperationState.SUCCEEDED))
    async with store.unit_of_work(SYSTEM) as tx:
        await add(tx, operation(None), None)
