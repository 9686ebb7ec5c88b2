"""Idempotency: what an earlier request with the same key answered."""

from datetime import datetime
from typing import Protocol

from msgspec import Struct


class EarlierRequest(Struct, frozen=True):
    """`fingerprint` is a keyed hash of the body, `result` what the service needs to answer the same again."""

    fingerprint: str
    result: bytes


class RequestRepository(Protocol):
    """Keys are per actor and kept for 24 h."""

    async def find(self, actor: str, key: str) -> EarlierRequest | None:
        """The earlier request with this key. Who asks for the same key waits until this transaction has ended."""
        ...

    async def add(self, actor: str, key: str, request: EarlierRequest, at: datetime) -> None:
        """Remembers it. Raises `Conflict` (KEY_REUSED) when another transaction just used the key."""
        ...

    async def prune(self, older_than: datetime) -> int:
        """Forgets old keys; how many."""
        ...
