"""Checks and judgements."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.models.access import Viewer
from domain.models.health import Health, HealthCheck, HealthHistory, HealthHour


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

    async def history(self, data_source_id: str, *, last: int, hours_since: datetime) -> HealthHistory:
        """The newest `last` checks and all hours that began at or after `hours_since`, both oldest first."""
        ...

    async def current(self, data_source_id: str) -> Health | None:
        """The judgement as stored."""
        ...

    async def add(self, data_source_id: str, check: HealthCheck, hour: HealthHour, health: Health) -> None:
        """A check, the hour that it falls into (replacing what was stored of that hour), the judgement after it."""
        ...

    async def prune(self, *, checks_before: datetime, hours_before: datetime, at_most_rows: int) -> int:
        """Forgets checks made, and hours begun, before these times; how many rows."""
        ...
