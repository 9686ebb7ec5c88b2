"""Keyset pages: a list that was walked to a cursor goes on right behind it, on the revision it began on."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import strawberry

from api.graphql.context import Info
from api.graphql.types.fact import Count
from domain.services.pages import Window

T = TypeVar("T")
V = TypeVar("V")


@strawberry.federation.type(description="Where a page lies in its list.", shareable=True)
class PageInfo:
    """Where a page lies."""

    _window: strawberry.Private[Window[Any]]
    has_next_page: bool = strawberry.field(description="Whether more follow.")
    has_previous_page: bool = strawberry.field(description="Whether something lies before this page.")

    @strawberry.field(description="The cursor of the first item; null on an empty page.")
    def start_cursor(self, info: Info) -> str | None:
        return info.context.services.pages.cursor(self._window, 0) if self._window.items else None

    @strawberry.field(description="The cursor of the last item, to go on behind; null on an empty page.")
    def end_cursor(self, info: Info) -> str | None:
        last = len(self._window.items) - 1
        return info.context.services.pages.cursor(self._window, last) if last >= 0 else None


@strawberry.type(description="An item of a page with its cursor.")
class Edge(Generic[T]):
    """An item and its place."""

    _window: strawberry.Private[Window[Any]]
    _index: strawberry.Private[int]
    node: T = strawberry.field(description="The item.")

    @strawberry.field(description="Give it as `after` to go on behind this item.")
    def cursor(self, info: Info) -> str:
        return info.context.services.pages.cursor(self._window, self._index)


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    """A page of a list."""

    _window: strawberry.Private[Window[Any]]
    _count: strawberry.Private[Callable[[], Awaitable[Count]]]
    nodes: list[T] = strawberry.field(description="The items of this page, in order.")

    @strawberry.field(description="The items of this page with their cursors.")
    def edges(self) -> list[Edge[T]]:
        return [Edge(_window=self._window, _index=index, node=node) for index, node in enumerate(self.nodes)]

    @strawberry.field(description="Where this page lies in the list.")
    def page_info(self) -> PageInfo:
        return PageInfo(
            _window=self._window,
            has_next_page=self._window.has_next,
            has_previous_page=self._window.has_previous,
        )

    @strawberry.field(description="How many items the whole list has; counted only when asked for.")
    async def total_count(self) -> Count:
        return await self._count()


def connection(
    info: Info, window: Window[V], show: Callable[[V], T], total: Callable[[], Awaitable[Count]]
) -> Connection[T]:
    """A page of what `show` makes of the items of `window`; `total` counts the whole list."""
    return Connection(_window=window, _count=total, nodes=[show(item) for item in window.items])


def counted(number: Callable[[], Awaitable[int]]) -> Callable[[], Awaitable[Count]]:
    """A total that is counted to the end."""

    async def total() -> Count:
        return Count(value=await number(), exact=True)

    return total
