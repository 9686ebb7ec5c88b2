"""The record of long jobs."""

from typing import Any

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, Table, Text

from domain.models.fact import Fact
from domain.models.operation import Confirmation, OperationKind, OperationState, Step
from domain.models.problem import Problem
from persistence.tables.base import Json, Name, UtcDateTime, Word, metadata

operations = Table(
    "operations",
    metadata,
    Column("id", Name, primary_key=True),
    Column("kind", Word(OperationKind), nullable=False),
    Column("state", Word(OperationState), nullable=False),
    Column("actor", Text, nullable=False),
    Column("data_source_id", Name, ForeignKey("data_sources.id")),  # null: a draft under test
    Column("dry_run", Boolean, nullable=False),
    Column("request", Json[dict[str, Any]](dict[str, Any]), nullable=False),
    Column("fence", Integer, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("progress", Float),
    Column("eta_s", Integer),
    Column("steps", Json[tuple[Step, ...]](tuple[Step, ...]), nullable=False),
    Column("counts", Json[tuple[Fact, ...]](tuple[Fact, ...]), nullable=False),
    Column("problems", Json[tuple[Problem, ...]](tuple[Problem, ...]), nullable=False),
    Column("confirmation", Json[Confirmation](Confirmation)),
    Column("confirmation_expires_at", UtcDateTime),
    Column("published_revision", Integer),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Index("ix_operations_data_source_id", "data_source_id", "created_at", "id"),
)

FINAL_STATES = tuple(state for state in OperationState if state.is_final)
_not_final = operations.c.state.not_in(FINAL_STATES)

Index(
    "ix_operations_unfinished",
    operations.c.created_at,
    operations.c.id,
    sqlite_where=_not_final,
    postgresql_where=_not_final,
)

# One discovery of a source at a time, whoever asks and however they race.
_one_discovery = (operations.c.kind == OperationKind.DISCOVERY) & _not_final
Index(
    "uq_operations_one_discovery",
    operations.c.data_source_id,
    unique=True,
    sqlite_where=_one_discovery,
    postgresql_where=_one_discovery,
)
