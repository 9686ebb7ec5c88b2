"""What the store looks like: one file per noun group, all on one MetaData. A change here needs a migration.

Importing this package fills the MetaData.
"""

from persistence.tables.base import Json, Name, UtcDateTime, Word, metadata

__all__ = ["Json", "Name", "UtcDateTime", "Word", "data_sources", "metadata", "operations"]

from persistence.tables import data_sources, operations  # after the names that these modules may take from here
