"""Sealing, opening and fetching secrets, and tokens that cannot be forged."""

from typing import Protocol

from domain.models.secret import SealedSecret, SecretReference


class SecretBox(Protocol):
    """Envelope encryption under the operator's key."""

    def seal(self, plaintext: str, *, owner: str, field: str, version: int) -> SealedSecret:
        """Sealed for this place only: moved to another owner, field or version it does not open."""
        ...

    def open(self, sealed: SealedSecret, *, owner: str, field: str, version: int) -> str:
        """The plain text. Raises `Unavailable` (SECRET_UNAVAILABLE) when it does not open."""
        ...

    def fingerprint(self, content: bytes) -> str:
        """A keyed hash, for comparing what may hold secrets (request bodies) without keeping it."""
        ...


class SecretStores(Protocol):
    """The stores that the operator configured."""

    def check(self, reference: SecretReference) -> None:
        """Raises `InvalidInput` when the reference is outside what the operator allows; looks nothing up."""
        ...

    async def fetch(self, reference: SecretReference) -> str:
        """The secret. Raises `Unavailable` (SECRET_UNAVAILABLE) when it is not there."""
        ...


class Tokens(Protocol):
    """Opaque text that only we can make and read: page and event cursors. Equal content gives equal text (AES-SIV)."""

    def issue(self, purpose: str, content: bytes) -> str:
        """URL-safe text."""
        ...

    def read(self, purpose: str, token: str) -> bytes:
        """Raises `InvalidInput` (INVALID_CURSOR) for anything that was not issued for this purpose."""
        ...
