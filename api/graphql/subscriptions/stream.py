"""What all subscriptions share: every event is answered from a fresh look, and failures are told."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from api.graphql.context import Info
from api.graphql.errors import problem_error
from domain.errors import ProblemError

T = TypeVar("T")
R = TypeVar("R")


async def streamed(info: Info, items: AsyncGenerator[T, None], window: Callable[[T], R]) -> AsyncGenerator[R, None]:
    """The windows on the items of a stream, which is closed with this one."""
    try:
        async with aclosing(items):
            async for item in items:
                info.context.forget()
                yield window(item)
    except ProblemError as error:
        raise problem_error(error.problem) from error
