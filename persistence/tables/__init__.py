"""What the store looks like: one file per noun group, all on one MetaData. A change here needs a migration.

Importing this package fills the MetaData.
"""

from persistence.tables.base import Json, Name, UtcDateTime, Word, metadata

__all__ = [
    "Json",
    "Name",
    "UtcDateTime",
    "Word",
    "catalog",
    "data_sources",
    "events",
    "health",
    "metadata",
    "operations",
    "requests",
    "secrets",
]

# After the names that these modules may take from here.
from persistence.tables import catalog, data_sources, events, health, operations, requests, secrets
