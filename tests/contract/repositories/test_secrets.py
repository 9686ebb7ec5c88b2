"""Secrets at rest: kept as given, replaced without a rest, erased."""

import pytest
from hypothesis import given

from domain.models.secret import SealedSecret, SecretReference, StoredSecret
from tests.contract.repositories.stores import ROUND_TRIPS, SYSTEM, Store, Undone, operation, values, viewer
from tests.strategies import text

SEALED = StoredSecret("password", 1, SealedSecret("key", b"\x00wrapped\xff", b"\x00cipher\xff"))
REFERENCE = StoredSecret("password", 2, SecretReference("file", "shop/password", "value"))


@ROUND_TRIPS
@given(owner=text, stored=values(StoredSecret))
async def test_a_secret_comes_back_as_it_was_written(store: Store, owner: str, stored: StoredSecret) -> None:
    async def write_and_read() -> None:
        async with store.unit_of_work(SYSTEM) as tx:
            await tx.secrets.put(owner, stored)
            assert await tx.secrets.of(owner) == (stored,)
            raise Undone

    with pytest.raises(Undone):
        await write_and_read()


async def test_a_newer_version_leaves_nothing_of_the_older(store: Store) -> None:
    async with store.unit_of_work(SYSTEM) as tx:
        for stored in (SEALED, REFERENCE, SEALED):
            await tx.secrets.put("src_1", stored)
            assert await tx.secrets.of("src_1") == (stored,)


async def test_fields_come_in_order_of_name_and_go_one_by_one_or_together(store: Store) -> None:
    fields = [StoredSecret(name, 1, SecretReference("env", "X")) for name in ("token", "Password", "client_key")]
    async with store.unit_of_work(SYSTEM) as tx:
        for stored in fields:
            await tx.secrets.put("src_1", stored)
        await tx.secrets.put("src_2", SEALED)
        assert [stored.field for stored in await tx.secrets.of("src_1")] == ["Password", "client_key", "token"]
        await tx.secrets.erase("src_1", "client_key")
        assert [stored.field for stored in await tx.secrets.of("src_1")] == ["Password", "token"]
        await tx.secrets.erase("src_1")
        assert await tx.secrets.of("src_1") == ()
        assert await tx.secrets.of("src_2") == (SEALED,)


async def test_the_secrets_of_a_draft_are_its_actors(store: Store) -> None:
    await store.add_operations(draft := operation(None, actor="ann"))
    async with store.unit_of_work(viewer(name="ann")) as tx:
        await tx.secrets.put(draft.id, SEALED)
        assert await tx.secrets.of(draft.id) == (SEALED,)
    async with store.unit_of_work(viewer(name="bob")) as tx:
        assert await tx.secrets.of(draft.id) == ()
    async with store.unit_of_work(SYSTEM) as tx:
        assert await tx.secrets.of(draft.id) == (SEALED,)
