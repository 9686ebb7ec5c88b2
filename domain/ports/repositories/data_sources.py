"""Registered sources."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from domain.models.access import Viewer
from domain.models.data_source import DataSource, DataSourceKind, DataSourceStatus, SourceEnvironment
from domain.models.discovery import Coverage
from domain.models.page import Page, Slice


class DataSourceFilter(Struct, frozen=True):
    """Which sources are wanted; None means any. `match`: see `rules.match`."""

    kinds: tuple[DataSourceKind, ...] | None = None
    environments: tuple[SourceEnvironment, ...] | None = None
    statuses: tuple[DataSourceStatus, ...] | None = None
    match: str | None = None
    tag: str | None = None


class DataSourceReader(Protocol):
    """Reads outside of any transaction. What the viewer may not see is absent. Order: name."""

    async def by_ids(self, viewer: Viewer, ids: Sequence[str]) -> dict[str, DataSource]:
        """The visible ones of these, by id."""
        ...

    async def by_names(self, viewer: Viewer, names: Sequence[str]) -> dict[str, DataSource]:
        """The visible ones of these, by name."""
        ...

    async def page(self, viewer: Viewer, wanted: DataSourceFilter, page: Page) -> Slice[DataSource]:
        """Keyset (name)."""
        ...

    async def count(self, viewer: Viewer, wanted: DataSourceFilter) -> int:
        """How many `page` would walk through."""
        ...

    async def coverage(self, viewer: Viewer, ids: Sequence[str]) -> dict[str, tuple[Coverage, ...]]:
        """The runs that `rules.coverage` judges freshness from, newest first, by source id."""
        ...


class DataSourceRepository(Protocol):
    """Reads and writes within a transaction. A source that was read is locked until the end."""

    async def get(self, id: str) -> DataSource | None:
        """The source, if the viewer may see it."""
        ...

    async def by_name(self, name: str) -> DataSource | None:
        """The source of that name, if the viewer may see it."""
        ...

    async def name_is_taken(self, name: str) -> bool:
        """Whether any source has that name, visible or not (names are unique)."""
        ...

    async def add(self, source: DataSource) -> None:
        """A new source."""
        ...

    async def save(self, source: DataSource) -> None:
        """The source as it is now."""
        ...

    async def delete(self, id: str, at: datetime) -> None:
        """Frees the name and hides all that belongs to the source; `sweep_deleted` removes it piece by piece."""
        ...

    async def add_coverage(self, id: str, coverage: Coverage) -> None:
        """Remembers what a run saw; those before the last complete one are forgotten."""
        ...

    async def sweep_deleted(self, *, at_most_rows: int) -> int:
        """Removes rows of deleted sources; how many were removed."""
        ...
