"""Checks and judgements."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.models.access import Viewer
from domain.models.health import Health, HealthCheck


class HealthReader(Protocol):
    """Reads outside of any transaction, by source."""

    async def current(self, viewer: Viewer, data_source_ids: Sequence[str] | None) -> dict[str, Health]:
        """The judgement of each source (None: of all visible) that was ever checked."""
        ...

    async def checks(
        self, viewer: Viewer, data_source_ids: Sequence[str], *, last: int
    ) -> dict[str, tuple[HealthCheck, ...]]:
        """The newest checks of each source, newest first."""
        ...


class HealthRepository(Protocol):
    """Reads and writes within a transaction."""

    async def claim_due(self, now: datetime, *, lease_until: datetime, limit: int) -> tuple[str, ...]:
        """Ids of active sources whose check is due; until `lease_until` nobody else claims them."""
        ...

    async def schedule(self, data_source_id: str, next_check_at: datetime | None) -> None:
        """When the source is due next; None: never."""
        ...

    async def history(self, data_source_id: str, since: datetime) -> tuple[HealthCheck, ...]:
        """The checks since then, oldest first."""
        ...

    async def current(self, data_source_id: str) -> Health | None:
        """The judgement as stored."""
        ...

    async def add(self, data_source_id: str, check: HealthCheck, health: Health) -> None:
        """A check and the judgement after it."""
        ...

    async def prune(self, older_than: datetime, *, at_most_rows: int) -> int:
        """Forgets old checks; how many."""
        ...
