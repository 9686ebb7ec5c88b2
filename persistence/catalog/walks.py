"""Pages of several ordered sets in one statement: which rows first, by keys alone, then all that those rows hold."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Integer, Select, Text, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import InvalidInput
from domain.models.page import Page
from persistence.catalog.pins import MAX_REVISION
from persistence.catalog.sets import is_storable, key_table
from persistence.database import Dialect

Key = Callable[[str], ColumnElement[Any]]
Narrow = Callable[[Key], Select[Any]]


def narrowed(dialect: Dialect, keys: Sequence[Mapping[str, Any]], narrow: Narrow) -> Select[Any]:
    """The statement for these keys. With a single one its values stand in it, and an index can give the order."""
    if len(keys) == 1:
        values = keys[0]
        return narrow(lambda name: literal(values[name]))
    table = key_table(dialect, keys, *keys[0])
    return narrow(lambda name: table.c[name])


def first_of_each(narrow: Select[Any], order: Sequence[str], *, first: int, is_single: bool) -> FromClause:
    """One row more than `first` of each set `n`: it tells whether more follow."""
    if is_single:
        return narrow.order_by(*(narrow.selected_columns[name] for name in order)).limit(first + 1).subquery()
    rows = narrow.subquery()
    place = func.row_number().over(partition_by=rows.c.n, order_by=[rows.c[name] for name in order]).label("place")
    ranked = select(rows, place).subquery()
    return select(ranked).where(ranked.c.place <= first + 1).subquery()


async def count_each(connection: AsyncConnection, narrow: Select[Any], sets: int) -> list[int]:
    """How many rows each set has."""
    rows = narrow.subquery()
    found = await connection.execute(select(rows.c.n, func.count()).group_by(rows.c.n))
    counts = [0] * sets
    for n, count in found:
        counts[n] = count
    return counts


def behind(columns: Sequence[ColumnElement[Any]], page: Page) -> list[ColumnElement[bool]]:
    """Only rows after the page's key. A number in a key is zero-padded text. Raises `InvalidInput`."""
    if page.after is None:
        return []
    if len(page.after) != len(columns):
        raise _not_of_this_list()
    values: list[ColumnElement[Any]] = []
    for column, text in zip(columns, page.after, strict=True):
        if isinstance(column.type, Integer):
            if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_REVISION):
                raise _not_of_this_list()
            values.append(literal(int(text), Integer))
        elif is_storable(text):
            values.append(literal(text, Text))
        else:
            raise _not_of_this_list()
    return [columns[0] > values[0] if len(columns) == 1 else tuple_(*columns) > tuple_(*values)]


def _not_of_this_list() -> InvalidInput:
    return InvalidInput("This cursor is not one of this list.", path=("after",), code="INVALID_CURSOR")
