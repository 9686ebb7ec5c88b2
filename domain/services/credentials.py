"""Secrets between the request, the store and a connector: sealed on the way in, opened only for a conversation."""

from collections.abc import Mapping
from datetime import datetime

from domain.errors import InvalidInput
from domain.models.data_source import CredentialHandle
from domain.models.secret import SecretInput, SecretLiteral, SecretReference, StoredSecret
from domain.ports.connector import ConnectorSpec
from domain.ports.secrets import SecretBox, SecretStores
from domain.ports.unit_of_work import Transaction
from domain.rules.register import connection_path

MAX_SECRET = 65_536


class Credentials:
    """Keeps and fetches the secret fields of sources and of drafts under test."""

    def __init__(self, box: SecretBox, stores: SecretStores) -> None:
        self._box = box
        self._stores = stores

    def check(self, spec: ConnectorSpec, secrets: Mapping[str, SecretInput | None]) -> None:
        """Raises `InvalidInput` for a field that this kind does not have, an empty literal, a reference not allowed."""
        for field, secret in secrets.items():
            path = (*connection_path(spec.kind), field)
            if field not in spec.secret_fields:
                raise InvalidInput(f"This kind of source has no secret called {field}.", path=path)
            if isinstance(secret, SecretReference):
                try:
                    self._stores.check(secret)
                except InvalidInput as error:
                    raise error.below(*path) from error
            elif isinstance(secret, SecretLiteral) and not 0 < len(secret.value) <= MAX_SECRET:
                raise InvalidInput(
                    f"A secret has 1 to {MAX_SECRET} characters; leave it out if there is none.",
                    path=(*path, "literal"),
                )

    async def keep(
        self, tx: Transaction, owner_id: str, secrets: Mapping[str, SecretInput | None]
    ) -> tuple[StoredSecret, ...]:
        """Writes what was said (None erases) and answers all fields of the owner as they are now."""
        kept = {secret.field: secret for secret in await tx.secrets.of(owner_id)}
        for field, said in secrets.items():
            if said is None:
                await tx.secrets.erase(owner_id, field)
                kept.pop(field, None)
                continue
            version = kept[field].version + 1 if field in kept else 1
            content = (
                said
                if isinstance(said, SecretReference)
                else self._box.seal(said.value, owner=owner_id, field=field, version=version)
            )
            kept[field] = StoredSecret(field=field, version=version, content=content)
            await tx.secrets.put(owner_id, kept[field])
        return tuple(kept.values())

    async def open(self, owner_id: str, stored: tuple[StoredSecret, ...]) -> dict[str, str]:
        """The plain texts by field. Never within a transaction: a reference may ask another store.

        Raises `Unavailable` (SECRET_UNAVAILABLE).
        """
        return {
            secret.field: await self._stores.fetch(secret.content)
            if isinstance(secret.content, SecretReference)
            else self._box.open(secret.content, owner=owner_id, field=secret.field, version=secret.version)
            for secret in stored
        }


def handle(
    spec: ConnectorSpec, stored: tuple[StoredSecret, ...], before: CredentialHandle | None, now: datetime
) -> CredentialHandle | None:
    """What may be shown of the main secret; its time moves only when the secret did."""
    main = next((secret for secret in stored if secret.field == spec.secret_fields[0]), None) if stored else None
    if main is None:
        return None
    is_reference = isinstance(main.content, SecretReference)
    current = CredentialHandle(
        store=main.content.store if isinstance(main.content, SecretReference) else "sealed",
        locator=main.content.locator if isinstance(main.content, SecretReference) else None,
        key_id=None if isinstance(main.content, SecretReference) else main.content.key_id,
        version=main.version,
        rotated_at=now,
    )
    if before is not None and before.version == current.version and (before.store == "sealed") is not is_reference:
        return before
    return current
