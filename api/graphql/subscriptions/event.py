"""Events as they happen."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from api.graphql.arguments import given, given_or
from api.graphql.context import Info
from api.graphql.inputs.event import FilterArgument, event_filter
from api.graphql.scalars import Cursor
from api.graphql.subscriptions.stream import streamed
from api.graphql.types.event import Envelope, envelope, operation_envelope
from domain.rules import ids

HEARTBEAT_S = 15

After = Annotated[
    Cursor | None,
    strawberry.argument(description="Resume right behind this event: no loss, no doubles. From now on when not given."),
]


@strawberry.type(description="Following events.")
class EventSubscriptions:
    """Following events."""

    @strawberry.subscription(description="Everything that happens, in order.")
    def events(
        self,
        info: Info,
        after: After = strawberry.UNSET,
        filter_: FilterArgument = strawberry.UNSET,
        heartbeat_seconds: Annotated[
            int | None, strawberry.argument(description="Say Heartbeat when nothing came for that long: 1 to 300.")
        ] = HEARTBEAT_S,
    ) -> AsyncGenerator[Envelope, None]:
        context = info.context
        wanted = event_filter(filter_)
        items = context.services.events.follow(
            context.viewer, given(after), wanted, given_or(heartbeat_seconds, HEARTBEAT_S)
        )
        return streamed(info, items, envelope)

    @strawberry.subscription(description="Progress, revisions and changes of running and coming discoveries.")
    def discovery(
        self,
        info: Info,
        data_source: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only of this source.")
        ] = strawberry.UNSET,
        after: After = strawberry.UNSET,
    ) -> AsyncGenerator[Envelope, None]:
        context, named = info.context, given(data_source)
        source_id = None if named is None else ids.parse(named)[1]
        return streamed(
            info, context.services.events.follow_discovery(context.viewer, source_id, given(after)), envelope
        )

    @strawberry.subscription(description="One operation: what was done so far, then every move, up to its end.")
    def operation(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The operation.")]
    ) -> AsyncGenerator[Envelope, None]:
        context = info.context
        return streamed(info, context.services.events.follow_operation(context.viewer, id), operation_envelope)
