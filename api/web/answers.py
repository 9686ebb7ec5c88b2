"""What goes over the wire when a request fails, in the shape of GraphQL: one error with a code, never a trace."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from graphql import GraphQLError
from starlette.responses import Response
from strawberry.types.execution import ExecutionResult, PreExecutionError

from api import failures

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
MULTIPART = "multipart/mixed"
SPECIFICATION = "subscriptionSpec=1.0"  # what tells Apollo's subscriptions from other uses of multipart/mixed


class Refused(Exception):
    """A request that no operation is run for: an HTTP status, a code and a sentence for the client."""

    def __init__(self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


def error(code: str, message: str) -> dict[str, Any]:
    """One GraphQL error without a place in the document."""
    return {"message": message, "extensions": {"code": code}}


def refusal(refused: Refused, media_type: str = JSON) -> Response:
    """The answer to a refused request, in one of the JSON types."""
    body = msgspec.json.encode({"errors": [error(refused.code, refused.message)]})
    return Response(body, refused.status, headers=refused.headers, media_type=_with_charset(media_type))


def failure(cause: Exception, media_type: str) -> Response:
    """The answer to a request that failed in a way that nobody expected."""
    body = msgspec.json.encode({"errors": [internal_error(cause)]})
    return Response(body, 500, media_type=_with_charset(media_type))


def answer(result: ExecutionResult, media_type: str) -> Response:
    """The answer to an executed, or rightly formed but unacceptable, request.

    In `application/graphql-response+json` a request that could not be executed is 400; `application/json` says 200 to
    every rightly formed request. https://graphql.github.io/graphql-over-http/draft/#sec-Status-Codes
    """
    status = 400 if media_type == GRAPHQL_JSON and is_request_error(result) else 200
    return Response(msgspec.json.encode(payload(result)), status, media_type=_with_charset(media_type))


def payload(result: ExecutionResult) -> dict[str, Any]:
    """`data`, `errors` and `extensions` as they are sent. There is no `data` where nothing was executed."""
    answered: dict[str, Any] = {}
    if result.errors:
        answered["errors"] = formatted(result.errors)
    if not is_request_error(result):
        answered["data"] = result.data
    if result.extensions:
        answered["extensions"] = result.extensions
    return answered


def formatted(errors: Sequence[GraphQLError]) -> list[Any]:
    """Errors as they are sent."""
    return [each.formatted for each in errors]


def is_request_error(result: ExecutionResult) -> bool:
    """Whether nothing was executed: the document or the variables are wrong. Errors of execution have a path."""
    return isinstance(result, PreExecutionError) or (
        result.data is None and bool(result.errors) and all(each.path is None for each in result.errors or ())
    )


def internal_error(cause: BaseException) -> dict[str, Any]:
    """What a client is told of a failure that nobody expected and that no field of the document stands for."""
    return {"message": failures.MESSAGE, "extensions": failures.masked(cause, "the request")}


def _with_charset(media_type: str) -> str:
    return f"{media_type}; charset=utf-8"
