"""Our side of PostgreSQL's protocol where asyncpg's is not careful enough, and connections of asyncpg made with it.

https://www.postgresql.org/docs/18/protocol-flow.html, https://www.postgresql.org/docs/18/protocol-message-formats.html
"""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg

from connectors.postgresql.errors import tls_not_offered, unreachable
from connectors.postgresql.spec import PostgresqlSettings
from connectors.shared.deadlines import Deadline, timed_out
from connectors.shared.dialer import connect_error
from connectors.shared.tls import TlsFacts, client_context, handshake_facts, server_name, start_tls
from domain.errors import HeadwaterError, Unreachable
from domain.models.data_source import Pool, PoolMode
from domain.ports.connector import Target
from domain.ports.dialer import Address

_TLS_REQUEST = bytes.fromhex("00000008 04d2162f")
_MAX_GREETING_BYTES = 65_536  # no message before the end of the authentication is longer than some hundred bytes
_MAX_ANSWER_BYTES = 256 * 1024 * 1024  # to what is asked in one go; a batch of a discovery has some hundred kilobytes
_GOODBYE_S = 0.2

# AuthenticationRequest: https://www.postgresql.org/docs/18/protocol-message-formats.html
_AUTHENTICATION = ord("R")
_BEFORE_AUTHENTICATED = b"RENv"  # authentication, error, notice, negotiation of the protocol's version
_OK, _CLEAR_TEXT = 0, 3
_NOT_THE_PROTOCOL = "What answers does not speak PostgreSQL's protocol."
_KERBEROS = frozenset({2, 7, 8, 9})  # would use credentials of this machine, which are nobody's to lend


def tls_context(target: Target, settings: PostgresqlSettings) -> ssl.SSLContext | None:
    """The TLS that the settings demand; None for none. Raises `InvalidInput` for a client key that does not fit."""
    return client_context(
        settings.tls_mode,
        ca_pem=settings.tls.ca_pem,
        certificate_pem=settings.tls.client_certificate_pem,
        key_pem=target.secrets.get("tls_client_key"),
    )


async def encrypt(
    reader: StreamReader, writer: StreamWriter, context: ssl.SSLContext, host: str, *, timeout_s: float
) -> TlsFacts:
    """Asks a server for TLS and makes the connection encrypted. Raises `Unreachable` in phase `tls`."""
    deadline = Deadline.after(timeout_s)
    try:
        async with deadline.enforce("tls"):
            writer.write(_TLS_REQUEST)
            await writer.drain()
            # Exactly one byte: what came with it would have been said before the encryption (CVE-2021-23222).
            answer = await reader.read(64)
    except OSError as error:
        raise Unreachable("CONNECTION_CLOSED", "The server hung up when asked for TLS.", phase="tls") from error
    if answer == b"N":
        raise tls_not_offered()
    if not answer:
        raise Unreachable("CONNECTION_CLOSED", "The server hung up when asked for TLS.", phase="tls")
    if answer != b"S":
        raise Unreachable(
            "BAD_ANSWER", "What answers does not speak PostgreSQL's protocol.", phase="tls", retryable=False
        )
    await start_tls(writer, context, host, timeout_s=deadline.left_s)
    return handshake_facts(writer.get_extra_info("ssl_object"))


class Conversation:
    """A connection of asyncpg under one deadline, whose errors are ours."""

    def __init__(self, connection: Any, settings: PostgresqlSettings, deadline: Deadline, loop: "_CarefulLoop") -> None:
        self.connection = connection
        self.settings = settings
        self.deadline = deadline
        self.tls = loop.tls
        self._loop = loop

    @asynccontextmanager
    async def speaking(self, phase: str) -> AsyncIterator[Any]:
        """The connection, for some statements. Raises `Unreachable` in `phase` for whatever goes wrong with them."""
        self._loop.phase, self._loop.heard_bytes = phase, 0
        try:
            async with self.deadline.enforce(phase):
                yield self.connection
        except HeadwaterError:
            raise
        except Exception as error:
            if self._loop.refusal is not None:
                raise self._loop.refusal from error
            raise unreachable(error, phase, self.settings) from error


@asynccontextmanager
async def converse(
    target: Target, settings: PostgresqlSettings, addresses: tuple[Address, ...], deadline: Deadline
) -> AsyncIterator[Conversation]:
    """A conversation with the first of the vetted addresses that takes connections.

    Raises `Unreachable` in phase `connect`, `tls`, `authenticate` or `authorize`, and `InvalidInput` for a client key
    that does not fit its certificate.
    """
    context = tls_context(target, settings)
    for remaining in range(len(addresses), 0, -1):
        address = addresses[-remaining]
        share = Deadline.after(deadline.left_s / remaining)
        try:
            conversation = await _connect(target, settings, address, context, deadline, share)
        except Unreachable as error:
            if error.problem.phase != "connect" or remaining == 1:
                raise
            continue
        try:
            yield conversation
        finally:
            await _hang_up(conversation.connection)
        return
    raise AssertionError("a resolver's answer holds an address")


async def _connect(
    target: Target,
    settings: PostgresqlSettings,
    address: Address,
    context: ssl.SSLContext | None,
    deadline: Deadline,
    share: Deadline,
) -> Conversation:
    loop = _CarefulLoop(address, is_encrypted=context is not None)
    try:
        async with asyncio.timeout(share.left_s):
            connection = await asyncpg.connect(
                loop=loop,
                timeout=share.left_s + 1,  # ours comes first
                ssl=context or False,
                **_arguments(target, settings, address),
            )
    except Exception as error:
        if loop.refusal is not None:
            raise loop.refusal from error
        if isinstance(error, TimeoutError):
            raise timed_out(loop.phase) from error
        if isinstance(error, OSError) and loop.phase == "connect":
            raise connect_error(error) from error
        raise unreachable(error, loop.phase, settings) from error
    return Conversation(connection, settings, deadline, loop)


def _arguments(target: Target, settings: PostgresqlSettings, address: Address) -> dict[str, Any]:
    """Everything that asyncpg would otherwise take from the environment (PG*), a pgpass or a service file."""
    return {
        "host": address.ip,
        "port": address.port,
        "user": settings.user,
        "password": target.secrets.get("password", ""),  # None would let it look for one
        "database": settings.database,
        "direct_tls": False,
        "target_session_attrs": "any",
        "krbsrvname": "postgres",
        "gsslib": "gssapi",
        "statement_cache_size": _cached_statements(target.pool),
        "server_settings": {"application_name": "headwater"},
    }


def _cached_statements(pool: Pool) -> int:
    # PgBouncer gives each transaction another server connection, where prepared statements are not.
    return 0 if pool.mode is PoolMode.PGBOUNCER else 50


async def _hang_up(connection: Any) -> None:
    """Says goodbye, and does not wait for an answer that may never come."""
    try:
        await connection.close(timeout=_GOODBYE_S)
    except Exception:  # whatever a broken server makes of it: the connection is ours to drop
        connection.terminate()
    except BaseException:
        connection.terminate()
        raise


class _CarefulLoop:
    """The running loop as asyncpg sees it: it connects as asyncpg asks, with a guard on what the server says first.

    asyncpg verifies TLS against the address that it connects to; here it is the name that was asked for.
    """

    def __init__(self, address: Address, *, is_encrypted: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._address = address
        self._is_encrypted = is_encrypted
        self.phase = "connect"
        self.tls: TlsFacts | None = None
        self.refusal: Unreachable | None = None
        self.heard_bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    # asyncio.current_task looks up what runs in a loop by the loop itself.
    def __eq__(self, other: object) -> bool:
        return other is self._loop or other is self

    def __hash__(self) -> int:
        return hash(self._loop)

    async def create_connection(
        self, factory: Callable[[], asyncio.Protocol], host: str, port: int
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """An open connection. Without TLS the guard is on it from the first byte."""
        if self._is_encrypted:
            transport, protocol = await self._loop.create_connection(factory, host, port)
            self.phase = "tls"
            return transport, protocol
        transport, guard = await self._loop.create_connection(lambda: _Guard(factory(), self), host, port)
        self.phase = "authenticate"
        return transport, guard.inner

    async def start_tls(
        self, transport: asyncio.Transport, protocol: asyncio.Protocol, context: ssl.SSLContext, **_: Any
    ) -> "_GuardedTransport | None":
        """The encrypted connection, verified for the name; the guard is put on it with asyncpg's protocol."""
        encrypted = await self._loop.start_tls(
            transport, protocol, context, server_hostname=server_name(self._address.host)
        )
        if encrypted is None:
            return None
        self.tls = handshake_facts(encrypted.get_extra_info("ssl_object"))
        self.phase = "authenticate"
        return _GuardedTransport(encrypted, self)

    def refuse(self, code: str, message: str) -> None:
        """Why the guard ended the connection."""
        self.refusal = Unreachable(code, message, phase=self.phase, retryable=False)

    @property
    def may_say_password(self) -> bool:
        """Whether nobody between us and the server can read what we say."""
        return self._is_encrypted


class _GuardedTransport:
    """An encrypted transport that puts the guard before the protocol it is given."""

    def __init__(self, transport: asyncio.Transport, loop: _CarefulLoop) -> None:
        self._transport = transport
        self._careful_loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        guard = _Guard(protocol, self._careful_loop)
        guard.watch(self._transport)
        self._transport.set_protocol(guard)


class _Guard(asyncio.Protocol):
    """Reads what the server says until it has let us in, and hands on to asyncpg only what is harmless.

    Without TLS the password is never said to a server that asks for it as clear text. A look at what it asks for in a
    connection made beforehand would not do: it may ask for something else in the next. Kerberos is refused. Once we
    are let in, the guard only counts.
    """

    def __init__(self, inner: asyncio.Protocol, loop: _CarefulLoop) -> None:
        self.inner = inner
        self._loop = loop
        self._heard = bytearray()
        self._is_let_in = False
        self._transport: asyncio.Transport | None = None

    def watch(self, transport: asyncio.Transport) -> None:
        """Guards a connection that asyncpg's protocol already knows."""
        self._transport = transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._loop.refusal is not None:
            return
        self._loop.heard_bytes += len(data)
        if self._loop.heard_bytes > _MAX_ANSWER_BYTES:
            self._end("ANSWER_TOO_LARGE", "The server's answer is larger than any catalog can be.")
        elif self._is_let_in:
            self._hand_on(data)
        else:
            self._listen(data)

    def _listen(self, data: bytes) -> None:
        """Takes the conversation up to the end of the authentication message by message."""
        self._heard += data
        while len(self._heard) >= 5:
            kind, size = self._heard[0], int.from_bytes(self._heard[1:5], "big")
            if kind not in _BEFORE_AUTHENTICATED or not 4 <= size <= _MAX_GREETING_BYTES:
                self._end("BAD_ANSWER", _NOT_THE_PROTOCOL)
                return
            if len(self._heard) <= size:
                return
            message = bytes(self._heard[: size + 1])
            request = int.from_bytes(message[5:9], "big") if kind == _AUTHENTICATION else None
            if not self._is_harmless(request):
                return
            if request == _OK:
                message, self._heard, self._is_let_in = bytes(self._heard), bytearray(), True
            else:
                del self._heard[: size + 1]
            if not self._hand_on(message):
                return

    def _hand_on(self, data: bytes) -> bool:
        """Whether asyncpg could read it: it raises, out of the event loop, over fields that are cut short."""
        try:
            self.inner.data_received(data)
        except Exception:  # of whatever kind its decoder stumbles over
            self._end("BAD_ANSWER", _NOT_THE_PROTOCOL)
            return False
        return True

    def _is_harmless(self, request: int | None) -> bool:
        if request == _CLEAR_TEXT and not self._loop.may_say_password:
            self._end(
                "CLEAR_TEXT_REFUSED",
                "The server asks for the password as clear text over a connection without TLS; it was not sent.",
            )
            return False
        if request in _KERBEROS:
            self._end("AUTHENTICATION_UNSUPPORTED", "The server asks for Kerberos, which is not spoken here.")
            return False
        return True

    def _end(self, code: str, message: str) -> None:
        assert self._transport is not None
        self._loop.refuse(code, message)
        self._heard.clear()
        self._transport.abort()

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def eof_received(self) -> bool | None:
        return self.inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.inner.connection_lost(exc)
