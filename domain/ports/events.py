"""The event log and its live side."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from domain.models.access import Viewer
from domain.models.event import EventFilter, Gap, LoggedEvent
from domain.models.health import HealthSample


class EventLog(Protocol):
    """Committed events in order. Positions are dense and belong to an epoch."""

    async def epoch(self) -> str:
        """Random; another one after the log was reset or restored."""
        ...

    async def head(self) -> int:
        """The newest position; 0 for an empty log."""
        ...

    async def tail(self) -> int:
        """The oldest position that is still kept (head + 1 for an empty log)."""
        ...

    async def read(
        self, viewer: Viewer, after: int, wanted: EventFilter, *, limit: int
    ) -> tuple[Sequence[LoggedEvent], int]:
        """Visible, wanted events after a position, at most `limit`, and the position up to which the log was read."""
        ...

    async def count(self, viewer: Viewer, after: int, wanted: EventFilter, *, at_most: int) -> int:
        """How many visible, wanted events follow a position; stops counting at `at_most`."""
        ...


class EventFeed(Protocol):
    """What this process hands to its subscribers. One reader per process; memory does not grow with subscribers."""

    def follow(
        self, viewer: Viewer, after: int | None, wanted: EventFilter
    ) -> AsyncGenerator[LoggedEvent | Gap | None]:
        """Events after a position (None: from now on), first from the log, then live: no gap, no double, in order.

        Yields None at least every second while nothing happens, so that the caller can send heartbeats, look at rights
        and end. A `Gap` first where part of the past is no longer kept. Slow callers are served from the log: late, not
        lossy. Close it (`aclosing`) when done.
        """
        ...

    @property
    def position(self) -> int:
        """The position up to which this process has handed out events."""
        ...

    def nudge(self) -> None:
        """Something was committed here: sequence and hand out now instead of at the next poll."""
        ...


class Telemetry(Protocol):
    """Health samples: live and lossy by contract."""

    async def publish(self, sample: HealthSample) -> None:
        """To every process. Never raises for a broker that is away."""
        ...

    def follow(self) -> AsyncGenerator[HealthSample | None]:
        """Samples from now on, the latest per source wins for a slow reader; None at least every second."""
        ...
