"""The event log: one row per fact, and one row that says where the log begins and ends."""

import secrets

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, SmallInteger, Table, Text, text

from domain.models.data_source import Sensitivity, SourceEnvironment
from domain.models.event import Event, EventType
from persistence.tables.base import Json, Name, UtcDateTime, Word, metadata

# `id` is the order of writing; `position` is the place in the log, given once the fact is committed: it stays NULL on
# PostgreSQL until then. What decides who may see a fact is kept as it was when it happened.
events = Table(
    "events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("position", BigInteger),
    Column("at", UtcDateTime, nullable=False),
    Column("type", Word(EventType), nullable=False),
    Column("data_source_id", Text),  # NULL: an operation without a source, which only its actor sees
    Column("fqn", Name),  # of what the fact is about, the source's name first; NULL without a source
    Column("environment", Word(SourceEnvironment), nullable=False),
    Column("sensitivity", Word(Sensitivity), nullable=False),
    Column("actor", Text, nullable=False),
    Column("event", Json[Event](Event), nullable=False),
    Index("uq_events_position", "position", unique=True),
    Index(
        "ix_events_unsequenced", "id", postgresql_where=text("position IS NULL"), sqlite_where=text("position IS NULL")
    ),
)

# One row. `head` is the newest position, `tail` the oldest that is kept (head + 1 when none is).
event_log = Table(
    "event_log",
    metadata,
    Column("id", SmallInteger, CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False),
    Column("epoch", Text, nullable=False),
    Column("head", BigInteger, nullable=False),
    Column("tail", BigInteger, nullable=False),
)


def new_epoch() -> str:
    """A name for a log that nobody has used before."""
    return secrets.token_hex(8)
