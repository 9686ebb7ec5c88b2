"""A bounded piece of an ordered set."""

from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class PageLimits(Struct, frozen=True):
    """How many items one page may hold, and how many columns: tables have more columns than sources have tables."""

    items: int = 100
    columns: int = 500


class Page(Struct, frozen=True):
    """What is asked for: the `first` rows after the sort key `after` (keyset, exclusive; None: from the start)."""

    first: int
    after: tuple[str, ...] | None = None


class Slice(Struct, Generic[T], frozen=True):
    """What is had: the rows in order, each with its sort key, and whether more follow."""

    items: tuple[T, ...]
    keys: tuple[tuple[str, ...], ...]  # keys[i] is the sort key of items[i]
    has_next: bool
