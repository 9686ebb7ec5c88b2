import inspect

import pytest

from domain import errors
from domain.models.problem import ProblemKind

_ALL = [error for _, error in inspect.getmembers(errors, inspect.isclass) if issubclass(error, Exception)]


@pytest.mark.parametrize("error", _ALL)
def test_every_error_descends_from_the_root_and_stands_in_the_tree(error: type[Exception]) -> None:
    assert issubclass(error, errors.HeadwaterError)
    assert errors.__doc__ is not None
    assert error.__name__ in errors.__doc__ or error is errors.ProblemError


@pytest.mark.parametrize(
    ("error", "kind", "code", "retryable"),
    [
        (errors.InvalidInput("No."), ProblemKind.INVALID_INPUT, "INVALID_INPUT", False),
        (errors.NotFound("No."), ProblemKind.NOT_FOUND, "NOT_FOUND", False),
        (errors.Forbidden("DISCOVER"), ProblemKind.FORBIDDEN, "FORBIDDEN", False),
        (errors.Conflict("NAME_TAKEN", "No."), ProblemKind.CONFLICT, "NAME_TAKEN", False),
        (errors.Unreachable("TIMED_OUT", "No.", phase="connect"), ProblemKind.UNREACHABLE, "TIMED_OUT", True),
        (errors.Limited("No.", retry_after_ms=10), ProblemKind.LIMITED, "LIMIT_REACHED", True),
        (errors.Unavailable("DISK_FULL", "No."), ProblemKind.UNAVAILABLE, "DISK_FULL", True),
    ],
)
def test_an_error_carries_its_problem(
    error: errors.ProblemError, kind: ProblemKind, code: str, retryable: bool
) -> None:
    problem = error.problem
    assert (problem.kind, problem.code, problem.retryable) == (kind, code, retryable)
    assert code in str(error)
