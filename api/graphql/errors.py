"""What clients get to see of a failure.

Expected failures keep their code and sentence: in mutations as members of the answer's union, elsewhere as errors with
`extensions.code`. A document that is wrong is told what is wrong with it. Everything else is masked: the client gets an
id, the log has the whole of it under that id.
"""

import re
from collections.abc import Iterator
from typing import Any

from graphql import ExecutionResult, GraphQLError, GraphQLSyntaxError
from strawberry import ExceptionHandler
from strawberry.exceptions import MissingQueryError, StrawberryInputCoercionError
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import ExecutionResult as StrawberryResult
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info

from api import failures
from api.graphql.types.problem import NotFoundProblem, input_path, problem
from domain.errors import ProblemError
from domain.models import problem as domain

_NOT_UNDERSTOOD = (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)
# How graphql-core shows values: its utilities/validate_input_value.py, type/scalars.py, language/lexer.py.
_VALUES = tuple(
    (re.compile(pattern, re.DOTALL), instead)
    for pattern, instead in (
        (r"[,;] found: .*", "."),
        (r" Found: .*", ""),
        (r"(cannot represent (?:\w|[ -])*value): .*", r"\1."),
        (r"Value '.*' does not exist in", "This value does not exist in"),
        (r"\b(String|BlockString|Int|Float) ['\"].*['\"]", r"\1"),
    )
)


class ProblemsAsData(ExceptionHandler[ProblemError, NotFoundProblem]):
    """Expected failures of mutations become the member of the union that their kind names."""

    def handle(self, exception: ProblemError, *, field: StrawberryField, info: Info) -> Any:
        return problem(exception.problem)


class ReadableErrors(SchemaExtension):
    """Every error that leaves has a code, and none tells what is nobody's business."""

    def on_operation(self) -> Iterator[None]:
        yield
        self._clean(self.execution_context.result)

    def on_stream_result(self, result: object) -> Iterator[None]:
        self._clean(result)
        yield

    def _clean(self, result: object) -> None:
        if isinstance(result, ExecutionResult | StrawberryResult) and result.errors:
            result.errors = [readable(error) for error in result.errors]


def readable(error: GraphQLError) -> GraphQLError:
    """The error as clients see it; what has a code already stays as it is."""
    if (error.extensions or {}).get("code"):
        return error
    cause = error.original_error
    if isinstance(cause, ProblemError):
        return _told(error, cause.problem.message, problem_extensions(cause.problem))
    if isinstance(cause, RecursionError):
        return _told(error, "This document is nested too deeply.", {"code": "TOO_COMPLEX"})
    if isinstance(error, GraphQLSyntaxError):
        return _told(error, without_values(error.message), {"code": "GRAPHQL_PARSE_FAILED"})
    if error.path is None and isinstance(cause, _NOT_UNDERSTOOD):
        return _told(error, error.message, {"code": "BAD_REQUEST"})
    # A document or variable that is wrong points at a place in the document, and not at a field of the answer.
    if error.path is None and (error.nodes or cause is None or isinstance(cause, StrawberryInputCoercionError)):
        return _told(error, without_values(error.message), {"code": "GRAPHQL_VALIDATION_FAILED"})
    return _masked(error)


def without_values(message: str) -> str:
    """What is wrong with a document, without the values in it: they may be secrets that were put in a wrong place."""
    for pattern, instead in _VALUES:
        message = pattern.sub(instead, message)
    return message


def problem_extensions(value: domain.Problem) -> dict[str, Any]:
    """What a program can read of a problem in `extensions`; `inputPath` is where in the arguments it lies."""
    said = {
        "code": value.code,
        "inputPath": input_path(value.path),
        "retryable": value.retryable,
        "constraint": value.constraint,
        "needs": value.needs,
        "currentVersion": value.current_version,
        "phase": value.phase,
        "vendorCode": value.vendor_code,
        "retryAfterMs": value.retry_after_ms,
    }
    return {name: one for name, one in said.items() if one is not None}


def problem_error(value: domain.Problem) -> GraphQLError:
    """The problem as an error of the whole operation, such as a subscription that may not be followed."""
    return GraphQLError(value.message, extensions=problem_extensions(value))


def _masked(error: GraphQLError) -> GraphQLError:
    place = ".".join(map(str, error.path or ())) or "the root"
    return _told(error, failures.MESSAGE, failures.masked(error.original_error or error, place))


def _told(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )
