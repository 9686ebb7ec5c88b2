"""Arguments that many fields share."""

from typing import Annotated, TypeVar

import strawberry

from domain.models.catalog import TableKind
from domain.services.pages import PageRequest

T = TypeVar("T")

First = Annotated[
    int | None,
    strawberry.argument(description="How many at most: 0 to the server's page size (100 unless set), else 50."),
]
FirstColumns = Annotated[
    int | None,
    strawberry.argument(
        description="How many at most: 0 to the server's page size for columns (500 unless set), else 50."
    ),
]
After = Annotated[
    str | None,
    strawberry.argument(description="The cursor to go on behind; it belongs to this list with these arguments."),
]
Match = Annotated[
    str | None,
    strawberry.argument(
        description="Only those whose name holds this text, in any case; "
        "`*` and `?` make it a pattern of the whole name."
    ),
]
Kinds = Annotated[list[TableKind] | None, strawberry.argument(description="Only tables of these kinds.")]
IncludeRemoved = Annotated[
    bool | None, strawberry.argument(description="Also those that are gone, as tombstones with `removedAt`.")
]


def given(value: T | None) -> T | None:
    """The value, None for an argument that was left out."""
    return None if value is strawberry.UNSET else value


def given_or(value: T | None, default: T) -> T:
    """The value, the default for an argument that was left out or null."""
    found = given(value)
    return default if found is None else found


def given_all(values: list[T] | None) -> tuple[T, ...] | None:
    """The values in the order they were given, each once; None for an argument that was left out."""
    found = given(values)
    return None if found is None else tuple(dict.fromkeys(found))


def page(first: int | None, after: str | None) -> PageRequest:
    """Which page is asked for."""
    return PageRequest(given(first), given(after))
