"""What differs between two revisions of a catalog."""

from datetime import datetime
from typing import Any

import msgspec
import strawberry
from strawberry.scalars import JSON
from strawberry.utils.str_converters import to_camel_case

import api.graphql.types.wrap as wrap
from api.graphql.arguments import After, First, page
from api.graphql.context import Info
from api.graphql.types.discovery import Unreadable, unreadable
from api.graphql.types.fact import Count
from api.graphql.types.node import CatalogNode, Node
from api.graphql.types.page import Connection, connection
from domain.models import change as domain
from domain.models.catalog import Table
from domain.models.change import ChangeAction, ChangeEntry, ModifyTable
from domain.models.data_source import DataSource
from domain.rules import fqn
from domain.rules.diff import action_of
from domain.services import catalog

# A changed table's columns, indexes and constraints have changes of their own.
_PARTS_OF_A_TABLE = ("columns", "indexes", "constraints")


@strawberry.type(description="One object of a catalog that differs between two revisions.")
class Change(Node):
    """One change."""

    _entry: strawberry.Private[ChangeEntry]
    revision: int = strawberry.field(description="The revision that brought it.")
    at: datetime = strawberry.field(description="When that revision was published.")
    action: ChangeAction = strawberry.field(description="What happened to the object.")
    fqn: str = strawberry.field(description="The fully qualified name of the object.")

    @strawberry.field(description="The object before; null when it was not there.")
    def before(self) -> JSON | None:
        return _shown(self._entry.change, "before")

    @strawberry.field(description="The object after; null when it is not there any more.")
    def after(self) -> JSON | None:
        return _shown(self._entry.change, "after")

    @strawberry.field(
        description="The object as it is now, or its tombstone; of an index or constraint its table. "
        "Null when it is no longer kept."
    )
    async def object(self, info: Info) -> CatalogNode | None:
        return await wrap.load_catalog_node(info, self._entry.object_id)


@strawberry.type(description="What differs between two revisions of a source's catalog.")
class SchemaDiff:
    """Two revisions, compared."""

    _source: strawberry.Private[DataSource]
    _diff: strawberry.Private[catalog.SchemaDiff]
    from_: int = strawberry.field(name="from", description="The revision that the changes lead from.")
    to: int = strawberry.field(description="The revision that the changes lead to.")

    @strawberry.field(description="What the latest discovery did not read, and may have changed unseen.")
    def incomplete(self) -> list[Unreadable]:
        return unreadable(self._source.name, self._diff.incomplete)

    @strawberry.field(description="What differs, by name. A change belongs to the outermost object that changed.")
    async def changes(
        self, info: Info, first: First = strawberry.UNSET, after: After = strawberry.UNSET
    ) -> Connection[Change]:
        context = info.context
        window = await context.services.catalog.changes(context.viewer, self._diff, page(first, after))
        return connection(info, window, lambda one: change(self._source.name, one), lambda: self._count(info))

    async def _count(self, info: Info) -> Count:
        value, exact = await info.context.services.catalog.count_changes(info.context.viewer, self._diff)
        return Count(value=value, exact=exact)


def change(source_name: str, entry: ChangeEntry) -> Change:
    """A window on a change of the source."""
    return Change(
        _entry=entry,
        id=strawberry.ID(entry.id),
        revision=entry.revision,
        at=entry.at,
        action=action_of(entry.change),
        fqn=fqn.join((source_name, *entry.path)),
    )


def schema_diff(source: DataSource, diff: catalog.SchemaDiff) -> SchemaDiff:
    """A window on a comparison."""
    return SchemaDiff(_source=source, _diff=diff, from_=diff.from_revision, to=diff.to_revision)


def _shown(value: domain.Change, side: str) -> JSON | None:
    """One side of a change as JSON, its names as in the schema."""
    found = getattr(value, side, None)
    if found is None:
        return None
    if isinstance(value, ModifyTable) and isinstance(found, Table):
        found = {name: part for name, part in msgspec.structs.asdict(found).items() if name not in _PARTS_OF_A_TABLE}
    return JSON(_camel_case(msgspec.to_builtins(found)))


def _camel_case(value: Any) -> Any:
    if isinstance(value, dict):
        return {to_camel_case(name): _camel_case(part) for name, part in value.items()}
    return [_camel_case(part) for part in value] if isinstance(value, list | tuple) else value
