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


class HealthHour(Struct, frozen=True):
    """All checks of one hour, summed up: seven days of a source are at most 169, however often it is checked."""

    at: datetime  # when the hour began
    checks: int
    failed: int
    latencies: tuple[tuple[int, int], ...] = ()  # (bucket of `rules.percentiles`, how many) in order, successful checks


class HealthHistory(Struct, frozen=True):
    """What a judgement rests on, oldest first: the newest checks one by one, and the hours of the last seven days."""

    checks: tuple[HealthCheck, ...] = ()  # at most 120, however old
    hours: tuple[HealthHour, ...] = ()


class HealthPart(Struct, frozen=True):
    """A named share of the score. A part that was not measured is not there: it has no weight."""

    name: str
    weight: float  # the weights of all parts add up to 1
    score: float  # 0 to 100
    why: str


class Health(Struct, frozen=True):
    """What the checks add up to. `score` is the sum of weight × score of its parts.

    Latencies are those of the successful ones among the newest 120 checks of the last hour.
    """

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
