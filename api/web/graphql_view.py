"""GraphQL over HTTP (POST and GET), streams of results and WebSockets, all on one path.

https://graphql.github.io/graphql-over-http/draft/
Our own view, not Strawberry's: status codes, media types, bounds and endings are decided here; Strawberry executes.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Any

from graphql import GraphQLError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.exceptions import MissingQueryError
from strawberry.schema import BaseSchema
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import ExecutionResult, PreExecutionError
from strawberry.types.graphql import OperationType

from api.limits import WebLimits
from api.web.answers import EVENT_STREAM, MULTIPART, SPECIFICATION, Refused, answer, failure, payload, refusal
from api.web.asked import Accepted, Asked, accepted, check_content_type, from_body, from_query_string
from api.web.auth import Gate
from api.web.bodies import Bodies
from api.web.framings import FRAMINGS, Framing
from api.web.result_stream import ResultStream, gone
from api.web.socket import SUBPROTOCOL, GraphqlSocket
from domain.models.access import Viewer

_READING = frozenset({OperationType.QUERY})
_ONCE = frozenset({OperationType.QUERY, OperationType.MUTATION})
_FOLLOWING = frozenset({OperationType.SUBSCRIPTION})
_ANY = frozenset(OperationType)


class GraphqlView:
    """`routes()` go into the application; `stop()` ends sockets and streams before the server shuts down.

    `new_context` makes the context of one operation for a viewer.
    """

    def __init__(
        self,
        *,
        schema: BaseSchema,
        gate: Gate,
        new_context: Callable[[Viewer], Any],
        limits: WebLimits | None = None,
    ) -> None:
        self._schema = schema
        self._gate = gate
        self._new_context = new_context
        self._limits = limits or WebLimits()
        self._bodies = Bodies(self._limits)
        self._open: set[GraphqlSocket | ResultStream] = set()

    def routes(self, path: str = "/graphql") -> list[BaseRoute]:
        """One path for everything."""
        return [Route(path, self._http, methods=["GET", "POST"]), WebSocketRoute(path, self._websocket)]

    def stop(self) -> None:
        """Sockets are closed with 1012, streams end without their closing: both make clients come back."""
        for each in tuple(self._open):
            each.stop()

    async def _http(self, request: Request) -> Response:
        wanted = Accepted()
        try:
            viewer = self._gate.admit(request)
            wanted = accepted(request.headers.get("accept"))
            if _is_get(request):
                return await self._answer(request, viewer, from_query_string(request.query_params), wanted)
            check_content_type(request.headers.get("content-type"))
            async with self._bodies.read(request) as body:
                return await self._answer(request, viewer, from_body(body), wanted)
        except Refused as refused:
            return refusal(refused, wanted.refusal)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except Exception as problem:
            return failure(problem, wanted.refusal)

    async def _answer(self, request: Request, viewer: Viewer, asked: Asked, wanted: Accepted) -> Response:
        try:
            result = await self._once(request, viewer, asked)
        except InvalidOperationTypeError as other:
            if other.operation_type is OperationType.SUBSCRIPTION and wanted.stream:
                return self._stream(request, viewer, asked, FRAMINGS[wanted.stream])
            raise _not_here(other.operation_type) from other
        if wanted.single:
            return answer(result, wanted.single)
        assert wanted.stream is not None  # else it was refused
        return _whole(result, FRAMINGS[wanted.stream])

    async def _once(self, request: Request, viewer: Viewer, asked: Asked) -> ExecutionResult:
        executing = asyncio.create_task(self._execute(viewer, asked, _READING if _is_get(request) else _ONCE))
        leaving = asyncio.create_task(gone(request.receive))
        try:
            waited_for = {executing} if asked.may_hold(OperationType.MUTATION) else {executing, leaving}
            await asyncio.wait(
                waited_for, timeout=self._limits.operation_timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if executing.done():
                return executing.result()
            if leaving.done():
                raise ClientDisconnect
            raise Refused(503, "TIMED_OUT", "The operation took too long and was stopped.")
        finally:
            for task in (executing, leaving):
                task.cancel()
            await asyncio.gather(executing, leaving, return_exceptions=True)

    async def _execute(self, viewer: Viewer, asked: Asked, allowed: Iterable[OperationType]) -> ExecutionResult:
        try:
            return await self._schema.execute(
                asked.query,
                variable_values=asked.variables,
                context_value=self._new_context(viewer),
                operation_name=asked.operation_name or None,  # an empty one is none
                allowed_operation_types=allowed,
            )
        except MissingQueryError:
            return _unacceptable("The document is empty.")
        except CannotGetOperationTypeError as unknown:
            return _unacceptable(unknown.as_http_error_reason())

    def _stream(self, request: Request, viewer: Viewer, asked: Asked, framing: Framing) -> Response:
        if request.method == "HEAD":
            return Response(headers={"content-type": framing.content_type})  # there is no body to wait for
        self._check_room()
        stream = ResultStream(self._payloads(viewer, asked), framing, heartbeat_s=self._limits.heartbeat_s)
        return _Tracked(stream, self._open)

    async def _payloads(self, viewer: Viewer, asked: Asked) -> AsyncGenerator[dict[str, Any]]:
        async with aclosing(self._results(viewer, asked, _FOLLOWING)) as results:
            async for result in results:
                yield payload(result)

    async def _results(
        self, viewer: Viewer, asked: Asked, allowed: Iterable[OperationType] = _ANY
    ) -> AsyncGenerator[ExecutionResult]:
        stream = await self._schema.stream(
            asked.query,
            variable_values=asked.variables,
            context_value=self._new_context(viewer),
            operation_name=asked.operation_name or None,  # an empty one is none
            allowed_operation_types=allowed,
        )
        async with aclosing(stream) as results:
            async for result in results:
                assert isinstance(result, ExecutionResult)  # incremental delivery is off
                yield result

    def _check_room(self) -> None:
        """Raises `Refused` (503) where one more socket or stream would be too many for this process."""
        if len(self._open) >= self._limits.socket.max_sockets:
            raise Refused(
                503, "LIMIT_REACHED", "Too many sockets and streams are open. Try later.", headers={"Retry-After": "5"}
            )

    async def _websocket(self, websocket: WebSocket) -> None:
        try:
            self._gate.check_handshake(websocket)
            self._check_room()
        except Refused as refused:
            await websocket.send_denial_response(refusal(refused))
            return
        socket = GraphqlSocket(
            websocket,
            admit=lambda shown: self._gate.admit_socket(websocket, shown),
            execute=self._results,
            limits=self._limits,
        )
        self._open.add(socket)
        try:
            await socket.run()
        finally:
            self._open.discard(socket)


class _Tracked(Response):
    """A stream as a response, among the open ones while it lasts."""

    def __init__(self, stream: ResultStream, opened: set[GraphqlSocket | ResultStream]) -> None:
        super().__init__()
        self._stream = stream
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._opened.add(self._stream)
        try:
            await self._stream(scope, receive, send)
        finally:
            self._opened.discard(self._stream)


def _is_get(request: Request) -> bool:
    return request.method != "POST"  # HEAD is a GET whose body nobody sees


def _whole(result: ExecutionResult, framing: Framing) -> Response:
    """A stream of a single result, for clients that take nothing else."""
    body = framing.opening + framing.result(payload(result)) + framing.closing
    return Response(body, headers={"content-type": framing.content_type})


def _unacceptable(message: str) -> PreExecutionError:
    return PreExecutionError(data=None, errors=[GraphQLError(message, extensions={"code": "BAD_REQUEST"})])


def _not_here(kind: OperationType) -> Refused:
    if kind is OperationType.MUTATION:
        return Refused(405, "METHOD_NOT_ALLOWED", "Mutations are sent by POST.", headers={"Allow": "POST"})
    return Refused(
        406,
        "NOT_ACCEPTABLE",
        f"Subscriptions are streams: ask for {EVENT_STREAM} or for {MULTIPART};{SPECIFICATION}, or use a WebSocket "
        f"that speaks {SUBPROTOCOL}.",
    )
