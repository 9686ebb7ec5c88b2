"""uvicorn's WebSocket protocol, able to close a socket whose client takes nothing."""

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

PING_INTERVAL_S = 20.0
# A client that has gone without a word answers no ping. Longer than a socket may stall, so that one that is only slow
# is told so by the code that it is closed with.
PING_TIMEOUT_S = 75.0
_LINGER_S = 12.0  # uvicorn itself waits 10 s for the client's close frame


class SocketProtocol(WebSocketsSansIOProtocol):
    """As uvicorn's, except that a close neither waits behind unsent bytes nor keeps them for ever.

    uvicorn lets every message wait until the client has taken what was sent before, the close frame too, and then
    flushes without a bound: a client that stops reading would hold its connection as long as it likes.
    """

    async def send(self, message: ASGISendEvent) -> None:
        """Passes a message on; a close goes out at once, and what is left unsent after a while is dropped."""
        if message["type"] == "websocket.close":
            self.writable.set()
        await super().send(message)
        if message["type"] == "websocket.close":
            self._drop_later()

    def keepalive_timeout(self) -> None:
        """No pong came: the connection is closed, and dropped when even that is not taken."""
        super().keepalive_timeout()
        self._drop_later()

    def _drop_later(self) -> None:
        self.loop.call_later(_LINGER_S, self.transport.abort)
