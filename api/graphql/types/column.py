"""Columns and fields of tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

import api.graphql.types.data_source as data_sources
import api.graphql.types.reference as references
import api.graphql.types.relationship as relationships_of
import api.graphql.types.table as tables_of
from api.graphql.context import Info
from api.graphql.types.entry import global_id, pin_of
from api.graphql.types.node import CatalogNode
from api.graphql.types.page import Connection, connection, counted
from domain.models import data_source as domain
from domain.models.catalog import ColumnEntry, DataTypeFamily
from domain.models.relationship import Direction
from domain.ports.repositories.catalog import CatalogFilter, ObjectAt, RelationshipFilter
from domain.rules import fqn
from domain.services.catalog import PinnedSource
from domain.services.pages import PageRequest

if TYPE_CHECKING:
    from api.graphql.types.data_source import DataSource
    from api.graphql.types.relationship import Relationship
    from api.graphql.types.table import Table


@strawberry.federation.type(description="A column of a table, or a field below one.", keys=["id", "fqn"])
class Column(CatalogNode):
    """A column."""

    _source: strawberry.Private[domain.DataSource]
    _entry: strawberry.Private[ColumnEntry]
    _table: strawberry.Private["Table | None"]  # where the way to this column led through it
    path: list[str] = strawberry.field(description="Below its table: its name, more parts for a nested field.")
    ordinal: int = strawberry.field(description="Its place in the table, from 1.")
    native_type: str = strawberry.field(description="The type exactly as the system spells it.")
    data_type: DataTypeFamily = strawberry.field(description="What that type means, in words common to all systems.")
    nullable: bool = strawberry.field(description="Whether it may be without a value.")
    default: str | None = strawberry.field(description="The default's expression, as the system spells it.")
    generated: str | None = strawberry.field(description="How its value is made, as in DDL: `ALWAYS AS IDENTITY`.")
    comment: str | None = strawberry.field(description="What the system says of it.")
    enum_values: list[str] | None = strawberry.field(description="The words it may hold; null where it is no enum.")
    is_primary_key: bool = strawberry.field(description="Whether it is part of the primary key.")

    @strawberry.field(description="The source that it is in.")
    def data_source(self) -> Annotated["DataSource", strawberry.lazy("api.graphql.types.data_source")]:
        return data_sources.data_source(PinnedSource(self._source, pin_of(self._entry)))

    @strawberry.field(description="The table that it belongs to.")
    async def table(self, info: Info) -> Annotated["Table", strawberry.lazy("api.graphql.types.table")]:
        if self._table is not None:
            return self._table
        table = await tables_of.load_table(info, self._source, self._entry.table_id, pin_of(self._entry))
        assert table is not None  # a column is as visible as its table
        return table

    @strawberry.field(description="The relationships in which it points at another column.")
    async def references(
        self, info: Info
    ) -> list[Annotated["Relationship", strawberry.lazy("api.graphql.types.relationship")]]:
        return await relationships_of.load_relationships_of_column(
            info, self._source, self._entry, RelationshipFilter(Direction.UPSTREAM)
        )

    @strawberry.field(description="The relationships in which another column points at it.")
    async def referenced_by(
        self, info: Info
    ) -> list[Annotated["Relationship", strawberry.lazy("api.graphql.types.relationship")]]:
        return await relationships_of.load_relationships_of_column(
            info, self._source, self._entry, RelationshipFilter(Direction.DOWNSTREAM)
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: str | None = None, fqn: str | None = None) -> Self | None:
        """The column that a gateway names by one of its keys."""
        return await references.resolve(cls, info, id, fqn)


def column(source: domain.DataSource, entry: ColumnEntry, table: "Table | None" = None) -> Column:
    """A window on a column of the source, and of the table where that is at hand."""
    found = entry.column
    return Column(
        _source=source,
        _entry=entry,
        _table=table,
        id=global_id(entry),
        # The name of its table is joined already: 12 of 13 windows of a wide query are columns.
        fqn=fqn.join((source.name, *entry.path)) if table is None else f"{table.fqn}.{fqn.join(found.path)}",
        name=entry.name,
        first_seen_at=entry.first_seen_at,
        last_seen_at=entry.last_seen_at,
        removed_at=entry.removed_at,
        path=list(found.path),
        ordinal=found.ordinal,
        native_type=found.native_type,
        data_type=found.data_type,
        nullable=found.nullable,
        default=found.default,
        generated=found.generated,
        comment=found.comment,
        enum_values=None if found.enum_values is None else list(found.enum_values),
        is_primary_key=entry.is_primary_key,
    )


async def load_columns(info: Info, table: "Table", wanted: CatalogFilter, request: PageRequest) -> Connection[Column]:
    """A page of the columns of the table."""
    loaders = info.context.loaders
    parent = ObjectAt(table._entry.id, pin_of(table._entry))
    window = await loaders.columns(wanted, request).load(parent)
    at_hand = table if table._entry.revision == window.revision else None  # else the walk began on an older one
    return connection(
        info,
        window,
        lambda entry: column(table._source, entry, at_hand),
        counted(lambda: loaders.count_columns(wanted).load(parent)),
    )


async def load_columns_named(info: Info, table: "Table", names: Sequence[str]) -> list[Column]:
    """The columns of these names, in this order."""
    if not names:
        return []
    parent = ObjectAt(table._entry.id, pin_of(table._entry))
    entries = await info.context.loaders.columns_named.load((parent, tuple(names)))
    return [column(table._source, entry, table) for entry in entries]
