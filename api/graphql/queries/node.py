"""Anything by its id or name."""

import asyncio
from typing import Annotated

import strawberry

from api.graphql.context import Info
from api.graphql.inputs.at import AtArgument, point
from api.graphql.types import wrap
from api.graphql.types.node import CatalogNode, Node
from api.graphql.types.table import Table


@strawberry.type(description="Roots that other graphs have as well: left out of the federated schema.")
class NodeQueries:
    """Anything by its id."""

    @strawberry.field(description="Anything by its id; null when it is not there or may not be seen.")
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")],
        at: AtArgument = strawberry.UNSET,
    ) -> Node | None:
        return await wrap.node(info, await info.context.loaders.nodes(point(at)).load(id))

    @strawberry.field(description="Several at once, in the order of the ids, null for what is not there.")
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="At most 100 ids.")],
        at: AtArgument = strawberry.UNSET,
    ) -> list[Node | None] | None:
        context = info.context
        found = await context.services.catalog.nodes(context.viewer, ids, point(at))
        return await asyncio.gather(*(wrap.node(info, one) for one in found))


@strawberry.type(description="Roots of the catalog.")
class NameQueries:
    """The catalog by name."""

    @strawberry.field(description="A source, namespace, table or column by its fully qualified name.")
    async def by_fqn(
        self,
        info: Info,
        fqn: Annotated[str, strawberry.argument(description="Such as `shop.main.orders.id`.")],
        at: AtArgument = strawberry.UNSET,
    ) -> CatalogNode | None:
        return await wrap.catalog_node(info, await info.context.loaders.by_fqn(point(at)).load(fqn))

    @strawberry.field(description="A table by its fully qualified name.")
    async def table(
        self,
        info: Info,
        fqn: Annotated[str, strawberry.argument(description="Such as `shop.main.orders`.")],
        at: AtArgument = strawberry.UNSET,
    ) -> Table | None:
        found = await wrap.catalog_node(info, await info.context.loaders.by_fqn(point(at)).load(fqn))
        return found if isinstance(found, Table) else None
