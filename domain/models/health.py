"""How a source is doing: single checks, and what they add up to."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from domain.models.problem import Problem


class HealthStatus(StrEnum):
    """UNKNOWN until enough checks were made."""

    UNKNOWN = "UNKNOWN"
    HEALTHY = "HEALTHY"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"


class HealthCheck(Struct, frozen=True):
    """One check: did the system answer, how fast, and when its certificate ends (where it has one)."""

    at: datetime
    ok: bool
    latency_ms: float | None = None
    problem: Problem | None = None
    certificate_expires_at: datetime | None = None


class HealthPart(Struct, frozen=True):
    """A named share of the score. A part that was not measured is not there: it has no weight."""

    name: str
    weight: float  # the weights of all parts add up to 1
    score: float  # 0 to 100
    why: str


class Health(Struct, frozen=True):
    """What the checks add up to. `score` is the sum of weight × score of its parts."""

    status: HealthStatus
    since: datetime
    score: float | None = None
    parts: tuple[HealthPart, ...] = ()
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    availability_24h: float | None = None


class HealthSample(Struct, frozen=True):
    """Telemetry: one check of one source with the judgement after it. Live and lossy by contract: latest value wins."""

    data_source_id: str
    name: str
    status: HealthStatus
    previous_status: HealthStatus
    score: float | None
    latency_ms: float | None
    at: datetime
