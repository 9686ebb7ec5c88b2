"""graphql-transport-ws: many operations over one WebSocket.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
The older protocol `graphql-ws` is not spoken.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.types.execution import ExecutionResult
from strawberry.types.graphql import OperationType

from api.limits import WebLimits
from api.web.answers import Refused, error, formatted, internal_error, is_request_error, payload
from api.web.asked import Asked
from domain.models.access import Viewer

SUBPROTOCOL = "graphql-transport-ws"
_MAX_REASON_BYTES = 120  # a close frame holds 125 bytes, two of them the code
_FAREWELL_S = 5.0

_TIMED_OUT = error("TIMED_OUT", "The operation took too long and was stopped.")

_log = structlog.get_logger(__name__)


class ConnectionInit(Struct, frozen=True, tag="connection_init"):
    """The first message; may carry the key."""

    payload: dict[str, Any] | None = None


class Ping(Struct, frozen=True, tag="ping"):
    """Answered with a pong that has the same payload."""

    payload: dict[str, Any] | None = None


class Pong(Struct, frozen=True, tag="pong"):
    """Needs no answer."""

    payload: dict[str, Any] | None = None


class Subscribe(Struct, frozen=True, tag="subscribe"):
    """Runs an operation, whatever its kind, under an id that the client chose."""

    id: str
    payload: Asked


class Complete(Struct, frozen=True, tag="complete"):
    """The client wants no more of an operation."""

    id: str


Message = ConnectionInit | Ping | Pong | Subscribe | Complete
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)

Execute = Callable[[Viewer, Asked], AsyncGenerator[ExecutionResult]]
Admit = Callable[[dict[str, Any] | None], Viewer]


class CloseSocket(Exception):
    """The socket must be closed with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")


class _Gone(Exception):
    """The client is not there any more."""


def parse_message(text: str) -> Message:
    """What a client said. Raises CloseSocket (4400) for anything that the protocol does not know."""
    try:
        message = _decoder.decode(text)
    except (ValueError, RecursionError) as problem:
        raise CloseSocket(4400, f"Invalid message: {problem}") from problem
    if isinstance(message, Subscribe | Complete) and not message.id:
        raise CloseSocket(4400, "Invalid message: an id has at least one character")
    return message


class GraphqlSocket:
    """One open socket: reads messages, runs an operation each as a task, and leaves none behind."""

    def __init__(self, socket: WebSocket, *, admit: Admit, execute: Execute, limits: WebLimits) -> None:
        self._socket = socket
        self._admit = admit
        self._execute = execute
        self._limits = limits
        self._viewer: Viewer | None = None
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # also those that were completed and still tidy up
        self._ended: asyncio.Future[CloseSocket] = asyncio.get_running_loop().create_future()
        self._begun = 0  # operations, ever
        self._client_code: int | None = None  # that the client closed the socket with

    def stop(self) -> None:
        """The server goes away: clients may come back at once."""
        self._end(CloseSocket(1012, "Service restart"))

    async def run(self) -> None:
        """Returns when the socket is closed and all its operations have ended."""
        if SUBPROTOCOL not in self._socket.scope["subprotocols"]:
            await self._socket.accept()
            await self._farewell(CloseSocket(4406, "Subprotocol not acceptable"))
            return
        await self._socket.accept(subprotocol=SUBPROTOCOL)
        reading = asyncio.create_task(self._read())
        try:
            ends: set[asyncio.Future[Any]] = {reading, self._ended}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._wind_up(reading)

    async def _wind_up(self, reading: asyncio.Task[None]) -> None:
        running = {reading, *self._tasks}
        for task in running:
            task.cancel()
        closing = self._ended.result() if self._ended.done() else None
        if closing:
            await self._farewell(closing)
        _, stuck = await asyncio.wait(running, timeout=_FAREWELL_S)
        if stuck:
            _log.error("operations_did_not_end", count=len(stuck))
        code = closing.code if closing else self._client_code
        _log.info("socket_closed", code=code, operations_begun=self._begun, operations_left=len(stuck))

    async def _read(self) -> None:
        try:
            await self._read_messages()
        except CloseSocket as closing:
            self._end(closing)
        except _Gone:
            pass
        except Exception as problem:
            internal_error(problem)
            self._end(CloseSocket(1011, "Internal error"))

    async def _read_messages(self) -> None:
        waiting = asyncio.timeout(self._limits.socket.init_timeout_s)
        try:
            async with waiting:
                while True:
                    received = await self._socket.receive()
                    if received["type"] == "websocket.disconnect":
                        self._client_code = received.get("code")
                        return
                    text = received.get("text")
                    if text is None:
                        raise CloseSocket(4400, "Invalid message: send text, not bytes")
                    if len(text) > self._limits.socket.max_frame_bytes:
                        raise CloseSocket(1009, "Message too big")
                    await self._handle(parse_message(text))
                    if self._viewer is not None:
                        waiting.reschedule(None)
                    # One read brings thousands of small messages: the other clients have their turn in between.
                    await asyncio.sleep(0)
        except TimeoutError as late:  # the only one: sending has its own
            raise CloseSocket(4408, "Connection initialisation timeout") from late

    async def _handle(self, message: Message) -> None:
        match message:
            case ConnectionInit():
                await self._initialise(message)
            case Ping():
                pong: dict[str, Any] = {"type": "pong"}
                if message.payload is not None:
                    pong["payload"] = message.payload
                await self._send(pong)
            case Pong():
                pass
            case Subscribe():
                await self._subscribe(message)
            case Complete():
                task = self._operations.pop(message.id, None)
                if task:
                    task.cancel()

    async def _initialise(self, message: ConnectionInit) -> None:
        if self._viewer is not None:
            raise CloseSocket(4429, "Too many initialisation requests")
        try:
            self._viewer = self._admit(message.payload)
        except Refused as refused:
            raise CloseSocket(4403, "Forbidden") from refused
        await self._send({"type": "connection_ack"})

    async def _subscribe(self, message: Subscribe) -> None:
        if self._viewer is None:
            raise CloseSocket(4401, "Unauthorized")
        if message.id in self._operations:
            raise CloseSocket(4409, f"Subscriber for {message.id} already exists")
        if len(self._tasks) >= self._limits.socket.max_operations:
            told = error("LIMIT_REACHED", f"At most {self._limits.socket.max_operations} operations run on one socket.")
            await self._send({"type": "error", "id": message.id, "payload": [told]})
            return
        self._begun += 1
        task = asyncio.create_task(self._run(message.id, self._viewer, message.payload))
        self._operations[message.id] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, id: str, viewer: Viewer, asked: Asked) -> None:
        may_follow = asked.may_hold(OperationType.SUBSCRIPTION)
        deadline = asyncio.timeout(None if may_follow else self._limits.operation_timeout_s)
        try:
            async with deadline:
                last = await self._relay(id, viewer, asked)
        except CloseSocket as closing:
            self._end(closing)
            return
        except _Gone:
            return
        except Exception as problem:
            told = _TIMED_OUT if deadline.expired() else internal_error(problem)
            last = {"type": "error", "id": id, "payload": [told]}
        # Free the id first: the client may use it again as soon as it has read the last message.
        if self._operations.get(id) is asyncio.current_task():
            del self._operations[id]
        await self._last_word(last)

    async def _relay(self, id: str, viewer: Viewer, asked: Asked) -> dict[str, Any]:
        """Sends every result; returns the message that ends the operation."""
        is_first = True
        async with aclosing(self._execute(viewer, asked)) as results:
            async for result in results:
                if is_first and is_request_error(result):
                    return {"type": "error", "id": id, "payload": formatted(result.errors or ())}
                is_first = False
                await self._send({"type": "next", "id": id, "payload": payload(result)})
                # A source that never waits would keep the loop from seeing that the client has gone.
                await asyncio.sleep(0)
        return {"type": "complete", "id": id}

    async def _last_word(self, message: dict[str, Any]) -> None:
        try:
            await self._send(message)
        except CloseSocket as closing:
            self._end(closing)
        except _Gone:
            pass

    async def _send(self, message: dict[str, Any]) -> None:
        text = msgspec.json.encode(message).decode()
        try:
            async with asyncio.timeout(self._limits.connection.stall_s):
                await self._socket.send_text(text)
        except TimeoutError as stalled:
            raise CloseSocket(1013, "Too slow: resume from the last cursor") from stalled
        except (WebSocketDisconnect, RuntimeError) as gone:  # RuntimeError: closed from our side meanwhile
            raise _Gone from gone

    async def _farewell(self, closing: CloseSocket) -> None:
        with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(_FAREWELL_S):
                await self._socket.close(closing.code, closing.reason)

    def _end(self, closing: CloseSocket) -> None:
        if not self._ended.done():
            self._ended.set_result(closing)
