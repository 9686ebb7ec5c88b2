"""Which events are wanted."""

from typing import Annotated

import strawberry

from api.graphql.arguments import given
from domain.models import event as domain
from domain.models.event import EventType
from domain.rules import fqn, ids


@strawberry.input(description="Which events are wanted: those that meet all that is given.")
class EventFilter:
    """Which events are wanted."""

    data_sources: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="Only of these sources."
    )
    under: str | None = strawberry.field(
        default=strawberry.UNSET, description="Only of objects with this fully qualified name, or below it."
    )
    types: list[EventType] | None = strawberry.field(default=strawberry.UNSET, description="Only about these.")


FilterArgument = Annotated[
    EventFilter | None, strawberry.argument(name="filter", description="Which events; all when not given.")
]


def event_filter(value: EventFilter | None) -> domain.EventFilter:
    """The domain's form of it."""
    said = given(value)
    if said is None:
        return domain.EventFilter()
    types, under = given(said.types), given(said.under)
    return domain.EventFilter(
        data_sources=source_ids(said.data_sources),
        under=None if under is None else fqn.split(under),
        types=None if types is None else frozenset(types),
    )


def source_ids(values: list[strawberry.ID] | None) -> frozenset[str] | None:
    """The sources that were named, whatever revision their ids are pinned to."""
    said = given(values)
    return None if said is None else frozenset(ids.parse(one)[1] for one in said)
