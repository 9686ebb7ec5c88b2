"""Ctrl-C, noticed wherever it comes.

Python raises KeyboardInterrupt in whatever happens to run, and one that comes in a destructor or a callback is dropped
there (https://docs.python.org/3/library/signal.html#handlers-and-exceptions). So it is counted as well, and whoever
waits in a loop looks at the count. A signal belongs to the process: so does this count.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class _Count:
    def __init__(self) -> None:
        self.asked = 0
        self.handled = 0
        self.is_held = False

    @property
    def open(self) -> int:
        return self.asked - self.handled


_count = _Count()


@contextmanager
def noticed() -> Iterator[None]:
    """Ctrl-C or SIGTERM is counted, and raises KeyboardInterrupt, until the end of the block."""

    def ask(number: int, frame: FrameType | None) -> None:
        _count.asked += 1
        if not _count.is_held or _count.open > 1:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check() -> None:
    """Raises KeyboardInterrupt where one was asked for and got lost."""
    if _count.open and not _count.is_held:
        raise KeyboardInterrupt


def handled() -> None:
    """What was asked for so far is being done: only another ctrl-C counts from now on."""
    _count.handled = _count.asked


@contextmanager
def undisturbed() -> Iterator[None]:
    """A ctrl-C waits for the first `check` behind the block: what is started in it then has a name to be cancelled by.

    A second one does not wait.
    """
    _count.is_held = True
    try:
        yield
    finally:
        _count.is_held = False
