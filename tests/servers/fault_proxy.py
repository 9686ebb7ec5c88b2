"""A TCP proxy that breaks what passes through it, in the ways that networks and servers do."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.servers.ports import LOOPBACK

_CHUNK_BYTES = 16 * 1024


@dataclass(frozen=True)
class Healthy:
    """Everything passes as it is."""


@dataclass(frozen=True)
class Latency:
    """Each chunk is held for this long, in each direction."""

    seconds: float


@dataclass(frozen=True)
class Drip:
    """Answers trickle at this rate, one byte at a time."""

    bytes_per_second: float


@dataclass(frozen=True)
class Blackhole:
    """Connections are accepted and stay open, but nothing passes any more."""


@dataclass(frozen=True)
class Refuse:
    """Nothing listens: new connections are refused. Open ones stay."""


@dataclass(frozen=True)
class Garbage:
    """The first answer is replaced by these bytes, then the connection is closed."""

    answer: bytes = b"\x00\xff\x17garbage\r\n" * 64


@dataclass(frozen=True)
class CloseAfter:
    """Closes a connection in the usual way once this many bytes of answers passed since the fault was set."""

    answer_bytes: int


@dataclass(frozen=True)
class CutAfter:
    """Resets a connection (RST) once this many bytes of answers passed since the fault was set."""

    answer_bytes: int


Fault = Healthy | Latency | Drip | Blackhole | Refuse | Garbage | CloseAfter | CutAfter


class FaultProxy:
    """Listens on a free loopback port and forwards to `host`:`port`.

    A fault holds for open and new connections alike from the moment it is set, until `heal`. Counts: `accepted` and
    `open_connections`; `request_bytes` and `answer_bytes` are those that were passed on.
    """

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._listener: asyncio.Server | None = None
        self._closed_door: socket.socket | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self.fault: Fault = Healthy()
        self.host = LOOPBACK
        self.port = 0
        self.accepted = 0
        self.request_bytes = 0
        self.answer_bytes = 0

    async def __aenter__(self) -> Self:
        await self._listen(self._bind())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop_listening()
        if self._closed_door:
            self._closed_door.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def open_connections(self) -> int:
        return len(self._links)

    async def set_fault(self, fault: Fault) -> None:
        """Replaces the fault that held so far."""
        if isinstance(fault, Refuse):
            await self._stop_listening()
            if self._closed_door is None:
                # Bound but not listening: the kernel refuses, and nobody else gets the port meanwhile.
                self._closed_door = self._bind()
        elif self._closed_door:
            await self._listen(self._closed_door)
            self._closed_door = None
        self.fault = fault
        for link in self._links:
            link.answer_bytes_under_fault = 0
        self._changed.set()
        self._changed = asyncio.Event()

    async def heal(self) -> None:
        """Everything passes again; what a blackhole held back is delivered."""
        await self.set_fault(Healthy())

    def cut(self) -> None:
        """Resets every open connection on both sides (RST), once."""
        for link in tuple(self._links):
            link.reset()

    def close(self) -> None:
        """Closes every open connection on both sides in the usual way (FIN), once."""
        for link in tuple(self._links):
            link.close()

    def _bind(self) -> socket.socket:
        door = socket.socket()
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((LOOPBACK, self.port))
        self.port = door.getsockname()[1]
        return door

    async def _listen(self, door: socket.socket) -> None:
        self._listener = await asyncio.start_server(self._accept, sock=door)

    async def _stop_listening(self) -> None:
        if self._listener:
            self._listener.close()
            self._listener = None
            # The loop lets go of the socket in its next turn.
            await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            _reset(client_writer)
            return
        link = _Link(client_writer, server_writer)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._pass_requests(client_reader, link))
                directions.create_task(self._pass_answers(server_reader, link))
        except* OSError:
            pass  # one side is gone; the other is told below
        finally:
            self._links.discard(link)
            link.close()
            for writer in (client_writer, server_writer):
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _pass_requests(self, reader: asyncio.StreamReader, link: "_Link") -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            await self._hold_back()
            link.server.write(chunk)
            self.request_bytes += len(chunk)
            await link.server.drain()
        _finish_writing(link.server)

    async def _pass_answers(self, reader: asyncio.StreamReader, link: "_Link") -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            await self._hold_back()
            match self.fault:
                case Garbage(answer):
                    link.client.write(answer)
                    link.close()
                    return
                case Drip(bytes_per_second):
                    chunk = await self._drip(chunk, link, 1 / bytes_per_second)
                case CloseAfter(limit) | CutAfter(limit) if link.answer_bytes_under_fault + len(chunk) >= limit:
                    self._answer(chunk[: limit - link.answer_bytes_under_fault], link)
                    await link.client.drain()
                    if isinstance(self.fault, CloseAfter):
                        link.close()
                    else:
                        link.reset()
                    return
                case _:
                    pass
            self._answer(chunk, link)
            await link.client.drain()
        _finish_writing(link.client)

    async def _hold_back(self) -> None:
        if isinstance(self.fault, Latency):
            await self._sleep(self.fault.seconds)
        while isinstance(self.fault, Blackhole):
            await self._changed.wait()

    async def _drip(self, chunk: bytes, link: "_Link", pause_s: float) -> bytes:
        """Sends byte by byte while the fault lasts; returns what is left of the chunk."""
        while chunk and isinstance(self.fault, Drip):
            self._answer(chunk[:1], link)
            await link.client.drain()
            chunk = chunk[1:]
            await self._sleep(pause_s)
        return chunk

    async def _sleep(self, seconds: float) -> None:
        """Sleeps, but not beyond the end of the fault."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    def _answer(self, chunk: bytes, link: "_Link") -> None:
        link.client.write(chunk)
        link.answer_bytes_under_fault += len(chunk)
        self.answer_bytes += len(chunk)


class _Link:
    """The two halves of one connection."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.answer_bytes_under_fault = 0

    def reset(self) -> None:
        _reset(self.client)
        _reset(self.server)

    def close(self) -> None:
        self.client.close()
        self.server.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() != -1:
        # Lingering for zero seconds turns the close into a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _finish_writing(writer: asyncio.StreamWriter) -> None:
    if not writer.is_closing() and writer.can_write_eof():
        writer.write_eof()
