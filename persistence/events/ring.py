"""The newest events of this process, shared by all its subscribers: each keeps only its place in it."""

from collections import deque
from collections.abc import Sequence
from itertools import islice

from persistence.events.log import Entry


class Ring:
    """At most `size` events without a hole, up to `position`. What is older has to be read from the table."""

    def __init__(self, size: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self.position = 0

    def start_at(self, position: int) -> None:
        """Forgets everything and goes on after this position."""
        self._entries.clear()
        self.position = position

    def append(self, entries: Sequence[Entry], position: int) -> None:
        """Takes up events and stands at `position`. Where a hole would arise, what lies before it is forgotten."""
        for entry in entries:
            if entry.logged.position != self.position + 1:
                self._entries.clear()
            self._entries.append(entry)
            self.position = entry.logged.position
        if position != self.position:
            self.start_at(position)

    def after(self, position: int, limit: int) -> list[Entry] | None:
        """At most `limit` events that follow; empty at or beyond the newest; None when some are no longer here."""
        behind = self.position - position
        if behind <= 0:
            return []
        start = len(self._entries) - behind
        return None if start < 0 else list(islice(self._entries, start, start + limit))
