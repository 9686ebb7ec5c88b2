"""Following and paging the event log, with cursors that mean the same to everybody."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime

import msgspec
from msgspec import Struct

from domain.errors import InvalidInput, NotFound
from domain.models.access import Permission, Viewer
from domain.models.event import Event, EventFilter, EventType, Gap, GapReason, LoggedEvent, OperationEvent
from domain.models.operation import Operation, OperationKind, StepState
from domain.models.page import PageLimits
from domain.ports.clock import Clock
from domain.ports.events import EventFeed, EventLog
from domain.ports.repositories.operations import OperationReader
from domain.ports.secrets import Tokens
from domain.rules.decide_access import require
from domain.services.operations import operation_event

_PURPOSE = "event"
DEFAULT_FIRST = 50
MAX_BEHIND = 1_000
MIN_HEARTBEAT_S, MAX_HEARTBEAT_S = 1, 300


class Heartbeat(Struct, frozen=True):
    """Nothing happened; resume from here."""

    latest: str


class LostEvents(Struct, frozen=True):
    """A gap with its ends as cursors."""

    reason: GapReason
    lost_from: str | None
    lost_to: str | None


class Followed(Struct, frozen=True):
    """One item of a stream. Resuming after its cursor goes on right behind it."""

    cursor: str
    at: datetime
    replayed: bool  # it happened before this stream began
    event: Event | LostEvents | Heartbeat


class EventPage(Struct, frozen=True):
    """A piece of the log for pollers: `behind` more visible events follow after `next`, counted up to 1,000."""

    items: tuple[Followed, ...]
    next: str
    behind: int


class _Place(Struct, frozen=True, array_like=True):
    version: int
    epoch: str
    position: int


class Events:
    """The use cases around the event log."""

    def __init__(
        self,
        *,
        log: EventLog,
        feed: EventFeed,
        operations: OperationReader,
        tokens: Tokens,
        clock: Clock,
        limits: PageLimits,
    ) -> None:
        self._limits = limits
        self._log = log
        self._feed = feed
        self._operations = operations
        self._tokens = tokens
        self._clock = clock

    async def follow(
        self, viewer: Viewer, after: str | None, wanted: EventFilter, heartbeat_s: float
    ) -> AsyncGenerator[Followed]:
        """Events after a cursor (None: from now on), then live, with a heartbeat whenever that long nothing came."""
        require(viewer, Permission.SOURCE_READ)
        if not MIN_HEARTBEAT_S <= heartbeat_s <= MAX_HEARTBEAT_S:
            raise InvalidInput(
                f"heartbeatSeconds is a number from {MIN_HEARTBEAT_S} to {MAX_HEARTBEAT_S}.", path=("heartbeatSeconds",)
            )
        epoch, start, lost = await self._start(after)
        began_at = await self._log.head()
        if lost is not None:
            yield lost
        said_s = self._clock.monotonic_s()
        passed = began_at if start is None else start
        async with aclosing(self._feed.follow(viewer, began_at if start is None else start, wanted)) as items:
            async for item in items:
                now_s = self._clock.monotonic_s()
                if item is None:
                    if now_s - said_s < heartbeat_s:
                        continue
                    # Up to here everything was looked at; `passed` is never ahead of what was handed out.
                    yield self._beat(epoch, passed)
                elif isinstance(item, Gap):
                    yield self._lost(epoch, item, item.lost_to or 0)
                else:
                    passed = item.position
                    yield self._item(epoch, item, began_at)
                said_s = now_s

    async def follow_discovery(
        self, viewer: Viewer, source_id: str | None, after: str | None
    ) -> AsyncGenerator[Followed]:
        """Progress, revisions and changes of running and coming discoveries."""
        wanted = EventFilter(
            data_sources=None if source_id is None else frozenset({source_id}),
            types=frozenset({EventType.OPERATION, EventType.REVISION, EventType.CHANGE}),
        )
        async with aclosing(self.follow(viewer, after, wanted, MAX_HEARTBEAT_S)) as items:
            async for item in items:
                event = item.event
                if isinstance(event, Heartbeat):
                    continue
                if not isinstance(event, OperationEvent) or event.kind is OperationKind.DISCOVERY:
                    yield item

    async def follow_operation(self, viewer: Viewer, operation_id: str) -> AsyncGenerator[Followed]:
        """The steps that ended already, then every move as it comes, up to the end of the operation."""
        require(viewer, Permission.SOURCE_READ)
        epoch, _, _ = await self._start(None)
        began_at = await self._log.head()  # before the row is read: what moves in between is seen twice, never lost
        operation = (await self._operations.by_ids(viewer, [operation_id])).get(operation_id)
        if operation is None:
            raise NotFound("There is no operation with this id.", path=("id",))
        told: set[tuple[str, StepState]] = set()
        for event in _so_far(operation):
            if event.step is not None:
                told.add((event.step.name, event.step.state))
            yield Followed(self._cursor(epoch, began_at), operation.created_at, replayed=True, event=event)
        if operation.state.is_final:
            return
        wanted = EventFilter(types=frozenset({EventType.OPERATION}))
        async with aclosing(self._feed.follow(viewer, began_at, wanted)) as items:
            async for item in items:
                if not isinstance(item, LoggedEvent) or not isinstance(item.event, OperationEvent):
                    continue
                event = item.event
                if event.operation_id != operation_id:
                    continue
                if event.step is not None and (event.step.name, event.step.state) in told:
                    continue
                yield self._item(epoch, item, began_at)
                if event.state.is_final:
                    return

    async def page(self, viewer: Viewer, after: str | None, wanted: EventFilter, first: int | None) -> EventPage:
        """The same log for pollers: events after the cursor, oldest first (None: from the oldest that is kept)."""
        require(viewer, Permission.SOURCE_READ)
        most = self._limits.items
        limit = min(DEFAULT_FIRST, most) if first is None else first
        if not 1 <= limit <= most:
            raise InvalidInput(f"first is a number from 1 to {most}.", path=("first",), constraint=f"1..{most}")
        epoch, start, lost = await self._start(after)
        items: list[Followed] = [] if lost is None else [lost]
        tail = await self._log.tail()
        position = tail - 1 if start is None else start
        if position < tail - 1:
            gap = Gap(GapReason.RETENTION, lost_from=position + 1, lost_to=tail - 1)
            items.append(self._lost(epoch, gap, tail - 1))
            position = tail - 1
        found, read_up_to = await self._log.read(viewer, position, wanted, limit=limit)
        head = await self._log.head()
        items.extend(self._item(epoch, event, head) for event in found)
        behind = await self._log.count(viewer, read_up_to, wanted, at_most=MAX_BEHIND)
        return EventPage(tuple(items), self._cursor(epoch, read_up_to), behind)

    async def _start(self, after: str | None) -> tuple[str, int | None, Followed | None]:
        """The epoch, the position to go on from, and what must be said first when the cursor is of another epoch."""
        epoch = await self._log.epoch()
        if after is None:
            return epoch, None, None
        try:
            place = msgspec.msgpack.decode(self._tokens.read(_PURPOSE, after), type=_Place)
        except msgspec.DecodeError as error:
            raise InvalidInput("This cursor is no longer valid.", path=("after",), code="INVALID_CURSOR") from error
        if place.epoch == epoch and place.position <= await self._log.head():
            return epoch, place.position, None
        oldest = await self._log.tail() - 1
        return epoch, oldest, self._lost(epoch, Gap(GapReason.LOG_RESET, None, None), oldest)

    def _item(self, epoch: str, logged: LoggedEvent, began_at: int) -> Followed:
        cursor = self._cursor(epoch, logged.position)
        return Followed(cursor, logged.at, replayed=logged.position <= began_at, event=logged.event)

    def _lost(self, epoch: str, gap: Gap, position: int) -> Followed:
        event = LostEvents(
            gap.reason,
            None if gap.lost_from is None else self._cursor(epoch, gap.lost_from),
            None if gap.lost_to is None else self._cursor(epoch, gap.lost_to),
        )
        return Followed(self._cursor(epoch, position), self._clock.now(), replayed=False, event=event)

    def _beat(self, epoch: str, position: int) -> Followed:
        cursor = self._cursor(epoch, position)
        return Followed(cursor, self._clock.now(), replayed=False, event=Heartbeat(cursor))

    def _cursor(self, epoch: str, position: int) -> str:
        return self._tokens.issue(_PURPOSE, msgspec.msgpack.encode(_Place(1, epoch, position)))


def _so_far(operation: Operation) -> list[OperationEvent]:
    """The steps that were begun, and the operation as it stands."""
    begun = [step for step in operation.steps if step.state is not StepState.PENDING]
    return [operation_event(operation, step) for step in (*begun, None)]
