"""Sets of keys as tables, times, and the predicates that every statement over temporal rows shares."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    FromClause,
    Integer,
    Table,
    Text,
    and_,
    cast,
    column,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.types import TypeEngine

from persistence.database import Dialect

T = TypeVar("T")

_INTEGERS = frozenset({"n", "m", "revision"})


def key_table(dialect: Dialect, rows: Sequence[Mapping[str, Any]], *names: str) -> FromClause:
    """The rows as a table of these columns, sent as one JSON value: no limit on variables, one statement in the cache.

    https://www.sqlite.org/json1.html#jeach, https://www.postgresql.org/docs/15/functions-json.html
    """
    keys = literal(msgspec.json.encode(rows).decode(), Text)
    if dialect == "sqlite":
        each = func.json_each(keys).table_valued("value")
        return select(
            *(type_coerce(func.json_extract(each.c.value, f"$.{name}"), _type(name)).label(name) for name in names)
        ).subquery()
    columns: list[Column[Any]] = [column(name, _type(name)) for name in names]  # type: ignore[misc]  # a ColumnClause
    return func.json_to_recordset(cast(keys, JSON)).table_valued(*columns).render_derived(with_types=True)


def texts(dialect: Dialect, values: Sequence[str]) -> FromClause:
    """The values as a table with the column `text`."""
    return key_table(dialect, [{"text": value} for value in values], "text")


def is_storable(text: str) -> bool:
    """Whether a store can hold the text at all: what holds U+0000 or half a surrogate pair is found nowhere."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def unindexed(column: ColumnElement[T]) -> ColumnElement[T]:
    """The same value, for which no index is taken: for conditions that most rows meet, beside one that few do.

    A database without statistics takes any equality for a good one (https://www.sqlite.org/optoverview.html#uplus).
    """
    nothing: ColumnElement[T] = literal_column("0" if isinstance(column.type, Integer) else "''", column.type)
    return column + nothing


def valid_at(rows: FromClause, revision: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a temporal row is valid at the revision."""
    until = unindexed(rows.c.until_revision)
    return and_(unindexed(rows.c.since_revision) <= revision, or_(until.is_(None), until > revision))


def tombstone_at(rows: Table, revision: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a temporal row is the last one, at the revision, of an object that is gone by then."""
    newer = rows.alias()
    return and_(
        rows.c.removed_at.is_not(None),
        unindexed(rows.c.until_revision) <= revision,
        ~exists(
            select(newer.c.id).where(
                newer.c.id == rows.c.id,
                newer.c.since_revision >= rows.c.until_revision,
                newer.c.since_revision <= revision,
            )
        ),
    )


def _type(name: str) -> TypeEngine[Any]:
    return Integer() if name in _INTEGERS else Text()
