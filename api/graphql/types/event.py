"""Facts as they happen. Each stands on its own; its links to live objects may be null."""

from datetime import datetime
from typing import Annotated

import strawberry

import api.graphql.types.data_source as data_sources
import api.graphql.types.wrap as wrap
from api.graphql.context import Info
from api.graphql.scalars import Cursor
from api.graphql.types.change import Change
from api.graphql.types.data_source import DataSource
from api.graphql.types.fact import Fact, facts
from api.graphql.types.operation import Operation, Step, operation, step
from domain.models import event as domain
from domain.models.change import ChangeAction
from domain.models.event import DataSourceAction, GapReason
from domain.models.health import HealthSample, HealthStatus
from domain.models.operation import OperationKind, OperationState
from domain.rules import fqn
from domain.services import events

_LIVE_SOURCE = "The source as it is now; null when it is gone."


@strawberry.type(description="A source was registered, updated or deleted.")
class DataSourceEvent:
    """What happened to a registration."""

    data_source_id: strawberry.ID = strawberry.field(description="The id of the source.")
    name: str = strawberry.field(description="The name of the source at that time.")
    action: DataSourceAction = strawberry.field(description="What happened.")

    @strawberry.field(description=_LIVE_SOURCE)
    async def data_source(self, info: Info) -> DataSource | None:
        return await data_sources.live_data_source(info, self.data_source_id)


@strawberry.type(description="A new revision of a source's catalog was published.")
class RevisionEvent:
    """A revision was published."""

    _event: strawberry.Private[domain.RevisionEvent]
    data_source_id: strawberry.ID = strawberry.field(description="The id of the source.")
    name: str = strawberry.field(description="The name of the source at that time.")
    from_: int = strawberry.field(name="from", description="The revision before.")
    to: int = strawberry.field(description="The new revision.")

    @strawberry.field(description="How many objects of which kind were added, removed, modified.")
    def counts(self) -> list[Fact]:
        return facts(self._event.counts)

    @strawberry.field(description=_LIVE_SOURCE)
    async def data_source(self, info: Info) -> DataSource | None:
        return await data_sources.live_data_source(info, self.data_source_id)


@strawberry.type(
    description="One object of a catalog changed. At most 500 follow a RevisionEvent; beyond that, page `schemaDiff`."
)
class ChangeEvent:
    """One object changed."""

    _change_id: strawberry.Private[str]
    data_source_id: strawberry.ID = strawberry.field(description="The id of the source.")
    fqn: str = strawberry.field(description="The fully qualified name of the object at that time.")
    revision: int = strawberry.field(description="The revision that brought it.")
    action: ChangeAction = strawberry.field(description="What happened to the object.")

    @strawberry.field(description="The change with its before and after; null when that history is no longer kept.")
    async def change(self, info: Info) -> Change | None:
        found = await wrap.node(info, await info.context.loaders.nodes(None).load(self._change_id))
        return found if isinstance(found, Change) else None

    @strawberry.field(description=_LIVE_SOURCE)
    async def data_source(self, info: Info) -> DataSource | None:
        return await data_sources.live_data_source(info, self.data_source_id)


@strawberry.type(description="The health of a source: in the log, a change of its status; in `health`, every sample.")
class HealthEvent:
    """How a source is doing."""

    data_source_id: strawberry.ID = strawberry.field(description="The id of the source.")
    name: str = strawberry.field(description="The name of the source at that time.")
    status: HealthStatus = strawberry.field(description="The status.")
    previous_status: HealthStatus | None = strawberry.field(description="The status before.")
    score: float | None = strawberry.field(description="The score, 0 to 100.")
    latency_ms: float | None = strawberry.field(description="How long the answer took; null without one.")
    at: datetime = strawberry.field(description="When the check was made.")

    @strawberry.field(description=_LIVE_SOURCE)
    async def data_source(self, info: Info) -> DataSource | None:
        return await data_sources.live_data_source(info, self.data_source_id)


@strawberry.type(description="An operation moved: another state, another step, or more progress.")
class OperationEvent:
    """An operation moved."""

    _event: strawberry.Private[domain.OperationEvent]
    data_source_id: strawberry.ID | None = strawberry.field(
        description="The id of the source that it works on; null for a draft under test."
    )
    operation_id: strawberry.ID = strawberry.field(description="The id of the operation.")
    kind: OperationKind = strawberry.field(description="What kind of job it is.")
    state: OperationState = strawberry.field(description="Where it stood.")
    progress: float | None = strawberry.field(description="How far it was, 0 to 1.")
    eta_seconds: int | None = strawberry.field(description="How many seconds it would take yet.")

    @strawberry.field(description="The step that moved, where it was one.")
    def step(self) -> Step | None:
        return None if self._event.step is None else step(self._event.step)

    @strawberry.field(description="What it had counted.")
    def counts(self) -> list[Fact]:
        return facts(self._event.counts)

    @strawberry.field(description="The operation as it is now; null when it is gone.")
    async def operation(self, info: Info) -> Operation | None:
        found = await info.context.loaders.operations.load(self.operation_id)
        return None if found is None else operation(found)


@strawberry.type(description="Events were lost to you: they cannot be had any more.")
class Gap:
    """Loss is said, never silent."""

    reason: GapReason = strawberry.field(description="Why.")
    lost_from: Cursor | None = strawberry.field(description="The cursor of the first lost event, where it is known.")
    lost_to: Cursor | None = strawberry.field(description="The cursor of the last lost event, where it is known.")


@strawberry.type(description="Nothing happened for a while.")
class Heartbeat:
    """Still here."""

    latest: Cursor = strawberry.field(description="Everything up to here was seen: resume from it.")


LiveEvent = Annotated[
    DataSourceEvent | RevisionEvent | ChangeEvent | HealthEvent | OperationEvent | Gap | Heartbeat,
    strawberry.union("LiveEvent", description="What can come along a stream of events."),
]
AnyEvent = DataSourceEvent | RevisionEvent | ChangeEvent | HealthEvent | OperationEvent | Gap | Heartbeat


@strawberry.type(description="An event with its place in the log.")
class Envelope:
    """An event and its place."""

    id: strawberry.ID = strawberry.field(description="The same for the same event, whoever reads it.")
    cursor: Cursor = strawberry.field(description="Give it as `after` to resume right behind this event.")
    at: datetime = strawberry.field(description="When it happened.")
    replayed: bool = strawberry.field(description="Whether it happened before this stream began.")
    event: LiveEvent = strawberry.field(description="What happened.")


@strawberry.type(description="A piece of the event log, for those who poll.")
class EventPage:
    """A piece of the log."""

    items: list[Envelope] = strawberry.field(description="Events, oldest first.")
    next: Cursor = strawberry.field(description="Give it as `after` to read on, also when there are no items.")
    behind: int = strawberry.field(description="How many more follow, counted up to 1,000.")


def envelope(value: events.Followed) -> Envelope:
    """A window on an event at its place."""
    return _envelope(value, _id(value))


def operation_envelope(value: events.Followed) -> Envelope:
    """As `envelope`, where what came before is told out of the operation's record: those share one cursor."""
    told = value.event
    if not value.replayed or not isinstance(told, domain.OperationEvent):
        return envelope(value)
    place = told.state.value if told.step is None else f"{told.step.name}:{told.step.state.value}"
    return _envelope(value, f"{told.operation_id}:{place}:{value.cursor}")


def _envelope(value: events.Followed, id: str) -> Envelope:
    return Envelope(
        id=strawberry.ID(id),
        cursor=Cursor(value.cursor),
        at=value.at,
        replayed=value.replayed,
        event=event(value.event),
    )


def event(value: domain.Event | events.LostEvents | events.Heartbeat) -> AnyEvent:
    """A window on an event."""
    match value:
        case domain.DataSourceEvent():
            return DataSourceEvent(
                data_source_id=strawberry.ID(value.data_source_id), name=value.name, action=value.action
            )
        case domain.RevisionEvent():
            return RevisionEvent(
                _event=value,
                data_source_id=strawberry.ID(value.data_source_id),
                name=value.name,
                from_=value.from_revision,
                to=value.to_revision,
            )
        case domain.ChangeEvent():
            return ChangeEvent(
                _change_id=value.change_id,
                data_source_id=strawberry.ID(value.data_source_id),
                fqn=fqn.join((value.name, *value.path)),
                revision=value.revision,
                action=value.action,
            )
        case domain.HealthEvent():
            return health_event(value)
        case domain.OperationEvent():
            return _operation_event(value)
        case events.LostEvents():
            return Gap(reason=value.reason, lost_from=_cursor(value.lost_from), lost_to=_cursor(value.lost_to))
        case events.Heartbeat():
            return Heartbeat(latest=Cursor(value.latest))


def health_event(value: domain.HealthEvent | HealthSample) -> HealthEvent:
    """A window on a change of status, or on a sample."""
    return HealthEvent(
        data_source_id=strawberry.ID(value.data_source_id),
        name=value.name,
        status=value.status,
        previous_status=value.previous_status,
        score=value.score,
        latency_ms=value.latency_ms,
        at=value.at,
    )


def event_page(value: events.EventPage) -> EventPage:
    """A window on a piece of the log."""
    return EventPage(items=[envelope(one) for one in value.items], next=Cursor(value.next), behind=value.behind)


def _operation_event(value: domain.OperationEvent) -> OperationEvent:
    return OperationEvent(
        _event=value,
        data_source_id=None if value.data_source_id is None else strawberry.ID(value.data_source_id),
        operation_id=strawberry.ID(value.operation_id),
        kind=value.kind,
        state=value.state,
        progress=value.progress,
        eta_seconds=value.eta_s,
    )


def _id(value: events.Followed) -> str:
    """Not the cursor alone: a heartbeat and a gap share theirs with the event before them."""
    match value.event:
        case events.Heartbeat():
            return f"heartbeat:{value.cursor}"
        case events.LostEvents():
            return f"gap:{value.cursor}"
    return value.cursor


def _cursor(value: str | None) -> Cursor | None:
    return None if value is None else Cursor(value)
