"""Registered sources, their tags, and what their runs have seen. Deleted ones stay until they are swept."""

from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text

from domain.models.data_source import (
    CloudProvider,
    CredentialHandle,
    DataSourceKind,
    DataSourceStatus,
    DiscoveryScope,
    Pool,
    ScanFrequency,
    Sensitivity,
    SourceCriticality,
    SourceEnvironment,
    SourceLocation,
)
from domain.models.discovery import Coverage
from persistence.tables.base import Json, Name, UtcDateTime, Word, metadata

data_sources = Table(
    "data_sources",
    metadata,
    Column("id", Name, primary_key=True),
    Column("name", Name, nullable=False),
    Column("name_folded", Name, nullable=False),  # for `match`
    Column("kind", Word(DataSourceKind), nullable=False),
    Column("settings", Json[dict[str, Any]](dict[str, Any]), nullable=False),
    Column("status", Word(DataSourceStatus), nullable=False),
    Column("version", Integer, nullable=False),
    Column("revision", Integer, nullable=False),  # written by the publish of a catalog only
    Column("location", Word(SourceLocation), nullable=False),
    Column("environment", Word(SourceEnvironment), nullable=False),
    Column("criticality", Word(SourceCriticality), nullable=False),
    Column("sensitivity", Word(Sensitivity), nullable=False),
    Column("scan_frequency", Word(ScanFrequency), nullable=False),
    Column("pool", Json[Pool](Pool), nullable=False),
    Column("scope", Json[DiscoveryScope](DiscoveryScope), nullable=False),
    Column("cloud_provider", Word(CloudProvider)),
    Column("region", Text),
    Column("owner", Text),
    Column("team", Text),
    Column("description", Text),
    Column("tags", Json[tuple[str, ...]](tuple[str, ...]), nullable=False),  # in their order; `data_source_tags` finds
    Column("properties", Json[dict[str, Any]](dict[str, Any])),
    Column("credential", Json[CredentialHandle](CredentialHandle)),
    Column("created_by", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("last_tested_at", UtcDateTime),
    Column("last_discovered_at", UtcDateTime),
    Column("deleted_at", UtcDateTime),
)

# A name is taken by a living source only. Also the order in which sources are listed.
Index(
    "uq_data_sources_living_name",
    data_sources.c.name,
    unique=True,
    sqlite_where=data_sources.c.deleted_at.is_(None),
    postgresql_where=data_sources.c.deleted_at.is_(None),
)
Index(
    "ix_data_sources_deleted_at",
    data_sources.c.deleted_at,
    sqlite_where=data_sources.c.deleted_at.is_not(None),
    postgresql_where=data_sources.c.deleted_at.is_not(None),
)

data_source_tags = Table(
    "data_source_tags",
    metadata,
    Column("data_source_id", Name, ForeignKey("data_sources.id"), primary_key=True),
    Column("tag", Name, primary_key=True),
    Index(None, "tag"),
)

coverages = Table(
    "coverages",
    metadata,
    Column("data_source_id", Name, ForeignKey("data_sources.id"), primary_key=True),
    Column("number", Integer, primary_key=True),  # counts the runs of a source
    Column("coverage", Json[Coverage](Coverage), nullable=False),
)
