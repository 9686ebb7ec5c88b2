"""The data folder of the embedded set-up: made when missing, and used by one server at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.errors import StartRefused


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder until the end of the block; the operating system lets go when the process dies.

    Raises `StartRefused` when it cannot be made or written to, or another server holds it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartRefused(
            f"The data folder cannot be used ({os.strerror(error.errno or 0)}). Name a folder that may be written to "
            "with --data-dir."
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StartRefused(
                "Another Headwater server uses this data folder. Stop it, or name another folder with --data-dir."
            ) from error
        yield
    finally:
        os.close(descriptor)
