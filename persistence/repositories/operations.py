"""The record of long jobs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Conflict, InvalidInput, Superseded
from domain.models.access import Viewer
from domain.models.operation import Operation, OperationKind, OperationState
from domain.models.page import Page, Slice
from persistence.database import Database
from persistence.repositories.statements import BEFORE_ALL, locked
from persistence.store_errors import is_unique_violation
from persistence.tables.base import UtcDateTime
from persistence.tables.data_sources import data_sources
from persistence.tables.operations import FINAL_STATES, operations
from persistence.visibility import has_visible_source, visible, visible_operation

_is_not_final = operations.c.state.not_in(FINAL_STATES)


class SqlOperationReader:
    """Reads outside of any transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_ids(self, viewer: Viewer, ids: Sequence[str]) -> dict[str, Operation]:
        """The visible ones of these, by id."""
        statement = select(operations).where(visible_operation(viewer), operations.c.id.in_(ids))
        async with self._database.read() as connection:
            return {row.id: _from_row(row) for row in await connection.execute(statement)}

    async def pages(
        self, viewer: Viewer, data_source_ids: Sequence[str], kinds: Sequence[OperationKind] | None, page: Page
    ) -> dict[str, Slice[Operation]]:
        """By source, newest first. Keyset (created_at as ISO text, id). One statement for all sources."""
        wanted: list[ColumnElement[bool]] = [] if kinds is None else [operations.c.kind.in_(kinds)]
        if page.after is not None:
            wanted.append(_is_after(page.after))
        newest_first = (operations.c.created_at.desc(), operations.c.id.desc())
        # Up to here the index is read, however many operations are kept: numbering them all would read them all.
        last_wanted = (
            select(operations.c.created_at)
            .where(operations.c.data_source_id == data_sources.c.id, *wanted)
            .order_by(*newest_first)
            .limit(1)
            .offset(page.first)
            .correlate(data_sources)
            .scalar_subquery()
        )
        statement = (
            select(operations)
            .join(data_sources, data_sources.c.id == operations.c.data_source_id)
            .where(
                data_sources.c.id.in_(data_source_ids),
                visible(viewer.scope),
                *wanted,
                operations.c.created_at >= func.coalesce(last_wanted, BEFORE_ALL, type_=UtcDateTime),
            )
            .order_by(operations.c.data_source_id, *newest_first)
        )
        found: dict[str, list[Operation]] = {id: [] for id in data_source_ids}
        async with self._database.read() as connection:
            for row in await connection.execute(statement):
                found[row.data_source_id].append(_from_row(row))
        return {
            id: Slice(
                items=tuple(of_source[: page.first]),
                keys=tuple((item.created_at.isoformat(), item.id) for item in of_source[: page.first]),
                has_next=len(of_source) > page.first,
            )
            for id, of_source in found.items()
        }

    async def counts(
        self, viewer: Viewer, data_source_ids: Sequence[str], kinds: Sequence[OperationKind] | None
    ) -> dict[str, int]:
        """How many `pages` would walk through, by source."""
        statement = (
            select(operations.c.data_source_id, func.count())
            .where(
                operations.c.data_source_id.in_(data_source_ids),
                has_visible_source(operations.c.data_source_id, viewer.scope),
                *([] if kinds is None else [operations.c.kind.in_(kinds)]),
            )
            .group_by(operations.c.data_source_id)
        )
        async with self._database.read() as connection:
            found = {row[0]: row[1] for row in await connection.execute(statement)}
        return {id: found.get(id, 0) for id in data_source_ids}

    async def unfinished(self, viewer: Viewer, *, limit: int) -> tuple[str, ...]:
        """Ids of queued and running operations, oldest first."""
        to_be_run = operations.c.state.in_((OperationState.QUEUED, OperationState.RUNNING))
        return await self._oldest(viewer, to_be_run, limit)

    async def expired_confirmations(self, viewer: Viewer, now: datetime, *, limit: int) -> tuple[str, ...]:
        """Ids of operations whose confirmation nobody gave in time."""
        is_awaiting = operations.c.state == OperationState.AWAITING_CONFIRMATION
        return await self._oldest(viewer, is_awaiting & (operations.c.confirmation_expires_at <= now), limit)

    async def _oldest(self, viewer: Viewer, condition: ColumnElement[bool], limit: int) -> tuple[str, ...]:
        statement = (
            select(operations.c.id)
            .where(_is_not_final, condition, visible_operation(viewer))
            .order_by(operations.c.created_at, operations.c.id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return tuple((await connection.scalars(statement)).all())


class SqlOperationRepository:
    """Reads and writes within a transaction."""

    def __init__(self, connection: AsyncConnection, viewer: Viewer) -> None:
        self._connection = connection
        self._visible = visible_operation(viewer)

    async def get(self, id: str) -> Operation | None:
        """The operation, if the viewer may see it; locked until the end, after its source."""
        await self._lock_source(id)
        return await self._one(operations.c.id == id)

    async def add(self, operation: Operation) -> None:
        """A new one. Raises `Conflict` (OPERATION_ACTIVE) for a second discovery of a source that has one."""
        try:
            await self._connection.execute(insert(operations).values(_to_row(operation)))
        except IntegrityError as error:
            if is_unique_violation(error):
                raise Conflict("OPERATION_ACTIVE", "A discovery of this data source is already under way.") from error
            raise

    async def take(self, id: str) -> Operation | None:
        """The operation under a new fence, if it is not final: whoever held it before can write no more."""
        await self._lock_source(id)
        statement = (
            update(operations)
            .where(operations.c.id == id, _is_not_final, self._visible)
            .values(fence=operations.c.fence + 1)
            .returning(operations)
        )
        row = (await self._connection.execute(statement)).first()
        return None if row is None else _from_row(row)

    async def save(self, operation: Operation) -> None:
        """The operation as it is now; `cancel_requested` as stored is never unset.

        Raises `Superseded` when its fence is not the stored one.
        """
        row = _to_row(operation)
        if not operation.cancel_requested:
            del row["cancel_requested"]
        holds = (operations.c.id == operation.id) & (operations.c.fence == operation.fence)
        saved = await self._connection.execute(update(operations).where(holds).values(row))
        if not saved.rowcount:
            raise Superseded(f"operation {operation.id} is under another fence than {operation.fence}")

    async def count_unfinished(self) -> int:
        """How many operations of all viewers are queued or running."""
        statement = select(func.count()).where(_is_not_final)
        return (await self._connection.execute(statement)).scalar_one()

    async def active(self, data_source_id: str, kind: OperationKind) -> Operation | None:
        """The operation of this kind that is not final, if there is one: the oldest, locked until the end."""
        is_wanted = (operations.c.data_source_id == data_source_id) & (operations.c.kind == kind)
        return await self._one(is_wanted & _is_not_final)

    async def _lock_source(self, id: str) -> None:
        """First the source, then its operation, in every transaction: two orders would be a deadlock now and then."""
        of_operation = select(operations.c.data_source_id).where(operations.c.id == id).scalar_subquery()
        await self._connection.execute(
            locked(select(data_sources.c.id).where(data_sources.c.id == of_operation), data_sources)
        )

    async def _one(self, condition: ColumnElement[bool]) -> Operation | None:
        oldest = (
            select(operations)
            .where(condition, self._visible)
            .order_by(operations.c.created_at, operations.c.id)
            .limit(1)
        )
        row = (await self._connection.execute(locked(oldest, operations))).first()
        return None if row is None else _from_row(row)


def _is_after(key: tuple[str, ...]) -> ColumnElement[bool]:
    """Later in newest-first order, so older than the key."""
    try:
        created_at, id = datetime.fromisoformat(key[0]).astimezone(UTC), key[1]
    except (ValueError, IndexError) as error:
        raise InvalidInput("This cursor does not fit here.", path=("after",), code="INVALID_CURSOR") from error
    # The first condition is what an index can follow.
    return and_(operations.c.created_at <= created_at, or_(operations.c.created_at < created_at, operations.c.id < id))


def _from_row(row: Row[Any]) -> Operation:
    return Operation(
        id=row.id,
        kind=row.kind,
        state=row.state,
        actor=row.actor,
        created_at=row.created_at,
        data_source_id=row.data_source_id,
        dry_run=row.dry_run,
        request=row.request,
        fence=row.fence,
        cancel_requested=row.cancel_requested,
        progress=row.progress,
        eta_s=row.eta_s,
        steps=row.steps,
        counts=row.counts,
        problems=row.problems,
        confirmation=row.confirmation,
        published_revision=row.published_revision,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def _to_row(operation: Operation) -> dict[str, Any]:
    return {
        "id": operation.id,
        "kind": operation.kind,
        "state": operation.state,
        "actor": operation.actor,
        "data_source_id": operation.data_source_id,
        "dry_run": operation.dry_run,
        "request": operation.request,
        "fence": operation.fence,
        "cancel_requested": operation.cancel_requested,
        "progress": operation.progress,
        "eta_s": operation.eta_s,
        "steps": operation.steps,
        "counts": operation.counts,
        "problems": operation.problems,
        "confirmation": operation.confirmation,
        "confirmation_expires_at": operation.confirmation.expires_at if operation.confirmation else None,
        "published_revision": operation.published_revision,
        "created_at": operation.created_at,
        "started_at": operation.started_at,
        "ended_at": operation.ended_at,
    }
