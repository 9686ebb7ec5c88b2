"""A point of the past."""

from datetime import datetime
from typing import Annotated

import strawberry

from api.graphql.arguments import given
from domain.services import catalog


@strawberry.input(description="A point of the past: one of the two.", one_of=True)
class At:
    """A point of the past."""

    revision: int | None = strawberry.field(
        default=strawberry.UNSET, description="A revision; only where one source is named. 0 is the empty catalog."
    )
    time: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="The revision that was the published one at this time."
    )


AtArgument = Annotated[
    At | None,
    strawberry.argument(description="Read the past; everything below inherits it. The present when not given."),
]


def point(at: At | None) -> catalog.At | None:
    """The point in time that was asked for; None for the present."""
    said = given(at)
    return None if said is None else catalog.At(revision=given(said.revision), time=given(said.time))
