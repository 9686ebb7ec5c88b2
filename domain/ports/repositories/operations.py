"""The record of long jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.models.access import Viewer
from domain.models.operation import Operation, OperationKind
from domain.models.page import Page, Slice


class OperationReader(Protocol):
    """Reads outside of any transaction. An operation without a source is visible to its actor only."""

    async def by_ids(self, viewer: Viewer, ids: Sequence[str]) -> dict[str, Operation]:
        """The visible ones of these, by id."""
        ...

    async def pages(
        self, viewer: Viewer, data_source_ids: Sequence[str], kinds: Sequence[OperationKind] | None, page: Page
    ) -> dict[str, Slice[Operation]]:
        """By source, newest first. Keyset (created_at as ISO text, id)."""
        ...

    async def counts(
        self, viewer: Viewer, data_source_ids: Sequence[str], kinds: Sequence[OperationKind] | None
    ) -> dict[str, int]:
        """How many `pages` would walk through, by source."""
        ...

    async def unfinished(self, viewer: Viewer, *, limit: int) -> tuple[str, ...]:
        """Ids of queued and running operations, oldest first."""
        ...

    async def expired_confirmations(self, viewer: Viewer, now: datetime, *, limit: int) -> tuple[str, ...]:
        """Ids of operations whose confirmation nobody gave in time."""
        ...


class OperationRepository(Protocol):
    """Reads and writes within a transaction. An operation that was read is locked until the end."""

    async def get(self, id: str) -> Operation | None:
        """The operation, if the viewer may see it."""
        ...

    async def add(self, operation: Operation) -> None:
        """A new one."""
        ...

    async def take(self, id: str) -> Operation | None:
        """The operation under a new fence, if it is not final: whoever held it before can write no more."""
        ...

    async def save(self, operation: Operation) -> None:
        """The operation as it is now; `cancel_requested` as stored is never unset.

        Raises `Superseded` when its fence is not the stored one.
        """
        ...

    async def count_unfinished(self) -> int:
        """How many operations of all viewers are queued or running."""
        ...

    async def active(self, data_source_id: str, kind: OperationKind) -> Operation | None:
        """The operation of this kind that is not final, if there is one."""
        ...
