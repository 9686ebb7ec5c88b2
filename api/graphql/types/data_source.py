"""A registered system."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry
from strawberry.scalars import JSON

import api.graphql.types.namespace as namespaces_of
import api.graphql.types.reference as references
import api.graphql.types.table as tables_of
from api.graphql.arguments import After, First, IncludeRemoved, Kinds, Match, given, given_all, given_or, page
from api.graphql.context import Info
from api.graphql.inputs.at import AtArgument, point
from api.graphql.types.discovery import Freshness, freshness
from api.graphql.types.fact import Fact, facts
from api.graphql.types.health import Health, health
from api.graphql.types.node import CatalogNode
from api.graphql.types.operation import Operation, operations
from api.graphql.types.page import Connection
from api.graphql.types.problem import Remedy, remedies
from domain.models import data_source as domain
from domain.models.data_source import (
    CloudProvider,
    DataSourceKind,
    DataSourceStatus,
    PoolMode,
    ScanFrequency,
    Sensitivity,
    SourceCriticality,
    SourceEnvironment,
    SourceLocation,
    TlsMode,
)
from domain.models.operation import OperationKind
from domain.ports.repositories.catalog import CatalogFilter, Pin
from domain.rules import fqn, ids
from domain.services.catalog import At, PinnedSource

if TYPE_CHECKING:
    from api.graphql.types.namespace import Namespace
    from api.graphql.types.table import Table


@strawberry.type(description="What may be shown of how a system is reached. Never a secret.")
class ConnectionSummary:
    """How a system is reached."""

    endpoint: str = strawberry.field(description="Where the system is, such as `db.example.org:5432`.")
    database: str | None = strawberry.field(description="The database that is connected to.")
    username: str | None = strawberry.field(description="Who we are there.")
    tls: TlsMode = strawberry.field(description="What is demanded of the encryption.")
    options: list[Fact] = strawberry.field(description="Further settings.")
    replicas: list[str] = strawberry.field(description="Further servers with the same content.")


@strawberry.type(description="Which secret a source uses, without the secret.")
class CredentialHandle:
    """Which secret is used."""

    store: str = strawberry.field(
        description="Who keeps it: `sealed` is Headwater itself, others are configured stores."
    )
    locator: str | None = strawberry.field(description="Where in that store; null for sealed ones.")
    key_id: str | None = strawberry.field(description="The key that it is sealed under.")
    version: int = strawberry.field(description="Counts how often it was given.")
    rotated_at: datetime = strawberry.field(description="When it was given last.")


@strawberry.type(description="The desired connection pool of a source.")
class Pool:
    """The desired pool."""

    mode: PoolMode = strawberry.field(description="What stands between us and the server.")
    size: int = strawberry.field(description="How many connections are kept.")
    max_overflow: int = strawberry.field(description="How many more may be opened when those are busy.")
    timeout_seconds: float = strawberry.field(description="How long to wait for a connection.")


@strawberry.type(description="What can be done with this kind of system, or why not.")
class Capability:
    """An answer with a reason."""

    name: str = strawberry.field(description="What it is about, such as `foreign_keys`.")
    available: bool = strawberry.field(description="Whether it can be done.")
    reason: str | None = strawberry.field(description="Why not, or how far.")
    fix: list[Remedy] = strawberry.field(description="What would help.")


@strawberry.federation.type(
    description="A registered system: how it is reached, what it matters, who owns it, and what is inside.",
    keys=["id", "fqn"],
)
class DataSource(CatalogNode):
    """A registered system."""

    _pinned: strawberry.Private[PinnedSource]
    kind: DataSourceKind = strawberry.field(description="The system that it is.")
    status: DataSourceStatus = strawberry.field(description="Where it stands in its life.")
    version: int = strawberry.field(description="Counts changes of the registration; see `expectedVersion`.")
    revision: int = strawberry.field(
        description="The revision of the catalog that is read here; 0 before the first discovery."
    )
    location: SourceLocation = strawberry.field(description="Where it runs.")
    environment: SourceEnvironment = strawberry.field(description="What it is used for.")
    criticality: SourceCriticality = strawberry.field(description="How much it hurts when it is away.")
    sensitivity: Sensitivity = strawberry.field(description="How much it hurts when the wrong eyes see its content.")
    cloud_provider: CloudProvider | None = strawberry.field(description="Whose cloud it runs in.")
    region: str | None = strawberry.field(description="Where in that cloud, or in the world.")
    scan_frequency: ScanFrequency = strawberry.field(description="How often it is discovered without being asked.")
    owner: str | None = strawberry.field(description="Who answers for it.")
    team: str | None = strawberry.field(description="Which team looks after it.")
    description: str | None = strawberry.field(description="What it is, in its owner's words.")
    tags: list[str] = strawberry.field(description="Words to find it by.")
    properties: JSON | None = strawberry.field(description="A JSON object of the owner's own.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    updated_at: datetime = strawberry.field(description="When its registration changed last.")
    created_by: str | None = strawberry.field(description="Who registered it.")
    last_tested_at: datetime | None = strawberry.field(description="When its connection was tested last.")
    last_discovered_at: datetime | None = strawberry.field(description="When a discovery of it ended last.")

    @strawberry.field(description="This source itself.")
    def data_source(self) -> Self:
        return self

    @strawberry.field(description="How it is reached, without any secret.")
    def connection(self, info: Info) -> ConnectionSummary:
        return _connection(info.context.services.data_sources.summary(self._pinned.data_source))

    @strawberry.field(description="Which secret it uses; null without one.")
    def credential(self) -> CredentialHandle | None:
        return _credential(self._pinned.data_source.credential)

    @strawberry.field(description="The desired connection pool.")
    def pool(self) -> Pool:
        return _pool(self._pinned.data_source.pool)

    @strawberry.field(description="What can be done with this kind of system, each answer with its reason.")
    def capabilities(self, info: Info) -> list[Capability]:
        return [
            _capability(one) for one in info.context.services.data_sources.spec(self._pinned.data_source).capabilities
        ]

    @strawberry.field(description="How it is doing.")
    async def health(self, info: Info) -> Health:
        source_id = self._pinned.data_source.id
        return health(source_id, await info.context.loaders.health.load(source_id))

    @strawberry.field(description="How old its catalog is, and how much of it.")
    async def freshness(self, info: Info) -> Freshness:
        return freshness(self.name, await info.context.loaders.freshness.load(self._pinned.data_source.id))

    @strawberry.field(description="Its namespaces, by name.")
    async def namespaces(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        match: Match = strawberry.UNSET,
        at: AtArgument = strawberry.UNSET,
    ) -> Connection[Annotated["Namespace", strawberry.lazy("api.graphql.types.namespace")]]:
        there = await self._at(info, point(at))
        return await namespaces_of.load_namespaces(
            info, there.data_source, there.pin, CatalogFilter(match=given(match)), page(first, after)
        )

    @strawberry.field(description="All its tables, by name.")
    async def tables(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        match: Match = strawberry.UNSET,
        kinds: Kinds = strawberry.UNSET,
        include_removed: IncludeRemoved = strawberry.UNSET,
        at: AtArgument = strawberry.UNSET,
    ) -> Connection[Annotated["Table", strawberry.lazy("api.graphql.types.table")]]:
        there = await self._at(info, point(at))
        wanted = CatalogFilter(given(match), given_all(kinds), given_or(include_removed, False))
        return await tables_of.load_tables(info, there.data_source, there.pin, wanted, page(first, after))

    @strawberry.field(description="The operations that worked on it, newest first.")
    async def operations(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        kinds: Annotated[
            list[OperationKind] | None, strawberry.argument(description="Only operations of these kinds.")
        ] = strawberry.UNSET,
    ) -> Connection[Operation]:
        loaders, source_id, wanted = info.context.loaders, self._pinned.data_source.id, given_all(kinds)
        window = await loaders.pages_of_operations(wanted, page(first, after)).load(source_id)
        return operations(info, window, lambda: loaders.count_operations(wanted).load(source_id))

    async def _at(self, info: Info, at: At | None) -> PinnedSource:
        """This source at another point in time; at its own without one."""
        if at is None:
            return self._pinned
        context = info.context
        return (await context.services.catalog.pinned(context.viewer, [self._pinned.data_source], at))[0]

    @classmethod
    async def resolve_reference(cls, info: Info, id: str | None = None, fqn: str | None = None) -> Self | None:
        """The source that a gateway names by one of its keys."""
        return await references.resolve(cls, info, id, fqn)


def data_source(value: PinnedSource) -> DataSource:
    """A window on a source at a revision."""
    source, pin = value.data_source, value.pin
    seen = (source.created_at, source.last_tested_at, source.last_discovered_at)
    return DataSource(
        _pinned=value,
        id=strawberry.ID(ids.pinned(source.id, pin.revision, is_pinned=pin.is_pinned)),
        fqn=fqn.quote(source.name),
        name=source.name,
        first_seen_at=source.created_at,
        last_seen_at=max(time for time in seen if time is not None),
        removed_at=None,
        kind=source.kind,
        status=source.status,
        version=source.version,
        revision=pin.revision,
        location=source.location,
        environment=source.environment,
        criticality=source.criticality,
        sensitivity=source.sensitivity,
        cloud_provider=source.cloud_provider,
        region=source.region,
        scan_frequency=source.scan_frequency,
        owner=source.owner,
        team=source.team,
        description=source.description,
        tags=list(source.tags),
        properties=None if source.properties is None else JSON(source.properties),
        created_at=source.created_at,
        updated_at=source.updated_at,
        created_by=source.created_by,
        last_tested_at=source.last_tested_at,
        last_discovered_at=source.last_discovered_at,
    )


def current_data_source(source: domain.DataSource) -> DataSource:
    """A window on a source as it is now."""
    return data_source(PinnedSource(source, Pin(source.id, source.revision)))


async def live_data_source(info: Info, source_id: str | None) -> DataSource | None:
    """A window on the source of this id as it is now, if it is still there and may be seen."""
    source = None if source_id is None else await info.context.loaders.sources.load(source_id)
    return None if source is None else current_data_source(source)


def _connection(value: domain.ConnectionSummary) -> ConnectionSummary:
    return ConnectionSummary(
        endpoint=value.endpoint,
        database=value.database,
        username=value.username,
        tls=value.tls,
        options=facts(value.options),
        replicas=list(value.replicas),
    )


def _credential(value: domain.CredentialHandle | None) -> CredentialHandle | None:
    if value is None:
        return None
    return CredentialHandle(
        store=value.store,
        locator=value.locator,
        key_id=value.key_id,
        version=value.version,
        rotated_at=value.rotated_at,
    )


def _pool(value: domain.Pool) -> Pool:
    return Pool(mode=value.mode, size=value.size, max_overflow=value.max_overflow, timeout_seconds=value.timeout_s)


def _capability(value: domain.Capability) -> Capability:
    return Capability(name=value.name, available=value.available, reason=value.reason, fix=remedies(value.fix))
