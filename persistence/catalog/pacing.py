"""Work in the event loop that lets others in between."""

import asyncio
from time import perf_counter

_STRETCH_S = 0.004  # what others wait at most for one piece of pure work, besides the piece itself


class Pace:
    """Ask it between pieces of work of at most a few hundred microseconds each."""

    def __init__(self) -> None:
        self._since = perf_counter()

    async def breathe(self) -> None:
        """Lets the event loop turn when this work has held it for some milliseconds."""
        if perf_counter() - self._since > _STRETCH_S:
            await asyncio.sleep(0)
            self._since = perf_counter()
