"""Tokens that only we can make and read, equal for equal content: AES-SIV (RFC 5297) under a key of their own."""

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from domain.errors import InvalidInput

KEY_BYTES = 64  # AES-256-SIV takes two keys
MAX_TOKEN = 16_384  # characters

_FORMAT = b"\x01"


class SivTokens:
    """Opaque text for page and event cursors: a `Tokens`."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    def issue(self, purpose: str, content: bytes) -> str:
        """URL-safe text."""
        sealed = self._cipher.encrypt(_FORMAT + content, _bound_to(purpose))
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")

    def read(self, purpose: str, token: str) -> bytes:
        """Raises `InvalidInput` (INVALID_CURSOR) for anything that was not issued for this purpose."""
        try:
            if len(token) > MAX_TOKEN:
                raise InvalidTag
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            if base64.urlsafe_b64encode(sealed).rstrip(b"=") != token.encode("ascii"):  # one text per token
                raise InvalidTag
            content = self._cipher.decrypt(sealed, _bound_to(purpose))
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise InvalidInput("This cursor was not given out by this server.", code="INVALID_CURSOR") from error
        return content.removeprefix(_FORMAT)


def _bound_to(purpose: str) -> list[bytes]:
    return [b"headwater token", purpose.encode()]
