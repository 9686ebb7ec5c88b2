"""How much of a catalog is how old."""

from collections.abc import Iterable
from datetime import datetime

import strawberry

from api.graphql.types.problem import Remedy, remedies
from domain.models import discovery as domain
from domain.models.operation import SyncMode
from domain.rules import fqn


@strawberry.type(description="A namespace or table that is there but was not read. What was not read is not removed.")
class Unreadable:
    """What was not read."""

    fqn: str = strawberry.field(description="Its fully qualified name.")
    reason: str = strawberry.field(description="Why it was not read.")
    fix: list[Remedy] = strawberry.field(description="What would help.")


@strawberry.type(description="How old a catalog is, and how much of it.")
class Freshness:
    """How old a catalog is."""

    discovered_at: datetime | None = strawberry.field(
        description="When the latest discovery ended; null before the first."
    )
    mode: SyncMode | None = strawberry.field(description="How much that discovery read.")
    coverage: float = strawberry.field(
        description="The share of the listed tables that was read or known unchanged, 0 to 1."
    )
    unread: list[Unreadable] = strawberry.field(description="What is there but was not read.")


def unreadable(source_name: str, values: Iterable[domain.Unreadable]) -> list[Unreadable]:
    """Windows on what was not read of a source."""
    return [
        Unreadable(fqn=fqn.join((source_name, *one.path)), reason=one.reason, fix=remedies(one.fix)) for one in values
    ]


def freshness(source_name: str, value: domain.Freshness) -> Freshness:
    """A window on a freshness."""
    return Freshness(
        discovered_at=value.discovered_at,
        mode=value.mode,
        coverage=value.coverage,
        unread=unreadable(source_name, value.unread),
    )
