"""What the windows on all catalog entries have in common."""

from typing import Any

import strawberry

from domain.models.catalog import CatalogEntry
from domain.models.data_source import DataSource
from domain.ports.repositories.catalog import Pin
from domain.rules import fqn, ids


def pin_of(entry: CatalogEntry) -> Pin:
    """Where in time everything below the entry is read."""
    return Pin(entry.data_source_id, entry.revision, entry.is_pinned)


def global_id(entry: CatalogEntry) -> strawberry.ID:
    """The id as clients see it."""
    return strawberry.ID(ids.pinned(entry.id, entry.revision, is_pinned=entry.is_pinned))


def entry_attributes(source: DataSource, entry: CatalogEntry) -> dict[str, Any]:
    """What every `CatalogNode` shows of its entry."""
    return {
        "id": global_id(entry),
        "fqn": fqn.join((source.name, *entry.path)),
        "name": entry.name,
        "first_seen_at": entry.first_seen_at,
        "last_seen_at": entry.last_seen_at,
        "removed_at": entry.removed_at,
    }
