"""Secrets on their way inward. None of these shows its content in `repr`, and none is ever part of an answer."""

from msgspec import Struct


class SecretLiteral(Struct, frozen=True):
    """A secret typed by its owner."""

    value: str

    def __repr__(self) -> str:
        return "SecretLiteral(***)"


class SecretReference(Struct, frozen=True):
    """Where a configured store keeps the secret; `field` picks one value out of a structured one."""

    store: str
    locator: str
    field: str | None = None


SecretInput = SecretLiteral | SecretReference


class SealedSecret(Struct, frozen=True):
    """Envelope encryption: the data key wrapped by the key `key_id`, and the content under the data key."""

    key_id: str
    wrapped_key: bytes
    ciphertext: bytes

    def __repr__(self) -> str:
        return f"SealedSecret(key_id={self.key_id!r})"


class StoredSecret(Struct, frozen=True):
    """One secret field of a source as it rests in the store: sealed by us, or a reference to another store."""

    field: str
    version: int
    content: SealedSecret | SecretReference
