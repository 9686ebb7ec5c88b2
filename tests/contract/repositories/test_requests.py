"""Idempotency keys: per actor, used once, forgotten in time."""

import asyncio
from datetime import timedelta

import pytest

from domain.errors import Conflict
from domain.ports.repositories.requests import EarlierRequest
from tests.contract.repositories.stores import AT, SYSTEM, Store, source

FIRST = EarlierRequest("fingerprint", b'\x00{"id":1}\xff')


async def test_an_earlier_request_is_found_by_its_actor_only(store: Store) -> None:
    async with store.unit_of_work(SYSTEM) as tx:
        assert await tx.requests.find("ann", "key") is None
        await tx.requests.add("ann", "key", FIRST, AT)
        assert await tx.requests.find("ann", "key") == FIRST
    async with store.unit_of_work(SYSTEM) as tx:
        assert await tx.requests.find("ann", "key") == FIRST
        assert await tx.requests.find("bob", "key") is None
        assert await tx.requests.find("ann", "Key") is None
        await tx.requests.add("bob", "key", FIRST, AT)


async def test_of_many_with_one_key_at_once_one_acts_and_the_others_find_what_it_answered(store: Store) -> None:
    async def act(n: int) -> int:
        async with store.unit_of_work(SYSTEM) as tx:
            if await tx.requests.find("ann", "key") is not None:
                return -1  # a service answers what the first one answered
            await tx.data_sources.add(source(f"made by {n}"))
            await tx.requests.add("ann", "key", FIRST, AT)
            return n

    outcomes = await asyncio.gather(*(act(n) for n in range(6)))
    assert sorted(outcomes)[:5] == [-1] * 5
    assert max(outcomes) >= 0
    assert len(await store.data_sources.by_names(SYSTEM, [f"made by {n}" for n in range(6)])) == 1


async def test_a_used_key_is_a_conflict(store: Store) -> None:
    async def add() -> None:
        async with store.unit_of_work(SYSTEM) as tx:
            await tx.requests.add("ann", "key", FIRST, AT)

    await add()
    with pytest.raises(Conflict, match="KEY_REUSED"):
        await add()


async def test_old_keys_are_forgotten(store: Store) -> None:
    async with store.unit_of_work(SYSTEM) as tx:
        for hours in range(4):
            await tx.requests.add("ann", f"key {hours}", FIRST, AT + timedelta(hours=hours))
        assert await tx.requests.prune(AT + timedelta(hours=2)) == 2
        assert await tx.requests.find("ann", "key 1") is None
        assert await tx.requests.find("ann", "key 2") == FIRST
