"""Long jobs."""

from typing import Annotated

import strawberry

from api.graphql.context import Info
from api.graphql.types.operation import Operation, operation


@strawberry.type(description="Roots of operations.")
class OperationQueries:
    """Long jobs."""

    @strawberry.field(description="An operation by its id; null when it is not there or may not be seen.")
    async def operation(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
    ) -> Operation | None:
        found = await info.context.loaders.operations.load(id)
        return None if found is None else operation(found)
