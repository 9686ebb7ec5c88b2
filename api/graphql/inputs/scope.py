"""What of a source is wanted."""

import strawberry

from api.graphql.arguments import given
from domain.models.data_source import DiscoveryScope


@strawberry.input(description="What of a source is discovered; given whole.")
class ScopeInput:
    """What is discovered."""

    include: list[str] | None = strawberry.field(
        default=strawberry.UNSET,
        description="Patterns of names such as `public.*`, with `*`, `?` and `[…]` as in a shell; empty: everything.",
    )
    exclude: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="Patterns of names to leave out, even when included."
    )
    max_tables: int | None = strawberry.field(
        default=strawberry.UNSET, description="How many tables at most; no bound when not given."
    )


def scope(value: ScopeInput) -> DiscoveryScope:
    """The domain's form of it."""
    return DiscoveryScope(tuple(value.include or ()), tuple(value.exclude or ()), given(value.max_tables))
