"""How tables point at each other."""

from typing import TYPE_CHECKING, Annotated

import strawberry

import api.graphql.types.column as columns_of
import api.graphql.types.table as tables_of
from api.graphql.context import Info
from api.graphql.types.entry import pin_of
from api.graphql.types.node import Node
from api.graphql.types.page import Connection, connection, counted
from domain.models import data_source
from domain.models import relationship as domain
from domain.models.catalog import ColumnEntry
from domain.models.relationship import Cardinality, Direction, Evidence, ReferentialAction, Verdict
from domain.ports.repositories.catalog import ObjectAt, Pin, RelationshipFilter
from domain.rules import fqn, ids
from domain.services.pages import PageRequest

if TYPE_CHECKING:
    from api.graphql.types.column import Column
    from api.graphql.types.table import Table


@strawberry.type(description="One end of a relationship: named always, even when its table was not read.")
class RelationshipEnd:
    """One end."""

    _source: strawberry.Private[data_source.DataSource]
    _end: strawberry.Private[domain.RelationshipEnd]
    _pin: strawberry.Private[Pin]
    table_fqn: str = strawberry.field(description="The fully qualified name of the table.")
    column_names: list[str] = strawberry.field(description="The columns, in the order of the other end's.")

    @strawberry.field(description="The table; null when it is not in the catalog.")
    async def table(self, info: Info) -> Annotated["Table", strawberry.lazy("api.graphql.types.table")] | None:
        if self._end.table_id is None:
            return None
        return await tables_of.load_table(info, self._source, self._end.table_id, self._pin)

    @strawberry.field(description="The columns, in the order of the other end's; null when the table is not there.")
    async def columns(
        self, info: Info
    ) -> list[Annotated["Column", strawberry.lazy("api.graphql.types.column")]] | None:
        if self._end.table_id is None:
            return None
        wanted = (ObjectAt(self._end.table_id, self._pin), self._end.columns)
        found = await info.context.loaders.columns_named.load(wanted)
        return [columns_of.column(self._source, one) for one in found]


@strawberry.type(description="Rows of one table point at rows of another.")
class Relationship(Node):
    """A relationship."""

    from_: RelationshipEnd = strawberry.field(name="from", description="The end that points.")
    to: RelationshipEnd = strawberry.field(description="The end that is pointed at.")
    evidence: Evidence = strawberry.field(description="Where the knowledge comes from.")
    confidence: float = strawberry.field(description="How certain it is, 0 to 1.")
    verdict: Verdict = strawberry.field(description="What is held of it.")
    cardinality: Cardinality | None = strawberry.field(description="How many rows meet how many.")
    on_delete: ReferentialAction | None = strawberry.field(description="What happens when the row pointed at goes.")
    on_update: ReferentialAction | None = strawberry.field(description="What happens when its key changes.")
    why: str = strawberry.field(description="What it was concluded from, in a sentence.")


def relationship(source: data_source.DataSource, entry: domain.RelationshipEntry) -> Relationship:
    """A window on a relationship within the source."""
    pin = Pin(entry.data_source_id, entry.revision, entry.is_pinned)
    return Relationship(
        id=strawberry.ID(ids.pinned(entry.id, entry.revision, is_pinned=entry.is_pinned)),
        from_=_end(source, pin, entry.from_end),
        to=_end(source, pin, entry.to_end),
        evidence=entry.evidence,
        confidence=entry.confidence,
        verdict=entry.verdict,
        cardinality=entry.cardinality,
        on_delete=entry.on_delete,
        on_update=entry.on_update,
        why=entry.why,
    )


async def load_relationships(
    info: Info, source: data_source.DataSource, table: ObjectAt, wanted: RelationshipFilter, request: PageRequest
) -> Connection[Relationship]:
    """A page of the relationships of the table."""
    loaders = info.context.loaders
    window = await loaders.relationships(wanted, request).load(table)
    return connection(
        info,
        window,
        lambda entry: relationship(source, entry),
        counted(lambda: loaders.count_relationships(wanted).load(table)),
    )


async def load_relationships_of_column(
    info: Info, source: data_source.DataSource, entry: ColumnEntry, wanted: RelationshipFilter
) -> list[Relationship]:
    """Those of its table that the column takes part in; read once for all columns of all tables."""
    of_table = await info.context.loaders.all_relationships(wanted).load(ObjectAt(entry.table_id, pin_of(entry)))
    found = [one for one in of_table if _takes_part(entry, one, wanted.direction)]
    return [relationship(source, one) for one in found]


def _takes_part(entry: ColumnEntry, one: domain.RelationshipEntry, direction: Direction) -> bool:
    end = one.from_end if direction is Direction.UPSTREAM else one.to_end
    return end.table_id == entry.table_id and len(entry.column.path) == 1 and entry.name in end.columns


def _end(source: data_source.DataSource, pin: Pin, end: domain.RelationshipEnd) -> RelationshipEnd:
    return RelationshipEnd(
        _source=source,
        _end=end,
        _pin=pin,
        table_fqn=fqn.join((source.name, *end.table_path)),
        column_names=list(end.columns),
    )
