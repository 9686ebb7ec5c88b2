"""What earlier requests with an idempotency key answered."""

from sqlalchemy import Column, Index, LargeBinary, Table, Text

from persistence.tables.base import Name, UtcDateTime, metadata

requests = Table(
    "requests",
    metadata,
    Column("actor", Name, primary_key=True),
    Column("key", Name, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("result", LargeBinary, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "at"),
)
