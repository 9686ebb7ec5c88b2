"""Registering, changing and deleting sources."""

from typing import Annotated

import strawberry

from api.graphql.arguments import given
from api.graphql.context import Info
from api.graphql.inputs.data_source import DataSourceInput, DataSourcePatch, data_source_input
from api.graphql.inputs.data_source import patch as patch_of
from api.graphql.inputs.write import WriteArgument, write_options
from api.graphql.mutations.results import (
    DataSourceResult,
    DeletePayload,
    DeleteResult,
    data_source_payload,
    data_source_result,
)
from domain.errors import ProblemError
from domain.rules import ids

Id = Annotated[strawberry.ID, strawberry.argument(description="The source.")]
ExpectedVersion = Annotated[
    int | None,
    strawberry.argument(description="Do it only when the source is at this version; else a ConflictProblem."),
]


@strawberry.type(description="Writing sources.")
class DataSourceMutations:
    """Writing sources."""

    @strawberry.mutation(
        description="Registers sources, or changes those whose names are registered. "
        "One answer for each entry, in order; "
        "an entry with a problem has changed nothing and stops no other. "
        "A list that is empty or has more than 1000 entries gets one problem as a whole."
    )
    async def register_data_sources(
        self,
        info: Info,
        input_: Annotated[list[DataSourceInput], strawberry.argument(name="input", description="1 to 1000 sources.")],
        write: WriteArgument = strawberry.UNSET,
    ) -> list[DataSourceResult]:
        context = info.context
        try:
            outcomes = await context.services.data_sources.register(
                context.viewer, [data_source_input(one) for one in input_], write_options(write)
            )
        except ProblemError as error:
            return [data_source_result(error.problem)]
        return [data_source_result(one) for one in outcomes]

    @strawberry.mutation(description="Changes a source. Absent is unchanged, null is cleared.")
    async def update_data_source(
        self,
        info: Info,
        id: Id,
        patch: Annotated[DataSourcePatch, strawberry.argument(description="The change.")],
        expected_version: ExpectedVersion = strawberry.UNSET,
        write: WriteArgument = strawberry.UNSET,
    ) -> DataSourceResult:
        context = info.context
        registered = await context.services.data_sources.update(
            context.viewer, ids.parse(id)[1], patch_of(patch), given(expected_version), write_options(write)
        )
        return data_source_payload(registered)

    @strawberry.mutation(
        description="Deletes a source: erases its secrets, frees its name, ends its work. "
        "Registered again, it gets a new id."
    )
    async def delete_data_source(
        self,
        info: Info,
        id: Id,
        expected_version: ExpectedVersion = strawberry.UNSET,
        write: WriteArgument = strawberry.UNSET,
    ) -> DeleteResult:
        context = info.context
        deleted = await context.services.data_sources.delete(
            context.viewer, ids.parse(id)[1], given(expected_version), write_options(write)
        )
        return DeletePayload(id=id, deleted=deleted)
