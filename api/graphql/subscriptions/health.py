"""Health as it is measured."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from api.graphql.context import Info
from api.graphql.inputs.event import source_ids
from api.graphql.subscriptions.stream import streamed
from api.graphql.types.event import HealthEvent, health_event


@strawberry.type(description="Following health.")
class HealthSubscriptions:
    """Following health."""

    @strawberry.subscription(
        description="How each source is doing, then every check as it is made. "
        "For a slow reader the latest of a source replaces those before."
    )
    def health(
        self,
        info: Info,
        data_sources: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description="Only these sources.")
        ] = strawberry.UNSET,
    ) -> AsyncGenerator[HealthEvent, None]:
        context, wanted = info.context, source_ids(data_sources)
        named = None if wanted is None else sorted(wanted)
        return streamed(info, context.services.health.follow(context.viewer, named), health_event)
