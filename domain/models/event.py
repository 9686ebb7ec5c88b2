"""Facts: what happened, durable, in order, standing on its own. Links to live objects may dangle; values do not."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from domain.models.change import ChangeAction
from domain.models.data_source import Sensitivity, SourceEnvironment
from domain.models.fact import Fact
from domain.models.health import HealthStatus
from domain.models.operation import OperationKind, OperationState, Step


class EventType(StrEnum):
    """What an event is about."""

    DATA_SOURCE = "DATA_SOURCE"
    REVISION = "REVISION"
    CHANGE = "CHANGE"
    HEALTH = "HEALTH"
    OPERATION = "OPERATION"


class DataSourceAction(StrEnum):
    """What happened to a registration."""

    REGISTERED = "REGISTERED"
    UPDATED = "UPDATED"
    DELETED = "DELETED"


class DataSourceEvent(Struct, frozen=True, tag="DATA_SOURCE"):
    """A source was registered, updated or deleted."""

    data_source_id: str
    name: str
    action: DataSourceAction


class RevisionEvent(Struct, frozen=True, tag="REVISION"):
    """A new revision of a source's catalog was published."""

    data_source_id: str
    name: str
    from_revision: int
    to_revision: int
    counts: tuple[Fact, ...]


class ChangeEvent(Struct, frozen=True, tag="CHANGE"):
    """One object changed; follows its RevisionEvent, at most 500 per revision (beyond that, page `schemaDiff`)."""

    data_source_id: str
    name: str  # of the source
    path: tuple[str, ...]
    revision: int
    action: ChangeAction
    change_id: str


class HealthEvent(Struct, frozen=True, tag="HEALTH"):
    """The status of a source changed (single samples are telemetry, not facts)."""

    data_source_id: str
    name: str
    status: HealthStatus
    previous_status: HealthStatus
    score: float | None
    latency_ms: float | None
    at: datetime


class OperationEvent(Struct, frozen=True, tag="OPERATION"):
    """An operation moved: another state, another step, or more progress."""

    operation_id: str
    kind: OperationKind
    state: OperationState
    actor: str  # who asked for it: without a source, nobody else sees it, whoever works on it
    data_source_id: str | None = None
    progress: float | None = None
    eta_s: int | None = None
    step: Step | None = None
    counts: tuple[Fact, ...] = ()


Event = DataSourceEvent | RevisionEvent | ChangeEvent | HealthEvent | OperationEvent


class LoggedEvent(Struct, frozen=True):
    """An event at its place in the log, with what decides who may see it (as it was when it happened)."""

    position: int  # dense: 1, 2, 3 …
    at: datetime
    event: Event
    environment: SourceEnvironment
    sensitivity: Sensitivity
    actor: str  # who did it; of an operation, who asked for it


class GapReason(StrEnum):
    """Why events were lost to a subscriber."""

    RETENTION = "RETENTION"  # older than what the log keeps
    LOG_RESET = "LOG_RESET"  # the cursor belongs to another epoch of the log


class Gap(Struct, frozen=True):
    """Loss is always said: events between two positions cannot be had any more."""

    reason: GapReason
    lost_from: int | None
    lost_to: int | None


class EventFilter(Struct, frozen=True):
    """Which events are wanted; None means any. `under`: only objects at or below this path of names, source first."""

    data_sources: frozenset[str] | None = None
    under: tuple[str, ...] | None = None
    types: frozenset[EventType] | None = None
