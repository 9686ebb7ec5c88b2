"""What a connection test speaks to."""

import strawberry

from api.graphql.inputs.data_source import DataSourceInput, DataSourcePatch, data_source_input, patch
from domain.models import target as domain
from domain.rules import ids


@strawberry.input(description="A registered source as it would be after a change.")
class ChangedTargetInput:
    """A changed source."""

    data_source: strawberry.ID = strawberry.field(description="The source.")
    patch: DataSourcePatch = strawberry.field(description="The change; it is tried, not made.")


@strawberry.input(description="What to test: a source, a draft of one, or a source after a change.", one_of=True)
class TargetInput:
    """What to test."""

    data_source: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="A registered source as it is."
    )
    draft: DataSourceInput | None = strawberry.field(
        default=strawberry.UNSET, description="A source that is not registered yet."
    )
    change: ChangedTargetInput | None = strawberry.field(
        default=strawberry.UNSET, description="A registered source as it would be after a change."
    )


def target(value: TargetInput) -> domain.TestTarget:
    """The domain's form of it."""
    if value.data_source is not strawberry.UNSET and value.data_source is not None:
        return domain.StoredTarget(ids.parse(value.data_source)[1])
    if value.draft is not strawberry.UNSET and value.draft is not None:
        return domain.DraftTarget(data_source_input(value.draft))
    change = value.change
    assert change is not None  # @oneOf: exactly one is given, and not null
    return domain.ChangedTarget(ids.parse(change.data_source)[1], patch(change.patch))
