"""Starting, confirming and cancelling long jobs."""

from typing import Annotated

import strawberry

from api.graphql.arguments import given_or
from api.graphql.context import Info
from api.graphql.inputs.discovery import DiscoverInput, discover_input
from api.graphql.inputs.target import TargetInput
from api.graphql.inputs.target import target as target_of
from api.graphql.inputs.write import WriteArgument, write_options
from api.graphql.mutations.results import OperationResult
from api.graphql.types.operation import operation

TEST_WAIT_MS, TEST_BUDGET_MS = 5_000, 30_000

Id = Annotated[strawberry.ID, strawberry.argument(description="The operation.")]
WaitMs = Annotated[
    int | None,
    strawberry.argument(
        description="How long to wait for the end of the operation, in milliseconds, at most 60000. "
        "What has not ended by then goes on: follow it by its id."
    ),
]


@strawberry.type(description="Working with operations.")
class OperationMutations:
    """Working with operations."""

    @strawberry.mutation(
        description="Tests a connection step by step. Nothing is stored of a draft's or change's secrets."
    )
    async def test_connection(
        self,
        info: Info,
        target: Annotated[TargetInput, strawberry.argument(description="What to test.")],
        wait_ms: WaitMs = TEST_WAIT_MS,
        budget_ms: Annotated[
            int | None,
            strawberry.argument(description="How long the whole test may take, in milliseconds: 100 to 120000."),
        ] = TEST_BUDGET_MS,
    ) -> OperationResult:
        services, viewer = info.context.services, info.context.viewer
        started = await services.connection_tests.start(viewer, target_of(target), given_or(budget_ms, TEST_BUDGET_MS))
        return operation(await services.operations.wait(viewer, started, given_or(wait_ms, TEST_WAIT_MS)))

    @strawberry.mutation(
        description="Discovers what is inside a source and publishes it as a new revision where something differs. "
        "One at a time for each source: a second request joins the running one."
    )
    async def discover(
        self,
        info: Info,
        input_: Annotated[DiscoverInput, strawberry.argument(name="input", description="What to discover.")],
        wait_ms: WaitMs = 0,
        write: WriteArgument = strawberry.UNSET,
    ) -> OperationResult:
        services, viewer = info.context.services, info.context.viewer
        started = await services.discoveries.start(viewer, discover_input(input_), write_options(write))
        return operation(await services.operations.wait(viewer, started, given_or(wait_ms, 0)))

    @strawberry.mutation(description="Lets an operation that waits for a person go on.")
    async def confirm_operation(
        self,
        info: Info,
        id: Id,
        token: Annotated[str, strawberry.argument(description="The token of its `confirmation`.")],
    ) -> OperationResult:
        return operation(await info.context.services.operations.confirm(info.context.viewer, id, token))

    @strawberry.mutation(description="Asks an operation to stop. One that ended already stays as it is.")
    async def cancel_operation(self, info: Info, id: Id) -> OperationResult:
        return operation(await info.context.services.operations.cancel(info.context.viewer, id))
