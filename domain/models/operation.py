"""A long job that people can watch, cancel and look up later."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from domain.models.fact import Fact
from domain.models.problem import Problem, Remedy


class OperationKind(StrEnum):
    """What kind of job it is."""

    CONNECTION_TEST = "CONNECTION_TEST"
    DISCOVERY = "DISCOVERY"


class OperationState(StrEnum):
    """Where the job stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    AWAITING_CONFIRMATION = "AWAITING_CONFIRMATION"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self in _FINAL


_FINAL = frozenset(
    {OperationState.SUCCEEDED, OperationState.PARTIAL, OperationState.FAILED, OperationState.CANCELLED},
)


class StepState(StrEnum):
    """Where a step stands."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PASSED = "PASSED"
    WARNED = "WARNED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


class SyncMode(StrEnum):
    """How much a discovery reads."""

    FULL = "FULL"
    INCREMENTAL = "INCREMENTAL"
    SELECTIVE = "SELECTIVE"


class Step(Struct, frozen=True):
    """One step of an operation, with what was measured in it."""

    name: str
    state: StepState
    budget_ms: int
    mandatory: bool = True
    duration_ms: float | None = None
    facts: tuple[Fact, ...] = ()
    problem: Problem | None = None
    fix: tuple[Remedy, ...] = ()


class Confirmation(Struct, frozen=True):
    """What somebody must agree to before the operation goes on."""

    token: str
    reason: str
    would_remove: int
    expires_at: datetime


class Operation(Struct, frozen=True):
    """One job. `fence` grows each time a worker takes it: a write under an older fence is refused."""

    id: str
    kind: OperationKind
    state: OperationState
    actor: str
    created_at: datetime
    data_source_id: str | None = None
    dry_run: bool = False
    request: dict[str, Any] = {}  # the job's arguments; never a secret
    fence: int = 0
    cancel_requested: bool = False
    progress: float | None = None  # 0 to 1
    eta_s: int | None = None
    steps: tuple[Step, ...] = ()
    counts: tuple[Fact, ...] = ()
    problems: tuple[Problem, ...] = ()
    confirmation: Confirmation | None = None
    published_revision: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
