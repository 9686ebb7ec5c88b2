"""One level of names below a source."""

from typing import TYPE_CHECKING, Annotated, Self

import strawberry

import api.graphql.types.data_source as data_sources
import api.graphql.types.reference as references
import api.graphql.types.table as tables_of
from api.graphql.arguments import After, First, IncludeRemoved, Kinds, Match, given, given_all, given_or, page
from api.graphql.context import Info
from api.graphql.types.entry import entry_attributes, pin_of
from api.graphql.types.node import CatalogNode
from api.graphql.types.page import Connection, connection, counted
from domain.models import data_source as domain
from domain.models.catalog import NamespaceEntry
from domain.ports.repositories.catalog import CatalogFilter, ObjectAt, Pin
from domain.services.catalog import PinnedSource
from domain.services.pages import PageRequest

if TYPE_CHECKING:
    from api.graphql.types.data_source import DataSource
    from api.graphql.types.table import Table


@strawberry.federation.type(
    description="A schema, or what its system has in its place: one level of names below a source.",
    keys=["id", "fqn"],
)
class Namespace(CatalogNode):
    """One level of names."""

    _source: strawberry.Private[domain.DataSource]
    _entry: strawberry.Private[NamespaceEntry]
    path: list[str] = strawberry.field(description='In the system\'s own words, such as `["shop", "public"]`.')
    comment: str | None = strawberry.field(description="What the system says of it.")

    @strawberry.field(description="The source that it is in.")
    def data_source(self) -> Annotated["DataSource", strawberry.lazy("api.graphql.types.data_source")]:
        return data_sources.data_source(PinnedSource(self._source, pin_of(self._entry)))

    @strawberry.field(description="Its tables, by name.")
    async def tables(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        match: Match = strawberry.UNSET,
        kinds: Kinds = strawberry.UNSET,
        include_removed: IncludeRemoved = strawberry.UNSET,
    ) -> Connection[Annotated["Table", strawberry.lazy("api.graphql.types.table")]]:
        wanted = CatalogFilter(given(match), given_all(kinds), given_or(include_removed, False))
        parent = ObjectAt(self._entry.id, pin_of(self._entry))
        return await tables_of.load_tables(info, self._source, parent, wanted, page(first, after), self)

    @classmethod
    async def resolve_reference(cls, info: Info, id: str | None = None, fqn: str | None = None) -> Self | None:
        """The namespace that a gateway names by one of its keys."""
        return await references.resolve(cls, info, id, fqn)


def namespace(source: domain.DataSource, entry: NamespaceEntry) -> Namespace:
    """A window on a namespace of the source."""
    return Namespace(
        _source=source,
        _entry=entry,
        **entry_attributes(source, entry),
        path=list(entry.path),
        comment=entry.comment,
    )


async def load_namespaces(
    info: Info, source: domain.DataSource, pin: Pin, wanted: CatalogFilter, request: PageRequest
) -> Connection[Namespace]:
    """A page of the namespaces of the source."""
    loaders = info.context.loaders
    window = await loaders.namespaces(wanted, request).load(pin)
    return connection(
        info,
        window,
        lambda entry: namespace(source, entry),
        counted(lambda: loaders.count_namespaces(wanted).load(pin)),
    )
