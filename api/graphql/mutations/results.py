"""What mutations answer: what was done, or the problem that was in the way."""

from typing import Annotated, cast

import strawberry

from api.graphql.types.data_source import DataSource, current_data_source
from api.graphql.types.operation import Operation
from api.graphql.types.problem import (
    ConflictProblem,
    ForbiddenProblem,
    InvalidInputProblem,
    LimitedProblem,
    NotFoundProblem,
    UnavailableProblem,
    problem,
)
from domain.models.problem import Problem
from domain.models.registration import Registered


@strawberry.type(description="What became of a registration or a change.")
class DataSourcePayload:
    """What became of it."""

    data_source: DataSource = strawberry.field(description="The source as it is now; in a dry run, as it would be.")
    created: bool = strawberry.field(description="Whether it is new.")
    unchanged: bool = strawberry.field(description="Whether it was so already.")


@strawberry.type(description="What became of a deletion.")
class DeletePayload:
    """What became of it."""

    id: strawberry.ID = strawberry.field(description="The id that was given.")
    deleted: bool = strawberry.field(description="Whether it is deleted; not in a dry run.")


DataSourceResult = Annotated[
    DataSourcePayload
    | InvalidInputProblem
    | NotFoundProblem
    | ForbiddenProblem
    | ConflictProblem
    | LimitedProblem
    | UnavailableProblem,
    strawberry.union(
        "DataSourceResult", description="A source that was registered or changed, or what was in the way."
    ),
]
DeleteResult = Annotated[
    DeletePayload | InvalidInputProblem | NotFoundProblem | ForbiddenProblem | ConflictProblem | UnavailableProblem,
    strawberry.union("DeleteResult", description="A deletion, or what was in the way."),
]
OperationResult = Annotated[
    Operation
    | InvalidInputProblem
    | NotFoundProblem
    | ForbiddenProblem
    | ConflictProblem
    | LimitedProblem
    | UnavailableProblem,
    strawberry.union("OperationResult", description="An operation, or what was in the way."),
]


def data_source_payload(value: Registered) -> DataSourcePayload:
    """A window on what became of a registration."""
    return DataSourcePayload(
        data_source=current_data_source(value.data_source), created=value.created, unchanged=value.unchanged
    )


def data_source_result(value: Registered | Problem) -> DataSourceResult:
    """A window on what became of one of several registrations."""
    if isinstance(value, Problem):
        return cast(DataSourceResult, problem(value))  # no registration is UNREACHABLE: nothing is spoken to
    return data_source_payload(value)
