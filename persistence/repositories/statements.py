"""Statements that several repositories need, the same for SQLite and PostgreSQL."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, delete, literal, select, tuple_
from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.database import Dialect
from persistence.tables.base import UtcDateTime

BEFORE_ALL = literal(datetime(1, 1, 1, tzinfo=UTC), UtcDateTime)  # earlier than anything stored


def insert_into(table: Table, dialect: Dialect) -> PostgresqlInsert | SqliteInsert:
    """An insert that knows ON CONFLICT."""
    return postgresql_insert(table) if dialect == "postgresql" else sqlite_insert(table)


async def upsert(connection: AsyncConnection, dialect: Dialect, table: Table, row: dict[str, Any]) -> None:
    """Writes a row, over the one with the same primary key."""
    key = [column.name for column in table.primary_key]
    others = {name: value for name, value in row.items() if name not in key}
    await connection.execute(
        insert_into(table, dialect).values(row).on_conflict_do_update(index_elements=key, set_=others)
    )


def locked(statement: Select[Any], of: Table) -> Select[Any]:
    """Locks the rows of one table until the end of the transaction.

    Not against rows that refer to them (FOR NO KEY UPDATE: no key of ours ever changes). SQLite's only writer needs no
    lock, and its dialect leaves the clause out.
    """
    return statement.with_for_update(of=of, key_share=True)


async def delete_some(
    connection: AsyncConnection, table: Table, condition: ColumnElement[bool], *, at_most_rows: int
) -> int:
    """Removes at most so many of the rows that match; how many."""
    key: Sequence[ColumnElement[Any]] = list(table.primary_key)
    doomed = select(*key).where(condition).limit(at_most_rows)
    removed = await connection.execute(delete(table).where(tuple_(*key).in_(doomed)))
    return removed.rowcount
