"""Many rows at once, past SQLAlchemy's handling of each value: that costs microseconds of the event loop per value."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache
from typing import Any, Literal

import asyncpg
from sqlalchemy import Column, Table, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.catalog.pacing import Pace
from persistence.catalog.sets import texts
from persistence.database import STATEMENT_TIMEOUT_S, Dialect
from persistence.tables.base import UtcDateTime

_ROWS_AT_ONCE = 500

OnConflict = Literal["fail", "keep", "replace"]


class Bulk:
    """Bulk writes in one transaction."""

    def __init__(self, connection: AsyncConnection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect
        self._pace = Pace()

    def time(self, at: datetime) -> Any:
        """A time as this store keeps it."""
        return UtcDateTime().process_bind_param(at, self._connection.dialect)

    async def insert(self, table: Table, rows: Sequence[tuple[Any, ...]], on_conflict: OnConflict = "fail") -> None:
        """Rows in the order of the table's columns. A conflict is one of the primary key."""
        statement = _insert(self._dialect, table, on_conflict)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            chunk = list(rows[start : start + _ROWS_AT_ONCE])
            if self._dialect == "postgresql" and on_conflict == "fail":
                await self._copy(table, chunk)
            else:
                await self._connection.exec_driver_sql(statement, chunk)
            await self._pace.breathe()

    async def _copy(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Several times as fast. The transaction must have begun: SQLAlchemy does that with its first statement."""
        driver: asyncpg.Connection = (await self._connection.get_raw_connection()).driver_connection
        assert driver.is_in_transaction()
        await driver.copy_records_to_table(
            table.name, records=rows, columns=[column.name for column in table.columns], timeout=STATEMENT_TIMEOUT_S
        )

    async def close(
        self,
        table: Table,
        by: Column[Any],
        ended: Iterable[tuple[str, datetime]],
        *,
        revision: int,
        removed_at: datetime | None,
    ) -> int:
        """Ends the valid rows whose `by` is one of these, each with when it was last seen; how many rows that are."""
        count = 0
        by_time: defaultdict[datetime, list[str]] = defaultdict(list)
        for key, last_seen_at in ended:
            by_time[last_seen_at].append(key)
        for last_seen_at, keys in by_time.items():
            for start in range(0, len(keys), _ROWS_AT_ONCE):
                chunk = texts(self._dialect, keys[start : start + _ROWS_AT_ONCE])
                closed = await self._connection.execute(
                    update(table)
                    .where(by.in_(select(chunk.c.text)), table.c.until_revision.is_(None))
                    .values(until_revision=revision, last_seen_at=last_seen_at, removed_at=removed_at)
                )
                count += closed.rowcount
                await self._pace.breathe()
        return count


@asynccontextmanager
async def whole_sets(connection: AsyncConnection, dialect: Dialect) -> AsyncIterator[None]:
    """For statements that join a run's whole staging with a whole source.

    PostgreSQL has no statistics of rows that were written a moment ago, takes them for a handful and compares each
    with each: minutes instead of milliseconds (https://www.postgresql.org/docs/15/runtime-config-query.html).
    """
    if dialect == "postgresql":
        await connection.exec_driver_sql("SET LOCAL enable_nestloop = off")
    yield
    if dialect == "postgresql":
        await connection.exec_driver_sql("SET LOCAL enable_nestloop = on")


@cache
def _insert(dialect: Dialect, table: Table, on_conflict: OnConflict) -> str:
    names = [column.name for column in table.columns]
    marks = [f"${at}" if dialect == "postgresql" else "?" for at in range(1, len(names) + 1)]
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join(marks)})"  # noqa: S608  # our own names
    if on_conflict == "fail":
        return statement
    keys = [column.name for column in table.primary_key.columns]
    if on_conflict == "keep":
        return f"{statement} ON CONFLICT ({', '.join(keys)}) DO NOTHING"
    values = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
    return f"{statement} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {values}"
