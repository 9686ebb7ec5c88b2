"""The operator's key-encryption key: 32 random bytes, from a key file or a setting, and how a wrong one is noticed."""

import base64
import binascii
import os
import secrets
import stat
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from domain.errors import StartRefused

KEY_BYTES = 32
MAX_FILE_BYTES = 1_024

# 32 random bytes hold 30 different values on average; fewer than 16 is a pattern, such as zeros.
MIN_DIFFERENT_BYTES = 16

_MAKE_ONE = "Make one with: openssl rand -base64 32"


class KeyEncryptionKey:
    """The key that wraps all others. `id` can be shown and stored; the key itself is shown nowhere."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.id = _derive(key, b"headwater key id", salt=None)[:8].hex()

    def __repr__(self) -> str:
        return f"KeyEncryptionKey(id={self.id!r})"

    def check_value(self, instance: str) -> bytes:
        """Tells this key from any other without telling it; stored beside what it seals."""
        return _derive(self.key, b"headwater key check", salt=instance.encode())


def parse_key(text: str, *, origin: str) -> KeyEncryptionKey:
    """The key in base64, as `origin` (words for the operator) holds it.

    Raises `StartRefused` for one that is short or can be guessed.
    """
    try:
        key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise StartRefused(f"{origin} does not hold 32 random bytes in base64. {_MAKE_ONE}")
    if len(set(key)) < MIN_DIFFERENT_BYTES or all(32 <= byte < 127 for byte in key):
        raise StartRefused(f"{origin} holds a key that can be guessed: a pattern or typed text. {_MAKE_ONE}")
    return KeyEncryptionKey(key)


def read_key_file(path: Path) -> KeyEncryptionKey | None:
    """The key in the file; None when there is none. Raises `StartRefused` when others than its owner may read it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StartRefused("The key file in the data folder cannot be read by this user.") from error
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise StartRefused("The key file in the data folder is not a regular file.")
        if state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise StartRefused(
                "The key file in the data folder is open to other users than its owner. Run chmod 600 on it; "
                "if others may have read it, its secrets should be changed where they are used."
            )
        content = os.read(descriptor, MAX_FILE_BYTES)
    finally:
        os.close(descriptor)
    return parse_key(content.decode("ascii", errors="replace"), origin="The key file in the data folder")


def create_key_file(path: Path) -> KeyEncryptionKey:
    """A new key in a new file that only its owner can read, safe on the disk before anything is sealed under it.

    When another process was first, its key. Raises `StartRefused` when the file cannot be written.
    """
    key = secrets.token_bytes(KEY_BYTES)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return read_key_file(path) or create_key_file(path)
    except OSError as error:
        raise StartRefused("The key file in the data folder cannot be created: its folder is not writable.") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(key) + b"\n")
        file.flush()
        os.fsync(descriptor)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return KeyEncryptionKey(key)


def _derive(key: bytes, purpose: bytes, *, salt: bytes | None) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=purpose).derive(key)
