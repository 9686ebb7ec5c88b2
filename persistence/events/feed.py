"""What this process hands to its subscribers: one reader over the log, one shared ring of the newest events."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Self

from domain.errors import Unavailable
from domain.models.access import Viewer, system_viewer
from domain.models.event import EventFilter, Gap, GapReason, LoggedEvent
from persistence.background import end
from persistence.events.log import Entry, LogState, SqlEventLog, is_visible, is_wanted
from persistence.events.redis_stream import RedisFanOut
from persistence.events.ring import Ring

POLL_S = 0.2  # how long the facts of a process that died after its commit may stay without a position
ALONE_POLL_S = 1.0  # enough where no other process writes: every commit of our own is followed by a nudge
BUSY_S = 0.02  # another process is giving positions: look again soon, ours may have come too late for it
AWAY_S = 1.0  # between attempts while the store is away
HEARTBEAT_S = 1.0
RING_EVENTS = 4_096  # a subscriber further behind is served from the table
RING_CHUNK = 100
TABLE_CHUNK = 500
BREATHE_EVERY = 20

_EVERYTHING = EventFilter()
_READER = system_viewer("event-feed")

log = logging.getLogger(__name__)


class LogFeed:
    """The live side of an event log. An async context manager: its tasks run while it is open.

    With a `fan_out`, other processes hear of our events at once and we of theirs; without it, or while its Redis is
    away, within `poll_s` seconds (`ALONE_POLL_S` for the embedded set-up).
    """

    def __init__(self, event_log: SqlEventLog, *, fan_out: RedisFanOut | None = None, poll_s: float = POLL_S) -> None:
        self._log = event_log
        self._fan_out = fan_out
        self._poll_s = poll_s
        self._ring = Ring(RING_EVENTS)
        self._filling = asyncio.Lock()
        self._nudged = asyncio.Event()
        self._changed = asyncio.Event()
        self._epoch = ""
        self._epoch_began_at = 0
        self._followers = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        state, _ = await self._log.sequence()
        self._begin(state)
        self._tasks.append(asyncio.create_task(self._keep_up(), name="event feed"))
        if self._fan_out is not None:
            self._tasks.append(asyncio.create_task(self._fan_out.publish(self), name="event fan-out"))
            self._tasks.append(asyncio.create_task(self._fan_out.listen(self), name="event doorbell"))
        return self

    async def __aexit__(self, *_: object) -> None:
        await end(self._tasks)
        self._tasks.clear()
        if self._fan_out is not None:
            await self._fan_out.close()

    @property
    def position(self) -> int:
        """The position up to which this process has handed out events."""
        return self._ring.position

    @property
    def epoch(self) -> str:
        """The epoch that `position` belongs to."""
        return self._epoch

    def nudge(self) -> None:
        """Something was committed here: sequence and hand out now instead of at the next poll."""
        self._nudged.set()

    def follow(
        self, viewer: Viewer, after: int | None, wanted: EventFilter
    ) -> AsyncGenerator[LoggedEvent | Gap | None]:
        """Events after a position, no gap, no double, in order; None after each second in which there was none.

        `after=None` means from this call on, even when the first event is asked for later. A position above the head
        belongs to a log that was reset: a Gap says so, and events from now on follow. While the store is away, what
        has to be read from it waits.
        """
        return self._follow(viewer, self._epoch, self.position if after is None else after, wanted)

    async def _follow(
        self, viewer: Viewer, epoch: str, position: int, wanted: EventFilter
    ) -> AsyncGenerator[LoggedEvent | Gap | None]:
        self._followers += 1
        try:
            is_checked = position <= self.position
            spoke_at = time.monotonic()
            while True:
                changed = self._changed
                if epoch != self._epoch:
                    epoch, position = self._epoch, self._epoch_began_at
                    yield Gap(GapReason.LOG_RESET, None, None)
                entries = self._ring.after(position, RING_CHUNK)
                read_to = entries[-1].logged.position if entries else position
                if entries is None or not is_checked:
                    try:
                        entries, read_to, state = await self._log.scan(viewer, position, wanted, limit=TABLE_CHUNK)
                    except Unavailable:
                        await asyncio.sleep(AWAY_S)
                        yield None
                        continue
                    if state.epoch != epoch:
                        await _set_within(changed, AWAY_S)  # our own reader sees it within a poll
                        continue
                    if position > state.head and not is_checked:
                        position = read_to = self.position
                        yield Gap(GapReason.LOG_RESET, None, None)
                    elif position + 1 < state.tail:
                        yield Gap(GapReason.RETENTION, position + 1, state.tail - 1)
                    is_checked = True
                for place, entry in enumerate(entries, start=1):
                    if is_visible(entry, viewer) and is_wanted(entry, wanted):
                        yield entry.logged
                        spoke_at = time.monotonic()
                    if place % BREATHE_EVERY == 0:
                        await asyncio.sleep(0)
                is_idle = read_to == position
                position = read_to
                if is_idle:
                    await _set_within(changed, max(0.0, spoke_at + HEARTBEAT_S - time.monotonic()))
                if time.monotonic() >= spoke_at + HEARTBEAT_S:
                    yield None
                    spoke_at = time.monotonic()
        finally:
            self._followers -= 1

    # ── the reader ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _keep_up(self) -> None:
        is_away = False
        while True:
            self._nudged.clear()
            pause_s = self._poll_s
            try:
                pause_s = self._poll_s if await self._advance() else BUSY_S
                is_away = False
            except Unavailable as error:
                pause_s = AWAY_S
                if not is_away:
                    log.warning("The event feed waits for the metadata store: %s", error)
                is_away = True
            except Exception:
                # The only reader of this process: it goes on whatever happens.
                pause_s = AWAY_S
                log.exception("The event feed failed and tries again")
            await _set_within(self._nudged, pause_s)

    async def _advance(self) -> bool:
        """Sequences and takes up what is new; whether nothing was left without a position."""
        state, is_complete = await self._log.sequence()
        async with self._filling:
            if state.epoch == self._epoch and state.head < self.position:
                # The store was restored to an earlier state under our feet.
                await self._log.begin_epoch(self._epoch)
                state = await self._log.state()
            if state.epoch != self._epoch:
                self._begin(state)
            before = self.position
            while self.position < state.head:
                if self._followers == 0 and self._fan_out is None:
                    self._ring.start_at(state.head)  # nobody listens: there is nothing to load
                    break
                entries, read_to, now = await self._log.scan(_READER, self.position, _EVERYTHING, limit=TABLE_CHUNK)
                if now.epoch != self._epoch:
                    break  # seen at the next poll
                self._ring.append(entries, read_to)
                self._notify()
            if self.position != before:
                self._notify()
                if self._fan_out is not None:
                    self._fan_out.ring()
        return is_complete

    def _begin(self, state: LogState) -> None:
        self._epoch, self._epoch_began_at = state.epoch, state.head
        self._ring.start_at(state.head)
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # ── what the fan-out sees ────────────────────────────────────────────────────────────────────────────────────────

    async def entries_after(self, position: int, limit: int) -> list[Entry]:
        """What was handed out after a position, for publishing."""
        kept = self._ring.after(position, limit)
        if kept is not None:
            return kept
        entries, _, _ = await self._log.scan(_READER, position, _EVERYTHING, limit=limit)
        return entries

    async def take(self, epoch: str, found: Sequence[tuple[int, Entry | None]]) -> None:
        """Takes up what another process has published, as far as it continues what we have; the rest is read."""
        async with self._filling:
            for position, entry in found:
                if epoch != self._epoch or position <= self.position:
                    continue
                if entry is None or position != self.position + 1:
                    self.nudge()
                    break
                self._ring.append((entry,), position)
            self._notify()

    async def compare(self, epoch: str, top: int) -> bool:
        """Whether a stream with this top belongs to our store; a stream above the store's head starts a new epoch.

        Events are published after their commit, so such a stream tells of a store that was restored from a backup.
        """
        if top <= self.position and epoch == self._epoch:
            return True
        state = await self._log.state()
        if state.epoch == epoch and top <= state.head:
            return True
        if state.epoch == epoch:
            log.warning("The event stream is ahead of the metadata store, which was restored: a new epoch begins")
            await self._log.begin_epoch(epoch)
        self.nudge()
        return False


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    """Waits for the event, at most this long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
