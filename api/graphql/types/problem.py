"""Expected failures as data."""

from collections.abc import Iterable
from typing import Any

import strawberry
from strawberry.utils.str_converters import to_camel_case

from domain.models import problem as domain
from domain.models.access import Permission
from domain.models.problem import ProblemKind


@strawberry.type(description="One thing that would help.")
class Remedy:
    """Advice."""

    title: str = strawberry.field(description="What to do, in a few words.")
    detail: str = strawberry.field(description="Why, and how.")
    rests_on: list[str] = strawberry.field(description="Names of the facts that this advice was drawn from.")
    statement: str | None = strawberry.field(
        description="What to run, such as the exact GRANT; null where it is no statement."
    )
    docs: str | None = strawberry.field(description="Where to read more.")


@strawberry.interface(description="An expected failure: what went wrong and what would mend it.")
class Problem:
    """What all problems have in common."""

    code: str = strawberry.field(description="Stable; made for programs.")
    message: str = strawberry.field(description="A sentence for people.")
    path: list[str] = strawberry.field(description="Where in the input it lies; empty when in no part of it.")
    retryable: bool = strawberry.field(description="Whether the same request may succeed later.")
    fix: list[Remedy] = strawberry.field(description="What would help.")


@strawberry.type(description="The request itself is wrong: change it.")
class InvalidInputProblem(Problem):
    """Change the request."""

    constraint: str | None = strawberry.field(description="The rule that was broken, such as `1..100`.")


@strawberry.type(description="What was named does not exist, or may not be seen.")
class NotFoundProblem(Problem):
    """Name something that exists."""


@strawberry.type(description="A permission is missing.")
class ForbiddenProblem(Problem):
    """Ask for the permission."""

    needs: Permission = strawberry.field(description="The missing permission.")


@strawberry.type(description="The world has moved on since you looked: read again, then decide.")
class ConflictProblem(Problem):
    """Read again."""

    current_version: int | None = strawberry.field(
        description="The version that is there now, where versions collided."
    )


@strawberry.type(description="A foreign system is away, refuses us, or speaks nonsense.")
class UnreachableProblem(Problem):
    """Look at the foreign system."""

    phase: str = strawberry.field(description="The part of the conversation that failed, such as `authenticate`.")
    vendor_code: str | None = strawberry.field(description="The system's own code, such as SQLSTATE `28P01`.")


@strawberry.type(description="A bound was reached: wait, then retry.")
class LimitedProblem(Problem):
    """Wait."""

    retry_after_ms: int = strawberry.field(description="How long to wait, in milliseconds.")


@strawberry.type(description="Headwater itself cannot do it just now: retry, and tell its operator if it stays so.")
class UnavailableProblem(Problem):
    """Retry."""

    retry_after_ms: int | None = strawberry.field(description="How long to wait, in milliseconds, where it is known.")


def remedies(values: Iterable[domain.Remedy]) -> list[Remedy]:
    """Windows on remedies."""
    return [
        Remedy(
            title=one.title,
            detail=one.detail,
            rests_on=list(one.rests_on),
            statement=one.statement,
            docs=one.docs,
        )
        for one in values
    ]


def input_path(path: Iterable[str]) -> list[str]:
    """The path in the words of the schema: connectors name their settings `ca_pem`, clients write `caPem`."""
    return [to_camel_case(part) for part in path]


def problem(value: domain.Problem) -> Problem:
    """A window on a problem, of the type that its kind has."""
    common: dict[str, Any] = {
        "code": value.code,
        "message": value.message,
        "path": input_path(value.path),
        "retryable": value.retryable,
        "fix": remedies(value.fix),
    }
    match value.kind:
        case ProblemKind.INVALID_INPUT:
            return InvalidInputProblem(**common, constraint=value.constraint)
        case ProblemKind.NOT_FOUND:
            return NotFoundProblem(**common)
        case ProblemKind.FORBIDDEN:
            return ForbiddenProblem(**common, needs=Permission(value.needs or ""))
        case ProblemKind.CONFLICT:
            return ConflictProblem(**common, current_version=value.current_version)
        case ProblemKind.UNREACHABLE:
            return UnreachableProblem(**common, phase=value.phase or "", vendor_code=value.vendor_code)
        case ProblemKind.LIMITED:
            return LimitedProblem(**common, retry_after_ms=value.retry_after_ms or 0)
        case ProblemKind.UNAVAILABLE:
            return UnavailableProblem(**common, retry_after_ms=value.retry_after_ms)


def optional_problem(value: domain.Problem | None) -> Problem | None:
    """A window on a problem, where there is one."""
    return None if value is None else problem(value)
