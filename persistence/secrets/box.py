"""The sealed box: envelope encryption with AES-256-GCM, each secret bound to its place."""

import hashlib
import hmac
import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import Unavailable
from domain.models.problem import Remedy
from domain.models.secret import SealedSecret
from persistence.secrets.keyring import KeyEncryptionKey

_NONCE_BYTES = 12  # NIST SP 800-38D; random, and each data key seals once


class Envelope:
    """Seals bytes for one place in one installation: owner, field and version."""

    def __init__(self, key: KeyEncryptionKey, instance: str) -> None:
        self._key = key
        self._instance = instance

    def seal(self, plaintext: bytes, *, owner: str, field: str, version: int) -> SealedSecret:
        """Under a fresh data key, which is itself sealed under the key-encryption key."""
        data_key = AESGCM.generate_key(bit_length=256)
        place = (self._instance, owner, field, str(version), self._key.id)
        return SealedSecret(
            key_id=self._key.id,
            wrapped_key=_encrypt(self._key.key, data_key, _bound_to("data key", *place)),
            ciphertext=_encrypt(data_key, plaintext, _bound_to("content", *place)),
        )

    def open(self, sealed: SealedSecret, *, owner: str, field: str, version: int) -> bytes:
        """The content. Raises `Unavailable` (SECRET_UNAVAILABLE) when it was sealed elsewhere, or was touched."""
        place = (self._instance, owner, field, str(version), sealed.key_id)
        try:
            if sealed.key_id != self._key.id:
                raise InvalidTag
            data_key = _decrypt(self._key.key, sealed.wrapped_key, _bound_to("data key", *place))
            return _decrypt(data_key, sealed.ciphertext, _bound_to("content", *place))
        except (InvalidTag, ValueError) as error:
            raise Unavailable(
                "SECRET_UNAVAILABLE",
                "A stored secret does not open: it was sealed under another key or for another place.",
                retry_after_ms=None,
                fix=(Remedy("Give the secret again", "It is then sealed anew under the current key."),),
            ) from error


class Box:
    """The sealed box of this installation: a `SecretBox`."""

    def __init__(self, envelope: Envelope, fingerprint_key: bytes) -> None:
        self._envelope = envelope
        self._fingerprint_key = fingerprint_key

    def seal(self, plaintext: str, *, owner: str, field: str, version: int) -> SealedSecret:
        """Sealed for this place only: moved to another owner, field or version it does not open."""
        return self._envelope.seal(plaintext.encode(), owner=owner, field=field, version=version)

    def open(self, sealed: SealedSecret, *, owner: str, field: str, version: int) -> str:
        """The plain text. Raises `Unavailable` (SECRET_UNAVAILABLE) when it does not open."""
        return self._envelope.open(sealed, owner=owner, field=field, version=version).decode()

    def fingerprint(self, content: bytes) -> str:
        """A keyed hash (HMAC-SHA-256): nobody without the key can try out what was hashed."""
        return hmac.new(self._fingerprint_key, content, hashlib.sha256).hexdigest()


def _bound_to(*parts: str) -> bytes:
    """Additional authenticated data: each part with its length before it, so that no two lists read the same."""
    encoded = [part.encode() for part in ("headwater secret 1", *parts)]
    return b"".join(struct.pack(">I", len(part)) + part for part in encoded)


def _encrypt(key: bytes, plaintext: bytes, bound_to: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, bound_to)


def _decrypt(key: bytes, ciphertext: bytes, bound_to: bytes) -> bytes:
    return AESGCM(key).decrypt(ciphertext[:_NONCE_BYTES], ciphertext[_NONCE_BYTES:], bound_to)
