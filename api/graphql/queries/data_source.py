"""Sources."""

from typing import Annotated

import strawberry

from api.graphql.arguments import After, First, Match, given, given_all, page
from api.graphql.context import Info
from api.graphql.inputs.at import At, point
from api.graphql.inputs.data_source_by import DataSourceBy
from api.graphql.types import wrap
from api.graphql.types.change import SchemaDiff, schema_diff
from api.graphql.types.data_source import DataSource, current_data_source
from api.graphql.types.page import Connection, connection, counted
from domain.models.data_source import DataSourceKind, DataSourceStatus, SourceEnvironment
from domain.ports.repositories.data_sources import DataSourceFilter
from domain.rules import ids


@strawberry.type(description="Roots of sources.")
class DataSourceQueries:
    """Sources."""

    @strawberry.field(description="A source by its id or name; null when it is not there or may not be seen.")
    async def data_source(
        self, info: Info, by: Annotated[DataSourceBy, strawberry.argument(description="Which one.")]
    ) -> DataSource | None:
        loaders = info.context.loaders
        if (name := given(by.name)) is not None:
            source = await loaders.sources_by_name.load(name)
            return None if source is None else current_data_source(source)
        found = await wrap.node(info, await loaders.nodes(None).load(given(by.id) or ""))
        return found if isinstance(found, DataSource) else None

    @strawberry.field(description="Sources, by name.")
    async def data_sources(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        kinds: Annotated[
            list[DataSourceKind] | None, strawberry.argument(description="Only systems of these kinds.")
        ] = strawberry.UNSET,
        environments: Annotated[
            list[SourceEnvironment] | None, strawberry.argument(description="Only those used for these.")
        ] = strawberry.UNSET,
        statuses: Annotated[
            list[DataSourceStatus] | None, strawberry.argument(description="Only those that stand so.")
        ] = strawberry.UNSET,
        match: Match = strawberry.UNSET,
        tag: Annotated[
            str | None, strawberry.argument(description="Only those with this tag, exactly.")
        ] = strawberry.UNSET,
    ) -> Connection[DataSource] | None:
        service, viewer = info.context.services.data_sources, info.context.viewer
        wanted = DataSourceFilter(
            given_all(kinds), given_all(environments), given_all(statuses), given(match), given(tag)
        )
        window = await service.page(viewer, wanted, page(first, after))
        return connection(info, window, current_data_source, counted(lambda: service.count(viewer, wanted)))

    @strawberry.field(description="What differs between two points in time of a source's catalog.")
    async def schema_diff(
        self,
        info: Info,
        data_source: Annotated[strawberry.ID, strawberry.argument(description="The source.")],
        from_: Annotated[At, strawberry.argument(name="from", description="The point that the changes lead from.")],
        to: Annotated[
            At | None,
            strawberry.argument(
                description="The point that they lead to, before or after the other; the present when not given."
            ),
        ] = strawberry.UNSET,
    ) -> SchemaDiff | None:
        context, since = info.context, point(from_)
        assert since is not None  # the argument is needed
        source_id = ids.parse(data_source)[1]
        diff = await context.services.catalog.schema_diff(context.viewer, source_id, since, point(to))
        source = await context.loaders.sources.load(source_id)
        return None if source is None else schema_diff(source, diff)
