"""The schema, put together."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import cache
from typing import Any, Literal

import strawberry
from graphql import GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.federation import Schema
from strawberry.federation.schema import FederationAny
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig
from strawberry.types.execution import ExecutionContext, ExecutionResult

from api.graphql.budget import AnswerTooLarge
from api.graphql.context import Info
from api.graphql.documents import Documents, ReadyDocuments
from api.graphql.errors import ProblemsAsData, ReadableErrors
from api.graphql.executor import BudgetedExecutor
from api.graphql.mutations.data_source import DataSourceMutations
from api.graphql.mutations.operation import OperationMutations
from api.graphql.queries.data_source import DataSourceQueries
from api.graphql.queries.event import EventQueries
from api.graphql.queries.node import NameQueries, NodeQueries
from api.graphql.queries.operation import OperationQueries
from api.graphql.scalars import SCALARS
from api.graphql.subscriptions.event import EventSubscriptions
from api.graphql.subscriptions.health import HealthSubscriptions
from api.graphql.types.column import Column
from api.graphql.types.data_source import DataSource
from api.graphql.types.namespace import Namespace
from api.graphql.types.problem import UnreachableProblem
from api.graphql.types.table import Table
from api.limits import DocumentLimits
from domain.errors import InvalidInput

FEDERATION_VERSION: Literal["2.9"] = "2.9"  # one of the two composers in use refuses later ones
MAX_ENTITIES = 1_000

_ENTITIES: dict[object, type[Column] | type[DataSource] | type[Namespace] | type[Table]] = {
    "Column": Column,
    "DataSource": DataSource,
    "Namespace": Namespace,
    "Table": Table,
}


@strawberry.type(name="_Service")
class Service:
    """What a gateway asks of a subgraph."""

    sdl: str


@strawberry.type(name="Query", description="Where reading begins.")
class FederatedQuery(DataSourceQueries, NameQueries, OperationQueries, EventQueries):
    """What this graph brings into a federated one: `node` and `nodes` belong to nobody there."""

    @strawberry.field(name="_service")
    def service(self) -> Service:
        return Service(sdl=federated_sdl())


@strawberry.type(description="Where reading begins.")
class Query(NodeQueries, FederatedQuery):
    """Where reading begins."""


@strawberry.type(description="Where writing begins.")
class Mutation(DataSourceMutations, OperationMutations):
    """Where writing begins."""


@strawberry.type(description="Where watching begins.")
class Subscription(EventSubscriptions, HealthSubscriptions):
    """Where watching begins."""


class HeadwaterSchema(Schema):
    """A federated schema in which one unknown entity is null by itself, and errors are logged where they are masked."""

    async def execute(self, *arguments: Any, **options: Any) -> ExecutionResult:
        """As Strawberry's; an answer that becomes too large ends as one error."""
        try:
            return await super().execute(*arguments, **options)
        except AnswerTooLarge as over:
            return ExecutionResult(data=None, errors=[over.as_error()])

    async def stream(self, *arguments: Any, **options: Any) -> AsyncGenerator[Any]:
        """As Strawberry's; a result that becomes too large ends the stream with one error."""
        return _ending(await super().stream(*arguments, **options))

    def entities_resolver(self, info: Info, representations: list[FederationAny]) -> list[FederationAny]:
        """What a gateway asks for by key, in its order; everything is read together."""
        if len(representations) > MAX_ENTITIES:
            raise InvalidInput(f"Ask for at most {MAX_ENTITIES} entities at a time.", path=("representations",))
        return [_entity(info, one) for one in representations]

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Nothing: `ReadableErrors` logs what it masks, and the others are the client's own."""


async def _ending(results: AsyncGenerator[Any]) -> AsyncGenerator[Any]:
    try:
        async with aclosing(results):
            async for result in results:
                yield result
    except AnswerTooLarge as over:
        yield ExecutionResult(data=None, errors=[over.as_error()])


def build_schema(limits: DocumentLimits | None = None) -> HeadwaterSchema:
    """The schema that is served, answering documents within `limits`."""
    documents = Documents(limits or DocumentLimits())
    return _schema(Query, extensions=[ReadableErrors, lambda: ReadyDocuments(documents)])


def schema_text() -> str:
    """The schema that is served, sorted, as `schema.graphql` holds it."""
    return print_schema(_schema(Query, is_sorted=True)) + "\n"


@cache
def federated_sdl() -> str:
    """What a gateway composes."""
    return print_schema(_schema(FederatedQuery, is_sorted=True))


def _schema(
    query: type, *, extensions: Sequence[Callable[[], SchemaExtension]] = (), is_sorted: bool = False
) -> HeadwaterSchema:
    # A sorted schema is for printing: Strawberry sorts copies of the types, and then finds no member of a union.
    return HeadwaterSchema(
        query=query,
        mutation=Mutation,
        subscription=Subscription,
        types=[UnreachableProblem, *_ENTITIES.values()],
        extensions=extensions,
        config=StrawberryConfig(sort_schema=is_sorted, scalar_map=SCALARS),
        federation_version=FEDERATION_VERSION,
        exception_handlers=[ProblemsAsData()],
        execution_context_class=BudgetedExecutor,
    )


def _entity(info: Info, representation: Any) -> Any:
    """The entity (to be awaited), None for one of no kind of ours."""
    kind = representation.get("__typename") if isinstance(representation, dict) else None
    entity = _ENTITIES.get(kind) if isinstance(kind, str) else None
    keys = {
        name: representation[name] for name in ("id", "fqn") if entity and isinstance(representation.get(name), str)
    }
    return entity.resolve_reference(info, **keys) if entity and keys else None
