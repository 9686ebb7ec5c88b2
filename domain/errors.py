"""The whole error taxonomy, grouped by what the caller should do.

HeadwaterError
├── InvalidInput     change the request          INVALID_INPUT, INVALID_CURSOR, CURSOR_EXPIRED, UNKNOWN_REVISION, …
├── NotFound         name something that exists  NOT_FOUND
├── Forbidden        ask for the permission      FORBIDDEN
├── Conflict         read again, then decide     VERSION_CONFLICT, NAME_TAKEN, KEY_REUSED, …
├── Unreachable      look at the foreign system  HOST_NOT_FOUND, CONNECTION_REFUSED, TIMED_OUT, AUTHENTICATION_FAILED, …
├── Limited          wait, then retry            LIMIT_REACHED
├── Unavailable      retry; wake the operator    STORE_UNAVAILABLE, DISK_FULL, SECRET_UNAVAILABLE, …
├── Superseded       stop: another worker took this job over (never shown to a client)
└── StartRefused     the process may not start as configured; the message says what to change
"""

from collections.abc import Sequence

from domain.models.problem import Problem, ProblemKind, Remedy


class HeadwaterError(Exception):
    """The root of every error that we raise on purpose."""


class ProblemError(HeadwaterError):
    """An expected failure that reaches the client as its `problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.message}")
        self.problem = problem


class InvalidInput(ProblemError):
    """The request itself is wrong; the same request can never succeed."""

    def __init__(
        self, message: str, *, path: Sequence[str] = (), code: str = "INVALID_INPUT", constraint: str | None = None
    ) -> None:
        super().__init__(
            Problem(ProblemKind.INVALID_INPUT, code, message, path=tuple(path), constraint=constraint),
        )

    def below(self, *path: str) -> "InvalidInput":
        """The same, seen from further out: `path` leads to where this one's path begins."""
        problem = self.problem
        return InvalidInput(
            problem.message, path=(*path, *problem.path), code=problem.code, constraint=problem.constraint
        )


class NotFound(ProblemError):
    """What was named does not exist, or the viewer may not see it: the two are told apart by nobody."""

    def __init__(self, message: str, *, path: Sequence[str] = ()) -> None:
        super().__init__(Problem(ProblemKind.NOT_FOUND, "NOT_FOUND", message, path=tuple(path)))


class Forbidden(ProblemError):
    """The viewer lacks a permission."""

    def __init__(self, needs: str) -> None:
        super().__init__(
            Problem(ProblemKind.FORBIDDEN, "FORBIDDEN", f"This needs the permission {needs}.", needs=needs)
        )


class Conflict(ProblemError):
    """The world has moved on since the caller looked."""

    def __init__(
        self, code: str, message: str, *, path: Sequence[str] = (), current_version: int | None = None
    ) -> None:
        super().__init__(
            Problem(ProblemKind.CONFLICT, code, message, path=tuple(path), current_version=current_version),
        )


class Unreachable(ProblemError):
    """A foreign system did not do what was asked: it is away, refuses us, or speaks nonsense."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        phase: str,
        vendor_code: str | None = None,
        retryable: bool = True,
        fix: Sequence[Remedy] = (),
    ) -> None:
        super().__init__(
            Problem(
                ProblemKind.UNREACHABLE,
                code,
                message,
                phase=phase,
                vendor_code=vendor_code,
                retryable=retryable,
                fix=tuple(fix),
            ),
        )


class Limited(ProblemError):
    """A bound was reached; the same request may succeed after `retry_after_ms`."""

    def __init__(self, message: str, *, retry_after_ms: int, code: str = "LIMIT_REACHED") -> None:
        super().__init__(
            Problem(ProblemKind.LIMITED, code, message, retryable=True, retry_after_ms=retry_after_ms),
        )


class Unavailable(ProblemError):
    """We ourselves cannot do it just now: the store is away, the disk is full, a secret store does not answer."""

    def __init__(
        self, code: str, message: str, *, retry_after_ms: int | None = 1_000, fix: Sequence[Remedy] = ()
    ) -> None:
        super().__init__(
            Problem(
                ProblemKind.UNAVAILABLE, code, message, retryable=True, retry_after_ms=retry_after_ms, fix=tuple(fix)
            ),
        )


class Superseded(HeadwaterError):
    """Another worker has taken this operation over (its fencing token moved on); whoever gets this must stop."""


class StartRefused(HeadwaterError):
    """The process may not start as it is configured. The message is for the operator and names the remedy."""
