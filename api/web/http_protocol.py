"""uvicorn's HTTP protocol, with bounds on what a client could do for ever: send a request, and not take its answer.

uvicorn's only deadline is the one for the first byte of a further request (`timeout_keep_alive`), and it has no bound
on how large the head of a request is, nor on how many connections there are (`limit_concurrency` looks only when a
head is complete).
"""

import fcntl
import socket
import struct
import sys
import termios
from asyncio import TimerHandle, Transport
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from api.limits import ConnectionLimits

_SENDING_ENDS_S = 2.0  # for a client that is refused to end its sending: closed at once, it might not see why
_MAX_TOLD = 100  # connections beyond their bound that are told so; the others are reset, else they would have no bound
_MAX_HEADERS = 128  # as of a WebSocket's handshake; thousands of short ones take ten times their bytes in memory
_HOSTS_BY_VERSION = {("1.1", 1), ("1.0", 1), ("1.0", 0)}  # how many Host headers: RFC 9112, section 3.2
_NO_LINGER = struct.pack("ii", 1, 0)  # on, 0 s: a reset, and the unsent is forgotten (socket(7), SO_LINGER)


def http_protocol(limits: ConnectionLimits) -> type["HttpProtocol"]:
    """The class of connections with these bounds; uvicorn makes the connections itself."""
    return type("HttpProtocol", (HttpProtocol,), {"limits": limits})


def drop(transport: Transport) -> None:
    """Ends a connection at once. Closed in the usual way, the kernel would go on offering what was not taken."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:  # else it has ended by itself
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def _untaken_bytes(transport: Transport) -> int:
    """What the client has still to take, of an answer that the kernel could not be given whole; else 0."""
    waiting = transport.get_write_buffer_size()
    if not waiting:
        return 0
    # What the kernel holds counts too: it comes back for more only when a good part of it, megabytes, is gone.
    given = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    return waiting + int.from_bytes(given, sys.byteorder)


class HttpProtocol(HttpToolsProtocol):
    """One connection. `http_protocol` gives it its limits."""

    limits: ClassVar[ConnectionLimits]

    _idle_bytes = 0  # received since the last head or piece of a body was complete
    _is_refused = False  # what still comes is thrown away
    _is_in_head = False
    _head_timer: TimerHandle | None = None
    _taking_timer: TimerHandle | None = None
    _end_timer: TimerHandle | None = None
    _waiting_bytes = 0  # for the client to take, when we last looked

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """A head must come, where there is room for one more connection."""
        super().connection_made(transport)
        excess = len(self.connections) - self.limits.max_connections
        if excess <= 0:
            self._expect_head()
        elif excess <= _MAX_TOLD:
            self._refuse(503, "Too many connections are open. Try later.")
        else:
            drop(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._forget_head()
        self._forget_taking()
        if self._end_timer:
            self._end_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Refuses what never becomes a head or a body: headers, trailers, blank lines, extensions of chunks."""
        if self._is_refused:
            return
        self._idle_bytes += len(data)
        super().data_received(data)
        if self._idle_bytes > self.limits.max_head_bytes:
            self._refuse_size()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keeps headers, and drops what comes behind a body in their form."""
        if not self._is_in_head:
            return
        super().on_header(name, value)
        if len(self.headers) > _MAX_HEADERS:
            self._refuse(431, f"A request has at most {_MAX_HEADERS} headers.")
            raise ValueError("too many headers")

    def on_message_begin(self) -> None:
        """A head begins."""
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is complete, and must be one that we can act on; of an error here the parser makes a 400."""
        self._is_in_head = False
        self._idle_bytes = 0
        self._forget_head()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self.limits.max_head_bytes:
            self._refuse_size()
            raise ValueError("a head that is too large, received in one piece")
        names = [name for name, _ in self.headers]
        if (self.parser.get_http_version(), names.count(b"host")) not in _HOSTS_BY_VERSION:
            raise ValueError("not a request of HTTP/1 that names its host")
        # The parser takes what follows an upgrade for another protocol, also where nobody speaks that.
        has_body = b"transfer-encoding" in names or any(
            one == b"content-length" and n != b"0" for one, n in self.headers
        )
        if has_body and self.parser.should_upgrade():
            raise ValueError("an upgrade with a body")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._idle_bytes = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        """The client has its answer to take, and then the next head to send."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._expect_taking()
        elif self.cycle.response_complete:  # the last one that was asked for
            self._expect_head()

    def send_400_response(self, msg: str) -> None:
        """What cannot be parsed is refused as anything else that is wrong with a head."""
        self._refuse(400, msg)

    def pause_writing(self) -> None:
        """More waits for the client than it should."""
        super().pause_writing()
        self._expect_taking()

    def resume_writing(self) -> None:
        """The client has taken most of it."""
        self._forget_taking()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more is asked for."""
        self._close()

    def shutdown(self) -> None:
        """The server goes: a client that takes nothing is not waited for."""
        if self.flow.write_paused:
            drop(self.transport)
        else:
            super().shutdown()

    def _expect_head(self) -> None:
        self._forget_head()
        self._head_timer = self.loop.call_later(self.limits.head_timeout_s, self._head_is_late)

    def _forget_head(self) -> None:
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        if self._idle_bytes:
            self._refuse(408, "The head of the request did not arrive in time.")
        else:
            self._close()

    def _refuse_size(self) -> None:
        self._refuse(431, f"The head of a request has at most {self.limits.max_head_bytes} bytes.")

    def _refuse(self, status: int, message: str) -> None:
        """The last word on this connection, unless an answer is under way, which it must not break into."""
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        self._forget_head()
        asked: RequestResponseCycle | None = self.cycle
        if asked and not asked.response_complete:
            if asked.response_started or not asked.more_body:
                self._close()
                return
            asked.disconnected = True  # what is wrong is its body: this is its answer
            asked.message_event.set()
        body = message.encode()
        retry = b"retry-after: 5\r\n" if status == 503 else b""
        self.transport.write(
            STATUS_LINE[status] + b"content-type: text/plain; charset=utf-8\r\nx-content-type-options: nosniff\r\n"
            b"content-length: %d\r\nconnection: close\r\n%s\r\n%s" % (len(body), retry, body)
        )
        self.transport.write_eof()
        self._end_timer = self.loop.call_later(_SENDING_ENDS_S, self._close)

    def _close(self) -> None:
        self.transport.close()
        self._expect_taking()

    def _expect_taking(self) -> None:
        self._forget_taking()
        self._waiting_bytes = _untaken_bytes(self.transport)
        if self._waiting_bytes:
            self._taking_timer = self.loop.call_later(self.limits.stall_s, self._look_at_taking)

    def _forget_taking(self) -> None:
        if self._taking_timer:
            self._taking_timer.cancel()
            self._taking_timer = None

    def _look_at_taking(self) -> None:
        # While this runs nothing is written: it is paused or over, so that the rest can only become less.
        if _untaken_bytes(self.transport) < self._waiting_bytes:
            self._expect_taking()
        else:
            drop(self.transport)
