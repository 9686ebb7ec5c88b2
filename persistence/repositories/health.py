"""When sources are checked, what the checks said, and what they add up to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.models.access import Viewer
from domain.models.data_source import DataSourceStatus
from domain.models.health import Health, HealthCheck, HealthHistory, HealthHour
from persistence.database import Database, Dialect
from persistence.repositories.statements import BEFORE_ALL, delete_some, upsert
from persistence.tables.base import UtcDateTime
from persistence.tables.data_sources import data_sources
from persistence.tables.health import health as judgements
from persistence.tables.health import health_checks, health_hours, health_schedules
from persistence.visibility import has_visible_source, visible


class SqlHealthReader:
    """Reads outside of any transaction, by source."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def current(self, viewer: Viewer, data_source_ids: Sequence[str] | None) -> dict[str, Health]:
        """The judgement of each source (None: of all visible) that was ever checked."""
        statement = select(judgements).where(has_visible_source(judgements.c.data_source_id, viewer.scope))
        if data_source_ids is not None:
            statement = statement.where(judgements.c.data_source_id.in_(data_source_ids))
        async with self._database.read() as connection:
            return {row.data_source_id: row.health for row in await connection.execute(statement)}

    async def checks(
        self, viewer: Viewer, data_source_ids: Sequence[str], *, last: int
    ) -> dict[str, tuple[HealthCheck, ...]]:
        """The newest checks of each source, newest first. One statement for all sources."""
        found: dict[str, list[HealthCheck]] = {id: [] for id in data_source_ids}
        older = health_checks.alias("older")
        # Up to here the index is read, however many checks are kept: numbering them all would read them all.
        last_wanted = (
            select(older.c.at)
            .where(older.c.data_source_id == data_sources.c.id)
            .order_by(older.c.at.desc())
            .limit(1)
            .offset(max(last, 1) - 1)
            .scalar_subquery()
        )
        statement = (
            select(health_checks)
            .join(data_sources, data_sources.c.id == health_checks.c.data_source_id)
            .where(
                data_sources.c.id.in_(data_source_ids),
                visible(viewer.scope),
                health_checks.c.at >= func.coalesce(last_wanted, BEFORE_ALL, type_=UtcDateTime),
            )
            .order_by(health_checks.c.data_source_id, health_checks.c.at.desc())
        )
        async with self._database.read() as connection:
            for row in await connection.execute(statement):
                found[row.data_source_id].append(_check(row))
        return {id: tuple(checks[:last]) for id, checks in found.items()}


class SqlHealthRepository:
    """Reads and writes within a transaction."""

    def __init__(self, connection: AsyncConnection, dialect: Dialect, viewer: Viewer) -> None:
        self._connection = connection
        self._dialect: Dialect = dialect
        self._viewer = viewer

    async def claim_due(self, now: datetime, *, lease_until: datetime, limit: int) -> tuple[str, ...]:
        """Ids of sources that are not disabled and whose check is due; nobody else claims them until `lease_until`.

        One statement: rows that another worker is claiming just now are passed by.
        """
        due = (
            select(health_schedules.c.data_source_id)
            .join(data_sources, data_sources.c.id == health_schedules.c.data_source_id)
            .where(
                health_schedules.c.due_at <= now,
                data_sources.c.status != DataSourceStatus.DISABLED,
                visible(self._viewer.scope),
            )
            .order_by(health_schedules.c.due_at, health_schedules.c.data_source_id)
            .limit(limit)
            .with_for_update(of=health_schedules, skip_locked=True)
            .cte("due")
        )
        statement = (
            update(health_schedules)
            .where(health_schedules.c.data_source_id.in_(select(due.c.data_source_id)))
            .values(due_at=lease_until)
            .returning(health_schedules.c.data_source_id)
        )
        return tuple((await self._connection.scalars(statement)).all())

    async def schedule(self, data_source_id: str, next_check_at: datetime | None) -> None:
        """When the source is due next; None: never."""
        if next_check_at is None:
            of_source = health_schedules.c.data_source_id == data_source_id
            await self._connection.execute(delete(health_schedules).where(of_source))
        else:
            await self._upsert(health_schedules, {"data_source_id": data_source_id, "due_at": next_check_at})

    async def history(self, data_source_id: str, *, last: int, hours_since: datetime) -> HealthHistory:
        """The newest `last` checks and all hours that began at or after `hours_since`, both oldest first."""
        checks = (
            select(health_checks)
            .where(health_checks.c.data_source_id == data_source_id, self._is_visible(health_checks))
            .order_by(health_checks.c.at.desc())
            .limit(last)
        )
        hours = (
            select(health_hours)
            .where(
                health_hours.c.data_source_id == data_source_id,
                health_hours.c.at >= hours_since,
                self._is_visible(health_hours),
            )
            .order_by(health_hours.c.at)
        )
        newest_first = [_check(row) for row in await self._connection.execute(checks)]
        return HealthHistory(
            checks=tuple(reversed(newest_first)),
            hours=tuple(
                HealthHour(at=row.at, checks=row.checks, failed=row.failed, latencies=row.latencies)
                for row in await self._connection.execute(hours)
            ),
        )

    async def current(self, data_source_id: str) -> Health | None:
        """The judgement as stored."""
        statement = select(judgements.c.health).where(
            judgements.c.data_source_id == data_source_id, self._is_visible(judgements)
        )
        return (await self._connection.execute(statement)).scalar_one_or_none()

    async def add(self, data_source_id: str, check: HealthCheck, hour: HealthHour, health: Health) -> None:
        """A check, the hour that it falls into (replacing what was stored of that hour), the judgement after it."""
        await self._upsert(
            health_checks,
            {
                "data_source_id": data_source_id,
                "at": check.at,
                "ok": check.ok,
                "latency_ms": check.latency_ms,
                "problem": check.problem,
                "certificate_expires_at": check.certificate_expires_at,
            },
        )
        await self._upsert(
            health_hours,
            {
                "data_source_id": data_source_id,
                "at": hour.at,
                "checks": hour.checks,
                "failed": hour.failed,
                "latencies": hour.latencies,
            },
        )
        await self._upsert(judgements, {"data_source_id": data_source_id, "health": health})

    async def prune(self, *, checks_before: datetime, hours_before: datetime, at_most_rows: int) -> int:
        """Forgets checks made, and hours begun, before these times; how many rows."""
        removed = await delete_some(
            self._connection, health_checks, health_checks.c.at < checks_before, at_most_rows=at_most_rows
        )
        return removed + await delete_some(
            self._connection, health_hours, health_hours.c.at < hours_before, at_most_rows=at_most_rows - removed
        )

    def _is_visible(self, table: Table) -> ColumnElement[bool]:
        return has_visible_source(table.c.data_source_id, self._viewer.scope)

    async def _upsert(self, table: Table, row: dict[str, Any]) -> None:
        await upsert(self._connection, self._dialect, table, row)


def _check(row: Row[Any]) -> HealthCheck:
    return HealthCheck(
        at=row.at,
        ok=row.ok,
        latency_ms=row.latency_ms,
        problem=row.problem,
        certificate_expires_at=row.certificate_expires_at,
    )
