"""How a source is doing."""

from datetime import datetime
from typing import Annotated

import strawberry

from api.graphql.arguments import given_or
from api.graphql.context import Info
from api.graphql.types.problem import Problem, optional_problem
from domain.models import health as domain
from domain.models.health import HealthStatus

DEFAULT_CHECKS = 20


@strawberry.type(description="A named share of the score. What was not measured is not here and has no weight.")
class HealthPart:
    """A share of the score."""

    name: str = strawberry.field(description="What is judged, such as `availability`.")
    weight: float = strawberry.field(description="Its weight; those of all parts add up to 1.")
    score: float = strawberry.field(description="0 to 100.")
    why: str = strawberry.field(description="What the score was drawn from.")


@strawberry.type(description="One check: did the system answer, and how fast.")
class HealthCheck:
    """One check."""

    at: datetime = strawberry.field(description="When it was made.")
    ok: bool = strawberry.field(description="Whether the system answered.")
    latency_ms: float | None = strawberry.field(description="How long the answer took; null without one.")
    problem: Problem | None = strawberry.field(description="What was wrong.")


@strawberry.type(description="What the checks of a source add up to.")
class Health:
    """A judgement."""

    _source_id: strawberry.Private[str]
    _health: strawberry.Private[domain.Health]
    status: HealthStatus = strawberry.field(description="The judgement in a word.")
    score: float | None = strawberry.field(description="The sum of weight × score of its parts, 0 to 100.")
    since: datetime = strawberry.field(description="Since when the status holds.")
    latency_p50_ms: float | None = strawberry.field(
        name="latencyP50Ms", description="Half of the answers of the last hour took less."
    )
    latency_p95_ms: float | None = strawberry.field(
        name="latencyP95Ms", description="19 of 20 answers of the last hour took less."
    )
    availability_24h: float | None = strawberry.field(
        name="availability24h", description="The share of checks of the last 24 hours that were answered, 0 to 1."
    )

    @strawberry.field(description="What the score is made of.")
    def parts(self) -> list[HealthPart]:
        return [
            HealthPart(name=one.name, weight=one.weight, score=one.score, why=one.why) for one in self._health.parts
        ]

    @strawberry.field(description="The newest checks, newest first.")
    async def checks(
        self,
        info: Info,
        last: Annotated[
            int | None, strawberry.argument(description="How many at most, up to 500; 20 when not given.")
        ] = strawberry.UNSET,
    ) -> list[HealthCheck]:
        loader = info.context.loaders.checks(given_or(last, DEFAULT_CHECKS))
        return [health_check(one) for one in await loader.load(self._source_id)]


def health(source_id: str, value: domain.Health) -> Health:
    """A window on the judgement of a source."""
    return Health(
        _source_id=source_id,
        _health=value,
        status=value.status,
        score=value.score,
        since=value.since,
        latency_p50_ms=value.latency_p50_ms,
        latency_p95_ms=value.latency_p95_ms,
        availability_24h=value.availability_24h,
    )


def health_check(value: domain.HealthCheck) -> HealthCheck:
    """A window on a check."""
    return HealthCheck(at=value.at, ok=value.ok, latency_ms=value.latency_ms, problem=optional_problem(value.problem))
