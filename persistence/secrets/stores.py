"""The stores that keep secrets for us: environment variables and files that the operator set apart for it."""

import asyncio
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import msgspec

from domain.errors import InvalidInput, Unavailable
from domain.models.problem import Remedy
from domain.models.secret import SecretReference

FOLDER_VARIABLE = "HEADWATER_SECRET_DIR"
MAX_SECRET_BYTES = 65_536
MAX_LOCATOR = 1_024
READ_TIMEOUT_S = 5.0  # the folder may be a network's

_VARIABLE = re.compile(r"HEADWATER_SECRET_[A-Z0-9_]+")


class ConfiguredStores:
    """The `env` and `file` stores: a `SecretStores`. Any other name is refused, and nothing is looked up for it."""

    def __init__(self, environment: Mapping[str, str], folder: Path | None) -> None:
        self._environment = environment
        self._folder = folder

    def check(self, reference: SecretReference) -> None:
        """Raises `InvalidInput` when the reference is outside what the operator allows; looks nothing up."""
        if reference.store == "env":
            if not _VARIABLE.fullmatch(reference.locator) or reference.locator == FOLDER_VARIABLE:
                raise _refused(
                    "locator", "The env store holds variables whose names begin with HEADWATER_SECRET_ only."
                )
        elif reference.store == "file" and self._folder is not None:
            if not _is_below(reference.locator):
                raise _refused("locator", "The file store takes names below its folder: no leading slash and no “..”.")
        else:
            raise _refused("store", "There is no such secret store here.")

    async def fetch(self, reference: SecretReference) -> str:
        """The secret. Raises `Unavailable` (SECRET_UNAVAILABLE) when it is not there."""
        self.check(reference)
        if reference.store == "env":
            found = self._environment.get(reference.locator)
        else:
            found = await self._from_file(reference.locator)
        if not found:
            raise _unavailable("The secret that is referred to is not there, is empty, or cannot be read.")
        return found if reference.field is None else _field_of(found, reference.field)

    async def _from_file(self, locator: str) -> str | None:
        assert self._folder is not None  # `check` refuses the file store without one
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                content = await asyncio.to_thread(_read_below, self._folder, locator)
            # Editors and `echo` end a file with a line break that nobody means as part of the secret.
            return content.decode().removesuffix("\n").removesuffix("\r")
        except (OSError, ValueError):
            return None


def _is_below(locator: str) -> bool:
    parts = PurePosixPath(locator).parts
    return (
        0 < len(locator) <= MAX_LOCATOR
        and "\0" not in locator
        and "\\" not in locator
        and bool(parts)
        and not locator.startswith("/")
        and ".." not in parts
    )


def _read_below(folder: Path, locator: str) -> bytes:
    """The content of a regular file whose place, once links are resolved, is in the folder.

    Raises OSError or ValueError.
    """
    asked = folder / locator
    descriptor = os.open(asked, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        opened = os.fstat(descriptor)
        place = asked.resolve(strict=True)
        # What was opened is what was resolved: a link that is changed in between is not followed out of the folder.
        if not place.is_relative_to(folder.resolve(strict=True)) or not os.path.samestat(opened, place.stat()):
            raise ValueError("outside of the folder")
        if not stat.S_ISREG(opened.st_mode) or opened.st_size > MAX_SECRET_BYTES:
            raise ValueError("no regular file of a sensible size")
        with os.fdopen(os.dup(descriptor), "rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError("too long")
    return content


def _field_of(document: str, field: str) -> str:
    try:
        value = msgspec.json.decode(document, type=dict[str, msgspec.Raw])[field]
        return msgspec.json.decode(value, type=str)
    except (msgspec.DecodeError, KeyError):
        # Without the cause: it would quote the document.
        raise _unavailable("The secret that is referred to has no such field.") from None


def _refused(part: str, message: str) -> InvalidInput:
    return InvalidInput(message, path=("reference", part), constraint="reference")


def _unavailable(message: str) -> Unavailable:
    return Unavailable(
        "SECRET_UNAVAILABLE",
        message,
        fix=(
            Remedy(
                "Provide the secret", "Set it in the store that the data source refers to, or change the reference."
            ),
        ),
    )
