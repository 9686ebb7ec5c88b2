"""uvicorn's WebSocket protocol, in bounds: for clients that take nothing, say nothing, or send what is no WebSocket."""

import asyncio

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from api.web.http_protocol import drop

PING_INTERVAL_S = 20.0
# A client that has gone without a word answers no ping. It is waited for longer than a socket may stall, so that one
# that is only slow is told so by the code that it is closed with.
PATIENCE_S = 15.0
TURN_BYTES = 4_096  # parsed before everybody else has their turn: up to 682 frames, a few milliseconds
MAX_FRAGMENTS = 1_024  # of one message: the bound on its bytes does not see empty ones


class SocketProtocol(WebSocketsSansIOProtocol):
    """As uvicorn's, except for what would hold memory or a connection as long as the other side likes.

    - A close waits neither behind unsent bytes nor for ever: uvicorn lets every message wait until the client has taken
      what was sent before, the close frame too, and then flushes without a bound.
    - What one client sends is parsed piece by piece: the loop reads megabytes at once, and a megabyte of pings would
      take a second in which nobody else is served.
    - Pongs are not heaped up for a client that pings and reads nothing.
    - Who broke the protocol is told by which code, however much is still under way.
    - A message has a bounded number of fragments.
    - A handshake that is no HTTP to websockets' taste is answered; uvicorn would leave it open without a word.
    - Text that is no UTF-8 and a refused handshake are the client's mistakes, not errors in our log.
    """

    closing_s = 12.0  # from our close frame to a reset; uvicorn itself waits 10 s for the client's close frame

    _unparsed = b""  # no more than one read brings: nothing is read while there is some
    _next_turn: asyncio.Handle | None = None
    _owed_pong = b""
    _has_failed = False
    _drop_timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        if self._next_turn:
            self._next_turn.cancel()
        self._unparsed = b""
        super().connection_lost(exc)
        if self._drop_timer:
            self._drop_timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Parses it, the first piece at once."""
        if self._has_failed:
            return
        self._unparsed += data
        if self._next_turn is None and not self.read_paused:
            self._parse_piece()

    async def receive(self) -> ASGIReceiveEvent:
        """The next message. What comes behind it is parsed, or read, when all that was parsed is taken."""
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self._go_on()
        return message

    def _parse_piece(self) -> None:
        self._next_turn = None
        piece, self._unparsed = self._unparsed[:TURN_BYTES], self._unparsed[TURN_BYTES:]
        super().data_received(piece)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self._refuse_handshake()
        if self.transport.is_closing():
            self._unparsed = b""
            self._drop_later()  # the client may take the rest, but not for ever
        elif not self.read_paused:
            self._go_on()

    def _go_on(self) -> None:
        if not self._unparsed:
            self.transport.resume_reading()
        elif self._next_turn is None:
            self.transport.pause_reading()
            self._next_turn = self.loop.call_soon(self._parse_piece)

    def handle_cont(self, event: Frame) -> None:
        """One more fragment of a message."""
        if len(self.frames) >= MAX_FRAGMENTS:
            self._fail(CloseCode.MESSAGE_TOO_BIG, f"a message has at most {MAX_FRAGMENTS} fragments")
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """A whole message has come."""
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self._fail(CloseCode.INVALID_DATA, "text is UTF-8")
            return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Answers at once; while the client takes nothing, only its latest ping is remembered (RFC 6455, 5.5.3)."""
        pongs = self.conn.data_to_send()
        if self.close_sent or not pongs:
            return
        if self.writable.is_set():
            self.transport.write(b"".join(pongs))
        else:
            self._owed_pong = pongs[-1]

    def resume_writing(self) -> None:
        """The client took what was sent."""
        super().resume_writing()
        if self._owed_pong and not self.close_sent:
            self.transport.write(self._owed_pong)
            self._owed_pong = b""

    def handle_parser_exception(self) -> None:
        """What came is no WebSocket frame: says so, and reads on without looking until the client goes.

        Closing at once, as uvicorn does, resets a connection on which unread bytes lie, and the client that is still
        sending its too large message never learns why.
        """
        closing = self.conn.close_sent
        if closing is None:  # frames that came before the handshake was answered: none can be sent back
            self.transport.abort()
            return
        self._has_failed = self.close_sent = True
        self._unparsed = b""
        self.queue.put_nowait({"type": "websocket.disconnect", "code": closing.code, "reason": closing.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.write_eof()
        if self.close_timer is None:  # uvicorn closes at once where there is none
            self.close_timer = self.loop.call_later(self.closing_s, drop, self.transport)
        self.read_paused = False
        self.transport.resume_reading()

    async def send(self, message: ASGISendEvent) -> None:
        """Passes a message on; a close goes out at once, and what is left unsent after a while is dropped."""
        if message["type"] == "websocket.close":
            self.writable.set()
        await super().send(message)
        if message["type"] == "websocket.close":
            self._go_on()
            self._drop_later()
        elif message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # refused; uvicorn would log that nobody answered it

    def keepalive_timeout(self) -> None:
        """No pong came: the connection is closed, and dropped when even that is not taken."""
        super().keepalive_timeout()
        self._drop_later()

    def _fail(self, code: CloseCode, reason: str) -> None:
        """The client's own mistake closes its socket; what it sent behind it is not looked at."""
        self.frames = []
        if not self.close_sent:
            self.conn.fail(code, reason)
            self.handle_parser_exception()

    def _refuse_handshake(self) -> None:
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        answer = b"".join(self.conn.data_to_send())  # only where the header is too large
        self.transport.write(answer or self.conn.reject(400, "This is no WebSocket handshake.\n").serialize())
        self.transport.close()

    def _drop_later(self) -> None:
        if self._drop_timer is None and not self.disconnected:
            self._drop_timer = self.loop.call_later(self.closing_s, drop, self.transport)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
