"""What went wrong, said so that a person can act on it, and what would mend it."""

from enum import StrEnum

from msgspec import Struct


class ProblemKind(StrEnum):
    """Grouped by what the caller should do about it."""

    INVALID_INPUT = "INVALID_INPUT"
    NOT_FOUND = "NOT_FOUND"
    FORBIDDEN = "FORBIDDEN"
    CONFLICT = "CONFLICT"
    UNREACHABLE = "UNREACHABLE"
    LIMITED = "LIMITED"
    UNAVAILABLE = "UNAVAILABLE"


class Remedy(Struct, frozen=True):
    """One thing that would help: a title, why, and, where it exists, the exact statement to run."""

    title: str
    detail: str
    rests_on: tuple[str, ...] = ()  # names of the facts that this advice was drawn from
    statement: str | None = None
    docs: str | None = None


class Problem(Struct, frozen=True, omit_defaults=True):
    """An expected failure as data. `code` is stable; `message` never holds a secret, a path or a driver's own text."""

    kind: ProblemKind
    code: str
    message: str
    path: tuple[str, ...] = ()  # where in the input it lies
    retryable: bool = False
    fix: tuple[Remedy, ...] = ()
    constraint: str | None = None  # INVALID_INPUT: the rule that was broken
    needs: str | None = None  # FORBIDDEN: the missing permission
    current_version: int | None = None  # CONFLICT
    phase: str | None = None  # UNREACHABLE: the step of the conversation that failed
    vendor_code: str | None = None  # UNREACHABLE: the foreign system's own code, such as SQLSTATE 28P01
    retry_after_ms: int | None = None  # LIMITED, UNAVAILABLE
