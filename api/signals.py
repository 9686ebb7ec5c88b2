"""SIGINT and SIGTERM of a process that serves or works."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

_STOP = (signal.SIGINT, signal.SIGTERM)


def on_stop(stop: Callable[[], None]) -> None:
    """Calls it, in the running loop, at each of the two signals from now on."""
    loop = asyncio.get_running_loop()
    for number in _STOP:
        loop.add_signal_handler(number, stop)


class Startup:
    """Until `on_stop` is called with something else, a signal cancels this task and is remembered.

    A cancellation alone may get lost on the way: libraries swallow one that comes at a bad moment. Whoever has started
    looks at `is_stopped`.
    """

    def __init__(self) -> None:
        self.is_stopped = False
        self._task = asyncio.current_task()
        on_stop(self._stop)

    def _stop(self) -> None:
        self.is_stopped = True
        assert self._task is not None
        self._task.cancel()


async def until_stopped(work: Callable[[Startup], Awaitable[None]]) -> None:
    """Runs it in this task. That a signal ended its startup is no failure."""
    startup = Startup()
    try:
        await work(startup)
    except asyncio.CancelledError:
        if not startup.is_stopped:
            raise
