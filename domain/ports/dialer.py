"""The only way from a connector to an address, a socket or a file."""

import ssl
from asyncio import StreamReader, StreamWriter
from pathlib import Path
from typing import Protocol

from msgspec import Struct


class Address(Struct, frozen=True):
    """A vetted address: it may be connected to as it is, without asking the resolver again."""

    host: str  # the name as asked for, which TLS is verified against
    ip: str
    port: int


class Dialer(Protocol):
    """Resolves once, vets every address, connects to the vetted one."""

    async def resolve(self, host: str, port: int, *, timeout_s: float) -> tuple[Address, ...]:
        """The allowed addresses of `host`, in the resolver's order.

        Raises `Unreachable` in phase `resolve`: HOST_NOT_FOUND, TIMED_OUT, or ADDRESS_DENIED when none may be used.
        """
        ...

    async def connect(
        self, address: Address, *, timeout_s: float, tls: ssl.SSLContext | None = None
    ) -> tuple[StreamReader, StreamWriter]:
        """A connection to exactly this address. Raises `Unreachable` in phase `connect` or `tls`."""
        ...

    def file(self, path: str) -> Path:
        """The real path of a local file that may be read, links resolved.

        Raises `Unreachable` in phase `resolve`: FILE_DENIED (outside the configured folders), FILE_NOT_FOUND.
        """
        ...
