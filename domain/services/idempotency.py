"""Repeating a write safely: the same key and body answer the same, another body under the same key is refused."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from domain.errors import Conflict, InvalidInput
from domain.models.access import Viewer
from domain.models.registration import WriteOptions
from domain.ports.repositories.requests import EarlierRequest
from domain.ports.secrets import SecretBox
from domain.ports.unit_of_work import Transaction

T = TypeVar("T")

MAX_KEY = 200
KEPT = timedelta(hours=24)


async def once(
    tx: Transaction,
    viewer: Viewer,
    box: SecretBox,
    write: WriteOptions,
    body: tuple[Any, ...],
    now: datetime,
    act: Callable[[], Awaitable[T]],
    result_type: type[T],
) -> T:
    """What `act` answers, or what it answered when this key was first used. `body`: the mutation and its arguments.

    The body is kept only as a keyed hash: it may hold passwords. A dry run changes nothing, hence uses up no key.
    """
    if write.idempotency_key is None or write.dry_run:
        return await act()
    key = write.idempotency_key
    if not 0 < len(key) <= MAX_KEY or not key.isprintable():
        raise InvalidInput(
            f"An idempotencyKey has 1 to {MAX_KEY} printable characters.", path=("write", "idempotencyKey")
        )
    fingerprint = box.fingerprint(msgspec.json.encode(body, order="deterministic"))
    earlier = await tx.requests.find(viewer.name, key)
    if earlier is not None:
        if earlier.fingerprint != fingerprint:
            raise Conflict(
                "KEY_REUSED",
                "This idempotencyKey was used for another request; take a fresh one for each new request.",
                path=("write", "idempotencyKey"),
            )
        return msgspec.json.decode(earlier.result, type=result_type)
    result = await act()
    await tx.requests.add(viewer.name, key, EarlierRequest(fingerprint, msgspec.json.encode(result)), now)
    return result
