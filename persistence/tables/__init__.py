"""What the store looks like: one file per noun group, all on one MetaData. A change here needs a migration."""

from persistence.tables.base import Json, Name, UtcDateTime, Word, metadata

__all__ = ["Json", "Name", "UtcDateTime", "Word", "metadata"]
