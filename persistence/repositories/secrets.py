"""Secrets at rest: sealed ones and references. Nothing here can open them."""

from typing import Any

from sqlalchemy import Row, and_, delete, exists, not_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.models.access import Viewer
from domain.models.secret import SealedSecret, SecretReference, StoredSecret
from persistence.database import Dialect
from persistence.repositories.statements import upsert
from persistence.tables.data_sources import data_sources
from persistence.tables.operations import operations
from persistence.tables.secrets import secrets
from persistence.visibility import visible, visible_operation


class SqlSecretRepository:
    """Within a transaction."""

    def __init__(self, connection: AsyncConnection, dialect: Dialect, viewer: Viewer) -> None:
        self._connection = connection
        self._dialect: Dialect = dialect
        owner = secrets.c.owner_id
        self._visible = and_(
            not_(exists(select(data_sources.c.id).where(data_sources.c.id == owner, not_(visible(viewer.scope))))),
            not_(exists(select(operations.c.id).where(operations.c.id == owner, not_(visible_operation(viewer))))),
        )

    async def of(self, owner_id: str) -> tuple[StoredSecret, ...]:
        """All fields, in order of name; none when the viewer may not see the owner."""
        statement = select(secrets).where(secrets.c.owner_id == owner_id, self._visible).order_by(secrets.c.field)
        return tuple(_from_row(row) for row in await self._connection.execute(statement))

    async def put(self, owner_id: str, secret: StoredSecret) -> None:
        """Replaces the field; nothing of the older version stays."""
        row = {"owner_id": owner_id, "field": secret.field, "version": secret.version} | _content(secret.content)
        await upsert(self._connection, self._dialect, secrets, row)

    async def erase(self, owner_id: str, field: str | None = None) -> None:
        """Removes one field, or all."""
        statement = delete(secrets).where(secrets.c.owner_id == owner_id)
        await self._connection.execute(statement if field is None else statement.where(secrets.c.field == field))


def _content(content: SealedSecret | SecretReference) -> dict[str, Any]:
    """All columns of the content, so that nothing of the other form stays."""
    empty = dict.fromkeys(("key_id", "wrapped_key", "ciphertext", "store", "locator", "reference_field"))
    if isinstance(content, SealedSecret):
        return empty | {
            "key_id": content.key_id,
            "wrapped_key": content.wrapped_key,
            "ciphertext": content.ciphertext,
        }
    return empty | {"store": content.store, "locator": content.locator, "reference_field": content.field}


def _from_row(row: Row[Any]) -> StoredSecret:
    content = (
        SealedSecret(key_id=row.key_id, wrapped_key=row.wrapped_key, ciphertext=row.ciphertext)
        if row.store is None
        else SecretReference(store=row.store, locator=row.locator, field=row.reference_field)
    )
    return StoredSecret(field=row.field, version=row.version, content=content)
