"""What people say of a source. Absent: the default on create, unchanged on update; null: cleared to the default."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import strawberry
from strawberry.scalars import JSON

from api.graphql.arguments import given
from api.graphql.inputs.connection import ConnectionInput, connection
from api.graphql.inputs.scope import ScopeInput, scope
from domain.errors import InvalidInput
from domain.models import registration as domain
from domain.models.data_source import (
    CloudProvider,
    DataSourceStatus,
    PoolMode,
    ScanFrequency,
    Sensitivity,
    SourceCriticality,
    SourceEnvironment,
    SourceLocation,
)

T = TypeVar("T")
R = TypeVar("R")


@strawberry.input(description="The desired connection pool of a source.")
class PoolInput:
    """The desired pool."""

    mode: PoolMode | None = strawberry.field(
        default=strawberry.UNSET, description="What stands between us and the server; DIRECT by default."
    )
    size: int | None = strawberry.field(
        default=strawberry.UNSET, description="How many connections are kept, 1 to 1000; 5 by default."
    )
    max_overflow: int | None = strawberry.field(
        default=strawberry.UNSET, description="How many more may be opened, 0 to 1000; 5 by default."
    )
    timeout_seconds: float | None = strawberry.field(
        default=strawberry.UNSET, description="How long to wait for a connection, 0.1 to 600; 30 by default."
    )


@strawberry.input(description="What both a registration and a change can say of a source.")
class SourceAttributes:
    """What can be said of a source."""

    connection: ConnectionInput | None = strawberry.field(
        default=strawberry.UNSET, description="How it is reached; needed to create, and cannot be cleared."
    )
    pool: PoolInput | None = strawberry.field(default=strawberry.UNSET, description="The desired connection pool.")
    location: SourceLocation | None = strawberry.field(
        default=strawberry.UNSET, description="Where it runs; ON_PREM by default."
    )
    environment: SourceEnvironment | None = strawberry.field(
        default=strawberry.UNSET, description="What it is used for; DEVELOPMENT by default."
    )
    criticality: SourceCriticality | None = strawberry.field(
        default=strawberry.UNSET, description="How much it hurts when it is away; MEDIUM by default."
    )
    sensitivity: Sensitivity | None = strawberry.field(
        default=strawberry.UNSET, description="How much it hurts when the wrong eyes see it; INTERNAL by default."
    )
    cloud_provider: CloudProvider | None = strawberry.field(
        default=strawberry.UNSET, description="Whose cloud it runs in."
    )
    region: str | None = strawberry.field(default=strawberry.UNSET, description="Where in that cloud, or in the world.")
    scan_frequency: ScanFrequency | None = strawberry.field(
        default=strawberry.UNSET, description="How often to discover it without being asked; MANUAL by default."
    )
    scope: ScopeInput | None = strawberry.field(
        default=strawberry.UNSET, description="What of it is discovered; everything by default."
    )
    owner: str | None = strawberry.field(default=strawberry.UNSET, description="Who answers for it.")
    team: str | None = strawberry.field(default=strawberry.UNSET, description="Which team looks after it.")
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description="What it is, at most 10000 characters."
    )
    tags: list[str] | None = strawberry.field(default=strawberry.UNSET, description="Words to find it by, at most 100.")
    properties: JSON | None = strawberry.field(
        default=strawberry.UNSET, description="A JSON object of your own, at most 64 KiB."
    )


@strawberry.input(description="What can be said of a source. Absent is unchanged, null is cleared.")
class DataSourcePatch(SourceAttributes):
    """A change."""

    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="Unique; 1 to 255 printable characters. It cannot be cleared."
    )
    status: DataSourceStatus | None = strawberry.field(
        default=strawberry.UNSET, description="ACTIVE or DISABLED; the others follow from health. It cannot be cleared."
    )


@strawberry.input(description="A registration: found by `name`; made when it is new, else changed.")
class DataSourceInput(SourceAttributes):
    """A registration."""

    name: str = strawberry.field(description="Unique; 1 to 255 printable characters.")
    expected_version: int | None = strawberry.field(
        default=strawberry.UNSET, description="Change it only when it is at this version; else a ConflictProblem."
    )


# Attributes that the domain takes as they come.
_PLAIN = (
    "location",
    "environment",
    "criticality",
    "sensitivity",
    "cloud_provider",
    "region",
    "scan_frequency",
    "owner",
    "team",
    "description",
    "properties",
)


def patch(value: DataSourcePatch) -> domain.DataSourcePatch:
    """The domain's form of a change. Raises `InvalidInput` for a null where nothing could be cleared."""
    return domain.DataSourcePatch(
        name=_needed(value.name, "name"), status=_needed(value.status, "status"), **_common(value)
    )


def data_source_input(value: DataSourceInput) -> domain.DataSourceInput:
    """The domain's form of a registration. Raises `InvalidInput` as `patch` does."""
    return domain.DataSourceInput(
        name=value.name,
        patch=domain.DataSourcePatch(**_common(value)),
        expected_version=given(value.expected_version),
    )


def _common(value: SourceAttributes) -> dict[str, Any]:
    said = {name: _said(getattr(value, name), lambda one: one) for name in _PLAIN}
    needed = _needed(value.connection, "connection")
    return said | {
        "connection": needed if needed is msgspec.UNSET else connection(needed),
        "pool": _said(value.pool, _pool),
        "scope": _said(value.scope, scope),
        "tags": _said(value.tags, tuple),
    }


def _pool(value: PoolInput) -> domain.PoolInput:
    return domain.PoolInput(
        mode=_said(value.mode, lambda one: one),
        size=_said(value.size, lambda one: one),
        max_overflow=_said(value.max_overflow, lambda one: one),
        timeout_s=_said(value.timeout_seconds, lambda one: one),
    )


def _said(value: T | None, convert: Callable[[T], R]) -> R | None | msgspec.UnsetType:
    """The domain's absent for an absent value, None for null, else what it is converted to."""
    if value is strawberry.UNSET:
        return msgspec.UNSET
    return None if value is None else convert(value)


def _needed(value: T | None, name: str) -> T | msgspec.UnsetType:
    """As `_said`, for what cannot be cleared."""
    if value is strawberry.UNSET:
        return msgspec.UNSET
    if value is None:
        raise InvalidInput("This cannot be cleared: leave it out or give a value.", path=(name,), constraint="not null")
    return value
