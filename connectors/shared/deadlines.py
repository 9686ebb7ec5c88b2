"""One outer deadline around every conversation: drivers' own limits hang for 30 s and more against broken servers."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from domain.errors import Unreachable


class Deadline(Struct, frozen=True):
    """A moment of the monotonic clock after which a conversation is over."""

    at_s: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The deadline that is `seconds` away."""
        return cls(time.monotonic() + seconds)

    @property
    def left_s(self) -> float:
        """How much time is left, never negative."""
        return max(0.0, self.at_s - time.monotonic())

    def at_most(self, seconds: float) -> float:
        """A time limit for one part of the conversation: `seconds`, or what is left if that is less."""
        return min(seconds, self.left_s)

    @asynccontextmanager
    async def enforce(self, phase: str) -> AsyncIterator[None]:
        """Cancels the block when the deadline comes. Raises `Unreachable` TIMED_OUT in `phase`."""
        limit = asyncio.timeout(self.left_s)
        try:
            async with limit:
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise  # somebody else's time-out: theirs to explain
            raise timed_out(phase) from error


def timed_out(phase: str) -> Unreachable:
    """The one sentence for a foreign system that let the time run out."""
    return Unreachable("TIMED_OUT", f"The server did not answer in time ({phase.replace('_', ' ')}).", phase=phase)
