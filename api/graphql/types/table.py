"""Tables, views and what belongs to them."""

from typing import TYPE_CHECKING, Annotated, Self

import strawberry

import api.graphql.types.column as columns_of
import api.graphql.types.data_source as data_sources
import api.graphql.types.namespace as namespaces_of
import api.graphql.types.reference as references
import api.graphql.types.relationship as relationships_of
from api.graphql.arguments import After, First, FirstColumns, Match, given, given_all, page
from api.graphql.context import Info
from api.graphql.types.entry import entry_attributes, pin_of
from api.graphql.types.fact import Count, Fact, count, facts
from api.graphql.types.node import CatalogNode
from api.graphql.types.page import Connection, connection, counted
from domain.models import data_source as domain
from domain.models.catalog import ConstraintKind, NamespaceEntry, Statistics, TableEntry, TableKind
from domain.models.relationship import Direction
from domain.models.relationship import Evidence as EvidenceKind
from domain.ports.repositories.catalog import CatalogFilter, ObjectAt, Pin, RelationshipFilter
from domain.services.catalog import PinnedSource
from domain.services.pages import PageRequest

if TYPE_CHECKING:
    from api.graphql.types.column import Column
    from api.graphql.types.data_source import DataSource
    from api.graphql.types.namespace import Namespace
    from api.graphql.types.relationship import Relationship


@strawberry.type(description="An index of a table.")
class Index:
    """An index."""

    name: str = strawberry.field(description="Its name.")
    unique: bool = strawberry.field(description="Whether no two rows may be alike in it.")
    columns: list[str] = strawberry.field(description="Column names, or the expression where it has one, in key order.")
    method: str | None = strawberry.field(description="How it is built, such as `btree`.")
    predicate: str | None = strawberry.field(description="The condition of a partial index.")


@strawberry.type(description="A constraint of a table.")
class Constraint:
    """A constraint."""

    name: str = strawberry.field(description="Its name.")
    kind: ConstraintKind = strawberry.field(description="What it demands.")
    columns: list[str] = strawberry.field(description="The columns that it is about, in key order.")
    expression: str | None = strawberry.field(
        description="The expression of a check or exclusion, as the system spells it."
    )


@strawberry.federation.type(
    description="A table, a view, or what its system has in their place: `kind` tells.",
    keys=["id", "fqn"],
)
class Table(CatalogNode):
    """A table or view."""

    _source: strawberry.Private[domain.DataSource]
    _entry: strawberry.Private[TableEntry]
    _namespace: strawberry.Private["Namespace | None"]  # where the way to this table led through it
    kind: TableKind = strawberry.field(description="What it is to its system.")
    comment: str | None = strawberry.field(description="What the system says of it.")
    definition: str | None = strawberry.field(description="The query of a view, as the system spells it.")

    @strawberry.field(description="The source that it is in.")
    def data_source(self) -> Annotated["DataSource", strawberry.lazy("api.graphql.types.data_source")]:
        return data_sources.data_source(PinnedSource(self._source, pin_of(self._entry)))

    @strawberry.field(description="The namespace that it is in.")
    async def namespace(self, info: Info) -> Annotated["Namespace", strawberry.lazy("api.graphql.types.namespace")]:
        if self._namespace is not None:
            return self._namespace
        entry = await info.context.loaders.entries.load((self._entry.namespace_id, pin_of(self._entry)))
        assert isinstance(entry, NamespaceEntry)  # every table is in one, and as visible as that
        return namespaces_of.namespace(self._source, entry)

    @strawberry.field(description="How many rows it has; null in the past, whose sizes are not kept.")
    def row_count(self) -> Count | None:
        return count(self._statistics.row_count)

    @strawberry.field(description="How many bytes it takes; null in the past, whose sizes are not kept.")
    def size_bytes(self) -> Count | None:
        return count(self._statistics.size_bytes)

    @strawberry.field(description="Lasting properties, such as how it is partitioned.")
    def facts(self) -> list[Fact]:
        return facts(self._entry.facts)

    @strawberry.field(description="The same table as it is now; null when it is gone.")
    async def current(self, info: Info) -> Self | None:
        entry = await info.context.loaders.current.load(self._entry.id)
        return table(self._source, entry) if isinstance(entry, TableEntry) else None  # type: ignore[return-value]  # there is no subclass

    @strawberry.field(description="Its columns, in the table's order.")
    async def columns(
        self,
        info: Info,
        first: FirstColumns = strawberry.UNSET,
        after: After = strawberry.UNSET,
        match: Match = strawberry.UNSET,
    ) -> Connection[Annotated["Column", strawberry.lazy("api.graphql.types.column")]]:
        return await columns_of.load_columns(info, self, CatalogFilter(match=given(match)), page(first, after))

    @strawberry.field(description="The columns of its primary key, in key order; empty without one.")
    async def primary_key(self, info: Info) -> list[Annotated["Column", strawberry.lazy("api.graphql.types.column")]]:
        return await columns_of.load_columns_named(info, self, self._entry.primary_key)

    @strawberry.field(description="Its indexes, by name.")
    def indexes(self) -> list[Index]:
        return [
            Index(
                name=one.name,
                unique=one.unique,
                columns=list(one.columns),
                method=one.method,
                predicate=one.predicate,
            )
            for one in self._entry.indexes
        ]

    @strawberry.field(description="Its constraints, by name.")
    def constraints(self) -> list[Constraint]:
        return [
            Constraint(name=one.name, kind=one.kind, columns=list(one.columns), expression=one.expression)
            for one in self._entry.constraints
        ]

    @strawberry.field(description="How it and other tables point at each other.")
    async def relationships(
        self,
        info: Info,
        direction: Annotated[
            Direction | None, strawberry.argument(description="Which way to look; BOTH when not given.")
        ] = strawberry.UNSET,
        evidence: Annotated[
            list[EvidenceKind] | None, strawberry.argument(description="Only those that are known from these.")
        ] = strawberry.UNSET,
        min_confidence: Annotated[
            float | None, strawberry.argument(description="Only those at least that certain, 0 to 1.")
        ] = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
    ) -> Connection[Annotated["Relationship", strawberry.lazy("api.graphql.types.relationship")]]:
        wanted = RelationshipFilter(
            given(direction) or Direction.BOTH, given_all(evidence), given(min_confidence) or 0.0
        )
        parent = ObjectAt(self._entry.id, pin_of(self._entry))
        return await relationships_of.load_relationships(info, self._source, parent, wanted, page(first, after))

    @property
    def _statistics(self) -> Statistics:
        return self._entry.statistics or Statistics()

    @classmethod
    async def resolve_reference(cls, info: Info, id: str | None = None, fqn: str | None = None) -> Self | None:
        """The table that a gateway names by one of its keys."""
        return await references.resolve(cls, info, id, fqn)


def table(source: domain.DataSource, entry: TableEntry, namespace: "Namespace | None" = None) -> Table:
    """A window on a table of the source, and of the namespace where that is at hand."""
    return Table(
        _source=source,
        _entry=entry,
        _namespace=namespace,
        **entry_attributes(source, entry),
        kind=entry.kind,
        comment=entry.comment,
        definition=entry.definition,
    )


async def load_tables(
    info: Info,
    source: domain.DataSource,
    parent: Pin | ObjectAt,
    wanted: CatalogFilter,
    request: PageRequest,
    namespace: "Namespace | None" = None,
) -> Connection[Table]:
    """A page of the tables of the source, or of the namespace in it."""
    loaders = info.context.loaders
    window = await loaders.tables(wanted, request).load(parent)
    at_hand = None if namespace is None or namespace._entry.revision != window.revision else namespace
    return connection(
        info,
        window,
        lambda entry: table(source, entry, at_hand),
        counted(lambda: loaders.count_tables(wanted).load(parent)),
    )


async def load_table(info: Info, source: domain.DataSource, table_id: str, pin: Pin) -> Table | None:
    """A window on the table of this stable id."""
    entry = await info.context.loaders.entries.load((table_id, pin))
    return table(source, entry) if isinstance(entry, TableEntry) else None
