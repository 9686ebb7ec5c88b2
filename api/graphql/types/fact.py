"""Measured and counted values."""

from collections.abc import Iterable

import strawberry

from domain.models import catalog
from domain.models import fact as facts_of_domain


@strawberry.type(description="A measured or read value, as text that can be shown and cited.")
class Fact:
    """A named value."""

    name: str = strawberry.field(description="What it is, such as `server_version`.")
    value: str = strawberry.field(description="The value.")
    unit: str | None = strawberry.field(description="What it is counted in, such as `ms`; null for none.")


@strawberry.type(description="A number, and whether it was counted or estimated.")
class Count:
    """How many."""

    value: float = strawberry.field(description="The number.")
    exact: bool = strawberry.field(description="Whether it was counted; else it is an estimate or a lower bound.")


def facts(values: Iterable[facts_of_domain.Fact]) -> list[Fact]:
    """Windows on facts."""
    return [Fact(name=one.name, value=one.value, unit=one.unit) for one in values]


def count(value: catalog.Count | None) -> Count | None:
    """A window on a count."""
    return None if value is None else Count(value=value.value, exact=value.exact)
