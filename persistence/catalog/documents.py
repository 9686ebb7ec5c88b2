"""Whole tables as they were at a revision, with the rows that they were made from."""

from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.models.catalog import Column, Table
from persistence.catalog.pacing import Pace
from persistence.catalog.rows import column_of, table_of
from persistence.catalog.sets import texts, valid_at
from persistence.database import Dialect
from persistence.tables.catalog import columns, tables


class Part(Struct, frozen=True):
    """The row of a column: whose it is, and the revision that brought it."""

    id: str
    since: int


class Document(Struct, frozen=True):
    """A table, the revision that brought its row, and its columns' rows by path."""

    table: Table
    since: int
    columns: dict[tuple[str, ...], Part]


async def load_documents(
    connection: AsyncConnection, dialect: Dialect, revision: int, table_ids: Sequence[str]
) -> dict[str, Document]:
    """Those of the tables that are valid at the revision, by id. Two statements."""
    if not table_ids:
        return {}
    pace = Pace()
    keys, at = texts(dialect, table_ids), literal(revision)
    found: defaultdict[str, list[Column]] = defaultdict(list)
    parts: defaultdict[str, dict[tuple[str, ...], Part]] = defaultdict(dict)
    for row in await connection.execute(
        select(columns)
        .join(keys, keys.c.text == columns.c.table_id)
        .where(valid_at(columns, at))
        .order_by(columns.c.table_id, columns.c.ordinal, columns.c.local_name)
    ):
        found[row.table_id].append(column_of(row))
        parts[row.table_id][row.path] = Part(row.id, row.since_revision)
        await pace.breathe()
    documents = {}
    for row in await connection.execute(
        select(tables).join(keys, keys.c.text == tables.c.id).where(valid_at(tables, at))
    ):
        documents[row.id] = Document(table_of(row, found[row.id]), row.since_revision, parts[row.id])
        await pace.breathe()
    return documents
