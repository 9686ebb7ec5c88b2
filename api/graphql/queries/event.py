"""The event log, for those who poll."""

from typing import Annotated

import strawberry

from api.graphql.arguments import given
from api.graphql.context import Info
from api.graphql.inputs.event import FilterArgument, event_filter
from api.graphql.scalars import Cursor
from api.graphql.types.event import EventPage, event_page


@strawberry.type(description="Roots of events.")
class EventQueries:
    """The event log."""

    @strawberry.field(description="The event log, oldest first: the same events as those of the subscription `events`.")
    async def event_log(
        self,
        info: Info,
        after: Annotated[
            Cursor | None,
            strawberry.argument(description="Go on behind this event; from the oldest that is kept when not given."),
        ] = strawberry.UNSET,
        filter_: FilterArgument = strawberry.UNSET,
        first: Annotated[
            int | None,
            strawberry.argument(description="How many at most: 1 to the server's page size (100 unless set), else 50."),
        ] = strawberry.UNSET,
    ) -> EventPage | None:
        context = info.context
        found = await context.services.events.page(context.viewer, given(after), event_filter(filter_), given(first))
        return event_page(found)
