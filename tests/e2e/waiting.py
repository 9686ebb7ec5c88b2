"""Waiting for something that happens in another process, and so has no event to wait for."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(holds: Callable[[], bool], *, timeout_s: float = 10.0) -> None:
    """Returns once it holds. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def until_async(ask: Callable[[], Awaitable[T]], holds: Callable[[T], bool], *, timeout_s: float = 10.0) -> T:
    """The first answer for which it holds. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not holds(answer := await ask()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return answer
