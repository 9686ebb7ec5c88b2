"""What is asked of a discovery."""

import strawberry

from api.graphql.arguments import given, given_or
from api.graphql.inputs.scope import ScopeInput, scope
from domain.models.operation import SyncMode
from domain.rules import ids
from domain.rules.guard import DEFAULT_MAX_SHARE
from domain.services import discoveries


@strawberry.input(description="What is asked of a discovery.")
class DiscoverInput:
    """What is asked of a discovery."""

    data_source: strawberry.ID = strawberry.field(description="The source to discover.")
    mode: SyncMode | None = strawberry.field(default=SyncMode.INCREMENTAL, description="How much is read.")
    scope: ScopeInput | None = strawberry.field(
        default=strawberry.UNSET, description="What of it; the source's own scope when not given."
    )
    budget_ms: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="How long it may take, in milliseconds: 1000 to 3600000, 600000 by default.",
    )
    max_removal_share: float | None = strawberry.field(
        default=DEFAULT_MAX_SHARE,
        description="When more than this share of the tables (and at least 10) would be removed, it waits for "
        "`confirmOperation`.",
    )


def discover_input(value: DiscoverInput) -> discoveries.DiscoverInput:
    """The domain's form of it."""
    said = given(value.scope)
    return discoveries.DiscoverInput(
        data_source_id=ids.parse(value.data_source)[1],
        mode=given_or(value.mode, SyncMode.INCREMENTAL),
        scope=None if said is None else scope(said),
        budget_ms=given(value.budget_ms),
        max_removal_share=given_or(value.max_removal_share, DEFAULT_MAX_SHARE),
    )
