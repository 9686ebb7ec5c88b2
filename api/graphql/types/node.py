"""What all things with an id have in common."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

if TYPE_CHECKING:
    from api.graphql.types.data_source import DataSource


@strawberry.interface(description="Anything that can be asked for again by its id.")
class Node:
    """Anything with a global id."""

    id: strawberry.ID = strawberry.field(
        description="Opaque, stable and global. Of an object that was read through `at`, it leads to that revision."
    )


@strawberry.interface(description="A source or anything found in one. What is gone stays as a tombstone for a while.")
class CatalogNode(Node):
    """A source or anything found in one."""

    fqn: str = strawberry.field(
        description="The fully qualified name: the source, then the path in the system's own words; "
        "each part quoted if needed."
    )
    name: str = strawberry.field(description="The last part of the fully qualified name, unquoted.")
    first_seen_at: datetime = strawberry.field(
        description="When it was first found. Of a source: when it was registered."
    )
    last_seen_at: datetime = strawberry.field(
        description="When it was last known to be there. Of a source: its newest test, discovery or registration."
    )
    removed_at: datetime | None = strawberry.field(
        description="When it was found to be gone, null while it is there. A deleted source is not kept."
    )

    @strawberry.field(description="The source that this belongs to; a source itself.")
    def data_source(self) -> Annotated["DataSource", strawberry.lazy("api.graphql.types.data_source")]:
        raise NotImplementedError  # each kind of node has its own way to its source
