"""From any domain node to the window on it."""

from typing import TYPE_CHECKING

import api.graphql.types.change as changes
import api.graphql.types.column as columns
import api.graphql.types.data_source as data_sources
import api.graphql.types.namespace as namespaces
import api.graphql.types.operation as operations
import api.graphql.types.relationship as relationships
import api.graphql.types.table as tables
from api.graphql.types.node import CatalogNode
from domain.models.catalog import CatalogEntry, ColumnEntry, NamespaceEntry, TableEntry
from domain.models.change import ChangeEntry
from domain.models.operation import Operation
from domain.models.relationship import RelationshipEntry
from domain.services import catalog
from domain.services.catalog import PinnedSource

if TYPE_CHECKING:
    from api.graphql.context import Info
    from api.graphql.types.node import Node


async def node(info: "Info", found: "catalog.Node | None") -> "Node | None":
    """A window on whatever was found; null when its source went away meanwhile."""
    if found is None:
        return None
    if isinstance(found, Operation):
        return operations.operation(found)
    if not isinstance(found, RelationshipEntry | ChangeEntry):
        return await catalog_node(info, found)
    source = await info.context.loaders.sources.load(found.data_source_id)
    if source is None:
        return None
    return (
        changes.change(source.name, found)
        if isinstance(found, ChangeEntry)
        else relationships.relationship(source, found)
    )


async def catalog_node(info: "Info", found: PinnedSource | CatalogEntry | None) -> CatalogNode | None:
    """A window on a source or a catalog object."""
    if found is None or isinstance(found, PinnedSource):
        return None if found is None else data_sources.data_source(found)
    source = await info.context.loaders.sources.load(found.data_source_id)
    if source is None:
        return None
    match found:
        case NamespaceEntry():
            return namespaces.namespace(source, found)
        case TableEntry():
            return tables.table(source, found)
        case ColumnEntry():
            return columns.column(source, found)
    raise TypeError(f"there is no window on {type(found).__name__}")


async def load_catalog_node(info: "Info", stable_id: str | None) -> CatalogNode | None:
    """A window on the object of this id as it is now, or on its tombstone."""
    found = None if stable_id is None else await node(info, await info.context.loaders.nodes(None).load(stable_id))
    return found if isinstance(found, CatalogNode) else None
