"""Time, chance and names come from outside, so that tests can choose them."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The present."""

    def now(self) -> datetime:
        """The present in UTC, aware."""
        ...

    def monotonic_s(self) -> float:
        """Seconds on a clock that never goes back; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Ids(Protocol):
    """Names that nobody can guess and that never repeat."""

    def new(self, prefix: str) -> str:
        """Such as `src_4k2m…`: the prefix tells the kind of object (`rules.ids`)."""
        ...
