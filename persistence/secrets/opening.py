"""Opens what is sealed in a store with the operator's key, or seals a new store under it."""

import secrets
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import exists, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import StartRefused, Unavailable
from domain.models.secret import SealedSecret
from persistence.database import Database
from persistence.secrets import tokens
from persistence.secrets.box import Box, Envelope
from persistence.secrets.keyring import KeyEncryptionKey, create_key_file, parse_key, read_key_file
from persistence.secrets.tokens import SivTokens
from persistence.tables.secrets import encryption_keys, instance, purpose_keys
from persistence.tables.secrets import secrets as stored_secrets

_FINGERPRINTS = "request fingerprints"
_TOKENS = "tokens"
_PURPOSES = {_FINGERPRINTS: 32, _TOKENS: tokens.KEY_BYTES}  # name → bytes
_OWNER = "purpose key"


class Secrets(NamedTuple):
    """What the operator's key opens."""

    box: Box
    tokens: SivTokens


async def open_secrets(database: Database, *, key_file: Path, key: str | None) -> Secrets:
    """With the key of the setting (base64), else that of the file, which is made when the store holds nothing sealed.

    Raises `StartRefused` for a key that is missing, unsafe, or not the one that this store is sealed under.
    """
    async with database.read() as connection:
        instance_id = (await connection.execute(select(instance.c.instance_id))).scalar_one()
        is_sealed = await _holds_something_sealed(connection)
    encryption_key = _key(key_file, key, is_sealed=is_sealed)
    envelope = Envelope(encryption_key, instance_id)
    async with database.write() as connection:
        await _check(connection, encryption_key, instance_id)
        keys = {name: await _purpose_key(connection, envelope, name, size) for name, size in _PURPOSES.items()}
    return Secrets(Box(envelope, keys[_FINGERPRINTS]), SivTokens(keys[_TOKENS]))


class KeyCheck(NamedTuple):
    """Whether the operator's key fits a store."""

    has_key: bool  # one is configured; without one the first start makes a key file
    is_the_stores: bool  # it is the one that the store is sealed under, or nothing is sealed
    sealed: int  # keys and secrets in the store
    opened: int  # those of them that the key opens

    @property
    def fits(self) -> bool:
        """Whether a server may start with it, and finds all its secrets."""
        return self.is_the_stores and self.sealed == self.opened


async def check_key(database: Database | None, *, key_file: Path, key: str | None) -> KeyCheck:
    """Tries the key on everything that is sealed in the store (None: there is none yet), and changes nothing.

    Raises `StartRefused` for a key that is unsafe, or missing where it is needed.
    """
    if database is None:
        return KeyCheck(_configured(key_file, key) is not None, is_the_stores=True, sealed=0, opened=0)
    async with database.read() as connection:
        instance_id = (await connection.execute(select(instance.c.instance_id))).scalar_one()
        is_sealed = await _holds_something_sealed(connection)
        found = _configured(key_file, key)
        if found is None and is_sealed:
            raise _missing()
        if found is None or not is_sealed:
            return KeyCheck(found is not None, is_the_stores=True, sealed=0, opened=0)
        is_known = await _is_known(connection, found, instance_id)
        sealed = [
            (_OWNER, row.name, 1, SealedSecret(row.key_id, row.wrapped_key, row.ciphertext))
            for row in await connection.execute(select(purpose_keys))
        ] + [
            (row.owner_id, row.field, row.version, SealedSecret(row.key_id, row.wrapped_key, row.ciphertext))
            for row in await connection.execute(select(stored_secrets).where(stored_secrets.c.ciphertext.is_not(None)))
        ]
    envelope = Envelope(found, instance_id)
    opened = sum(_opens(envelope, one, owner, field, version) for owner, field, version, one in sealed)
    return KeyCheck(True, is_the_stores=is_known, sealed=len(sealed), opened=opened)


def _opens(envelope: Envelope, sealed: SealedSecret, owner: str, field: str, version: int) -> bool:
    try:
        envelope.open(sealed, owner=owner, field=field, version=version)
    except Unavailable:
        return False
    return True


def _configured(key_file: Path, key: str | None) -> KeyEncryptionKey | None:
    return parse_key(key, origin="HEADWATER_ENCRYPTION_KEY") if key else read_key_file(key_file)


def _key(key_file: Path, key: str | None, *, is_sealed: bool) -> KeyEncryptionKey:
    found = _configured(key_file, key)
    if found is not None:
        return found
    if is_sealed:
        raise _missing()
    return create_key_file(key_file)


def _missing() -> StartRefused:
    return StartRefused(
        "The key file in the data folder is missing, but the metadata store holds secrets that only its key opens. "
        "Put the file back, or give its key as HEADWATER_ENCRYPTION_KEY; no new key is made in its place."
    )


async def _holds_something_sealed(connection: AsyncConnection) -> bool:
    statement = select(
        or_(
            exists(select(encryption_keys.c.key_id)),
            exists(select(purpose_keys.c.name)),
            exists(select(stored_secrets.c.owner_id).where(stored_secrets.c.ciphertext.is_not(None))),
        )
    )
    return bool((await connection.execute(statement)).scalar_one())


async def _check(connection: AsyncConnection, key: KeyEncryptionKey, instance_id: str) -> None:
    """Claims a store that is sealed under no key yet; refuses a key that is not the store's."""
    await connection.execute(select(instance.c.id).with_for_update())  # one process at a time claims it
    if not await _holds_something_sealed(connection):
        first = insert(encryption_keys).values(key_id=key.id, check_value=key.check_value(instance_id))
        await connection.execute(first)
    if not await _is_known(connection, key, instance_id):
        raise StartRefused(
            "The configured key is not the one that this metadata store is sealed under. Put the right one into "
            "HEADWATER_ENCRYPTION_KEY or the key file in the data folder; nothing was changed."
        )


async def _is_known(connection: AsyncConnection, key: KeyEncryptionKey, instance_id: str) -> bool:
    statement = select(encryption_keys.c.check_value).where(encryption_keys.c.key_id == key.id)
    stored = (await connection.execute(statement)).scalar_one_or_none()
    return stored is not None and secrets.compare_digest(stored, key.check_value(instance_id))


async def _purpose_key(connection: AsyncConnection, envelope: Envelope, name: str, size_bytes: int) -> bytes:
    """The key for one purpose: random, made once (the instance's row is locked), sealed like any secret."""
    statement = select(purpose_keys).where(purpose_keys.c.name == name)
    row = (await connection.execute(statement)).first()
    if row is None:
        sealed = envelope.seal(secrets.token_bytes(size_bytes), owner=_OWNER, field=name, version=1)
        await connection.execute(
            insert(purpose_keys).values(
                name=name, key_id=sealed.key_id, wrapped_key=sealed.wrapped_key, ciphertext=sealed.ciphertext
            )
        )
    else:
        sealed = SealedSecret(key_id=row.key_id, wrapped_key=row.wrapped_key, ciphertext=row.ciphertext)
    return envelope.open(sealed, owner=_OWNER, field=name, version=1)
