"""How a source is named."""

import strawberry


@strawberry.input(description="How a source is named: one of the two.", one_of=True)
class DataSourceBy:
    """How a source is named."""

    id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="By its id.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="By its name.")
