"""Secrets at rest."""

from typing import Protocol

from domain.models.secret import StoredSecret


class SecretRepository(Protocol):
    """The secret fields of an owner: a source, or an operation that tests a draft."""

    async def of(self, owner_id: str) -> tuple[StoredSecret, ...]:
        """All fields, in order of name."""
        ...

    async def put(self, owner_id: str, secret: StoredSecret) -> None:
        """Replaces the field; nothing of the older version stays."""
        ...

    async def erase(self, owner_id: str, field: str | None = None) -> None:
        """Removes one field, or all."""
        ...
