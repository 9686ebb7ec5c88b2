"""Long jobs."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import api.graphql.types.data_source as data_sources
from api.graphql.context import Info
from api.graphql.types.fact import Fact, facts
from api.graphql.types.node import Node
from api.graphql.types.page import Connection, connection, counted
from api.graphql.types.problem import Problem, Remedy, optional_problem, problem, remedies
from domain.models import operation as domain
from domain.models.operation import OperationKind, OperationState, StepState
from domain.services.pages import Window

if TYPE_CHECKING:
    from api.graphql.types.data_source import DataSource


@strawberry.type(description="One step of an operation, with what was measured in it.")
class Step:
    """One step."""

    _step: strawberry.Private[domain.Step]
    name: str = strawberry.field(description="What is done in it, such as `authenticate`.")
    state: StepState = strawberry.field(description="Where it stands.")
    mandatory: bool = strawberry.field(description="Whether the operation fails with it.")
    duration_ms: float | None = strawberry.field(description="How long it took, in milliseconds; null until it ended.")
    budget_ms: int = strawberry.field(description="How long it may take, in milliseconds.")

    @strawberry.field(description="What was measured or read.")
    def facts(self) -> list[Fact]:
        return facts(self._step.facts)

    @strawberry.field(description="What went wrong.")
    def problem(self) -> Problem | None:
        return optional_problem(self._step.problem)

    @strawberry.field(description="Advice that follows from what was measured; empty where nothing is wrong.")
    def fix(self) -> list[Remedy]:
        return remedies(self._step.fix)


@strawberry.type(description="What somebody must agree to before the operation goes on.")
class Confirmation:
    """What is to be agreed to."""

    token: str = strawberry.field(description="Give it to `confirmOperation`.")
    reason: str = strawberry.field(description="Why it is asked for.")
    would_remove: int = strawberry.field(description="How many tables would be removed.")
    expires_at: datetime = strawberry.field(description="Until when it can be confirmed.")


@strawberry.type(description="A job that takes a while: watch it, cancel it, look it up later.")
class Operation(Node):
    """A long job."""

    _operation: strawberry.Private[domain.Operation]
    kind: OperationKind = strawberry.field(description="What kind of job it is.")
    state: OperationState = strawberry.field(description="Where it stands.")
    progress: float | None = strawberry.field(description="How far it is, 0 to 1; null while that is not known.")
    eta_seconds: int | None = strawberry.field(description="How many seconds it will take yet, where that can be said.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    started_at: datetime | None = strawberry.field(description="When a worker took it first.")
    ended_at: datetime | None = strawberry.field(description="When it ended.")
    actor: str = strawberry.field(description="Who asked for it.")
    dry_run: bool = strawberry.field(description="Whether it only says what it would do.")
    published_revision: int | None = strawberry.field(description="The revision that it published, if any.")

    @strawberry.field(description="What it does, step by step.")
    def steps(self) -> list[Step]:
        return [step(one) for one in self._operation.steps]

    @strawberry.field(description="What it counted.")
    def counts(self) -> list[Fact]:
        return facts(self._operation.counts)

    @strawberry.field(description="What went wrong.")
    def problems(self) -> list[Problem]:
        return [problem(one) for one in self._operation.problems]

    @strawberry.field(description="The source that it works on; null for a draft under test and for a deleted source.")
    async def data_source(
        self, info: Info
    ) -> Annotated["DataSource", strawberry.lazy("api.graphql.types.data_source")] | None:
        return await data_sources.live_data_source(info, self._operation.data_source_id)

    @strawberry.field(description="What somebody must agree to before it goes on.")
    def confirmation(self) -> Confirmation | None:
        return _confirmation(self._operation.confirmation)


def operation(value: domain.Operation) -> Operation:
    """A window on an operation."""
    return Operation(
        _operation=value,
        id=strawberry.ID(value.id),
        kind=value.kind,
        state=value.state,
        progress=value.progress,
        eta_seconds=value.eta_s,
        created_at=value.created_at,
        started_at=value.started_at,
        ended_at=value.ended_at,
        actor=value.actor,
        dry_run=value.dry_run,
        published_revision=value.published_revision,
    )


def operations(
    info: Info, window: Window[domain.Operation], total: Callable[[], Awaitable[int]]
) -> Connection[Operation]:
    """A page of operations."""
    return connection(info, window, operation, counted(total))


def step(value: domain.Step) -> Step:
    """A window on a step."""
    return Step(
        _step=value,
        name=value.name,
        state=value.state,
        mandatory=value.mandatory,
        duration_ms=value.duration_ms,
        budget_ms=value.budget_ms,
    )


def _confirmation(value: domain.Confirmation | None) -> Confirmation | None:
    if value is None:
        return None
    return Confirmation(
        token=value.token, reason=value.reason, would_remove=value.would_remove, expires_at=value.expires_at
    )
