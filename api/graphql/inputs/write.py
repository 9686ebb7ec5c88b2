"""How a write is made."""

from typing import Annotated

import strawberry

from api.graphql.arguments import given
from domain.models import registration as domain


@strawberry.input(description="How a write is made.")
class WriteOptions:
    """How a write is made."""

    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Makes repeating safe: the same key and request answer the same for 24 hours; "
        "another request under the key is refused (KEY_REUSED).",
    )
    dry_run: bool | None = strawberry.field(default=False, description="Only say what would happen.")


WriteArgument = Annotated[WriteOptions | None, strawberry.argument(description="How to write.")]


def write_options(value: WriteOptions | None) -> domain.WriteOptions:
    """The domain's form of it."""
    said = given(value)
    if said is None:
        return domain.WriteOptions()
    return domain.WriteOptions(given(said.idempotency_key), bool(said.dry_run))
