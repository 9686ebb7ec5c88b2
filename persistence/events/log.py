"""The event log in the metadata store: facts get dense positions 1, 2, 3 … once they are committed."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, insert, literal, or_, select, text, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.models.access import Viewer
from domain.models.data_source import DataSource, Sensitivity, SourceEnvironment
from domain.models.event import ChangeEvent, Event, EventFilter, EventType, LoggedEvent, OperationEvent
from domain.rules import fqn
from persistence.database import Database, Dialect
from persistence.tables.events import event_log, events, new_epoch

SCAN_LIMIT = 10_000  # positions that one `read` looks at, however few of them are wanted
SEQUENCE_BATCH = 1_000
PRUNE_BATCH = 1_000
EPOCH_CACHE_S = 1.0

# The first number says what is locked, the second in which schema: several stores may share a database.
_LOCK = text("SELECT pg_try_advisory_xact_lock(1212503095, hashtext(current_schema()))")

# In the order of writing, which is the order of commit within a source: its row is locked before the fact is written.
_GIVE_POSITIONS = text(
    """
    WITH waiting AS (
        SELECT id, row_number() OVER (ORDER BY id) AS place
        FROM (SELECT id FROM events WHERE position IS NULL ORDER BY id LIMIT :batch) AS oldest
    ), placed AS (
        UPDATE events SET position = event_log.head + waiting.place
        FROM waiting, event_log WHERE events.id = waiting.id
        RETURNING 1
    )
    UPDATE event_log SET head = head + (SELECT count(*) FROM placed) RETURNING head
    """
)


class NewEvent(NamedTuple):
    """A fact about to be written. `environment` and `sensitivity` are those of its source."""

    event: Event
    at: datetime
    actor: str
    data_source_id: str | None
    fqn: str | None
    environment: SourceEnvironment
    sensitivity: Sensitivity


def new_event(event: Event, at: datetime, actor: str, data_source: DataSource | None) -> NewEvent:
    """The row of a fact. Without a source only its actor sees it, so the other two are the strictest there are."""
    if isinstance(event, OperationEvent):
        actor = event.actor  # a worker goes on with it in its own name
    if data_source is None:
        return NewEvent(event, at, actor, None, None, SourceEnvironment.PRODUCTION, Sensitivity.RESTRICTED)
    path = event.path if isinstance(event, ChangeEvent) else ()
    name = fqn.join((data_source.name, *path))
    return NewEvent(event, at, actor, data_source.id, name, data_source.environment, data_source.sensitivity)


async def append_events(connection: AsyncConnection, dialect: Dialect, rows: Sequence[NewEvent]) -> None:
    """Writes facts as the last thing of a transaction, in the order given.

    SQLite has one writer at a time, so the order of writing is that of commit and positions are given here. On
    PostgreSQL an earlier transaction may commit later: positions are given after the commit, by `sequence`.
    """
    if not rows:
        return
    head = 0
    if dialect == "sqlite":
        statement = update(event_log).values(head=event_log.c.head + len(rows)).returning(event_log.c.head)
        head = (await connection.execute(statement)).scalar_one() - len(rows)
    await connection.execute(
        insert(events),
        [
            {
                "position": head + place if dialect == "sqlite" else None,
                "at": row.at,
                "type": type_of(row.event),
                "data_source_id": row.data_source_id,
                "fqn": row.fqn,
                "environment": row.environment,
                "sensitivity": row.sensitivity,
                "actor": row.actor,
                "event": row.event,
            }
            for place, row in enumerate(rows, start=1)
        ],
    )


class LogState(NamedTuple):
    """Where the log stands: read in one statement, so the three belong together."""

    epoch: str
    head: int
    tail: int


class Entry(NamedTuple):
    """An event with what filters look at but subscribers do not get."""

    logged: LoggedEvent
    fqn: str | None


class SqlEventLog:
    """The event log of one metadata store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._epoch = ""
        self._epoch_read_at = -EPOCH_CACHE_S

    async def epoch(self) -> str:
        """Random; another one after the log was reset or restored. At most a second old."""
        if time.monotonic() - self._epoch_read_at > EPOCH_CACHE_S:
            await self.state()
        return self._epoch

    async def head(self) -> int:
        """The newest position; 0 for an empty log."""
        return (await self.state()).head

    async def tail(self) -> int:
        """The oldest position that is still kept (head + 1 when none is)."""
        return (await self.state()).tail

    async def state(self) -> LogState:
        """Epoch, head and tail, without giving any positions."""
        async with self._database.read() as connection:
            return await self._state(connection)

    async def read(
        self, viewer: Viewer, after: int, wanted: EventFilter, *, limit: int
    ) -> tuple[Sequence[LoggedEvent], int]:
        """Visible, wanted events after a position, and the position up to which the log was read.

        At most `limit` events, out of at most 10,000 positions: it may return none and yet not have reached the head.
        """
        rows, read_to, _ = await self.scan(viewer, after, wanted, limit=limit)
        return [row.logged for row in rows], read_to

    async def scan(
        self, viewer: Viewer, after: int, wanted: EventFilter, *, limit: int
    ) -> tuple[list[Entry], int, LogState]:
        """What `read` gives, with the state of the log in the same snapshot: nothing was pruned in between."""
        async with self._database.read() as connection:
            state = await self._state(connection)
            end = min(state.head, max(after, state.tail - 1) + SCAN_LIMIT)
            if end <= after:
                return [], after, state
            statement = (
                select(events)
                .where(events.c.position > after, events.c.position <= end, _visible(viewer), _wanted(wanted))
                .order_by(events.c.position)
                .limit(limit)
            )
            rows = [_entry(row) for row in await connection.execute(statement)]
        return rows, rows[-1].logged.position if len(rows) == limit else end, state

    async def count(self, viewer: Viewer, after: int, wanted: EventFilter, *, at_most: int) -> int:
        """How many visible, wanted events follow a position; stops counting at `at_most`."""
        matching = (
            select(literal(1))
            .where(events.c.position > after, _visible(viewer), _wanted(wanted))
            .limit(at_most)
            .subquery()
        )
        async with self._database.read() as connection:
            return (await connection.execute(select(func.count()).select_from(matching))).scalar_one()

    async def sequence(self) -> tuple[LogState, bool]:
        """Gives committed events without a position theirs; the state afterwards, and whether nothing was left over.

        Safe to call from everywhere. Where another process is at it this very moment, the next call gets what is left.
        """
        async with self._database.read() as connection:
            state = await self._state(connection)
            is_waiting = self._database.dialect == "postgresql" and await self._is_waiting(connection)
        if not is_waiting:
            return state, True
        while True:
            async with self._database.write() as connection:
                if not (await connection.execute(_LOCK)).scalar_one():
                    return await self._state(connection), False
                # A statement of its own after the lock: it sees what the last holder committed.
                head = (await connection.execute(_GIVE_POSITIONS, {"batch": SEQUENCE_BATCH})).scalar_one()
                is_waiting = await self._is_waiting(connection)
            if not is_waiting:
                return state._replace(head=head), True
            await asyncio.sleep(0)

    async def begin_epoch(self, instead_of: str) -> str:
        """Another epoch, unless somebody was first; the one that holds now."""
        async with self._database.write() as connection:
            await connection.execute(update(event_log).where(event_log.c.epoch == instead_of).values(epoch=new_epoch()))
            return (await self._state(connection)).epoch

    async def prune(self, *, now: datetime, keep_days: float, keep_events: int) -> int:
        """Deletes what is older than `keep_days`, and all but the newest `keep_events`; returns how many.

        From the old end only, so that what is kept stays dense; in small transactions.
        """
        async with self._database.read() as connection:
            state = await self._state(connection)
            first_young = (
                await connection.execute(
                    select(events.c.position)
                    .where(events.c.position >= state.tail, events.c.at >= now - timedelta(days=keep_days))
                    .order_by(events.c.position)
                    .limit(1)
                )
            ).scalar_one_or_none()
        new_tail = max(state.head - keep_events + 1, state.head + 1 if first_young is None else first_young)
        removed = 0
        for end in range(state.tail, new_tail, PRUNE_BATCH):
            tail = min(end + PRUNE_BATCH, new_tail)
            async with self._database.write() as connection:
                await connection.execute(update(event_log).where(event_log.c.tail < tail).values(tail=tail))
                gone = await connection.execute(delete(events).where(events.c.position < tail))
            removed += gone.rowcount
        return removed

    async def _state(self, connection: AsyncConnection) -> LogState:
        row = (await connection.execute(select(event_log.c.epoch, event_log.c.head, event_log.c.tail))).one()
        self._epoch, self._epoch_read_at = row.epoch, time.monotonic()
        return LogState(row.epoch, row.head, row.tail)

    async def _is_waiting(self, connection: AsyncConnection) -> bool:
        waiting = select(literal(1)).select_from(events).where(events.c.position.is_(None)).limit(1)
        return (await connection.execute(waiting)).first() is not None


def type_of(event: Event) -> EventType:
    """What an event is about."""
    return EventType(str(event.__struct_config__.tag))


def is_visible(entry: Entry, viewer: Viewer) -> bool:
    """The same decision as the SQL predicate, for what is already in memory."""
    logged = entry.logged
    if viewer.kind == "system":
        return True
    if logged.event.data_source_id is None:
        return logged.actor == viewer.name
    return viewer.scope.allows(logged.event.data_source_id, logged.environment, logged.sensitivity)


def is_wanted(entry: Entry, wanted: EventFilter) -> bool:
    """The same decision as the SQL predicate, for what is already in memory."""
    return (
        (wanted.types is None or type_of(entry.logged.event) in wanted.types)
        and (wanted.data_sources is None or entry.logged.event.data_source_id in wanted.data_sources)
        and (wanted.under is None or (entry.fqn is not None and _is_under(entry.fqn, fqn.join(wanted.under))))
    )


def _is_under(name: str, ancestor: str) -> bool:
    # Quoting is canonical, so a prefix that ends at a dot is a prefix of the path.
    return name == ancestor or name.startswith(f"{ancestor}.")


def _visible(viewer: Viewer) -> ColumnElement[bool]:
    if viewer.kind == "system":
        return true()
    scope = viewer.scope
    bounds: list[ColumnElement[bool]] = [events.c.data_source_id.is_not(None)]
    if scope.data_sources is not None:
        bounds.append(events.c.data_source_id.in_(scope.data_sources))
    if scope.environments is not None:
        bounds.append(events.c.environment.in_(scope.environments))
    if scope.sensitivity_ceiling is not None:
        bounds.append(events.c.sensitivity.in_([s for s in Sensitivity if s.rank <= scope.sensitivity_ceiling.rank]))
    return or_(and_(*bounds), and_(events.c.data_source_id.is_(None), events.c.actor == viewer.name))


def _wanted(wanted: EventFilter) -> ColumnElement[bool]:
    bounds: list[ColumnElement[bool]] = [true()]
    if wanted.types is not None:
        bounds.append(events.c.type.in_(wanted.types))
    if wanted.data_sources is not None:
        bounds.append(events.c.data_source_id.in_(wanted.data_sources))
    if wanted.under is not None:
        name = fqn.join(wanted.under)
        below = f"{name}."
        # Not LIKE: SQLite's ignores case.
        bounds.append(or_(events.c.fqn == name, func.substr(events.c.fqn, 1, len(below)) == below))
    return and_(*bounds)


def _entry(row: Any) -> Entry:
    logged = LoggedEvent(row.position, row.at, row.event, row.environment, row.sensitivity, row.actor)
    return Entry(logged, row.fqn)
