"""What earlier requests with an idempotency key answered."""

from datetime import datetime
from hashlib import blake2b

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Conflict
from domain.ports.repositories.requests import EarlierRequest
from persistence.database import Dialect
from persistence.repositories.statements import insert_into, locked
from persistence.tables.requests import requests


class SqlRequestRepository:
    """Within a transaction."""

    def __init__(self, connection: AsyncConnection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect: Dialect = dialect

    async def find(self, actor: str, key: str) -> EarlierRequest | None:
        """The earlier request with this key. Who asks for the same key waits until this transaction has ended."""
        if self._dialect == "postgresql":
            # There is no row yet that could be locked; SQLite has one writer at a time anyway.
            digest = blake2b(f"{actor}\0{key}".encode(), digest_size=8, person=b"idempotency").digest()
            lock = int.from_bytes(digest, "big", signed=True)
            await self._connection.execute(select(func.pg_advisory_xact_lock(lock)))
        statement = select(requests).where(requests.c.actor == actor, requests.c.key == key)
        row = (await self._connection.execute(locked(statement, requests))).first()
        return None if row is None else EarlierRequest(fingerprint=row.fingerprint, result=row.result)

    async def add(self, actor: str, key: str, request: EarlierRequest, at: datetime) -> None:
        """Remembers it. Raises `Conflict` (KEY_REUSED) when another transaction just used the key."""
        statement = (
            insert_into(requests, self._dialect)
            .values(actor=actor, key=key, fingerprint=request.fingerprint, result=request.result, at=at)
            .on_conflict_do_nothing()
            .returning(requests.c.key)
        )
        if (await self._connection.execute(statement)).first() is None:
            raise Conflict(
                "KEY_REUSED",
                "Another request with this idempotencyKey has just been carried out; send it again for its answer.",
                path=("write", "idempotencyKey"),
            )

    async def prune(self, older_than: datetime) -> int:
        """Forgets old keys; how many."""
        return (await self._connection.execute(delete(requests).where(requests.c.at < older_than))).rowcount
