"""When each source is due for a check, its checks, their sums by the hour, and what they add up to."""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, Table

from domain.models.health import Health
from domain.models.problem import Problem
from persistence.tables.base import Json, Name, UtcDateTime, metadata

# Sources that are checked; `due_at` moves on when a check is claimed, so that nobody else claims it meanwhile.
health_schedules = Table(
    "health_schedules",
    metadata,
    Column("data_source_id", Name, ForeignKey("data_sources.id"), primary_key=True),
    Column("due_at", UtcDateTime, nullable=False),
    Index(None, "due_at"),
)

health = Table(
    "health",
    metadata,
    Column("data_source_id", Name, ForeignKey("data_sources.id"), primary_key=True),
    Column("health", Json[Health](Health), nullable=False),
)

health_checks = Table(
    "health_checks",
    metadata,
    Column("data_source_id", Name, ForeignKey("data_sources.id"), primary_key=True),
    Column("at", UtcDateTime, primary_key=True),
    Column("ok", Boolean, nullable=False),
    Column("latency_ms", Float),
    Column("problem", Json[Problem](Problem)),
    Column("certificate_expires_at", UtcDateTime),
    Index(None, "at"),
)

health_hours = Table(
    "health_hours",
    metadata,
    Column("data_source_id", Name, ForeignKey("data_sources.id"), primary_key=True),
    Column("at", UtcDateTime, primary_key=True),  # when the hour began
    Column("checks", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("latencies", Json[tuple[tuple[int, int], ...]](tuple[tuple[int, int], ...]), nullable=False),
    Index(None, "at"),
)
