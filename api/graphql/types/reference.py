"""Entities of a federated graph: what a gateway names by a key is found like everything else."""

from typing import TypeVar

import api.graphql.types.wrap as wrap
from api.graphql.context import Info
from api.graphql.types.node import Node

T = TypeVar("T", bound=Node)


async def resolve(cls: type[T], info: Info, id: str | None, fqn: str | None) -> T | None:
    """The object of type `cls` with this key; null when there is none. All of one request are read together."""
    if id is not None:
        found = await wrap.node(info, await info.context.loaders.nodes(None).load(id))
    elif fqn is not None:
        found = await wrap.catalog_node(info, await info.context.loaders.by_fqn(None).load(fqn))
    else:
        found = None
    return found if isinstance(found, cls) else None
